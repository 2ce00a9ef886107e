import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandAnswer, type CommandInput, Commands } from '../../testkit/commands.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const { prisma } = app.app.database;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
expectNoFailures(replica);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const run = (name: string, input: CommandInput, at = app): Promise<CommandAnswer> =>
  commands.run(at.operator, name, input);

const countOf = (answers: readonly CommandAnswer[]): Record<string, number> =>
  Object.fromEntries(
    Object.entries(Object.groupBy(answers, ({ __typename }) => __typename)).map(([type, of = []]) => [type, of.length]),
  );

describe('registerEngine', () => {
  it('takes exactly as many engines as there are places, of one call more at the same time on two replicas', async () => {
    for (const maxEngines of [1, 5]) {
      const { id: productId } = await seed.product({ policy: { maxEngines } });
      const answers = await Promise.all(
        Array.from({ length: maxEngines + 1 }, (_, index) =>
          run('registerEngine', { productId, userExternalId: `user ${index}` }, index % 2 === 0 ? app : replica),
        ),
      );
      expect(countOf(answers)).toEqual({ RegisterEnginePayload: maxEngines, QuotaExceededError: 1 });
      expect(answers.find(({ code }) => code === 'QUOTA_EXCEEDED')).toMatchObject({
        maxEngines,
        engineCount: maxEngines,
        path: ['productId'],
      });
      expect(await prisma.engine.count({ where: { productId: decodeId('Product', productId) } })).toBe(maxEngines);
    }
  });

  it('makes one engine for one user, of many calls at the same time on two replicas', async () => {
    const { id: productId } = await seed.product();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        run('registerEngine', { productId, userExternalId: 'ada' }, index % 2 === 0 ? app : replica),
      ),
    );
    expect(countOf(answers)).toEqual({ RegisterEnginePayload: 1, EngineAlreadyExistsError: 9 });
  });

  it('counts engines of every status until they are destroyed', async () => {
    const { id: productId } = await seed.product({ policy: { maxEngines: 1 } });
    const { id: engineId } = await seed.engine({ productId });
    const again = () => run('registerEngine', { productId, userExternalId: seed.name() });
    for (const status of ['RUNNING', 'SLEEPING', 'STOPPED', 'FAILED', 'DESTROYING']) {
      await run('reportEngine', { engineId, status });
      expect(await again()).toMatchObject({ code: 'QUOTA_EXCEEDED', maxEngines: 1, engineCount: 1 });
    }
    await run('destroyEngine', { engineId });
    expect((await again()).__typename).toBe('RegisterEnginePayload');
  });

  it('says that the user has an engine rather than that there is no place', async () => {
    const { id: productId } = await seed.product({ policy: { maxEngines: 1 } });
    const { userExternalId } = await seed.engine({ productId });
    expect(await run('registerEngine', { productId, userExternalId })).toMatchObject({ code: 'ENGINE_ALREADY_EXISTS' });
  });

  it('keeps users apart whose names differ in case, and products of the same user', async () => {
    const [one, other] = [await seed.product(), await seed.product()];
    for (const input of [
      { productId: one.id, userExternalId: 'Ada' },
      { productId: one.id, userExternalId: 'ada' },
      { productId: other.id, userExternalId: 'ada' },
    ]) {
      expect((await run('registerEngine', input)).__typename).toBe('RegisterEnginePayload');
    }
  });

  it('is refused while the product is suspended or deleted and while its tenant is archived', async () => {
    const { id: productId, tenantId } = await seed.product();
    await seed.engine({ productId });
    const attempt = () => run('registerEngine', { productId, userExternalId: seed.name() });
    await seed.run('suspendProduct', { productId });
    expect(await attempt()).toMatchObject({ code: 'INVALID_STATE', currentState: 'SUSPENDED' });
    await seed.run('resumeProduct', { productId });
    await seed.run('archiveTenant', { tenantId });
    expect(await attempt()).toMatchObject({ code: 'INVALID_STATE', currentState: 'ARCHIVED' });
    await seed.run('resumeTenant', { tenantId });
    await seed.run('deleteProduct', { productId, drainEngines: true });
    expect(await attempt()).toMatchObject({ code: 'INVALID_STATE', currentState: 'DELETING' });
  });
});

