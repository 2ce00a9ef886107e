import type { KeyRecord } from '../../src/modules/keys/record.ts';

const noLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  tokensPerDay: null,
  maxInFlight: null,
  budgetTokens: null,
  budgetCostUsd: null,
  budgetPeriod: null,
  budgetStartedAt: null,
};

/** Changes to parts of a record: what is left out stays. */
export type RecordChanges = { readonly [Part in keyof KeyRecord]?: Partial<KeyRecord[Part]> };

/** A key with every owner that there can be, which nothing speaks against. */
export const keyRecord = (changes: RecordChanges = {}): KeyRecord => ({
  hashScheme: 'sha256',
  secret: { id: 'secret', validUntil: null, supersededAt: null, revokedAt: null, ...changes.secret },
  key: {
    id: 'key',
    kind: 'PUBLISHABLE',
    name: 'A key',
    environment: 'LIVE',
    scopes: new Set(['models:read']),
    allowedOrigins: ['https://app.example.com'],
    allowedIpRanges: ['192.0.2.0/24'],
    allowedModels: ['small', 'large'],
    weight: 100,
    expiresAt: null,
    disabledAt: null,
    revokedAt: null,
    limits: noLimits,
    ...changes.key,
  },
  tenant: {
    id: 'tenant',
    name: 'Acme',
    status: 'ACTIVE',
    fairshareGroupId: 'group',
    weight: 100,
    timeZone: 'UTC',
    activeFrom: null,
    activeUntil: null,
    weeklyWindows: null,
    allowedModels: ['small', 'medium'],
    limits: noLimits,
    ...changes.tenant,
  },
  user: { id: 'user', externalId: 'ada', status: 'ACTIVE', limits: noLimits, team: null, ...changes.user },
  product: { id: 'product', slug: 'chat', status: 'ACTIVE', limits: noLimits, ...changes.product },
  engine: { id: 'engine', userExternalId: 'ada', status: 'RUNNING', ...changes.engine },
  app: { id: 'app', name: 'App', status: 'ACTIVE', inference: {}, ...changes.app },
});
