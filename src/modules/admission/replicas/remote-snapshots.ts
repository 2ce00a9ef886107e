import type { Logger } from 'pino';
import type { SnapshotCall, SnapshotKind, SnapshotOf } from '../../snapshots/snapshot.ts';
import { UnreachableError } from './owner-connection.ts';

interface Parts<Kind extends SnapshotKind> {
  readonly kind: Kind;
  readonly ask: (call: SnapshotCall<Kind>, signal?: AbortSignal) => Promise<SnapshotOf[Kind]>;
  /** Called with each that is newer. */
  readonly onChanged: () => void;
  readonly log: Logger;
}

/** The newest snapshots of the process that decides, as far as anybody here wants to see them. */
export class RemoteSnapshots<Kind extends SnapshotKind> {
  readonly #parts: Parts<Kind>;
  #newest: SnapshotOf[Kind] | undefined;
  #refreshing: Promise<void> | undefined;
  #everyMs: number | undefined;
  #following: AbortController | undefined;

  constructor(parts: Parts<Kind>) {
    this.#parts = parts;
  }

  /** The last one that was heard of. */
  get newest(): SnapshotOf[Kind] | undefined {
    return this.#newest;
  }

  /** Asks for the one of this moment. Where nobody answers, the last one stays. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** How often changes are wanted, at most; nothing: not at all. */
  want(everyMs: number | undefined): void {
    if (everyMs === this.#everyMs) return;
    this.#everyMs = everyMs;
    this.resume();
  }

  /** To be called when the one that decides is reached: what is wanted is asked for, of this one. */
  resume(): void {
    this.#following?.abort();
    this.#following = undefined;
    if (this.#everyMs === undefined) return;
    const controller = new AbortController();
    this.#following = controller;
    void this.#follow(this.#everyMs, controller.signal);
  }

  async #refresh(): Promise<void> {
    const { ask, kind, log } = this.#parts;
    try {
      this.#learn(await ask({ kind, after: null, everyMs: 0 }));
    } catch (error) {
      if (!(error instanceof UnreachableError)) log.warn({ err: error, kind }, 'no snapshot was had of who decides');
    }
  }

  /** Asks for the next one each time that one was given: whoever is slow gets fewer. */
  async #follow(everyMs: number, signal: AbortSignal): Promise<void> {
    const { ask, kind, log } = this.#parts;
    try {
      while (!signal.aborted) {
        const { instanceId, seq } = this.#newest ?? { instanceId: '', seq: 0 };
        const next = await ask({ kind, after: { instanceId, seq }, everyMs }, signal);
        if (!signal.aborted) this.#learn(next);
      }
    } catch (error) {
      // It goes on when the one that decides is reached again.
      if (!(error instanceof UnreachableError)) log.warn({ err: error, kind }, 'snapshots are not followed any more');
    }
  }

  #learn(snapshot: SnapshotOf[Kind]): void {
    const before = this.#newest;
    if (before?.instanceId === snapshot.instanceId && before.seq >= snapshot.seq) return;
    this.#newest = snapshot;
    this.#parts.onChanged();
  }
}
