import { foldName } from '../../graph/commands/validation.ts';
import type { HistoryNames } from './history-names.ts';
import type { HistorySample } from './snapshot.ts';

/** What a group or tenant had, on average over the time of a point. */
export interface HistoryRow {
  readonly id: string;
  readonly name: string;
  readonly inFlight: number;
  readonly queued: number;
}

/** How many rows of each kind, of which a fraction can be a mean. */
export interface HistoryRowCounts {
  readonly groups: number;
  readonly tenants: number;
}

/** What is read of a point: rows are made when they are asked for, which is to be before another point begins. */
export interface HistoryPoint {
  readonly at: Date;
  readonly inFlight: number;
  readonly queued: number;
  readonly borrowed: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly groups: () => readonly HistoryRow[];
  /** @param ids of which tenants; of all when they are not given */
  readonly tenants: (ids?: ReadonlySet<string>) => readonly HistoryRow[];
}

type HistoryFigures = Omit<HistoryPoint, 'at' | 'groups' | 'tenants'>;

/** The name of all pools together. */
export const everyPool = '';

interface RowSums {
  name: string;
  inFlight: number;
  queued: number;
}

/** What was in flight and waited in one pool, or in all, summed over the samples of one point. */
class Sums {
  inFlight = 0;
  queued = 0;
  borrowed = 0;
  maxInFlight = 0;
  maxQueued = 0;
  readonly groups = new Map<string, RowSums>();
  readonly tenants = new Map<string, RowSums>();

  add({ totals, groups, tenants }: Pick<HistorySample, 'totals' | 'groups' | 'tenants'>): void {
    const { inFlight, queued, borrowed } = totals;
    this.inFlight += inFlight;
    this.queued += queued;
    this.borrowed += borrowed;
    this.maxInFlight = Math.max(this.maxInFlight, inFlight);
    this.maxQueued = Math.max(this.maxQueued, queued);
    for (const group of groups) addRow(this.groups, group.groupId, group);
    for (const tenant of tenants) addRow(this.tenants, tenant.tenantId, tenant);
  }

  /** Means over so many samples: a pool that was idle for a part of the time counts for all of it. */
  figures(samples: number): HistoryFigures {
    const { inFlight, queued, borrowed, maxInFlight, maxQueued } = this;
    return {
      inFlight: inFlight / samples,
      queued: queued / samples,
      borrowed: borrowed / samples,
      maxInFlight,
      maxQueued,
    };
  }
}

function addRow(rows: Map<string, RowSums>, id: string, { name, inFlight, queued }: RowSums): void {
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

/** Who, in flight and queued, of one row after the other: groups first. */
type PackedRows = Float64Array;
const fieldsOfRow = 3;

interface PackedPool {
  readonly figures: HistoryFigures;
  readonly groupCount: number;
  readonly rows: PackedRows;
}

/** A point that is over, as small as it can be kept. */
export class PackedPoint {
  readonly at: number;
  /** About how many rows' worth of memory it takes. */
  readonly weight: number;
  readonly #names: HistoryNames;
  readonly #pools = new Map<string, PackedPool>();

  constructor(at: number, samples: number, pools: ReadonlyMap<string, Sums>, names: HistoryNames) {
    this.at = at;
    this.#names = names;
    let weight = 0;
    for (const [pool, sums] of pools) {
      const all = [...sums.groups, ...sums.tenants];
      const rows = new Float64Array(all.length * fieldsOfRow);
      for (const [index, [id, row]] of all.entries()) {
        rows.set([names.use(id, row.name), row.inFlight / samples, row.queued / samples], index * fieldsOfRow);
      }
      this.#pools.set(pool, { figures: sums.figures(samples), groupCount: sums.groups.size, rows });
      weight += all.length + poolWeight;
    }
    this.weight = weight;
  }

  /** Nothing of it may be read any more. */
  drop(): void {
    for (const { rows } of this.#pools.values()) {
      for (let at = 0; at < rows.length; at += fieldsOfRow) this.#names.release(rows[at] ?? 0);
    }
  }

  read(pool: string): HistoryPoint {
    const found = this.#pools.get(pool);
    if (found === undefined) return { ...idle, at: new Date(this.at), groups: () => [], tenants: () => [] };
    const { figures, groupCount, rows } = found;
    return {
      ...figures,
      at: new Date(this.at),
      groups: () => this.#rows(rows, 0, groupCount),
      tenants: (ids) => this.#rows(rows, groupCount, rows.length / fieldsOfRow, ids),
    };
  }

  /** How many rows it has of all pools together. */
  get counts(): HistoryRowCounts {
    const { groupCount = 0, rows } = this.#pools.get(everyPool) ?? {};
    return { groups: groupCount, tenants: (rows?.length ?? 0) / fieldsOfRow - groupCount };
  }

  #rows(rows: PackedRows, from: number, until: number, ids?: ReadonlySet<string>): HistoryRow[] {
    const wanted: HistoryRow[] = [];
    for (let at = from * fieldsOfRow; at < until * fieldsOfRow; at += fieldsOfRow) {
      const { id, name } = this.#names.of(rows[at] ?? 0);
      if (ids?.has(id) ?? true) wanted.push({ id, name, inFlight: rows[at + 1] ?? 0, queued: rows[at + 2] ?? 0 });
    }
    return wanted;
  }
}

/** What a pool of a point takes beside its rows. */
const poolWeight = 10;

const idle: HistoryFigures = { inFlight: 0, queued: 0, borrowed: 0, maxInFlight: 0, maxQueued: 0 };

/** The point of now, to which samples are added. */
export class OpenPoint {
  readonly at: number;
  #samples = 0;
  readonly #pools = new Map<string, Sums>();

  constructor(at: number) {
    this.at = at;
  }

  add(sample: HistorySample): void {
    this.#samples += 1;
    this.#sums(everyPool).add(sample);
    for (const pool of sample.pools) {
      if (pool.totals.inFlight + pool.totals.queued > 0) this.#sums(foldName(pool.model)).add(pool);
    }
  }

  packed(names: HistoryNames): PackedPoint {
    return new PackedPoint(this.at, this.#samples, this.#pools, names);
  }

  read(pool: string): HistoryPoint {
    const sums = this.#pools.get(pool);
    const rowsOf = (rows: ReadonlyMap<string, RowSums> | undefined, ids?: ReadonlySet<string>): HistoryRow[] =>
      [...(rows ?? [])]
        .filter(([id]) => ids?.has(id) ?? true)
        .map(([id, { name, inFlight, queued }]) => ({
          id,
          name,
          inFlight: inFlight / this.#samples,
          queued: queued / this.#samples,
        }));
    return {
      ...(sums?.figures(this.#samples) ?? idle),
      at: new Date(this.at),
      groups: () => rowsOf(sums?.groups),
      tenants: (ids) => rowsOf(sums?.tenants, ids),
    };
  }

  get counts(): HistoryRowCounts {
    const { groups, tenants } = this.#sums(everyPool);
    return { groups: groups.size, tenants: tenants.size };
  }

  /** @param pool the folded name of its model */
  #sums(pool: string): Sums {
    const known = this.#pools.get(pool);
    if (known !== undefined) return known;
    const sums = new Sums();
    this.#pools.set(pool, sums);
    return sums;
  }
}
