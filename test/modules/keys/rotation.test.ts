import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import { Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { whileHeld } from '../../testkit/held.ts';
import { makeKey, verify, withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const other = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const rotateKey = graphql(`
  mutation RotationRotate($input: RotateKeyInput!) {
    rotateKey(input: $input) {
      __typename
      ... on RotateKeyPayload {
        key {
          ...KeyOfTests
        }
        secret {
          value
          isGone
        }
        retiringUntil
      }
      ... on UserError {
        code
        message
        retryable
        retryAfterMs
        path
      }
    }
  }
`);

const cancelRotation = graphql(`
  mutation RotationCancel($input: CancelRotationInput!) {
    cancelRotation(input: $input) {
      __typename
      ... on CancelRotationPayload {
        key {
          ...KeyOfTests
        }
      }
      ... on UserError {
        code
      }
    }
  }
`);

const revokeSecret = graphql(`
  mutation RotationRevokeSecret($input: RevokeSecretInput!) {
    revokeSecret(input: $input) {
      __typename
      ... on RevokeSecretPayload {
        secret {
          state
          revokedAt
        }
        key {
          ...KeyOfTests
        }
      }
      ... on UserError {
        code
      }
    }
  }
`);

const revokeKey = graphql(`
  mutation RotationRevokeKey($input: RevokeKeyInput!) {
    revokeKey(input: $input) {
      __typename
      ... on RevokeKeyPayload {
        key {
          ...KeyOfTests
        }
      }
    }
  }
`);

const newKey = async (over: { expiresAt?: string } = {}) => {
  const tenant = await seed.tenant();
  return makeKey(operator, {
    kind: 'TENANT',
    name: seed.name(),
    tenantId: tenant.id,
    scopes: ['keys:read', 'tenants:read'],
    ...over,
  });
};

async function rotate(
  keyId: string,
  over: { overlapSeconds?: number; duringOverlap?: 'REFUSE' | 'RETIRE_OLDEST'; expectedRevision?: number } = {},
) {
  const { rotateKey: answer } = await operator.run(rotateKey, { input: { keyId, ...over } });
  if (answer.__typename !== 'RotateKeyPayload') throw new Error(JSON.stringify(answer));
  return { key: answer.key, secret: answer.secret?.value ?? '', retiringUntil: answer.retiringUntil };
}

/** What became of a key that was rotated, by itself or among many. */
interface Rotated {
  readonly secret?: { readonly value: string } | null;
  readonly error?: object | null;
}

const reasonOf = async (secret: string) => (await verify(operator, secret)).reason ?? 'VALID';
const inMs = (ms: number) => new Date(clock.now().getTime() + ms).toISOString();

describe('rotating a key', () => {
  it('gives the same key a new secret; the old one works until its deadline and not a millisecond longer', async () => {
    const { key, secret: old } = await newKey();
    const rotated = await rotate(key.id, { overlapSeconds: 60 });
    expect(rotated.key).toMatchObject({ id: key.id, name: key.name, scopes: key.scopes, state: 'ROTATING' });
    expect(rotated.secret).not.toBe(old);
    expect(rotated.retiringUntil).toBe(inMs(60_000));
    expect(await verify(operator, old)).toMatchObject({
      isValid: true,
      isSuperseded: true,
      keyId: key.id,
      secretValidUntil: rotated.retiringUntil,
    });
    expect(await verify(operator, rotated.secret)).toMatchObject({ isValid: true, isSuperseded: false, keyId: key.id });
    clock.advance(59_999);
    expect([await reasonOf(old), await reasonOf(rotated.secret)]).toEqual(['VALID', 'VALID']);
    clock.advance(1);
    expect([await reasonOf(old), await reasonOf(rotated.secret)]).toEqual(['SUPERSEDED', 'VALID']);
    expect((await withSecret(app, old).fail('{ viewer { kind } }'))[0]?.extensions).toMatchObject({
      reason: 'EXPIRED_CREDENTIAL',
    });
  });

  it('without an overlap refuses the old secret at once, on every process', async () => {
    const { key, secret: old } = await newKey();
    expect(await reasonOf(old)).toBe('VALID');
    expect((await verify(other.operator, old)).isValid).toBe(true);
    const { secret } = await rotate(key.id, { overlapSeconds: 0 });
    expect([await reasonOf(old), await reasonOf(secret)]).toEqual(['SUPERSEDED', 'VALID']);
    await expect.poll(async () => (await verify(other.operator, old)).reason).toBe('SUPERSEDED');
  });

  it('a second time during an overlap is refused, or retires the oldest at once, as the caller says', async () => {
    const { key, secret: first } = await newKey();
    const { secret: second } = await rotate(key.id, { overlapSeconds: 100 });
    const refused = await operator.run(rotateKey, { input: { keyId: key.id } });
    expect(refused.rotateKey).toMatchObject({ code: 'ROTATION_IN_PROGRESS', retryable: true, retryAfterMs: 100_000 });
    const { secret: third } = await rotate(key.id, { overlapSeconds: 100, duringOverlap: 'RETIRE_OLDEST' });
    expect(await Promise.all([first, second, third].map(reasonOf))).toEqual(['SUPERSEDED', 'VALID', 'VALID']);
  });

  it.each([0, 100])('two times at the same moment with an overlap of %i s: one wins', async (overlapSeconds) => {
    const { key } = await newKey();
    const answers = await Promise.all(
      [app, other].map(({ operator: caller }) =>
        caller.run(rotateKey, { input: { keyId: key.id, overlapSeconds, expectedRevision: key.revision } }),
      ),
    );
    expect(answers.map(({ rotateKey: answer }) => answer.__typename)).toContain('RotateKeyPayload');
    expect(answers.filter(({ rotateKey: answer }) => answer.__typename === 'RotateKeyPayload')).toHaveLength(1);
  });

  it.each([
    ['without an overlap', { overlapSeconds: 0, duringOverlap: 'REFUSE' }],
    ['and would retire the oldest', { overlapSeconds: 100, duringOverlap: 'RETIRE_OLDEST' }],
  ])('two times at the same moment, by itself or among many, %s: one wins, and its secret works', async (_how, how) => {
    const start = (way: 'alone' | 'many', id: string, caller: Client) => () =>
      way === 'alone'
        ? commands.run(caller, 'rotateKey', { keyId: id, ...how })
        : commands.run(caller, 'rotateKeysBulk', { filter: { ids: [id] }, ...how });
    for (const [one, two] of [
      ['alone', 'alone'],
      ['alone', 'many'],
      ['many', 'alone'],
      ['many', 'many'],
    ] as const) {
      const { key } = await newKey();
      const row = ['SELECT FROM api_key WHERE id = $1 FOR UPDATE', [decodeId('ApiKey', key.id)]] as const;
      const answers = await whileHeld(app, row, [
        { start: start(one, key.id, operator), waiting: 1 },
        { start: start(two, key.id, other.operator), waiting: 2 },
      ]);
      const [won, lost] = answers.map((answer) => [answer.results ?? answer].flat()[0] as Rotated);
      expect([one, two, await reasonOf(won?.secret?.value ?? '')]).toEqual([one, two, 'VALID']);
      expect(lost?.error ?? lost).toMatchObject({ code: 'ROTATION_IN_PROGRESS', retryAfterMs: null });
    }
  });

  it('that was revoked or has expired is refused', async () => {
    const { key } = await newKey({ expiresAt: inMs(1_000) });
    const { key: revoked } = await newKey();
    await operator.run(revokeKey, { input: { keyId: revoked.id } });
    clock.advance(1_000);
    for (const keyId of [key.id, revoked.id]) {
      expect((await operator.run(rotateKey, { input: { keyId } })).rotateKey).toMatchObject({ code: 'INVALID_STATE' });
    }
  });

  it('outside of the bounds of the deployment is refused with the bounds', async () => {
    const { key } = await newKey();
    for (const overlapSeconds of [-1, 301]) {
      const { rotateKey: answer } = await operator.run(rotateKey, { input: { keyId: key.id, overlapSeconds } });
      expect(answer).toMatchObject({ code: 'VALIDATION_FAILED', path: ['overlapSeconds'] });
    }
  });

  it('counts the use of the old secret after it was replaced', async () => {
    const { key, secret: old } = await newKey();
    await verify(operator, old);
    const { secret } = await rotate(key.id, { overlapSeconds: 100 });
    await verify(operator, old);
    await verify(operator, old);
    await verify(operator, secret);
    await app.app.keyUsage.flush();
    const { key: read } = await rotate(key.id, { duringOverlap: 'RETIRE_OLDEST' });
    expect(read.secrets.edges.map(({ node }) => [node.useCount, node.supersededUseCount]).sort()).toEqual([
      [0, 0],
      [1, 0],
      [3, 2],
    ]);
    expect(read.lastUsedAt).toBe(clock.now().toISOString());
  });
});

describe('whatever rotates a key', () => {
  /** Everything of a key but what says that it was rotated. */
  const restOf = async (keyId: string) => {
    const row = await app.app.database.prisma.apiKey.findUniqueOrThrow({ where: { id: decodeId('ApiKey', keyId) } });
    const { start, rotatedAt, retiringUntil, secretsUntil, revision, updatedAt, ...rest } = row;
    return rest;
  };

  it('leaves its scopes, origins, addresses, models, limits, budget, expiry and use as they are', async () => {
    const { id: tenantId } = await seed.tenant();
    const { id, secret } = await seed.key({
      kind: 'PUBLISHABLE',
      environment: 'LIVE',
      tenantId,
      scopes: ['models:read'],
      allowedOrigins: ['https://app.example.com'],
      allowedIpRanges: ['192.0.2.0/24'],
      allowedModels: ['small'],
      weight: 7,
      limits: {
        requestsPerMinute: 5,
        tokensPerMinute: 0,
        tokensPerDay: 6,
        maxInFlight: 1,
        budget: { tokens: 9, costUsd: '0.5', period: 'TERM', startedAt: inMs(-1_000_000) },
      },
      expiresAt: inMs(10_000_000),
      metadata: { owner: 'pages' },
    });
    const use = { origin: 'https://app.example.com', ip: '192.0.2.7' };
    await verify(operator, { key: secret, ...use });
    await app.app.keyUsage.flush();
    const before = await restOf(id);
    expect(before).toMatchObject({ lastUsedAt: clock.now(), tokensPerMinute: 0n, budgetPeriod: 'TERM', weight: 7 });
    clock.advance(1_000);
    const first = await rotate(id, { overlapSeconds: 100 });
    await rotate(id, { overlapSeconds: 100, duringOverlap: 'RETIRE_OLDEST' });
    await seed.run('cancelRotation', { keyId: id });
    await seed.run('rotateKeysBulk', { filter: { ids: [id] }, overlapSeconds: 100 });
    expect(await restOf(id)).toEqual(before);
    // Of its older secret as well: what is spent is spent of one key.
    expect(await verify(operator, { key: first.secret, ...use })).toMatchObject({ isValid: true, keyId: id });
    expect((await verify(operator, { key: first.secret, ip: use.ip })).reason).toBe('ORIGIN_NOT_ALLOWED');
  });

  it('what stops the key stops both of its secrets at once, in the middle of the overlap', async () => {
    const product = await seed.product();
    const platform = { kind: 'PRODUCT', productId: product.id, scopes: ['engines:read'] };
    const user = await seed.user();
    const ofUser = { kind: 'USER', userId: user.id, scopes: ['keys:read'] };
    const { id: tenantId } = await seed.tenant();
    for (const [input, command, of, reason] of [
      [platform, 'suspendProduct', { productId: product.id }, 'PRODUCT_SUSPENDED'],
      [platform, 'deleteProduct', { productId: product.id }, 'NOT_FOUND'],
      [ofUser, 'deactivateUser', { userId: user.id }, 'USER_DEACTIVATED'],
      [{ tenantId }, 'suspendTenant', { tenantId }, 'TENANT_SUSPENDED'],
      [{}, 'revokeKey', undefined, 'REVOKED'],
      [{}, 'disableKey', undefined, 'DISABLED'],
      [{}, 'deleteKey', undefined, 'NOT_FOUND'],
    ] as const) {
      const { id, secret: old } = await seed.key({ ...input });
      const { secret } = await rotate(id, { overlapSeconds: 100 });
      await seed.run(command, of ?? { keyId: id });
      expect([command, await reasonOf(old), await reasonOf(secret)]).toEqual([command, reason, reason]);
    }
  });
});

describe('cancelling a rotation', () => {
  it('takes the new secret back and keeps the old one for good', async () => {
    const { key, secret: old } = await newKey();
    const { secret } = await rotate(key.id, { overlapSeconds: 100 });
    const { cancelRotation: answer } = await operator.run(cancelRotation, { input: { keyId: key.id } });
    expect(answer).toMatchObject({ key: { state: 'ACTIVE', retiringUntil: null, start: key.start } });
    clock.advance(1_000_000);
    expect([await reasonOf(old), await reasonOf(secret)]).toEqual(['VALID', 'REVOKED']);
    expect((await operator.run(cancelRotation, { input: { keyId: key.id } })).cancelRotation).toMatchObject({
      code: 'INVALID_STATE',
    });
  });
});

describe('revoking one secret', () => {
  it('refuses it at once and leaves the other', async () => {
    const { key, secret: old } = await newKey();
    const { key: rotated, secret } = await rotate(key.id, { overlapSeconds: 100 });
    const retiring = rotated.secrets.edges.find(({ node }) => node.state === 'RETIRING')?.node.id ?? '';
    const { revokeSecret: answer } = await operator.run(revokeSecret, { input: { secretId: retiring } });
    expect(answer).toMatchObject({ secret: { state: 'REVOKED' }, key: { state: 'ACTIVE', retiringUntil: null } });
    expect([await reasonOf(old), await reasonOf(secret)]).toEqual(['REVOKED', 'VALID']);
  });
});

describe('a key none of whose secrets is accepted', () => {
  const stateOf = async (keyId: string) => {
    const { data } = await operator.send<{ apiKey: { state: string }; apiKeys: { edges: unknown[] } }, object>(
      'query ($id: ID!) { apiKey(id: $id) { state } apiKeys(filter: { ids: [$id], states: [NO_SECRET] }) { edges { cursor } } }',
      { id: keyId },
    );
    return [data?.apiKey.state, data?.apiKeys.edges.length];
  };
  const secretIdOf = ({ secrets }: Awaited<ReturnType<typeof newKey>>['key'], state: string) =>
    secrets.edges.find(({ node }) => node.state === state)?.node.id ?? '';
  const revoke = async (secretId: string) => (await operator.run(revokeSecret, { input: { secretId } })).revokeSecret;

  it('says so, and is usable again once it is rotated', async () => {
    const { key, secret } = await newKey();
    expect(await revoke(secretIdOf(key, 'CURRENT'))).toMatchObject({ key: { state: 'NO_SECRET' } });
    expect([await reasonOf(secret), await stateOf(key.id)]).toEqual(['REVOKED', ['NO_SECRET', 1]]);
    const { key: rotated, secret: fresh } = await rotate(key.id, { overlapSeconds: 100 });
    expect(rotated.state).toBe('ACTIVE');
    expect([await reasonOf(fresh), await stateOf(key.id)]).toEqual(['VALID', ['ACTIVE', 0]]);
  });

  it('is one from the millisecond on at which the last of them ends', async () => {
    const { key, secret: old } = await newKey();
    const { key: rotated } = await rotate(key.id, { overlapSeconds: 100 });
    // The newest is revoked: the one before it is accepted to its end, and nothing after that.
    expect(await revoke(secretIdOf(rotated, 'CURRENT'))).toMatchObject({ key: { state: 'ROTATING' } });
    clock.advance(99_999);
    expect([await reasonOf(old), await stateOf(key.id)]).toEqual(['VALID', ['ROTATING', 0]]);
    clock.advance(1);
    expect([await reasonOf(old), await stateOf(key.id)]).toEqual(['SUPERSEDED', ['NO_SECRET', 1]]);
    // Revoking what is over already changes nothing of that.
    expect(await revoke(secretIdOf(rotated, 'RETIRING'))).toMatchObject({ key: { state: 'NO_SECRET' } });
    expect(await stateOf(key.id)).toEqual(['NO_SECRET', 1]);
  });

  it('is usable again when the rotation is cancelled in time', async () => {
    const { key } = await newKey();
    const { key: rotated } = await rotate(key.id, { overlapSeconds: 100 });
    await revoke(secretIdOf(rotated, 'CURRENT'));
    const { cancelRotation: answer } = await operator.run(cancelRotation, { input: { keyId: key.id } });
    expect(answer).toMatchObject({ key: { state: 'ACTIVE' } });
    clock.advance(1_000_000);
    expect(await stateOf(key.id)).toEqual(['ACTIVE', 0]);
  });
});

describe('revoking a key', () => {
  it('keeps the first time and reason, and stops its secrets at once', async () => {
    const { key, secret } = await newKey();
    const first = await operator.run(revokeKey, { input: { keyId: key.id, reason: 'leaked' } });
    const revokedAt = clock.now().toISOString();
    expect(await reasonOf(secret)).toBe('REVOKED');
    clock.advance(1_000);
    const again = await operator.run(revokeKey, { input: { keyId: key.id, reason: 'again' } });
    expect(again).toEqual(first);
    expect(again.revokeKey).toMatchObject({ key: { revokedAt, revokedReason: 'leaked' } });
  });
});
