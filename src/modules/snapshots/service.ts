import type { Logger } from 'pino';
import type { Principal } from '../../access/principal.ts';
import { RequestError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { LiveSource } from '../../live/live-source.ts';
import { minIntervalBoundsMs, SnapshotHub, type SnapshotStamp } from '../../live/snapshot-hub.ts';
import type { Timers } from '../../live/timers.ts';
import { Ageing } from './ageing.ts';
import { FairshareHistory, type HistoryResolution, historyResolutions } from './history.ts';
import type { HistoryPoint, HistoryRowCounts } from './history-points.ts';
import { sampleOf } from './history-sample.ts';
import type {
  FairshareSnapshot,
  HistorySample,
  SnapshotCall,
  SnapshotFeed,
  SnapshotSource,
  StatsSnapshot,
} from './snapshot.ts';
import { seesTotals } from './views.ts';

declare module '../../graph/context.ts' {
  interface Services {
    snapshots: SnapshotService;
  }
}

interface Parts {
  readonly source: SnapshotSource;
  readonly instanceId: string;
  readonly clock: { now(): Date };
  readonly timers: Timers;
  readonly log: Logger;
}

/** A part of the past, as far as somebody may see it. */
export interface HistoryView {
  readonly resolution: HistoryResolution;
  readonly oldestAt: Date | null;
  readonly points: readonly (Omit<HistoryPoint, HiddenOfPoints> & {
    readonly [Field in HiddenOfPoints]: HistoryPoint[Field] | null;
  })[];
}

type HiddenOfPoints = 'inFlight' | 'queued' | 'borrowed' | 'maxInFlight' | 'maxQueued' | 'groups';

/** Null is as if it were not said. */
export interface HistoryTime {
  readonly resolution: HistoryResolution;
  readonly since?: Date | null | undefined;
  readonly until?: Date | null | undefined;
}

interface HistoryRequest extends HistoryTime {
  readonly pool?: string | undefined;
}

/** Whether something waits, or rates fall when nothing happens any more. */
const isBusy = ({ totals: { oldestWaitMs, admittedPerSecond, refusedPerSecond, settledPerSecond } }: StatsSnapshot) =>
  oldestWaitMs !== null || admittedPerSecond + refusedPerSecond + settledPerSecond > 0;

/** Live fairshare and statistics, and the hour and the day before. */
export class SnapshotService implements SnapshotFeed {
  readonly #fairshare: SnapshotHub<FairshareSnapshot>;
  readonly #stats: SnapshotHub<StatsSnapshot>;
  readonly #history = new FairshareHistory();
  readonly #ageing: readonly Ageing[];
  readonly #parts: Parts;
  readonly #stopListening: () => void;
  #stopSampling: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { source, instanceId, clock, timers, log } = parts;
    const onFailure = (error: unknown) => log.error({ err: error }, 'a live snapshot could not be made');
    const waits = new Ageing(timers, () => this.#fairshare.changed());
    const rates = new Ageing(timers, () => this.#stats.changed());
    this.#ageing = [waits, rates];
    const options = { instanceId, clock, timers, onFailure };
    this.#fairshare = new SnapshotHub({
      ...options,
      onWanted: (everyMs) => source.wanted?.('fairshare', everyMs),
      take: (stamp) => waits.seen(source.fairshare(stamp), ({ totals }) => totals.oldestWaitMs !== null),
    });
    this.#stats = new SnapshotHub({
      ...options,
      onWanted: (everyMs) => source.wanted?.('stats', everyMs),
      take: (stamp) => rates.seen(source.stats(stamp), isBusy),
    });
    this.#stopListening = source.onChanged(() => {
      this.#fairshare.changed();
      this.#stats.changed();
    });
    this.#sampleLater();
  }

  async fairshare(): Promise<FairshareSnapshot> {
    await this.#parts.source.refreshed?.('fairshare');
    return this.#fairshare.current();
  }

  async stats(): Promise<StatsSnapshot> {
    await this.#parts.source.refreshed?.('stats');
    return this.#stats.current();
  }

  async followFairshare(minIntervalMs: number): Promise<LiveSource<FairshareSnapshot>> {
    await this.#parts.source.refreshed?.('fairshare');
    return new LiveSource(this.#fairshare, minIntervalMs);
  }

  async followStats(minIntervalMs: number): Promise<LiveSource<StatsSnapshot>> {
    await this.#parts.source.refreshed?.('stats');
    return new LiveSource(this.#stats, minIntervalMs);
  }

  next({ kind, after, everyMs }: SnapshotCall, signal: AbortSignal): Promise<FairshareSnapshot | StatsSnapshot> {
    return kind === 'fairshare'
      ? nextOf(this.#fairshare, after, everyMs, signal)
      : nextOf(this.#stats, after, everyMs, signal);
  }

  sample(): HistorySample {
    return sampleOf(this.#fairshare.current());
  }

  /** @throws {RequestError} when its end is before its beginning */
  history(principal: Principal, { resolution, pool, since, until }: HistoryRequest): HistoryView {
    const showsTotals = seesTotals(principal);
    if (isGiven(since) && isGiven(until) && since > until) {
      throw new RequestError('BAD_USER_INPUT', 'since is after until.', { argument: 'since' });
    }
    const points = this.#history.between(resolution, ...this.#timeOf({ resolution, since, until }), pool);
    const hidden = { inFlight: null, queued: null, borrowed: null, maxInFlight: null, maxQueued: null, groups: null };
    const { tenantId } = principal;
    return {
      resolution,
      oldestAt: this.#history.oldestAt(resolution),
      points: points.map((point) => ({
        ...point,
        ...(showsTotals ? {} : hidden),
        ...(tenantId === undefined ? {} : { groups: null }),
        tenants:
          tenantId === undefined
            ? point.tenants
            : (ids) => (ids === undefined || ids.has(tenantId) ? point.tenants(new Set([tenantId])) : []),
      })),
    };
  }

  /** How many points `history` would give. */
  historyPointCount(time: HistoryTime): number {
    return this.#history.countBetween(time.resolution, ...this.#timeOf(time));
  }

  /** About how many rows each point of the history has that a principal may see. */
  historyRowsOfPoint({ tenantId }: Pick<Principal, 'tenantId'>): HistoryRowCounts {
    return tenantId === undefined ? this.#history.rowsOfPoint : { groups: 0, tenants: 1 };
  }

  #timeOf({ resolution, since, until }: HistoryTime): readonly [since: Date, until: Date] {
    const now = this.#parts.clock.now().getTime();
    // The point of this moment has a part of its samples only, and is shown all the same.
    return [since ?? new Date(now - historyResolutions[resolution].retentionMs), until ?? new Date(now + 1)];
  }

  close(): void {
    this.#stopListening();
    this.#stopSampling();
    for (const ageing of this.#ageing) ageing.close();
  }

  #sampleLater(): void {
    const { timers, log } = this.#parts;
    this.#stopSampling = timers.after(historyResolutions.SECONDS.intervalMs, () => {
      this.#sampleLater();
      this.#sample().catch((error: unknown) => {
        log.error({ err: error }, 'the history of fairshare lacks a point');
      });
    });
  }

  /** Each process keeps the history of all: it goes on when another one decides. */
  async #sample(): Promise<void> {
    const sampled = this.#parts.source.sampled?.();
    const sample = sampled === undefined ? this.#fairshare.current() : await sampled;
    if (sample !== undefined) this.#history.add(sample);
  }
}

/** The next snapshot of a hub for somebody who has one. */
async function nextOf<Snapshot extends SnapshotStamp>(
  hub: SnapshotHub<Snapshot>,
  after: SnapshotCall['after'],
  everyMs: number,
  signal: AbortSignal,
): Promise<Snapshot> {
  const current = hub.current();
  if (signal.aborted || after?.instanceId !== current.instanceId || after.seq !== current.seq) return current;
  const next = Promise.withResolvers<Snapshot>();
  const follower = hub.follow(Math.max(everyMs, minIntervalBoundsMs.from), {
    receive: (snapshot) => {
      if (snapshot.seq !== after.seq) next.resolve(snapshot);
    },
  });
  const giveUp = (): void => next.resolve(current);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await next.promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
    follower.stop();
  }
}
