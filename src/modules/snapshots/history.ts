import { HistoryNames } from './history-names.ts';
import { everyPool, type HistoryPoint, type HistoryRowCounts, OpenPoint, type PackedPoint } from './history-points.ts';
import type { HistorySample } from './snapshot.ts';

/** How closely the past is kept, and for how long. */
export const historyResolutions = {
  SECONDS: { description: 'A point every 2 seconds, for an hour.', intervalMs: 2_000, retentionMs: 3_600_000 },
  MINUTES: { description: 'A point every minute, for a day.', intervalMs: 60_000, retentionMs: 86_400_000 },
} as const;

export type HistoryResolution = keyof typeof historyResolutions;

/**
 * How many rows of groups and tenants, in all pools of all points, are kept of one resolution: about 24 MB. Enough for
 * 250 active tenants in two pools throughout the hour; with more of them the oldest points go sooner.
 */
const rowsMax = 1_000_000;

interface RingOptions {
  readonly intervalMs: number;
  readonly retentionMs: number;
  readonly rowsMax: number;
}

/** The last points of one resolution. */
class Ring {
  readonly #options: RingOptions;
  readonly #names: HistoryNames;
  /** The oldest first. */
  readonly #points: PackedPoint[] = [];
  #weight = 0;
  /** The rows of all that are over. */
  readonly #counts = { groups: 0, tenants: 0 };
  #open: OpenPoint | undefined;

  constructor(options: RingOptions, names: HistoryNames) {
    this.#options = options;
    this.#names = names;
  }

  add(sample: HistorySample): void {
    const time = sample.asOf.getTime();
    const at = time - (time % this.#options.intervalMs);
    // A clock that was set back continues the last point.
    if (this.#open === undefined || this.#open.at < at) {
      this.#close();
      this.#open = new OpenPoint(at);
      this.#forget(at - this.#options.retentionMs);
    }
    this.#open.add(sample);
  }

  get oldestAt(): Date | null {
    const first = this.#points[0] ?? this.#open;
    return first === undefined ? null : new Date(first.at);
  }

  between(pool: string, since: number, until: number): HistoryPoint[] {
    return this.#within(since, until).map((point) => point.read(pool));
  }

  countBetween(since: number, until: number): number {
    return this.#within(since, until).length;
  }

  /** How many rows a point has on average, of all pools together. */
  get rowsOfPoint(): HistoryRowCounts {
    const open = this.#open?.counts ?? { groups: 0, tenants: 0 };
    const points = Math.max(1, this.#points.length + (this.#open === undefined ? 0 : 1));
    const { groups, tenants } = this.#counts;
    return { groups: (groups + open.groups) / points, tenants: (tenants + open.tenants) / points };
  }

  #within(since: number, until: number): (PackedPoint | OpenPoint)[] {
    const all = this.#open === undefined ? this.#points : [...this.#points, this.#open];
    return all.filter(({ at }) => at >= since && at < until);
  }

  #close(): void {
    if (this.#open === undefined) return;
    const point = this.#open.packed(this.#names);
    this.#points.push(point);
    this.#count(point, 1);
  }

  #count({ weight, counts }: PackedPoint, by: 1 | -1): void {
    this.#weight += by * weight;
    this.#counts.groups += by * counts.groups;
    this.#counts.tenants += by * counts.tenants;
  }

  #forget(until: number): void {
    let count = 0;
    for (const point of this.#points) {
      if (point.at > until && this.#weight <= this.#options.rowsMax) break;
      point.drop();
      this.#count(point, -1);
      count += 1;
    }
    this.#points.splice(0, count);
  }
}

/** What the slots were taken by, in memory: it begins anew with the process. */
export class FairshareHistory {
  readonly #names = new HistoryNames();
  readonly #rings: Readonly<Record<HistoryResolution, Ring>>;

  /** @param rows how many rows are kept of each resolution */
  constructor(rows: number = rowsMax) {
    const { SECONDS, MINUTES } = historyResolutions;
    this.#rings = {
      SECONDS: new Ring({ ...SECONDS, rowsMax: rows }, this.#names),
      MINUTES: new Ring({ ...MINUTES, rowsMax: rows }, this.#names),
    };
  }

  add(sample: HistorySample): void {
    for (const ring of Object.values(this.#rings)) ring.add(sample);
  }

  /** When the first point is that is kept; null before it. */
  oldestAt(resolution: HistoryResolution): Date | null {
    return this.#rings[resolution].oldestAt;
  }

  /** @param pool the folded name of its model; all of them when it is not given */
  between(resolution: HistoryResolution, since: Date, until: Date, pool: string = everyPool): HistoryPoint[] {
    return this.#rings[resolution].between(pool, since.getTime(), until.getTime());
  }

  /** How many points `between` would give. */
  countBetween(resolution: HistoryResolution, since: Date, until: Date): number {
    return this.#rings[resolution].countBetween(since.getTime(), until.getTime());
  }

  /** How many rows a point has, on average over all points of the resolution that has more of them. */
  get rowsOfPoint(): HistoryRowCounts {
    const { SECONDS, MINUTES } = this.#rings;
    const [seconds, minutes] = [SECONDS.rowsOfPoint, MINUTES.rowsOfPoint];
    return {
      groups: Math.max(seconds.groups, minutes.groups),
      tenants: Math.max(seconds.tenants, minutes.tenants),
    };
  }

  /** Of how many groups and tenants it keeps anything. */
  get namesKept(): number {
    return this.#names.size;
  }
}
