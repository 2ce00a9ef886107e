import type { Follower, Receiver, SnapshotHub, SnapshotStamp } from './snapshot-hub.ts';

/**
 * What the field of a live subscription gives: the snapshots of a hub. Subscriptions with such a source share their
 * executions; whoever iterates it gets the newest snapshot each time, and leaves out those that came meanwhile.
 */
export class LiveSource<Snapshot extends SnapshotStamp> implements AsyncIterable<Snapshot> {
  readonly #hub: SnapshotHub<Snapshot>;
  readonly #minIntervalMs: number;

  constructor(hub: SnapshotHub<Snapshot>, minIntervalMs: number) {
    this.#hub = hub;
    this.#minIntervalMs = minIntervalMs;
  }

  follow(receiver: Receiver<Snapshot>): Follower {
    return this.#hub.follow(this.#minIntervalMs, receiver);
  }

  [Symbol.asyncIterator](): AsyncIterator<Snapshot, undefined> {
    let newest: Snapshot | undefined;
    let waiting: PromiseWithResolvers<IteratorResult<Snapshot, undefined>> | undefined;
    let follower: Follower | undefined;
    const receive = (snapshot: Snapshot): void => {
      if (waiting === undefined) {
        newest = snapshot;
        return;
      }
      waiting.resolve({ done: false, value: snapshot });
      waiting = undefined;
    };
    return {
      next: () => {
        follower ??= this.follow({ receive });
        if (newest === undefined) {
          waiting ??= Promise.withResolvers();
          return waiting.promise;
        }
        const value = newest;
        newest = undefined;
        return Promise.resolve({ done: false, value });
      },
      return: () => {
        follower?.stop();
        waiting?.resolve({ done: true, value: undefined });
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
