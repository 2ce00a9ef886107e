import type { FairshareSnapshot, PoolShares, SlotTotals } from './snapshot.ts';

/** How closely the past is kept, and for how long. */
export const historyResolutions = {
  SECONDS: { description: 'A point every 2 seconds, for an hour.', intervalMs: 2_000, retentionMs: 3_600_000 },
  MINUTES: { description: 'A point every minute, for a day.', intervalMs: 60_000, retentionMs: 86_400_000 },
} as const;

export type HistoryResolution = keyof typeof historyResolutions;

/** What a group or tenant had, on average over the time of a point. */
export interface HistoryRow {
  readonly id: string;
  readonly name: string;
  readonly inFlight: number;
  readonly queued: number;
}

export interface HistoryPoint {
  readonly at: Date;
  readonly inFlight: number;
  readonly queued: number;
  readonly borrowed: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly groups: readonly HistoryRow[];
  readonly tenants: readonly HistoryRow[];
}

/** What was in flight and waited in one pool, or in all, summed over the samples of one point. */
interface Sums {
  samples: number;
  inFlight: number;
  queued: number;
  borrowed: number;
  maxInFlight: number;
  maxQueued: number;
  readonly groups: Map<string, RowSums>;
  readonly tenants: Map<string, RowSums>;
}

interface RowSums {
  name: string;
  inFlight: number;
  queued: number;
}

/** Those of all pools together. */
const everyPool = '';

interface Point {
  readonly at: number;
  readonly pools: Map<string, Sums>;
}

/** The last points of one resolution. */
class Ring {
  readonly intervalMs: number;
  readonly retentionMs: number;
  readonly #points: Point[] = [];

  constructor({ intervalMs, retentionMs }: { readonly intervalMs: number; readonly retentionMs: number }) {
    this.intervalMs = intervalMs;
    this.retentionMs = retentionMs;
  }

  add(snapshot: FairshareSnapshot): void {
    const time = snapshot.asOf.getTime();
    const at = time - (time % this.intervalMs);
    let point = this.#points.at(-1);
    // A clock that was set back continues the last point.
    if (point === undefined || point.at < at) {
      point = { at, pools: new Map() };
      this.#points.push(point);
      const oldest = at - this.retentionMs;
      const kept = this.#points.findIndex((each) => each.at > oldest);
      if (kept > 0) this.#points.splice(0, kept);
    }
    addTo(point.pools, everyPool, snapshot);
    for (const pool of snapshot.pools) {
      if (pool.totals.inFlight + pool.totals.queued > 0) addTo(point.pools, pool.model, pool);
    }
    // Pools that were idle for a part of the time count for all of it.
    const samples = point.pools.get(everyPool)?.samples ?? 0;
    for (const sums of point.pools.values()) sums.samples = samples;
  }

  get oldestAt(): Date | null {
    const [first] = this.#points;
    return first === undefined ? null : new Date(first.at);
  }

  between(pool: string, since: number, until: number): HistoryPoint[] {
    return this.#points
      .filter(({ at }) => at >= since && at < until)
      .map(({ at, pools }) => pointOf(at, pools.get(pool)));
  }
}

function addTo(
  pools: Map<string, Sums>,
  name: string,
  shares: Pick<PoolShares, 'groups' | 'tenants'> & { readonly totals: SlotTotals },
): void {
  const { inFlight, queued, borrowed } = shares.totals;
  const sums = pools.get(name) ?? {
    samples: 0,
    inFlight: 0,
    queued: 0,
    borrowed: 0,
    maxInFlight: 0,
    maxQueued: 0,
    groups: new Map(),
    tenants: new Map(),
  };
  pools.set(name, sums);
  sums.samples += 1;
  sums.inFlight += inFlight;
  sums.queued += queued;
  sums.borrowed += borrowed;
  sums.maxInFlight = Math.max(sums.maxInFlight, inFlight);
  sums.maxQueued = Math.max(sums.maxQueued, queued);
  for (const group of shares.groups) addRow(sums.groups, group.groupId, group);
  for (const tenant of shares.tenants) addRow(sums.tenants, tenant.tenantId, tenant);
}

function addRow(
  rows: Map<string, RowSums>,
  id: string,
  { name, inFlight, queued }: { readonly name: string; readonly inFlight: number; readonly queued: number },
): void {
  if (inFlight + queued === 0) return;
  const known = rows.get(id);
  if (known === undefined) {
    rows.set(id, { name, inFlight, queued });
    return;
  }
  known.name = name;
  known.inFlight += inFlight;
  known.queued += queued;
}

function pointOf(at: number, sums: Sums | undefined): HistoryPoint {
  const mean = (sum: number): number => (sums === undefined ? 0 : sum / sums.samples);
  const rowsOf = (rows: ReadonlyMap<string, RowSums> | undefined): HistoryRow[] =>
    [...(rows ?? [])].map(([id, { name, inFlight, queued }]) => ({
      id,
      name,
      inFlight: mean(inFlight),
      queued: mean(queued),
    }));
  return {
    at: new Date(at),
    inFlight: mean(sums?.inFlight ?? 0),
    queued: mean(sums?.queued ?? 0),
    borrowed: mean(sums?.borrowed ?? 0),
    maxInFlight: sums?.maxInFlight ?? 0,
    maxQueued: sums?.maxQueued ?? 0,
    groups: rowsOf(sums?.groups),
    tenants: rowsOf(sums?.tenants),
  };
}

/** What the slots were taken by, in memory: it begins anew with the process. */
export class FairshareHistory {
  readonly #rings: Readonly<Record<HistoryResolution, Ring>> = {
    SECONDS: new Ring(historyResolutions.SECONDS),
    MINUTES: new Ring(historyResolutions.MINUTES),
  };

  add(snapshot: FairshareSnapshot): void {
    for (const ring of Object.values(this.#rings)) ring.add(snapshot);
  }

  /** When the first point is that is kept; null before it. */
  oldestAt(resolution: HistoryResolution): Date | null {
    return this.#rings[resolution].oldestAt;
  }

  /** @param pool all of them when it is not given */
  between(resolution: HistoryResolution, since: Date, until: Date, pool: string = everyPool): HistoryPoint[] {
    return this.#rings[resolution].between(pool, since.getTime(), until.getTime());
  }
}
