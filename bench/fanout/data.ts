/** The snapshot that both servers publish: 100 tenants in 5 groups with 2 keys each, in 5 pools. */

import type { SnapshotStamp } from '../../src/live/snapshot-hub.ts';
import type { ShareRow } from '../../src/modules/fairshare/snapshot.ts';
import type { FairshareSnapshot, GroupShare, KeyShare, TenantShare } from '../../src/modules/snapshots/snapshot.ts';

const tenantCount = 100;
const groupCount = 5;
const keysOfTenant = 2;
const models = ['embedding', 'large', 'medium', 'small', 'vision'];

const uuid = (kind: number, number: number): string =>
  `0190${kind.toString(16).padStart(4, '0')}-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;

const padded = (number: number): string => String(number).padStart(3, '0');

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** What does not change, as a scheduler has it at hand. */
const groups = numbers(groupCount).map((number) => ({ groupId: uuid(1, number), name: `group-${number}` }));

const tenants = numbers(tenantCount).map((number) => ({
  tenantId: uuid(2, number),
  name: `tenant-${padded(number)}`,
  groupId: uuid(1, number % groupCount),
  groupName: `group-${number % groupCount}`,
  maxInFlight: 50,
}));

const keys = numbers(tenantCount * keysOfTenant).map((number) => ({
  keyId: uuid(3, number),
  name: `key-${padded(number)}`,
  tenantId: uuid(2, Math.floor(number / keysOfTenant)),
  productId: null,
  engineId: null,
  userId: null,
  appId: null,
  maxInFlight: null,
}));

/** Numbers that change from one snapshot to the next, as those of busy tenants do. */
function share(number: number, seq: number): ShareRow {
  const inFlight = (number * 7 + seq) % 40;
  const weight = 100 + (number % 5) * 100;
  return {
    weight,
    inFlight,
    queued: (number * 13 + seq) % 25,
    weightShare: weight / 30_000,
    expectedSlots: (weight * 512) / 30_000,
    slotCap: 5,
    borrowed: Math.max(0, inFlight - 5),
    servedTokens: 1_000_000 + number * 1_000 + seq * 17,
    shareScore: (1_000_000 + number * 1_000 + seq * 17) / weight,
    oldestWaitMs: (number * 31 + seq) % 900,
  };
}

function rows(isIn: (tenant: number) => boolean, seq: number) {
  return {
    groups: groups.map((group, number): GroupShare => ({ ...group, ...share(number, seq) })),
    tenants: tenants.flatMap((tenant, number): TenantShare[] =>
      isIn(number) ? [{ ...tenant, ...share(number, seq) }] : [],
    ),
    keys: keys.flatMap((key, number): KeyShare[] =>
      isIn(Math.floor(number / keysOfTenant)) ? [{ ...key, ...share(number, seq) }] : [],
    ),
    totals: {
      capacity: 512,
      configuredCapacity: 512,
      inFlight: 400,
      queued: 250 + (seq % 10),
      borrowed: 40,
      oldestWaitMs: 900,
      clusterInFlight: null,
    },
  };
}

function contentAt(seq: number): Omit<FairshareSnapshot, keyof SnapshotStamp> {
  const { totals, ...all } = rows(() => true, seq);
  return {
    algorithm: 'HIERARCHICAL',
    mode: 'LOCAL',
    replicas: 1,
    isReplicaAware: false,
    ...all,
    totals: { ...totals, ceiling: null, configuredCeiling: null, defaultModelCapacity: 32, sharedSlots: null },
    pools: models.map((model, index) => ({
      model,
      modelId: null,
      ...rows((tenant) => tenant % models.length === index, seq),
    })),
  };
}

/** Made before anything is measured, since what is compared is how they are sent; they come again after a while. */
const contents = numbers(20).map(contentAt);

export function snapshotAt(stamp: SnapshotStamp): FairshareSnapshot {
  const content = contents[stamp.seq % contents.length];
  if (content === undefined) throw new RangeError(`no snapshot has the number ${stamp.seq}`);
  return { ...stamp, ...content };
}

const shareFields = `weight inFlight queued weightShare expectedSlots slotCap borrowed servedTokens shareScore
  oldestWaitMs`;
const rowFields = `groups { name ${shareFields} } tenants { name groupName maxInFlight ${shareFields} }
  keys { name maxInFlight ${shareFields} }`;

/** What clients follow, by the size of its results. */
export const documents = {
  '5 kB': 'subscription { fairshareLive(minIntervalMs: 100) { seq asOf tenants { name inFlight queued } } }',
  full: `subscription { fairshareLive(minIntervalMs: 100) { seq asOf instanceId algorithm mode replicas ${rowFields}
    pools { model ${rowFields} } } }`,
} as const;

export type DocumentName = keyof typeof documents;

const sharesInSdl = `weight: Int! inFlight: Int! queued: Int! weightShare: Float! expectedSlots: Float! slotCap: Int!
  borrowed: Int! servedTokens: Float! shareScore: Float! oldestWaitMs: Float`;
const rowsInSdl = 'groups: [Group!]! tenants: [Tenant!]! keys: [Key!]!';

/** As much of the graph as the documents need, for a server that has nothing else. */
export const typeDefinitions = `
  type Query { ok: Boolean! }
  type Subscription { fairshareLive(minIntervalMs: Int): Snapshot! }
  type Group { name: String! ${sharesInSdl} }
  type Tenant { name: String! groupName: String! maxInFlight: Int ${sharesInSdl} }
  type Key { name: String! maxInFlight: Int ${sharesInSdl} }
  type Pool { model: String! ${rowsInSdl} }
  type Snapshot { seq: Int! asOf: String! instanceId: String! algorithm: String! mode: String! replicas: Int!
    ${rowsInSdl} pools: [Pool!]! }
`;
