import type { Position } from './api.ts';
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

/** How many of the parent are served by when the member has been served `turn` times. */
function turnAmongSiblings(member: TreeNode, turn: number, meanCharge: number, waiting: number): number {
  const { siblings } = member;
  if (siblings === undefined) return turn;
  // Whoever is owed slots gets them before the others.
  if (member.place === 'owed') return turn;
  const others = siblings.activeWeight - member.weight;
  const lead = Math.max(0, member.start - siblings.nextStart);
  const turnsOfOthers = (lead * others) / Math.max(1, meanCharge) + ((turn - 1) * others) / member.weight;
  return turn + Math.min(waiting - member.waiting, Math.round(turnsOfOthers));
}

/** Where a request that waits stands in the order of its pool: an estimate, as it cannot know who comes and how long others run. */
export function positionOf(request: Request, now: number): Position {
  const { pool, node, priority } = request.lane;
  let turn = turnWithinKey(request);
  for (let member: TreeNode | undefined = node; member?.parent !== undefined; member = member.parent) {
    if (member.level === 'POOL') break;
    const { parent } = member;
    if (member.level === 'KEY') {
      const queued = parent.queuedByPriority ?? [];
      const first = queued.slice(0, priority).reduce((sum, count) => sum + count, 0);
      turn = first + turnAmongSiblings(member, turn, pool.meanCharge, queued[priority] ?? turn);
    } else {
      turn = turnAmongSiblings(member, turn, pool.meanCharge, parent.waiting);
    }
  }
  const rate = grantsPerSecond(pool, now);
  return { position: turn, estimatedWaitMs: rate === null ? null : Math.round((turn * 1_000) / rate) };
}
