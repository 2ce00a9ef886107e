import type { Lease } from '../../database/generated/client.ts';
import type { Call, Rows } from '../../database/pipelined-connection.ts';
import { type UsageRecordRow, usageRecords } from '../usage/entity.ts';
import {
  type CounterRow,
  counterColumns,
  givenRows,
  insertInto,
  type LateFigures,
  lateColumns,
  leaseColumns,
  type Renewal,
  renewalColumns,
  usageColumns,
  valuesOf,
} from './rows.ts';

/** What is asked for. Each may be written again when it was written already, and comes to the same as once. */
export type Operation =
  /** Inserts the row; one with its id is left alone. */
  | { readonly kind: 'grant'; readonly lease: Lease }
  /** Sets the end, whatever it was. A lease that is gone stays so. */
  | { readonly kind: 'renew'; readonly renewal: Renewal }
  /** Deletes the lease if it is there. */
  | { readonly kind: 'release'; readonly leaseId: string }
  /** Inserts the record; one of its id is left alone, whoever wrote it. Deletes the lease. */
  | { readonly kind: 'settle'; readonly record: UsageRecordRow }
  /** Changes the record if it is UNSETTLED, which it is not any more then. */
  | { readonly kind: 'correct'; readonly figures: LateFigures }
  /** Sets whole states, unless a transaction that began later has. */
  | { readonly kind: 'count'; readonly counter: CounterRow };

/** What became of a settlement: the one record that the lease has. */
export interface Settled {
  readonly record: UsageRecordRow;
  /** Whether this made the record or changed it; false as well where it did in an attempt whose answer was lost. */
  readonly isNew: boolean;
}

const figureColumns = lateColumns.filter(({ name }) => !['id', 'credential_id'].includes(name));

/** The statements that batches are made of. */
export const batchStatements = {
  grant: `${insertInto('lease', leaseColumns)} ON CONFLICT (id) DO NOTHING`,
  renew: `UPDATE lease SET expires_at = given.expires_at FROM ${givenRows(renewalColumns)} WHERE lease.id = given.id`,
  settle: `${insertInto('usage_record', usageColumns)} ON CONFLICT (id) DO NOTHING RETURNING id`,
  correct: `UPDATE usage_record AS t
    SET settlement = 'LATE', ${figureColumns.map(({ name }) => `${name} = given.${name}`).join(', ')}
    FROM ${givenRows(lateColumns)}
    WHERE t.id = given.id AND t.credential_id = given.credential_id AND t.settlement = 'UNSETTLED'
    RETURNING t.id`,
  end: 'DELETE FROM lease WHERE id = ANY($1::uuid[])',
  count: `INSERT INTO limit_counter AS t (key, state, expires_at, updated_at)
    SELECT key, state, expires_at, now() FROM ${givenRows(counterColumns)}
    ON CONFLICT (key) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at, updated_at = now()
    WHERE t.updated_at <= now()`,
} as const;

/** The records with the given ids. */
const storedRecords = `SELECT ${usageRecords.plan().selection.sql} FROM ${usageRecords.plan().source.sql} WHERE t.id = ANY($1::uuid[])`;

const call = (name: keyof typeof batchStatements, values: readonly string[]): Call => ({ name, values });

/** Carries out a statement and gives its rows. */
type Read = (text: string, values: readonly string[]) => Promise<readonly Record<string, unknown>[]>;

const idsOf = (ids: Iterable<string>): string => `{${[...ids].join(',')}}`;

/** What one transaction writes: one statement for each kind of operation, however many there are of it. */
export class Batch {
  readonly #operations: readonly Operation[];
  readonly #leases: Lease[] = [];
  /** The last of each lease. */
  readonly #renewals = new Map<string, Renewal>();
  /** Of each lease the first that was asked for; so with the figures. */
  readonly #settlements = new Map<string, Operation & { kind: 'settle' }>();
  readonly #corrections = new Map<string, Operation & { kind: 'correct' }>();
  readonly #ended = new Set<string>();
  /** The last state of each. */
  readonly #counters = new Map<string, CounterRow>();

