import { describe, expect, it } from 'vitest';
import { clean } from '../../../src/database/housekeeping.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import type { CreateKeyInput } from '../../testkit/generated/graphql.ts';
import { CreateKey, verify } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';
import { tablesWith } from '../../testkit/stored-text.ts';

const sealingKey = (version: number, digit: string) => `${version}:${digit.repeat(64)}`;
const app = await startTestApp({ environment: { FAIRLEAD_SEALING_KEYS: sealingKey(1, 'a') } });
const { clock, operator } = app;
const seed = new Seed(app);
const { id: tenantId } = await seed.tenant();
expectNoFailures(app);

const tenMinutes = 10 * 60 * 1000;
const input = (idempotencyKey: string): CreateKeyInput => ({
  kind: 'TENANT',
  name: 'Made once',
  tenantId,
  scopes: ['keys:read'],
  idempotencyKey,
});

async function create(caller: Client, idempotencyKey: string) {
  const { createKey } = await caller.run(CreateKey, { input: input(idempotencyKey) });
  if (createKey.__typename !== 'CreateKeyPayload') throw new Error(JSON.stringify(createKey));
  return { id: createKey.key.id, ...createKey.secret };
}

const sealed = (key: string) =>
  app.app.database.prisma.idempotencyRecord.findFirstOrThrow({
    where: { key },
    select: { sealedSecrets: true, sealedUntil: true, answer: true },
  });

describe('an answer with a secret', () => {
  it('is repeated with it for 10 minutes, and without it from then on', async () => {
    const first = await create(operator, 'ten-minutes');
    expect(first).toMatchObject({ isGone: false, value: expect.stringMatching(/^fl_tenant_/) });
    clock.advance(tenMinutes - 1);
    expect(await create(operator, 'ten-minutes')).toEqual(first);
    clock.advance(1);
    expect(await create(operator, 'ten-minutes')).toEqual({ id: first.id, value: null, isGone: true });
    expect(await verify(operator, String(first.value))).toMatchObject({ isValid: true });
  });

  it('is repeated to the same credential alone: the same idempotency key of another makes another key', async () => {
    const first = await create(operator, 'credential');
    const other = await create(app.withScopes('keys:write', 'keys:read'), 'credential');
    expect(other.id).not.toBe(first.id);
    expect(other.value).not.toBe(first.value);
  });

  it('is stored without anything that could be read, and without the sealed copy once that has served', async () => {
    const { value } = await create(operator, 'cleaned');
    const before = await sealed('cleaned');
    expect(before.sealedSecrets).not.toBeNull();
    expect(Buffer.from(before.sealedSecrets ?? []).includes(String(value))).toBe(false);
    expect(JSON.stringify(before.answer)).not.toContain(value);
    expect(await tablesWith(app.app.database, String(value))).toEqual([]);
    expect(await tablesWith(app.app.database, Buffer.from(String(value)).toString('hex'))).toEqual([]);
    clock.advance(tenMinutes - 1);
    await clean(app.app.database, clock.now());
    expect((await sealed('cleaned')).sealedSecrets).not.toBeNull();
    clock.advance(1);
    await clean(app.app.database, clock.now());
    expect(await sealed('cleaned')).toMatchObject({ sealedSecrets: null, sealedUntil: null });
    expect(await create(operator, 'cleaned')).toMatchObject({ value: null, isGone: true });
  });

  it('has each secret of many keys in its place', async () => {
    const keys = [await seed.key({ tenantId }), await seed.key({ tenantId }), await seed.key({ tenantId })];
    await seed.run('revokeKey', { keyId: keys[1]?.id });
    const rotation = { filter: { ids: keys.map(({ id }) => id) }, idempotencyKey: 'bulk' };
    const first = await seed.run('rotateKeysBulk', rotation);
    expect(first).toMatchObject({ matchedCount: 3, rotatedCount: 2 });
    expect(await seed.run('rotateKeysBulk', rotation)).toEqual(first);
    clock.advance(tenMinutes);
    const { results } = await seed.run('rotateKeysBulk', rotation);
    expect((results as { secret: unknown }[]).map(({ secret }) => secret)).toEqual([
      { value: null, isGone: true },
      null,
      { value: null, isGone: true },
    ]);
  });
});

describe('another program on the same database', () => {
  it('repeats the secret when it has the key that sealed it, also as an older one', async () => {
    const first = await create(operator, 'older-key');
    const other = await startTestApp({
      sameDatabaseAs: app,
      clock,
      environment: { FAIRLEAD_SEALING_KEYS: `${sealingKey(2, 'b')},${sealingKey(1, 'a')}` },
    });
    expect(await create(other.operator, 'older-key')).toEqual(first);
    const newer = await create(other.operator, 'newer-key');
    expect(await create(operator, 'newer-key')).toEqual({ id: newer.id, value: null, isGone: true });
    await other.close();
  });

  it.each([
    ['has another key of the same number', { FAIRLEAD_SEALING_KEYS: sealingKey(1, 'c') }],
    ['has a key of its own', {}],
  ])('says that the secret is gone when it %s', async (what, environment) => {
    const first = await create(operator, what.replaceAll(' ', '-'));
    const other = await startTestApp({ sameDatabaseAs: app, clock, environment });
    const again = await create(other.operator, what.replaceAll(' ', '-'));
    expect(again).toEqual({ id: first.id, value: null, isGone: true });
    await other.close();
  });
});
