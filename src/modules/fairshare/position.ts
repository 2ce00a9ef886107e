import type { Position } from './api.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Forest } from './forest.ts';
import {
  intBytes,
  laneFields,
  levels,
  nodeFields,
  places,
  requestFields,
  siblingsFields,
  tenantNodeFields,
} from './layout.ts';
import { type Pool, priorities } from './state.ts';

const { parent, level, place, weight, waiting, siblings, priority } = nodeFields;
const { arrival, next, lane: laneOfRequest } = requestFields;

/** Over how many grants the rate is taken: few enough to follow a change, many enough to be steady. */
const rememberedGrants = 64;
const meanOver = 32;

export function noteGrant(pool: Pool, tokens: number, now: number): void {
  pool.grantTimes[pool.grants % rememberedGrants] = now;
  pool.grants += 1;
  pool.meanCharge += (tokens - pool.meanCharge) / Math.min(pool.grants, meanOver);
}

/** Up to now, so that a pool that has stopped granting gets slower by the minute. Null before there is anything to say. */
export function grantsPerSecond({ grants, grantTimes }: Pool, now: number): number | null {
  const count = Math.min(grants, rememberedGrants);
  const oldest = grantTimes[grants > rememberedGrants ? grants % rememberedGrants : 0];
  if (oldest === undefined || now <= oldest) return null;
  return (count * 1_000) / (now - oldest);
}

/** How many of its key are served up to and including this one. */
function turnWithinKey({ forest: { cells }, lanes }: Dispatcher, node: number, request: number): number {
  let turn = 1;
  for (const lane of lanes.lanesIn(node)) {
    for (let other = cells.int(lane + laneFields.first); other !== 0; other = cells.int(other + next)) {
      if (cells.get(other + arrival) >= cells.get(request + arrival)) break;
      turn += 1;
    }
  }
  return turn;
}

/** How a member stands among its siblings, for what waits below it. */
export interface Standing {
  readonly weight: number;
  /** Tokens by weight that it was given beyond whoever is next. */
  readonly lead: number;
  /** It is owed slots, and gets them before the others. */
  readonly isOwed: boolean;
  readonly othersWeight: number;
  readonly othersWaiting: number;
}

/** How many of the parent are served by when the member has been served `turn` times. */
export function turnAmong(standing: Standing, turn: number, meanCharge: number): number {
  const { weight: own, lead, isOwed, othersWeight, othersWaiting } = standing;
  if (isOwed) return turn;
  const turnsOfOthers = (lead * othersWeight) / Math.max(1, meanCharge) + ((turn - 1) * othersWeight) / own;
  return turn + Math.min(othersWaiting, Math.round(turnsOfOthers));
}

/** `waits`: how many wait of all siblings. */
function standingOf({ cells, siblings: order }: Forest, member: number, waits: number): Standing {
  const among = cells.int(member + siblings);
  const own = cells.get(member + weight);
  const start = order.askingStartOf(member);
  return {
    weight: own,
    lead: start - order.nextStartWith(among, start),
    isOwed: cells.byte(member + place) === places.owed,
    othersWeight: cells.get(among + siblingsFields.activeWeight) - own,
    othersWaiting: waits - cells.int(member + waiting),
  };
}

/** How many wait at a tenant's node of each priority. */
export const queuedAt = ({ cells }: Forest, tenantNode: number): readonly number[] =>
  priorities.map((_, index) => cells.int(tenantNode + tenantNodeFields.queued + index * intBytes));

/** The requests of a tenant that come before those of a priority. */
export const countBefore = (queuedByPriority: readonly number[], ofPriority: number): number =>
  queuedByPriority.slice(0, ofPriority).reduce((sum, count) => sum + count, 0);

/** A place in the order of a pool, and how long that takes as fast as it granted lately. */
export function placed(pool: Pool, position: number, now: number): Position {
  const rate = grantsPerSecond(pool, now);
  return { position, estimatedWaitMs: rate === null ? null : Math.round((position * 1_000) / rate) };
}

/** Where a request that waits stands in the order of its pool: an estimate, as it cannot know who comes and how long others run. */
export function positionOf(dispatcher: Dispatcher, request: number, now: number): Position {
  const { forest } = dispatcher;
  const { cells } = forest;
  const lane = cells.int(request + laneOfRequest);
  const pool = dispatcher.poolOf(lane);
  const key = cells.int(lane + laneFields.node);
  const own = cells.byte(key + priority);
  let turn = turnWithinKey(dispatcher, key, request);
  for (let member = key; cells.byte(member + level) > levels.POOL; member = cells.int(member + parent)) {
    const above = cells.int(member + parent);
    const queued = member === key ? queuedAt(forest, above) : [];
    const waits = member === key ? (queued[own] ?? turn) : cells.int(above + waiting);
    turn = turnAmong(standingOf(forest, member, waits), turn, pool.meanCharge);
    turn += countBefore(queued, own);
  }
  return placed(pool, turn, now);
}