  /**
   * In the order in which a lease lives: one that was granted and settled at the same time is granted first. There is one
   * for each kind that was asked for.
   */
  readonly calls: readonly Call[];

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
    for (const operation of operations) this.#add(operation);
    this.calls = this.#calls();
  }

  #calls(): readonly Call[] {
    const made: Call[] = [];
    if (this.#leases.length > 0) made.push(call('grant', valuesOf(leaseColumns, this.#leases)));
    if (this.#renewals.size > 0) made.push(call('renew', valuesOf(renewalColumns, [...this.#renewals.values()])));
    if (this.#settlements.size > 0) {
      const records = [...this.#settlements.values()].map(({ record }) => record);
      // Two processes that record the same ones wait for each other in the same order, and so never in a circle.
      records.sort((one, other) => (one.id < other.id ? -1 : 1));
      made.push(call('settle', valuesOf(usageColumns, records)));
    }
    if (this.#corrections.size > 0) {
      const figures = [...this.#corrections.values()].map((correction) => correction.figures);
      made.push(call('correct', valuesOf(lateColumns, figures)));
    }
    if (this.#ended.size > 0) made.push(call('end', [idsOf(this.#ended)]));
    if (this.#counters.size > 0) made.push(call('count', valuesOf(counterColumns, [...this.#counters.values()])));
    return made;
  }

  /**
   * The answer to each operation; of what is no settlement, nothing.
   *
   * @param results the rows of each of the calls
   * @param read asked once, after the commit, for what others had stored before
   */
  async answers(results: readonly Rows[], read: Read): Promise<readonly (Settled | undefined)[]> {
    if (this.#settlements.size === 0 && this.#corrections.size === 0) return this.#operations.map(() => undefined);
    const changedBy = (name: keyof typeof batchStatements): ReadonlySet<string> => {
      const index = this.calls.findIndex((each) => each.name === name);
      return new Set((results[index] ?? []).map(([id]) => String(id)));
    };
    const made = changedBy('settle');
    const corrected = changedBy('correct');
    const others = [...this.#settlements.keys()].filter((id) => !made.has(id));
    const stored = await this.#stored([...others, ...this.#corrections.keys()], read);
    return this.#operations.map((operation) => {
      if (operation.kind === 'settle') {
        const { id } = operation.record;
        const first = this.#settlements.get(id);
        const record = made.has(id) ? first?.record : stored.get(id);
        return record && { record, isNew: first === operation && made.has(id) };
      }
      if (operation.kind !== 'correct') return undefined;
      const { id } = operation.figures;
      const record = stored.get(id);
      return record && { record, isNew: this.#corrections.get(id) === operation && corrected.has(id) };
    });
  }

  #add(operation: Operation): void {
    switch (operation.kind) {
      case 'grant':
        this.#leases.push(operation.lease);
        break;
      case 'renew':
        this.#renewals.set(operation.renewal.id, operation.renewal);
        break;
      case 'release':
        this.#ended.add(operation.leaseId);
        break;
      case 'settle':
        this.#ended.add(operation.record.id);
        if (!this.#settlements.has(operation.record.id)) this.#settlements.set(operation.record.id, operation);
        break;
      case 'correct':
        if (!this.#corrections.has(operation.figures.id)) this.#corrections.set(operation.figures.id, operation);
        break;
      case 'count':
        this.#counters.set(operation.counter.key, operation.counter);
    }
  }

  async #stored(ids: readonly string[], read: Read): Promise<ReadonlyMap<string, UsageRecordRow>> {
    if (ids.length === 0) return new Map();
    const { decode } = usageRecords.plan();
    const rows = await read(storedRecords, [idsOf(ids)]);
    return new Map(rows.map((raw) => [String(raw.id), decode({ ...raw })]));
  }
}
