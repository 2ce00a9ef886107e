/**
 * The fields of rows. Requests wait in lanes, lanes belong to nodes of trees, nodes to those who share, and those have
 * caps, which know the nodes that they hold back. Modules take the fields they use into constants of their own, which
 * the compiler knows the values of.
 */

/** More than anybody sets. */
export const noMaximum = 2 ** 30;

/** Of pools, groups, tenants and keys: a bound on how much runs at once, which counts also while it is not set. */
const owner = {
  max: 0,
  inFlight: 1,
  /** The first of the nodes that it holds back. */
  parked: 2,
  /** In the store of names. */
  name: 3,
  weight: 4,
  isSet: 5,
} as const;
const ownerSize = 6;

const priorityCount = 3;

export const poolFields = { ...owner, size: ownerSize } as const;

export const groupFields = {
  ...owner,
  /** Trees that have a node of it. */
  nodes: ownerSize,
  /** Tenants that are in it. */
  tenants: ownerSize + 1,
  size: ownerSize + 2,
} as const;

export const tenantFields = {
  ...owner,
  /** Trees that have a node of it. */
  nodes: ownerSize,
  group: ownerSize + 1,
  /** How many wait. */
  queued: ownerSize + 2,
  /** Keys that name it. */
  keys: ownerSize + 3,
  /** Bounds of its queue; less than 0: as the scheduler's options say. */
  maxQueued: ownerSize + 4,
  maxWaitMs: ownerSize + 5,
  size: ownerSize + 6,
} as const;

export const keyFields = {
  ...owner,
  tenant: ownerSize,
  /** Waiting and running. */
  requests: ownerSize + 1,
  /** By priority the first of its nodes, of few: one for each pool and lot. */
  nodes: ownerSize + 2,
  size: ownerSize + 2 + priorityCount,
} as const;

/** Deployment (the root) -> pools -> groups -> tenants -> keys; without groups when tenants share a pool directly. */
export const levels = { DEPLOYMENT: 0, POOL: 1, GROUP: 2, TENANT: 3, KEY: 4 } as const;

/**
 * Where a member stands among its siblings: in the order of service, ahead of that order since slots are owed to it,
 * idle but remembered for what it took in advance, or none of these.
 */
export const places = { none: 0, ordered: 1, owed: 2, ahead: 3 } as const;

/** A heap of rows: two rows, or the negative number of an array heap. */
const heapSize = 2;

/** Those who share what a node is given: by priority in a tenant, one lot of siblings in others, none in a key. */
export const siblingsFields = {
  virtualTime: 0,
  /** The sum of the weights of those who wait or run. */
  activeWeight: 1,
  ordered: 2,
  /** By their return. */
  owed: 2 + heapSize,
  /** Idle members whose start is still to come. */
  ahead: 2 + 2 * heapSize,
  size: 2 + 3 * heapSize,
} as const;

/** Of whoever shares slots with siblings: a pool, group, tenant or key in one tree. */
const node = {
  weight: 0,
  /** Virtual time at which its account begins, and the tokens that were charged since. */
  base: 1,
  charged: 2,
  place: 3,
  /** In the heap of that place. */
  slot: 4,
  /** Those among whom it is. */
  siblings: 5,
  parent: 6,
  level: 7,
  waiting: 8,
  inFlight: 9,
  /** Tokens served in this pool since it became active: estimates of what runs, actual figures of what was settled. */
  servedTokens: 10,
  /** What holds it back; none in lots, where those wait whom another cap holds back. */
  cap: 11,
  owner: 12,
  /** Of a key. */
  priority: 13,
  tree: 14,
  /** The arrival that made it wait; among equals the earliest is first. */
  arrival: 15,
  /** Held back by its cap, and which is the next that is. */
  isParked: 16,
  nextParked: 17,
  /** How many slots it is still owed. */
  owedSlots: 18,
} as const;
const nodeSize = 19;

/** Which of the siblings inside have somebody who asks, a bit for each: so that none of them is looked at in vain. */
const asking = nodeSize;
const inside = nodeSize + 1;

/** Of pools and groups. */
export const nodeFields = { ...node, asking, inside, size: inside + siblingsFields.size } as const;

const afterInside = inside + priorityCount * siblingsFields.size;

export const tenantNodeFields = {
  ...node,
  asking,
  inside,
  /** How many wait, by priority. */
  queued: afterInside,
  /** The first of its keys' nodes, and how many these are. */
  firstKey: afterInside + priorityCount,
  keyCount: afterInside + priorityCount + 1,
  size: afterInside + priorityCount + 2,
} as const;

/** Requests of one key, priority and set of named caps, in the order in which they came: what blocks one blocks all. */
export const laneFields = {
  /** In the heap of its node; 0 outside. */
  slot: 0,
  first: 1,
  last: 2,
  node: 3,
  /** In the store of caps; none in the lane that is a part of its key's node. */
  caps: 4,
  /** The lot in which it has a place, its node there, and whether it was let out of it to run. */
  lot: 5,
  lotNode: 6,
  isLetOut: 7,
  /** Waiting and running, if it has caps. */
  requests: 8,
  size: 9,
} as const;

export const keyNodeFields = {
  ...node,
  /** Lanes that could run, by the arrival of their first request. */
  lanes: nodeSize,
  /** For requests that name no caps. */
  plainLane: nodeSize + heapSize,
  nextOfKey: nodeSize + heapSize + laneFields.size,
  nextInTenant: nodeSize + heapSize + laneFields.size + 1,
  previousInTenant: nodeSize + heapSize + laneFields.size + 2,
  size: nodeSize + heapSize + laneFields.size + 3,
} as const;

/** From when it is queued until its slot is free again. It is among the waits or the leases, if these end. */
export const requestFields = {
  /** When it gives up waiting, or its lease ends. */
  endsAt: 0,
  /** Where it is among those that end: in a heap, or in a run. */
  slot: 1,
  run: 2,
  lane: 3,
  previous: 4,
  next: 5,
  /** Its place among all requests, in the order in which they came. */
  arrival: 6,
  submittedAt: 7,
  /** Less than 0: for ever. */
  leaseMs: 8,
  /** The tokens that are charged for it. */
  charge: 9,
  isHeld: 10,
  /** The lot that it waited in, where it was charged as well. */
  lot: 11,
  /** In the store of ids. */
  id: 12,
  size: 13,
} as const;
