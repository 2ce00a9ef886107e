import { randomBytes } from 'node:crypto';
import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingKey, missingSecret, missingTenant } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newKey = async (seed: Seed) => ({ keyId: (await seed.key()).id });
const keyAfter = (command: string) => async (seed: Seed) => {
  const { keyId } = await newKey(seed);
  await seed.run(command, { keyId });
  return { keyId };
};
const disabledKey = keyAfter('disableKey');
const revokedKey = keyAfter('revokeKey');
const rotatingKey = keyAfter('rotateKey');

/** A filter that finds two keys which are accepted and one which is not. */
const threeKeys = async (seed: Seed) => {
  const { id: tenantId } = await seed.tenant();
  const keys = [await seed.key({ tenantId }), await seed.key({ tenantId }), await seed.key({ tenantId })];
  const ids = keys.map(({ id }) => id);
  await seed.run('revokeKey', { keyId: ids[0] });
  return { filter: { ids } };
};

const ofKey = {
  scope: 'keys:write',
  targetField: 'keyId',
  targetOf: idOf('key'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

let pepperAskedFor = 2;

export const keyCases: CommandCases = {
  createKey: {
    scope: 'keys:write',
    targetOf: idOf('key'),
    audited: 'made',
    revisioned: false,
    valid: async (seed) => ({
      kind: 'PUBLISHABLE',
      name: seed.name(),
      tenantId: (await seed.tenant()).id,
      environment: 'TEST',
      scopes: ['models:read'],
      allowedOrigins: ['https://app.example.com', 'http://localhost:*'],
      allowedIpRanges: ['192.0.2.7', '2001:db8::/32'],
      allowedModels: ['small', 'large'],
      weight: 1_000_000,
      limits: { requestsPerMinute: 0, tokensPerDay: 5_000_000_000, budget: { costUsd: '12.5', period: 'MONTHLY' } },
      expiresAt: '2030-01-01T00:00:00.000Z',
      metadata: { note: 'All values at once' },
    }),
    refused: {
      NotFoundError: (seed) => ({ kind: 'TENANT', name: seed.name(), tenantId: missingTenant, scopes: ['keys:read'] }),
      InvalidStateError: async (seed) => ({
        kind: 'TENANT',
        name: seed.name(),
        tenantId: (await seed.tenantAfter('archiveTenant')).id,
        scopes: ['keys:read'],
      }),
    },
    refusedElsewhere: ['PrivilegeEscalationError'],
  },
  updateKey: {
    ...ofKey,
    audited: ['name', 'scopes', 'allowedModels', 'weight', 'limits', 'metadata'],
    valid: async (seed) => ({
      ...(await newKey(seed)),
      name: seed.name(),
      scopes: ['keys:read'],
      allowedModels: ['small'],
      weight: 250,
      limits: { maxInFlight: 3 },
      metadata: { room: 8 },
    }),
    changesNothing: async (seed) => ({
      ...(await newKey(seed)),
      weight: 100,
      limits: {},
      scopes: ['tenants:read'],
      expiresAt: null,
    }),
    refused: {
      NotFoundError: () => ({ keyId: missingKey, name: 'Changed' }),
      InvalidStateError: async (seed) => ({ ...(await revokedKey(seed)), name: 'Changed' }),
    },
    refusedElsewhere: ['PrivilegeEscalationError', 'LastAdminKeyError'],
  },
  disableKey: {
    ...ofKey,
    audited: ['disabledAt'],
    valid: newKey,
    changesNothing: disabledKey,
    refused: { NotFoundError: () => ({ keyId: missingKey }), InvalidStateError: revokedKey },
    refusedElsewhere: ['LastAdminKeyError'],
  },
  enableKey: {
    ...ofKey,
    audited: ['disabledAt'],
    valid: disabledKey,
    changesNothing: newKey,
    refused: { NotFoundError: () => ({ keyId: missingKey }), InvalidStateError: revokedKey },
    refusedElsewhere: ['PrivilegeEscalationError'],
  },
  revokeKey: {
    ...ofKey,
    audited: ['revokedAt', 'revokedReason'],
    valid: async (seed) => ({ ...(await newKey(seed)), reason: 'no longer needed' }),
    changesNothing: async (seed) => ({ ...(await revokedKey(seed)), reason: 'again' }),
    refused: { NotFoundError: () => ({ keyId: missingKey }) },
    refusedElsewhere: ['LastAdminKeyError'],
  },
  deleteKey: {
    ...ofKey,
    targetOf: (payload) => payload.deletedKeyId,
    audited: 'deleted',
    valid: newKey,
    refused: { NotFoundError: () => ({ keyId: missingKey }) },
    refusedElsewhere: ['LastAdminKeyError'],
  },
  rotateKey: {
    ...ofKey,
    audited: ['start', 'rotatedAt', 'retiringUntil'],
    valid: async (seed) => ({ ...(await newKey(seed)), overlapSeconds: 10 }),
    refused: { NotFoundError: () => ({ keyId: missingKey }), InvalidStateError: revokedKey },
    refusedElsewhere: ['PrivilegeEscalationError', 'RotationInProgressError'],
  },
  cancelRotation: {
    ...ofKey,
    audited: ['start', 'retiringUntil'],
    valid: rotatingKey,
    refused: { NotFoundError: () => ({ keyId: missingKey }), InvalidStateError: newKey },
    refusedElsewhere: ['PrivilegeEscalationError'],
  },
  revokeSecret: {
    scope: 'keys:write',
    targetField: 'secretId',
    targetOf: idOf('key'),
    audited: ['secret'],
    revisioned: false,
    valid: async (seed) => ({ secretId: await seed.secretIdOf((await newKey(seed)).keyId) }),
    changesNothing: async (seed) => {
      const secretId = await seed.secretIdOf((await newKey(seed)).keyId);
      await seed.run('revokeSecret', { secretId });
      return { secretId };
    },
    refused: { NotFoundError: () => ({ secretId: missingSecret }) },
    refusedElsewhere: ['LastAdminKeyError'],
  },
  rotateKeysBulk: {
    scope: 'keys:write',
    audited: { together: ['keyIds', 'overlapSeconds'] },
    revisioned: false,
    valid: threeKeys,
    changesNothing: async (seed) => ({ ...(await threeKeys(seed)), dryRun: true }),
    refused: {},
  },
  revokeKeysBulk: {
    scope: 'keys:write',
    audited: { together: ['keyIds', 'revokedReason'] },
    revisioned: false,
    valid: async (seed) => ({ ...(await threeKeys(seed)), reason: 'end of the project' }),
    changesNothing: async (seed) => ({ ...(await threeKeys(seed)), dryRun: true }),
    refused: {},
    refusedElsewhere: ['LastAdminKeyError'],
  },
  reportLeakedKeys: {
    scope: 'keys:report',
    // What was found of it is on record by itself.
    audited: { together: ['reportedCount', 'where'] },
    revisioned: false,
    valid: () => ({
      tokens: ['unheard of'],
      sha256s: [randomBytes(32).toString('hex')],
      where: 'a public repository',
    }),
    refused: {},
  },
  changePepper: {
    scope: 'peppers:write',
    audited: { settings: ['pepperVersion'] },
    revisioned: false,
    valid: async (seed) => {
      await seed.firstPepper();
      pepperAskedFor = pepperAskedFor === 2 ? 3 : 2;
      return { version: pepperAskedFor };
    },
    changesNothing: async (seed) => {
      await seed.firstPepper();
      return { version: 1 };
    },
    refused: {
      InvalidStateError: async (seed) => {
        await seed.firstPepper();
        await seed.run('changePepper', { version: 3 });
        return { version: 2 };
      },
    },
  },
};
