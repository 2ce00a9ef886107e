import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { verify, withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000', FAIRLEAD_TRUST_PROXY: 'true' } });
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);

const batch = graphql(`
  query VerifyBatch($inputs: [VerifyKeyInput!]!) {
    verifyKeys(inputs: $inputs) {
      isValid
      reason
      keyId
    }
  }
`);

const whoAmI = '{ viewer { kind } }';
const inMs = (ms: number) => new Date(clock.now().getTime() + ms).toISOString();
const page = { kind: 'PUBLISHABLE', environment: 'LIVE', scopes: ['models:read'] };

describe('verifyKey', () => {
  it('says exactly why a key is refused, at once after the change', async () => {
    const reasonOf = async (key: string) => (await verify(operator, key)).reason;
    const reasonAfter = async (make: () => Promise<{ secret: string; run: readonly [string, object] }>) => {
      const { secret, run } = await make();
      expect(await reasonOf(secret)).toBeNull();
      await seed.run(run[0], { ...run[1] });
      return reasonOf(secret);
    };
    const ofKey = (command: string) => async () => {
      const { id, secret } = await seed.key();
      return { secret, run: [command, { keyId: id }] as const };
    };
    const ofTenant =
      (command: string, more = {}) =>
      async () => {
        const { id } = await seed.tenant();
        return {
          secret: (await seed.key({ tenantId: id })).secret,
          run: [command, { tenantId: id, ...more }] as const,
        };
      };
    expect(await reasonAfter(ofKey('revokeKey'))).toBe('REVOKED');
    expect(await reasonAfter(ofKey('disableKey'))).toBe('DISABLED');
    expect(await reasonAfter(ofTenant('suspendTenant'))).toBe('TENANT_SUSPENDED');
    expect(await reasonAfter(ofTenant('archiveTenant'))).toBe('TENANT_ARCHIVED');
    expect(await reasonAfter(ofTenant('updateTenant', { activeFrom: inMs(1_000) }))).toBe('OUTSIDE_SCHEDULE');
    expect(
      await reasonAfter(async () => {
        const { id } = await seed.user();
        const { secret } = await seed.key({ kind: 'USER', userId: id, scopes: ['keys:read'] });
        return { secret, run: ['deactivateUser', { userId: id }] };
      }),
    ).toBe('USER_DEACTIVATED');
    expect(
      await reasonAfter(async () => {
        const { id } = await seed.app();
        const { secret } = await seed.key({ kind: 'APP', appId: id, environment: 'LIVE', scopes: ['models:read'] });
        return { secret, run: ['archiveApp', { appId: id }] };
      }),
    ).toBe('APP_ARCHIVED');
    expect(
      await reasonAfter(async () => {
        const { id } = await seed.product();
        const { secret } = await seed.key({ kind: 'PRODUCT', productId: id, scopes: ['engines:read'] });
        return { secret, run: ['suspendProduct', { productId: id }] };
      }),
    ).toBe('PRODUCT_SUSPENDED');
    expect(
      await reasonAfter(async () => {
        const { id, productId } = await seed.engine();
        const { secret } = await seed.key({ kind: 'PRODUCT', productId, scopes: ['engines:read'] });
        expect(id).toBeDefined();
        return { secret, run: ['deleteProduct', { productId, drainEngines: true }] };
      }),
    ).toBe('PRODUCT_DELETING');
    expect(
      await reasonAfter(async () => {
        const { id } = await seed.runningEngine();
        const { secret } = await seed.key({ kind: 'ENGINE', engineId: id, scopes: ['engines:read'] });
        return { secret, run: ['reportEngine', { engineId: id, status: 'DESTROYING' }] };
      }),
    ).toBe('ENGINE_DESTROYING');
    expect(await reasonOf('fl_tenant_unheard_of')).toBe('NOT_FOUND');
    expect(await reasonOf('')).toBe('NOT_FOUND');
  });

  it('accepts a key again as soon as the reason is gone', async () => {
    const { id, secret } = await seed.key();
    for (const [command, reason] of [
      ['disableKey', 'DISABLED'],
      ['enableKey', null],
    ] as const) {
      await seed.run(command, { keyId: id });
      expect((await verify(operator, secret)).reason).toBe(reason);
    }
  });

  it('checks what it is told of the use, and nothing that it is not told', async () => {
    const { id: tenantId } = await seed.tenant({ allowedModels: ['small', 'large'] });
    const { secret: key } = await seed.key({
      ...page,
      tenantId,
      allowedOrigins: ['https://*.example.com'],
      allowedIpRanges: ['192.0.2.0/24'],
      allowedModels: ['small'],
    });
    const use = { key, origin: 'https://a.example.com', ip: '192.0.2.7' };
    const reasonOf = async (more: object) => (await verify(operator, { ...use, ...more })).reason;
    expect(await reasonOf({})).toBeNull();
    expect(await reasonOf({ model: 'small', requiredScopes: ['models:read'], environment: 'LIVE' })).toBeNull();
    expect(await reasonOf({ environment: 'TEST' })).toBe('ENVIRONMENT_MISMATCH');
    expect(await reasonOf({ ip: '198.51.100.7' })).toBe('IP_NOT_ALLOWED');
    expect(await reasonOf({ ip: null })).toBe('IP_NOT_ALLOWED');
    expect(await reasonOf({ origin: 'https://example.com' })).toBe('ORIGIN_NOT_ALLOWED');
    expect(await reasonOf({ origin: null })).toBe('ORIGIN_NOT_ALLOWED');
    expect(await reasonOf({ requiredScopes: ['models:read', 'models:write'] })).toBe('INSUFFICIENT_SCOPE');
    expect(await reasonOf({ model: 'large' })).toBe('MODEL_NOT_ALLOWED');
    expect(await reasonOf({ requiredScopes: [] })).toBeNull();
    const [error] = await operator.fail(
      'query ($key: String!) { verifyKey(input: { key: $key, requiredScopes: ["x"] }) { isValid } }',
      { key },
    );
    expect(error?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('may be relied on until the next deadline, and for the configured time at most', async () => {
    const { secret: lasting } = await seed.key();
    const { secret: short } = await seed.key({ expiresAt: inMs(4_000) });
    const { id: tenantId } = await seed.tenant({ activeUntil: inMs(2_500) });
    const { secret: ending } = await seed.key({ tenantId });
    expect((await verify(operator, lasting)).cacheUntil).toBe(inMs(10_000));
    expect((await verify(operator, short)).cacheUntil).toBe(inMs(4_000));
    expect((await verify(operator, ending)).cacheUntil).toBe(inMs(2_500));
    clock.advance(4_000);
    expect(await verify(operator, short)).toMatchObject({ reason: 'EXPIRED', cacheUntil: null });
    expect((await verify(operator, ending)).reason).toBe('OUTSIDE_SCHEDULE');
  });

  it("tells what one user can take of the team's limits, at once after the change", async () => {
    const { id: teamId, tenantId } = await seed.team({ limits: { tokensPerDay: 9 }, userSharePercent: 25 });
    const { id: userId } = await seed.user({ tenantId, teamId });
    const { secret } = await seed.key({ kind: 'USER', userId, scopes: ['cloud:inference'] });
    const read = () =>
      operator.run(
        graphql(`
          query VerifyTeamShare($key: String!) {
            verifyKey(input: { key: $key }) {
              owners {
                teamUserSharePercent
                teamLimits {
                  tokensPerDay
                }
              }
            }
          }
        `),
        { key: secret },
      );
    const owners = { teamUserSharePercent: 25, teamLimits: { tokensPerDay: 9 } };
    expect(await read()).toEqual({ verifyKey: { owners } });
    await seed.run('updateTeam', { teamId, userSharePercent: null });
    expect(await read()).toEqual({ verifyKey: { owners: { ...owners, teamUserSharePercent: null } } });
  });

  it("tells the limits of the product of a key, also of an engine's, at once after the change", async () => {
    const { id: productId } = await seed.product({ limits: { tokensPerDay: 9 } });
    const { secret } = await seed.key({ kind: 'PRODUCT', productId, scopes: ['cloud:inference'] });
    const { id: engineId } = await seed.engine({ productId });
    const { secret: ofEngine } = await seed.key({ kind: 'ENGINE', engineId, scopes: ['cloud:inference'] });
    const read = async (key: string) => {
      const { verifyKey } = await operator.run(
        graphql(`
          query VerifyProductLimits($key: String!) {
            verifyKey(input: { key: $key }) {
              owners {
                productLimits {
                  tokensPerDay
                  maxInFlight
                }
              }
            }
          }
        `),
        { key },
      );
      return verifyKey.owners?.productLimits;
    };
    expect(await read(secret)).toEqual({ tokensPerDay: 9, maxInFlight: null });
    expect(await read(ofEngine)).toEqual({ tokensPerDay: 9, maxInFlight: null });
    await seed.run('updateProduct', { productId, limits: { tokensPerDay: null, maxInFlight: 0 } });
    expect(await read(secret)).toEqual({ tokensPerDay: null, maxInFlight: 0 });
    expect(await read(ofEngine)).toEqual({ tokensPerDay: null, maxInFlight: 0 });
  });

  it('answers for many keys at once, in their order, at most 100', async () => {
    const { id, secret } = await seed.key();
    const { secret: revoked, id: revokedId } = await seed.key();
    await seed.run('revokeKey', { keyId: revokedId });
    const { verifyKeys } = await operator.run(batch, {
      inputs: [
        { key: revoked },
        { key: 'unheard of' },
        { key: secret },
        { key: secret, requiredScopes: ['keys:write'] },
      ],
    });
    expect(verifyKeys).toEqual([
      { isValid: false, reason: 'REVOKED', keyId: revokedId },
      { isValid: false, reason: 'NOT_FOUND', keyId: null },
      { isValid: true, reason: null, keyId: id },
      { isValid: false, reason: 'INSUFFICIENT_SCOPE', keyId: id },
    ]);
    const inputs = (count: number) => Array.from({ length: count }, () => ({ key: 'x' }));
    expect((await operator.run(batch, { inputs: [] })).verifyKeys).toEqual([]);
    expect((await operator.run(batch, { inputs: inputs(100) })).verifyKeys).toHaveLength(100);
    expect((await operator.send(batch, { inputs: inputs(101) })).errors?.[0]?.extensions.code).toBe(
      'INVALID_PAGE_SIZE',
    );
  });

  it('tells who belongs to a tenant, product or engine of its own keys alone: others are as if there were none', async () => {
    const product = await seed.product();
    const uuid = decodeId('Tenant', product.tenantId);
    const engine = await seed.engine({ productId: product.id });
    const scopes = ['engines:read'];
    const keys = {
      tenant: await seed.key({ tenantId: product.tenantId }),
      product: await seed.key({ kind: 'PRODUCT', productId: product.id, scopes }),
      engine: await seed.key({ kind: 'ENGINE', engineId: engine.id, scopes }),
      otherEngine: await seed.key({
        kind: 'ENGINE',
        engineId: (await seed.engine({ productId: product.id })).id,
        scopes,
      }),
      foreign: await seed.key(),
      deployment: await seed.key({ kind: 'GATEWAY', scopes: ['keys:verify'] }),
    };
    const productId = decodeId('Product', product.id);
    const engineId = decodeId('Engine', engine.id);
    const verifying = new Set(['keys:verify'] as const);
    const seenBy = async (caller: Client) => {
      const seen: string[] = [];
      for (const [name, { secret }] of Object.entries(keys)) {
        const answer = await verify(caller, secret);
        if (answer.isValid) seen.push(name);
        else expect(answer).toEqual(await verify(caller, 'unheard of'));
      }
      return seen;
    };
    expect(await seenBy(operator)).toEqual(Object.keys(keys));
    expect(await seenBy(app.as({ kind: 'TENANT', tenantId: uuid, scopes: verifying }))).toEqual([
      'tenant',
      'product',
      'engine',
      'otherEngine',
    ]);
    expect(await seenBy(app.as({ kind: 'PRODUCT', tenantId: uuid, productId, scopes: verifying }))).toEqual([
      'product',
      'engine',
      'otherEngine',
    ]);
    expect(await seenBy(app.as({ kind: 'ENGINE', tenantId: uuid, productId, engineId, scopes: verifying }))).toEqual([
      'engine',
    ]);
  });
});

describe('a key as a credential of the graph', () => {
  const send = async (headers: Record<string, string>) => {
    const { status, errors, data } = await new Client(app.app.url, headers).send<{ viewer: { kind: string } }, object>(
      whoAmI,
    );
    return status === 200 ? data?.viewer.kind : errors?.[0]?.extensions.reason;
  };

  it('is taken from the headers of its kind, and from the general ones', async () => {
    const engine = await seed.engine();
    const keys = {
      ADMIN: (await seed.key({ kind: 'ADMIN', scopes: ['keys:read'] })).secret,
      TENANT: (await seed.key()).secret,
      PRODUCT: (await seed.key({ kind: 'PRODUCT', productId: engine.productId, scopes: ['engines:read'] })).secret,
      ENGINE: (await seed.key({ kind: 'ENGINE', engineId: engine.id, scopes: ['engines:read'] })).secret,
    };
    const special = { 'x-admin-key': 'ADMIN', 'x-platform-key': 'PRODUCT', 'x-engine-key': 'ENGINE' };
    for (const [kind, secret] of Object.entries(keys)) {
      expect(await send({ authorization: `Bearer ${secret}` })).toBe(kind);
      expect(await send({ 'x-api-key': secret })).toBe(kind);
      for (const [header, ofHeader] of Object.entries(special)) {
        expect(await send({ [header]: secret })).toBe(kind === ofHeader ? kind : 'UNKNOWN_CREDENTIAL');
      }
    }
  });

  it('is refused with a reason that its holder may know', async () => {
    const refused = async (command: string) => {
      const { id, secret } = await seed.key();
      await seed.run(command, { keyId: id });
      return send({ 'x-api-key': secret });
    };
    expect(await refused('revokeKey')).toBe('REVOKED_CREDENTIAL');
    expect(await refused('disableKey')).toBe('DISABLED_CREDENTIAL');
    const { secret } = await seed.key({ expiresAt: inMs(1_000) });
    expect(await send({ 'x-api-key': secret })).toBe('TENANT');
    clock.advance(1_000);
    expect(await send({ 'x-api-key': secret })).toBe('EXPIRED_CREDENTIAL');
  });

  it('for pages is let in from its origins, and refused elsewhere', async () => {
    const { id: tenantId } = await seed.tenant();
    const { secret } = await seed.key({ ...page, tenantId, allowedOrigins: ['https://*.example.com'] });
    expect(await send({ 'x-api-key': secret, origin: 'https://a.example.com' })).toBe('PUBLISHABLE');
    expect(await send({ 'x-api-key': secret, origin: 'https://example.com' })).toBe('ORIGIN_NOT_ALLOWED');
    expect(await send({ 'x-api-key': secret })).toBe('ORIGIN_NOT_ALLOWED');
  });

  it('that is bound to addresses is refused from others', async () => {
    const { secret } = await seed.key({ allowedIpRanges: ['192.0.2.0/24'] });
    expect(await send({ 'x-api-key': secret, 'x-forwarded-for': '192.0.2.7' })).toBe('TENANT');
    expect(await send({ 'x-api-key': secret, 'x-forwarded-for': '198.51.100.7' })).toBe('ADDRESS_NOT_ALLOWED');
    expect(await send({ 'x-api-key': secret })).toBe('ADDRESS_NOT_ALLOWED');
  });

  it('of a suspended tenant still reads the graph, while gateways refuse it; of an archived one it does not', async () => {
    const { id: tenantId } = await seed.tenant();
    const { secret } = await seed.key({ tenantId });
    await seed.run('suspendTenant', { tenantId });
    expect((await verify(operator, secret)).reason).toBe('TENANT_SUSPENDED');
    const { data } = await withSecret(app, secret).send('{ tenants { edges { node { id } } } }');
    expect(data).toEqual({ tenants: { edges: [{ node: { id: tenantId } }] } });
    await seed.run('archiveTenant', { tenantId });
    expect(await send({ 'x-api-key': secret })).toBe('OWNER_NOT_ACTIVE');
  });

  it('of a deactivated user stops at once, and works again when the user is back', async () => {
    const { id: userId } = await seed.user();
    const { secret } = await seed.key({ kind: 'USER', userId, scopes: ['keys:read'] });
    expect(await send({ 'x-api-key': secret })).toBe('USER');
    await seed.run('deactivateUser', { userId });
    expect(await send({ 'x-api-key': secret })).toBe('OWNER_NOT_ACTIVE');
    await seed.run('reactivateUser', { userId });
    expect(await send({ 'x-api-key': secret })).toBe('USER');
  });
});
