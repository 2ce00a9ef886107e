/**
 * The fields of rows. Requests wait in lanes, lanes belong to nodes of trees, nodes to those who share, and those have
 * caps, which know the nodes that they hold back. Modules take the fields they use into constants of their own, which
 * the compiler knows the values of.
 */

/** More than anybody sets. */
export const noMaximum = 2 ** 30;

/** What fields take: fractions and large numbers eight bytes, rows, counts and places four, small numbers one. */
export const intBytes = 4;

/** Of pools, groups, tenants and keys: a bound on how much runs at once, which counts also while it is not set. */
const owner = {
  // Doubles.
  weight: 0,
  // Ints.
  max: 8,
  inFlight: 12,
  /** The first of the nodes that it holds back. */
  parked: 16,
  /** In the store of names. */
  name: 20,
  isSet: 24,
} as const;

const priorityCount = 3;

export const poolFields = { ...owner, size: 28 } as const;

export const groupFields = {
  ...owner,
  // Ints.
  /** Trees that have a node of it. */
  nodes: 28,
  /** Tenants that are in it. */
  tenants: 32,
  size: 36,
} as const;

export const tenantFields = {
  ...owner,
  // Ints.
  /** Trees that have a node of it. */
  nodes: 28,
  group: 32,
  /** How many wait. */
  queued: 36,
  /** Keys that name it. */
  keys: 40,
  // Doubles.
  /** Bounds of its queue; less than 0: as the scheduler's options say. */
  maxQueued: 48,
  maxWaitMs: 56,
  size: 64,
} as const;

export const keyFields = {
  ...owner,
  // Ints.
  tenant: 28,
  /** Waiting and running. */
  requests: 32,
  /** By priority the first of its nodes, of few: one for each pool and lot. */
  nodes: 36,
  size: 36 + priorityCount * intBytes,
} as const;

/** Deployment (the root) -> pools -> groups -> tenants -> keys; without groups when tenants share a pool directly. */
export const levels = { DEPLOYMENT: 0, POOL: 1, GROUP: 2, TENANT: 3, KEY: 4 } as const;

/**
 * Where a member stands among its siblings: in the order of service, ahead of that order since slots are owed to it,
 * idle but remembered for what it took in advance, or none of these.
 */
export const places = { none: 0, ordered: 1, owed: 2, ahead: 3 } as const;

/** A heap of rows: two rows, or the negative number of an array heap. */
const heapBytes = 2 * intBytes;

/** Those who share what a node is given: by priority in a tenant, one lot of siblings in others, none in a key. */
export const siblingsFields = {
  // Doubles.
  virtualTime: 0,
  /** The sum of the weights of those who wait or run. */
  activeWeight: 8,
  // Heaps.
  ordered: 16,
  /** By their return. */
  owed: 24,
  /** Idle members whose start is still to come. */
  ahead: 32,
  size: 40,
} as const;

/** Of whoever shares slots with siblings: a pool, group, tenant or key in one tree. The first line is what siblings read. */
const node = {
  // Doubles.
  weight: 0,
  /** Virtual time at which its account begins, and the tokens that were charged since. */
  base: 8,
  charged: 16,
  /** The arrival that made it wait; among equals the earliest is first. */
  arrival: 24,
  /** Tokens served in this pool since it became active: estimates of what runs, actual figures of what was settled. */
  servedTokens: 32,
  // Ints.
  waiting: 40,
  inFlight: 44,
  parent: 48,
  /** Those among whom it is. */
  siblings: 52,
  /** In the heap of its place. */
  slot: 56,
  // Bytes.
  place: 60,
  level: 61,
  /** Of a key. */
  priority: 62,
  /** Held back by its cap. */
  isParked: 63,
  // Ints.
  owner: 64,
  /** What holds it back; none in lots, where those wait whom another cap holds back. */
  cap: 68,
  tree: 72,
  /** Which is the next that its cap holds back. */
  nextParked: 76,
  /** How many slots it is still owed. */
  owedSlots: 80,
} as const;
const nodeSize = 84;

/** Which of the siblings inside have somebody who asks, a bit for each: so that none of them is looked at in vain. */
const asking = nodeSize;
/** Behind what only tenants have. */
const inside = 112;

/** Of pools and groups. */
export const nodeFields = { ...node, asking, inside, size: inside + siblingsFields.size } as const;

export const tenantNodeFields = {
  ...node,
  asking,
  // Ints.
  /** How many wait, by priority. */
  queued: asking + intBytes,
  /** The first of its keys' nodes, and how many these are. */
  firstKey: 100,
  keyCount: 104,
  inside,
  size: inside + priorityCount * siblingsFields.size,
} as const;

/** Requests of one key, priority and set of named caps, in the order in which they came: what blocks one blocks all. */
export const laneFields = {
  // Ints.
  /** In the heap of its node; 0 outside. */
  slot: 0,
  first: 4,
  last: 8,
  node: 12,
  /** In the store of caps; none in the lane that is a part of its key's node, which ends here. */
  caps: 16,
  /** The lot in which it has a place, its node there, and whether it was let out of it to run. */
  lot: 20,
  lotNode: 24,
  isLetOut: 28,
  /** Waiting and running. */
  requests: 32,
  size: 36,
} as const;

/** Two lines. */
export const keyNodeFields = {
  ...node,
  /** The heap of lanes that could run, by the arrival of their first request. */
  lanes: nodeSize,
  /** For requests that name no caps. */
  plainLane: nodeSize + heapBytes,
  // Ints.
  nextOfKey: 112,
  nextInTenant: 116,
  previousInTenant: 120,
  size: 124,
} as const;

/** From when it is queued until its slot is free again. It is among the waits or the leases, if these end. */
export const requestFields = {
  // Doubles.
  /** Its place among all requests, in the order in which they came. */
  arrival: 0,
  /** The tokens that are charged for it. */
  charge: 8,
  submittedAt: 16,
  /** Less than 0: for ever. */
  leaseMs: 24,
  // Ints.
  lane: 32,
  previous: 36,
  next: 40,
  /** Where it is among those that end: in a heap, or in a run. */
  slot: 44,
  /** In the store of ids. */
  id: 48,
  /** The lot that it waited in, where it was charged as well. */
  lot: 52,
  // Bytes.
  run: 56,
  isHeld: 57,
  size: 58,
} as const;
