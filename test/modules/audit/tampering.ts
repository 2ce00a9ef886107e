import fc from 'fast-check';
import { expect } from 'vitest';
import type { Transaction } from '../../../src/database/database.ts';
import { newId } from '../../../src/graph/ids.ts';
import { hashOf } from '../../../src/modules/audit/chain.ts';
import type { AuditEntryRow } from '../../../src/modules/audit/entity.ts';
import type { ChainBreak } from '../../../src/modules/audit/verify.ts';

/** What verification has to say of a chain that somebody worked on in the database. */
interface Verdict {
  readonly kind: ChainBreak;
  readonly sequence: number;
  /** The row that is shown; null: none. */
  readonly entryId: string | null;
}

/** Works on a chain whose rows are given, and says what has to be found. */
type Tampering = (transaction: Transaction, rows: readonly AuditEntryRow[]) => Promise<Verdict>;

/** Each column of a row with another value than any that the chains have. */
const otherValues: Readonly<Record<string, string>> = {
  id: `'01900000-0000-7000-8000-00000000abcd'`,
  chain_id: `'01900000-0000-7000-8000-00000000dcba'`,
  sequence: 'sequence + 1000',
  previous_hash: `decode(repeat('ab', 32), 'hex')`,
  hash: `decode(repeat('cd', 32), 'hex')`,
  occurred_at: `occurred_at + interval '1 millisecond'`,
  actor_kind: `'TENANT'`,
  actor_id: `NULL`,
  actor_name: `'somebody else'`,
  action: `'deleteTenant'`,
  target_type: `'FairshareGroup'`,
  target_id: `'fsg_01h455vb4pex5vsknk084sn02q'`,
  outcome: `'REFUSED'`,
  error_code: `'NOT_FOUND'`,
  attempts: 'attempts + 1',
  before: `jsonb_set(before, '{nested,list,1}', '2.6')`,
  after: `NULL`,
  request_id: `'another request'`,
  ip_address: `'198.51.100.1'`,
  user_agent: `NULL`,
};

export const auditColumns = Object.keys(otherValues);

const run = (transaction: Transaction, statement: string, ...values: unknown[]): Promise<number> =>
  transaction.prisma.$executeRawUnsafe(statement, ...values);

const at = (rows: readonly AuditEntryRow[], place: number): AuditEntryRow => {
  const row = rows[place - 1];
  if (row === undefined) throw new Error(`The chain has no row ${place}.`);
  return row;
};

const chainOf = (rows: readonly AuditEntryRow[]): string => at(rows, 1).chainId;

export const alterColumn =
  (place: number, column: string): Tampering =>
  async (transaction, rows) => {
    const { id } = at(rows, place);
    await run(transaction, `UPDATE audit_entry SET ${column} = ${otherValues[column]} WHERE id = $1::uuid`, id);
    // These two take the row away from where it was.
    if (column === 'sequence' || column === 'chain_id') return { kind: 'REMOVED', sequence: place, entryId: null };
    const entryId = column === 'id' ? '01900000-0000-7000-8000-00000000abcd' : id;
    return { kind: 'ALTERED', sequence: place, entryId };
  };

const deleteRows =
  (places: readonly number[]): Tampering =>
  async (transaction, rows) => {
    for (const place of places)
      await run(transaction, 'DELETE FROM audit_entry WHERE id = $1::uuid', at(rows, place).id);
    return { kind: 'REMOVED', sequence: Math.min(...places), entryId: null };
  };

/** Moves the rows from a place on by some places. Twice through negative numbers, since no two may be equal. */
async function renumber(transaction: Transaction, chainId: string, from: number, by: number): Promise<void> {
  await run(
    transaction,
    'UPDATE audit_entry SET sequence = -(sequence + $3::int) WHERE chain_id = $1::uuid AND sequence >= $2::int',
    chainId,
    from,
    by,
  );
  await run(
    transaction,
    'UPDATE audit_entry SET sequence = -sequence WHERE chain_id = $1::uuid AND sequence < 0',
    chainId,
  );
}

const deleteAndRenumber =
  (first: number, last: number): Tampering =>
  async (transaction, rows) => {
    for (let place = first; place <= last; place += 1) await deleteRows([place])(transaction, rows);
    await renumber(transaction, chainOf(rows), last + 1, first - last - 1);
    return { kind: 'REMOVED', sequence: first, entryId: null };
  };

