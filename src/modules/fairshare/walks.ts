/** What an event at a key changes on the way up to the root. */
import type { TreeNode } from './state.ts';

/**
 * Something below this node could run from now on, so it and what is above it ask among their siblings. Only a request
 * that came just now makes somebody come back: whoever waited for a cap, or was moved, was not idle.
 */
export function raise(from: TreeNode, first: 'new' | 'waited'): void {
  for (let node = from; !node.isAsking && !node.isParked; ) {
    const { siblings, parent } = node;
    if (siblings === undefined || parent === undefined) return;
    siblings.join(node, first === 'new' && node.waiting === 1);
    node = parent;
  }
}

/** Something below this node can no longer run; nodes below which nothing can, ask no more. */
export function lower(from: TreeNode): void {
  for (let node = from; !node.hasAsking; ) {
    const { siblings, parent } = node;
    if (siblings === undefined || parent === undefined) return;
    siblings.leave(node);
    node = parent;
  }
}

/** One more or less waits or runs at a node: it becomes one of those who share, or is none any more. */
function changed(node: TreeNode, wasActive: boolean): void {
  const { isActive } = node;
  if (isActive === wasActive) return;
  if (isActive) {
    node.siblings?.activate(node);
  } else {
    for (const siblings of node.inside) siblings?.forgetAll();
    node.siblings?.deactivate(node);
  }
}

/** Counts a request that waits from now on, from a node up to the root; before the node is raised. */
export function countWaiting(from: TreeNode, arrival: number): void {
  for (let node: TreeNode | undefined = from; node !== undefined; node = node.parent) {
    const wasActive = node.isActive;
    node.waiting += 1;
    changed(node, wasActive);
    if (node.waiting === 1) node.arrival = arrival;
  }
}

/** Counts a request that waits no more, from a node up to the root; after the node is lowered. */
export function countWithdrawn(from: TreeNode): void {
  for (let node: TreeNode | undefined = from; node !== undefined; node = node.parent) {
    node.waiting -= 1;
    changed(node, true);
  }
}

/** The first request of a key's lane starts to run: every level moves on and is charged. */
export function countGrant(key: TreeNode, tokens: number): void {
  for (let node: TreeNode | undefined = key; node !== undefined; node = node.parent) {
    node.siblings?.select(node);
    node.waiting -= 1;
    node.inFlight += 1;
    node.servedTokens += tokens;
    node.siblings?.charge(node, tokens);
    node.siblings?.payOwed(node);
  }
}

/** A request that runs already is counted and charged, whatever the order and the caps say. */
export function countAdopted(key: TreeNode, tokens: number): void {
  for (let node: TreeNode | undefined = key; node !== undefined; node = node.parent) {
    const wasActive = node.isActive;
    node.inFlight += 1;
    node.servedTokens += tokens;
    changed(node, wasActive);
    node.siblings?.adopt(node, tokens);
  }
}

/** A request has ended, and cost this many tokens more or less than it was charged. */
export function countEnd(key: TreeNode, difference: number): void {
  for (let node: TreeNode | undefined = key; node !== undefined; node = node.parent) {
    node.inFlight -= 1;
    node.servedTokens += difference;
    if (difference !== 0) node.siblings?.correct(node, difference);
    changed(node, true);
  }
}

/** What waits and runs at a node is counted, or no longer, from a new or former parent up to below the root. */
export function countMoved(moved: TreeNode, from: TreeNode, root: TreeNode, sign: 1 | -1): void {
  for (let node: TreeNode | undefined = from; node !== undefined && node !== root; node = node.parent) {
    const wasActive = node.isActive;
    const waited = node.waiting > 0;
    node.waiting += sign * moved.waiting;
    node.inFlight += sign * moved.inFlight;
    node.servedTokens += sign * moved.servedTokens;
    changed(node, wasActive);
    if (!waited) node.arrival = moved.arrival;
  }
}
