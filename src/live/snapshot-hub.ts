import type { Timers } from './timers.ts';

/** What every published snapshot says of itself. */
export interface SnapshotStamp {
  /** One more than that of the snapshot before, so that a reader sees how many it was not sent. */
  readonly seq: number;
  readonly asOf: Date;
  /** The process that it describes; `seq` counts from 1 in each. */
  readonly instanceId: string;
}

export interface SnapshotHubOptions<Snapshot extends SnapshotStamp> {
  /** Makes an immutable snapshot. Called at most every `takeEveryMs`, whatever the number of readers and changes. */
  readonly take: (stamp: SnapshotStamp) => Snapshot;
  readonly instanceId: string;
  readonly clock: { now(): Date };
  readonly timers: Timers;
  /** Told when a snapshot could not be made for those who follow; they get the next. */
  readonly onFailure: (error: unknown) => void;
  /** Told the least interval of those who follow whenever it changes; nothing: nobody follows. */
  readonly onWanted?: (everyMs: number | undefined) => void;
}

/** Snapshots are at least so far apart. */
const takeEveryMs = 100;

/** An older one that nothing has changed since is made anew when it is asked for: ages and rates have changed. */
const freshForMs = 1_000;

/** Whoever follows hears something at least so often. */
const silenceMaxMs = 10_000;

/** The bounds of what a follower can ask for. */
export const minIntervalBoundsMs = { from: takeEveryMs, default: 250, to: silenceMaxMs } as const;

/** Someone who follows a hub. */
export interface Follower {
  /** Says that what was given last went out only now, so that the next does not come too soon after it. */
  delayed(): void;
  stop(): void;
}

/** Whom snapshots are given. An object and no function: thousands are looked up for each snapshot, one place each. */
export interface Receiver<Snapshot> {
  receive(snapshot: Snapshot): void;
}

interface Entry<Snapshot> {
  readonly receiver: Receiver<Snapshot>;
  /** When it was given the last one, unless that was at a tick: these are far enough apart. */
  givenAtMs: number | undefined;
  givenSeq: number;
}

/**
 * Publishes snapshots of something that changes often. Nothing is made while nobody wants it, and nothing queues:
 * whoever is slower than the changes gets the newest.
 */
export class SnapshotHub<Snapshot extends SnapshotStamp> {
  readonly #options: SnapshotHubOptions<Snapshot>;
  readonly #cadences = new Map<number, Cadence<Snapshot>>();
  #newest: Snapshot | undefined;
  #takenAtMs = Number.NEGATIVE_INFINITY;
  /** Whether something changed since the newest snapshot. */
  #isChanged = true;
  /** The last snapshot that was made because something had changed, and not only to be fresh. */
  #newsSeq = 0;

  constructor(options: SnapshotHubOptions<Snapshot>) {
    this.#options = options;
  }