/** Puts a row in before the one at a place, or after the last. */
const insertRow =
  (place: number, hashed: 'well' | 'badly'): Tampering =>
  async (transaction, rows) => {
    const chainId = chainOf(rows);
    const model = at(rows, 1);
    const previousHash = place === 1 ? new Uint8Array(32) : at(rows, place - 1).hash;
    const forged = { ...model, id: newId(), sequence: BigInt(place), action: 'deleteTenant', previousHash };
    const hash = hashed === 'well' ? hashOf(forged, forged.sequence, previousHash) : model.hash;
    await renumber(transaction, chainId, place, 1);
    const { before, after, ...columns } = forged;
    await transaction.prisma.auditEntry.create({
      data: { ...columns, before: before ?? {}, after: after ?? {}, hash: Uint8Array.from(hash) },
    });
    return { kind: 'INSERTED', sequence: place, entryId: forged.id };
  };

const swapRows =
  (first: number, second: number): Tampering =>
  async (transaction, rows) => {
    const [one, other] = [at(rows, first), at(rows, second)];
    const move = (row: AuditEntryRow, to: number) =>
      run(transaction, 'UPDATE audit_entry SET sequence = $2::int WHERE id = $1::uuid', row.id, to);
    await move(one, -1);
    await move(other, first);
    await move(one, second);
    return second === first + 1
      ? { kind: 'INSERTED', sequence: first, entryId: other.id }
      : { kind: 'REMOVED', sequence: first, entryId: null };
  };

/** Alters a row and computes its hash anew, as somebody who knows how it is made can. */
export const alterAndHash =
  (place: number): Tampering =>
  async (transaction, rows) => {
    const row = at(rows, place);
    const hash = hashOf({ ...row, action: 'deleteTenant' }, row.sequence, row.previousHash);
    await transaction.prisma.auditEntry.update({
      where: { id: row.id },
      data: { action: 'deleteTenant', hash: Uint8Array.from(hash) },
    });
    return { kind: 'ALTERED', sequence: place, entryId: row.id };
  };

/** @param change of the head's sequence; `delete` takes the head away */
const moveHead =
  (change: number | 'delete'): Tampering =>
  async (transaction, rows) => {
    const chainId = chainOf(rows);
    if (change === 'delete') await run(transaction, 'DELETE FROM audit_chain WHERE id = $1::uuid', chainId);
    else {
      await run(
        transaction,
        'UPDATE audit_chain SET sequence = sequence + $2::int WHERE id = $1::uuid',
        chainId,
        change,
      );
    }
    if (change !== 'delete' && change > 0) return { kind: 'REMOVED', sequence: rows.length + 1, entryId: null };
    const sequence = change === 'delete' ? 1 : rows.length + change + 1;
    return { kind: 'INSERTED', sequence, entryId: at(rows, sequence).id };
  };

const alterHead =
  (column: 'hash' | 'previous_hash'): Tampering =>
  async (transaction, rows) => {
    const statement = `UPDATE audit_chain SET ${column} = decode(repeat('ef', 32), 'hex') WHERE id = $1::uuid`;
    expect(await run(transaction, statement, chainOf(rows))).toBe(1);
    return { kind: 'ALTERED', sequence: rows.length, entryId: at(rows, rows.length).id };
  };

/** Any of the above on a chain of as many rows, with a name for reports. */
export function anyTampering(length: number): fc.Arbitrary<{ readonly name: string; readonly tamper: Tampering }> {
  const place = fc.integer({ min: 1, max: length });
  const pair = fc.tuple(place, place).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const);
  const named = <Value>(name: string, values: fc.Arbitrary<Value>, make: (value: Value) => Tampering) =>
    values.map((value) => ({ name: `${name} ${JSON.stringify(value)}`, tamper: make(value) }));
  return fc.oneof(
    named('alter column', fc.tuple(place, fc.constantFrom(...auditColumns)), ([at, column]) => alterColumn(at, column)),
    named('delete', fc.uniqueArray(place, { minLength: 1 }), deleteRows),
    named('delete and renumber', pair, ([first, last]) => deleteAndRenumber(first, last)),
    named(
      'insert',
      fc.tuple(fc.integer({ min: 1, max: length + 1 }), fc.constantFrom('well' as const, 'badly' as const)),
      ([at, hashed]) => insertRow(at, hashed),
    ),
    named(
      'swap',
      pair.filter(([one, other]) => one < other),
      ([one, other]) => swapRows(one, other),
    ),
    named('alter and hash', place, alterAndHash),
    named(
      'move head',
      fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -length, max: -1 }), fc.constant('delete' as const)),
      moveHead,
    ),
    named('alter head', fc.constantFrom('hash' as const, 'previous_hash' as const), alterHead),
  );
}