describe('reportEngine', () => {
  it('notes the time of a report that changes nothing, and neither counts nor records it', async () => {
    const { id: engineId } = await seed.runningEngine();
    const before = await prisma.auditEntry.count();
    clock.advance(5_000);
    const { engine } = await run('reportEngine', { engineId, status: 'RUNNING', health: 'UNKNOWN' });
    expect(engine).toMatchObject({
      revision: 2,
      lastReportAt: clock.now().toISOString(),
      updatedAt: new Date(clock.now().getTime() - 5_000).toISOString(),
    });
    expect(await prisma.auditEntry.count()).toBe(before);
  });

  it('says since when the engine has its status, whatever else is reported', async () => {
    const { id: engineId } = await seed.runningEngine();
    const since = clock.now().toISOString();
    clock.advance(1_000);
    const unhealthy = await run('reportEngine', { engineId, health: 'UNHEALTHY', status: 'RUNNING' });
    expect(unhealthy.engine).toMatchObject({ health: 'UNHEALTHY', statusChangedAt: since, revision: 3 });
    const asleep = await run('reportEngine', { engineId, status: 'SLEEPING' });
    expect(asleep.engine).toMatchObject({ statusChangedAt: clock.now().toISOString() });
  });

  it('clears what is reported as null, and leaves what is omitted', async () => {
    const { id: productId } = await seed.product();
    const { id: engineId } = await seed.engine({ productId, url: 'https://a.example', version: 'v1' });
    await run('reportEngine', { engineId, bootDurationMs: 5, message: 'slow' });
    const { engine } = await run('reportEngine', { engineId, url: null, bootDurationMs: null, message: '' });
    expect(engine).toMatchObject({ url: null, version: 'v1', bootDurationMs: null, message: '' });
  });

  it('never takes an engine back that is being destroyed, but what else is said of it', async () => {
    const { id: engineId } = await seed.engine();
    await run('reportEngine', { engineId, status: 'DESTROYING' });
    for (const status of ['PROVISIONING', 'RUNNING', 'SLEEPING', 'STOPPED', 'FAILED']) {
      expect(await run('reportEngine', { engineId, status })).toMatchObject({
        code: 'INVALID_STATE',
        currentState: 'DESTROYING',
        path: ['status'],
      });
    }
    const { engine } = await run('reportEngine', { engineId, status: 'DESTROYING', message: 'volume removed' });
    expect(engine).toMatchObject({ status: 'DESTROYING', message: 'volume removed' });
  });

  it('by the key of an engine is about that engine, and about no other one', async () => {
    const [own, other] = [await seed.engine(), await seed.engine()];
    const { tenantId, productId } = await prisma.engine.findUniqueOrThrow({
      where: { id: decodeId('Engine', own.id) },
    });
    const client = app.as({
      kind: 'ENGINE',
      tenantId,
      productId,
      engineId: decodeId('Engine', own.id),
      scopes: new Set(['engines:report', 'engines:read', 'products:read', 'tenants:read', 'fairshare:read']),
    });
    const { engine } = await commands.run(client, 'reportEngine', { health: 'HEALTHY' });
    expect(engine).toMatchObject({ id: own.id, health: 'HEALTHY' });
    const neighbour = await seed.engine({ productId: own.productId });
    for (const { id: engineId } of [other, neighbour]) {
      expect(await commands.run(client, 'reportEngine', { engineId, health: 'HEALTHY' })).toMatchObject({
        code: 'NOT_FOUND',
        path: ['engineId'],
      });
    }
    expect(await run('reportEngine', { health: 'HEALTHY' })).toMatchObject({
      issues: [{ rule: 'ENGINE_REQUIRED', path: ['engineId'] }],
    });
  });
});

describe('the version that an engine should run', () => {
  const read = async (id: string) => {
    const { data } = await operator.send<{ engine: object }, object>(
      'query ($id: ID!) { engine(id: $id) { version targetVersion isOutdated } }',
      { id },
    );
    return data?.engine;
  };

  it('follows the pin and the rollout of the policy at once, and is outdated when it is known to run another', async () => {
    const { id: productId } = await seed.product();
    const { id } = await seed.engine({ productId });
    expect(await read(id)).toEqual({ version: null, targetVersion: null, isOutdated: false });
    await run('setProductPolicy', { productId, policy: { engineVersion: 'v1' } });
    expect(await read(id)).toEqual({ version: null, targetVersion: 'v1', isOutdated: false });
    await run('reportEngine', { engineId: id, version: 'v1' });
    expect(await read(id)).toEqual({ version: 'v1', targetVersion: 'v1', isOutdated: false });
    await run('updateProductPolicy', { productId, policy: { rollout: { engineVersion: 'v2', percent: 0 } } });
    expect(await read(id)).toMatchObject({ targetVersion: 'v1', isOutdated: false });
    await run('updateProductPolicy', { productId, policy: { rollout: { engineVersion: 'v2', percent: 100 } } });
    expect(await read(id)).toEqual({ version: 'v1', targetVersion: 'v2', isOutdated: true });
    await run('revertProductPolicy', { productId, version: 1 });
    expect(await read(id)).toEqual({ version: 'v1', targetVersion: null, isOutdated: false });
  });
});
