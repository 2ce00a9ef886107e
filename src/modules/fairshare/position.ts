import type { Position } from './api.ts';
import type { Siblings } from './siblings.ts';
import type { Pool, Request, TreeNode } from './state.ts';

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
function turnWithinKey(request: Request): number {
  const { node } = request.lane;
  let turn = 1;
  for (const lane of [node.plainLane, ...(node.lanesByCaps?.values() ?? [])]) {
    for (let other = lane?.first; other !== undefined; other = other.next) {
      if (other.arrival >= request.arrival) break;
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
  const { weight, lead, isOwed, othersWeight, othersWaiting } = standing;
  if (isOwed) return turn;
  const turnsOfOthers = (lead * othersWeight) / Math.max(1, meanCharge) + ((turn - 1) * othersWeight) / weight;
  return turn + Math.min(othersWaiting, Math.round(turnsOfOthers));
}

function standingOf(member: TreeNode, siblings: Siblings<TreeNode>, waiting: number): Standing {
  return {
    weight: member.weight,
    lead: Math.max(0, member.start - siblings.nextStart),
    isOwed: member.place === 'owed',
    othersWeight: siblings.activeWeight - member.weight,
    othersWaiting: waiting - member.waiting,
  };
}

/** The requests of a tenant that come before those of a priority. */
export const countBefore = (queuedByPriority: readonly number[], priority: number): number =>
  queuedByPriority.slice(0, priority).reduce((sum, count) => sum + count, 0);

/** A place in the order of a pool, and how long that takes as fast as it granted lately. */
export function placed(pool: Pool, position: number, now: number): Position {
  const rate = grantsPerSecond(pool, now);
  return { position, estimatedWaitMs: rate === null ? null : Math.round((position * 1_000) / rate) };
}

/** Where a request that waits stands in the order of its pool: an estimate, as it cannot know who comes and how long others run. */
export function positionOf(request: Request, now: number): Position {
  const { pool, node, priority } = request.lane;
  let turn = turnWithinKey(request);
  for (let member: TreeNode | undefined = node; member?.parent !== undefined; member = member.parent) {
    if (member.level === 'POOL') break;
    const { parent, siblings } = member;
    const queued = member.level === 'KEY' ? (parent.queuedByPriority ?? []) : [];
    const waiting = member.level === 'KEY' ? (queued[priority] ?? turn) : parent.waiting;
    if (siblings !== undefined) turn = turnAmong(standingOf(member, siblings, waiting), turn, pool.meanCharge);
    turn += countBefore(queued, priority);
  }
  return placed(pool, turn, now);
}