  /** To be called with every change; it costs next to nothing. */
  changed(): void {
    if (this.#isChanged) return;
    this.#isChanged = true;
    for (const cadence of this.#cadences.values()) cadence.schedule();
  }

  /** The newest snapshot, made now when it is not of this moment. */
  current(): Snapshot {
    const age = this.#options.timers.nowMs() - this.#takenAtMs;
    return this.#newest !== undefined && age < (this.#isChanged ? takeEveryMs : freshForMs)
      ? this.#newest
      : this.#take();
  }

  /**
   * Gives the newest snapshot at once, and from then on the newest whenever something changed, at least `minIntervalMs`
   * apart, and at least every 10 seconds.
   */
  follow(minIntervalMs: number, receiver: Receiver<Snapshot>): Follower {
    const { timers } = this.#options;
    const first = this.current();
    const known = this.#cadences.get(minIntervalMs);
    // A new one begins with this, as with a tick.
    const cadence = known ?? this.#addCadence(minIntervalMs);
    const givenAtMs = known === undefined ? undefined : timers.nowMs();
    const entry: Entry<Snapshot> = { receiver, givenAtMs, givenSeq: first.seq };
    cadence.add(entry);
    receiver.receive(first);
    return {
      delayed: () => {
        entry.givenAtMs = timers.nowMs();
      },
      stop: () => {
        cadence.remove(entry);
        if (!cadence.isEmpty) return;
        this.#cadences.delete(minIntervalMs);
        this.#tellWanted();
      },
    };
  }

  #addCadence(intervalMs: number): Cadence<Snapshot> {
    const { timers, onFailure } = this.#options;
    const cadence = new Cadence<Snapshot>({
      intervalMs,
      timers,
      newsSeq: () => this.#newsSeq,
      nextNewsAtMs: () => (this.#isChanged ? this.#takenAtMs + takeEveryMs : undefined),
      take: () => {
        try {
          return this.current();
        } catch (error) {
          onFailure(error);
          return undefined;
        }
      },
    });
    this.#cadences.set(intervalMs, cadence);
    this.#tellWanted();
    return cadence;
  }

  #tellWanted(): void {
    this.#options.onWanted?.(this.#cadences.size === 0 ? undefined : Math.min(...this.#cadences.keys()));
  }

  #take(): Snapshot {
    const { take, clock, timers, instanceId } = this.#options;
    const isNews = this.#isChanged;
    // Before it is made: a change in the midst of it is a change since.
    this.#isChanged = false;
    this.#takenAtMs = timers.nowMs();
    try {
      const taken = take({ seq: (this.#newest?.seq ?? 0) + 1, asOf: clock.now(), instanceId });
      this.#newest = taken;
      if (isNews) this.#newsSeq = taken.seq;
      return taken;
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }
}

interface CadenceParts<Snapshot> {
  readonly intervalMs: number;
  readonly timers: Timers;
  /** The last snapshot that tells of a change. */
  readonly newsSeq: () => number;
  /** When a snapshot with a change can be had; nothing: there is no change. */
  readonly nextNewsAtMs: () => number | undefined;
  /** The newest snapshot; nothing when it could not be made. */
  readonly take: () => Snapshot | undefined;
}

/** All who follow at the same interval, with one timer. */
class Cadence<Snapshot extends SnapshotStamp> {
  readonly #parts: CadenceParts<Snapshot>;
  readonly #entries = new Set<Entry<Snapshot>>();
  #tickedAtMs: number;
  #tickedSeq: number;
  /** What each was given last, it was given then or later. */
  #quietSinceMs: number;
  /** Some were given one too shortly before the last tick. */
  #someAreBehind = false;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #stopTimer: (() => void) | undefined;

  constructor(parts: CadenceParts<Snapshot>) {
    this.#parts = parts;
    this.#tickedAtMs = parts.timers.nowMs();
    this.#quietSinceMs = this.#tickedAtMs;
    this.#tickedSeq = parts.newsSeq();
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  add(entry: Entry<Snapshot>): void {
    this.#entries.add(entry);
    this.schedule();
  }

  remove(entry: Entry<Snapshot>): void {
    this.#entries.delete(entry);
    if (!this.isEmpty) return;
    this.#stopTimer?.();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
  }

  /** Sets the timer for when there is something to be given. */
  schedule(): void {
    const { intervalMs, timers, newsSeq, nextNewsAtMs } = this.#parts;
    const hasNews = this.#someAreBehind || newsSeq() > this.#tickedSeq;
    const newsAtMs = hasNews ? this.#tickedAtMs : nextNewsAtMs();
    const silenceEndsAtMs = Math.max(this.#quietSinceMs + silenceMaxMs, this.#tickedAtMs + intervalMs);
    const dueAtMs =
      newsAtMs === undefined
        ? silenceEndsAtMs
        : Math.min(silenceEndsAtMs, Math.max(newsAtMs, this.#tickedAtMs + intervalMs));
    if (dueAtMs === this.#dueAtMs) return;
    this.#stopTimer?.();
    this.#dueAtMs = dueAtMs;
    this.#stopTimer = timers.after(dueAtMs - timers.nowMs(), () => this.#tick());
  }

  #tick(): void {
    const { intervalMs, timers, take } = this.#parts;
    const now = timers.nowMs();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    this.#tickedAtMs = now;
    const snapshot = take();
    if (snapshot !== undefined) {
      this.#tickedSeq = snapshot.seq;
      this.#someAreBehind = false;
      let someHaveIt = false;
      for (const entry of this.#entries) {
        if (entry.givenSeq === snapshot.seq) {
          someHaveIt = true;
          continue;
        }
        if (entry.givenAtMs !== undefined && now - entry.givenAtMs < intervalMs) {
          this.#someAreBehind = true;
          continue;
        }
        entry.givenAtMs = undefined;
        entry.givenSeq = snapshot.seq;
        entry.receiver.receive(snapshot);
      }
      if (!someHaveIt && !this.#someAreBehind) this.#quietSinceMs = now;
    }
    if (!this.isEmpty) this.schedule();
  }
}
