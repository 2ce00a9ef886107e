import { columnOf, defineEntity, type EntityRow } from '../../database/entity.ts';
import { type ApiKey, type ApiKeySecret, Prisma } from '../../database/generated/client.ts';
import { limitColumns } from '../limits/limits.ts';

const { sql } = Prisma;

const owners = { tenant: 'tenantId', product: 'productId', engine: 'engineId', user: 'userId', app: 'appId' } as const;

/** What the state of a key follows from. */
const stateColumns = ['expiresAt', 'disabledAt', 'revokedAt', 'retiringUntil', 'secretsUntil'] as const;

export const apiKeys = defineEntity<ApiKey>()({
  name: 'ApiKey',
  table: 'api_key',
  fencedView: 'own_api_key',
  columns: [
    'id',
    'kind',
    'name',
    'nameFolded',
    'tenantId',
    'userId',
    'appId',
    'productId',
    'engineId',
    'environment',
    'scopes',
    'allowedOrigins',
    'allowedIpRanges',
    'allowedModels',
    'weight',
    'metadata',
    'revokedReason',
    'start',
    'rotatedAt',
    'lastUsedAt',
    'lastUsedOrder',
    'expiresOrder',
    'createdById',
    'createdByName',
    'revision',
    'createdAt',
    'updatedAt',
    ...stateColumns,
    ...limitColumns,
  ],
  sorts: { createdAt: 'time', nameFolded: 'text', lastUsedOrder: 'time', expiresOrder: 'time' },
  owners,
  fields: {
    limits: limitColumns,
    state: stateColumns,
    tenant: ['tenantId'],
    user: ['userId'],
    app: ['appId'],
    product: ['productId'],
    engine: ['engineId'],
    createdBy: ['createdById', 'createdByName'],
    secrets: ['id'],
  },
});

export type ApiKeyRow = EntityRow<typeof apiKeys>;

/** Who sees a key sees its secrets. */
const ofKey = (column: (typeof owners)[keyof typeof owners]) => (id: string) =>
  sql`EXISTS (SELECT FROM api_key AS owned WHERE owned.id = t.key_id AND ${Prisma.raw(columnOf('owned', column))} = ${id}::uuid)`;

/** Everything of a secret but its hash, which nothing that reads for the graph can name. */
export const apiKeySecrets = defineEntity<ApiKeySecret>()({
  name: 'ApiKeySecret',
  table: 'api_key_secret',
  columns: [
    'id',
    'keyId',
    'tenantId',
    'origin',
    'start',
    'validUntil',
    'supersededAt',
    'revokedAt',
    'lastUsedAt',
    'useCount',
    'supersededUseCount',
    'createdAt',
  ],
  sorts: { createdAt: 'time' },
  owners: {
    tenant: ofKey(owners.tenant),
    product: ofKey(owners.product),
    engine: ofKey(owners.engine),
    user: ofKey(owners.user),
    app: ofKey(owners.app),
  },
  fields: {
    state: ['validUntil', 'supersededAt', 'revokedAt'],
    key: ['keyId'],
  },
});

export type ApiKeySecretRow = EntityRow<typeof apiKeySecrets>;
