import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { missingApp, missingEngine, missingProduct, missingTenant, missingUser } from '../../testkit/ids.ts';
import { storedRows } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
const { id: tenantId } = await seed.tenant();
const publishable = await seed.key({
  kind: 'PUBLISHABLE',
  tenantId,
  environment: 'LIVE',
  allowedOrigins: ['*'],
  scopes: ['models:read'],
});
expectNoFailures(app);

/** Nothing is stored, and the answer names the rule and the field. */
async function expectRefused(command: string, input: CommandInput, rules: readonly (readonly [string, string])[]) {
  const before = await storedRows(app);
  const answer = await commands.run(app.operator, command, input);
  expect(answer.issues?.map(({ rule, path }) => [rule, path.join('.')]).sort()).toEqual([...rules].sort());
  expect(await storedRows(app)).toBe(before);
}

describe('a key of a kind', () => {
  const page = { kind: 'PUBLISHABLE', name: 'Never stored', tenantId, environment: 'LIVE', allowedOrigins: ['*'] };

  it.each([
    ['without its user', { kind: 'USER', name: 'x', scopes: ['keys:read'] }, [['OWNER_REQUIRED', 'userId']]],
    [
      'without its application',
      { kind: 'APP', name: 'x', environment: 'LIVE', scopes: ['cloud:inference'] },
      [['OWNER_REQUIRED', 'appId']],
    ],
    ['without its product', { kind: 'PRODUCT', name: 'x' }, [['OWNER_REQUIRED', 'productId']]],
    ['without its engine', { kind: 'ENGINE', name: 'x' }, [['OWNER_REQUIRED', 'engineId']]],
    [
      'of the deployment with a tenant',
      { kind: 'ADMIN', name: 'x', tenantId, scopes: ['keys:read'] },
      [['NOT_APPLICABLE', 'tenantId']],
    ],
    ['for pages without origins', { ...page, allowedOrigins: undefined }, [['ORIGINS_REQUIRED', 'allowedOrigins']]],
    ['for pages without environment', { ...page, environment: undefined }, [['ENVIRONMENT_REQUIRED', 'environment']]],
    [
      'for pages with a scope that is not safe there',
      { ...page, scopes: ['models:write'] },
      [['SCOPE_NOT_ALLOWED_FOR_KIND', 'scopes']],
    ],
    [
      'for pages with credentials of providers',
      { ...page, scopes: ['models:read', 'cloud:credentials'] },
      [['SCOPE_NOT_ALLOWED_FOR_KIND', 'scopes']],
    ],
    [
      'for pages with a template of another kind',
      { ...page, template: 'SERVER_INFERENCE' },
      [['SCOPE_NOT_ALLOWED_FOR_KIND', 'scopes']],
    ],
    [
      'with several mistakes at once',
      { kind: 'APP', name: 'x', userId: missingUser, scopes: ['keys:write'], expiresAt: '2026-01-01T00:00:00.000Z' },
      [
        ['NOT_APPLICABLE', 'userId'],
        ['OWNER_REQUIRED', 'appId'],
        ['ENVIRONMENT_REQUIRED', 'environment'],
        ['SCOPE_NOT_ALLOWED_FOR_KIND', 'scopes'],
        ['IN_THE_PAST', 'expiresAt'],
      ],
    ],
  ] as const)('is refused %s', async (_problem, input, rules) => {
    await expectRefused('createKey', input, rules);
  });

  it('with an own secret of the other environment is refused', async () => {
    const own = { ...page, existingSecret: { text: `fl_pub_test_${'x'.repeat(40)}` } };
    await expectRefused('createKey', own, [['ENVIRONMENT_MISMATCH', 'existingSecret.text']]);
  });

  it('for pages keeps its rules when it is changed', async () => {
    const { id } = publishable;
    await expectRefused('updateKey', { keyId: id, allowedOrigins: [] }, [['OUT_OF_RANGE', 'allowedOrigins']]);
    await expectRefused('updateKey', { keyId: id, allowedOrigins: null }, [['NOT_NULLABLE', 'allowedOrigins']]);
    await expectRefused('updateKey', { keyId: id, scopes: ['models:write'] }, [
      ['SCOPE_NOT_ALLOWED_FOR_KIND', 'scopes'],
    ]);
  });

  it('that expires now is refused, and one that expires a millisecond later is made', async () => {
    const now = app.clock.now().getTime();
    const input = { kind: 'TENANT', name: 'x', tenantId, scopes: ['keys:read'] };
    await expectRefused('createKey', { ...input, expiresAt: new Date(now).toISOString() }, [
      ['IN_THE_PAST', 'expiresAt'],
    ]);
    const answer = await commands.run(app.operator, 'createKey', {
      ...input,
      expiresAt: new Date(now + 1).toISOString(),
    });
    expect(answer.__typename).toBe('CreateKeyPayload');
  });
});

describe('the owner of a key', async () => {
  const other = await seed.tenant();
  const owners = {
    USER: ['userId', missingUser, (await seed.user({ tenantId: other.id })).id, 'users:read'],
    APP: ['appId', missingApp, (await seed.app({ tenantId: other.id })).id, 'apps:read'],
    PRODUCT: ['productId', missingProduct, (await seed.product({ tenantId: other.id })).id, 'products:read'],
    ENGINE: [
      'engineId',
      missingEngine,
      (await seed.engine({ productId: (await seed.product({ tenantId: other.id })).id })).id,
      'engines:read',
    ],
  } as const;
  const input = (kind: keyof typeof owners, id: string) => ({
    kind,
    name: 'Never stored',
    [owners[kind][0]]: id,
    scopes: [owners[kind][3]],
    ...(kind === 'APP' ? { environment: 'LIVE' } : {}),
  });
  const kinds = ['USER', 'APP', 'PRODUCT', 'ENGINE'] as const;

  it.each(kinds)('of kind %s is answered alike when it is missing and when it is of another tenant', async (kind) => {
    const [field, missing, foreign] = owners[kind];
    const tenant = app.ofTenant(decodeId('Tenant', tenantId), 'keys:write', 'keys:read', owners[kind][3]);
    const absent = await commands.run(tenant, 'createKey', input(kind, missing));
    const hidden = await commands.run(tenant, 'createKey', input(kind, foreign));
    expect(absent).toMatchObject({ code: 'NOT_FOUND', path: [field] });
    expect(JSON.stringify(hidden)).toBe(JSON.stringify(absent));
    const mismatch = await commands.run(app.operator, 'createKey', { ...input(kind, foreign), tenantId });
    expect(mismatch).toMatchObject({ code: 'NOT_FOUND', path: [field] });
  });

  it('gets no new keys when all of its keys would be refused', async () => {
    const user = await seed.user();
    await seed.run('deactivateUser', { userId: user.id });
    const archived = await seed.app();
    await seed.run('archiveApp', { appId: archived.id });
    for (const made of [input('USER', user.id), input('APP', archived.id)]) {
      expect(await commands.run(app.operator, 'createKey', made)).toMatchObject({ code: 'INVALID_STATE' });
    }
  });

  it('of no tenant is answered as a missing tenant', async () => {
    const made = { kind: 'GATEWAY', name: 'Never stored', tenantId: missingTenant };
    expect(await commands.run(app.operator, 'createKey', made)).toMatchObject({
      code: 'NOT_FOUND',
      path: ['tenantId'],
    });
  });
});
