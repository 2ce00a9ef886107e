import type { Transaction } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import { firstPreviousHash, hashOf } from './chain.ts';
import { type AuditEntryRow, auditEntries } from './entity.ts';

export const chainBreaks = {
  ALTERED: 'The entry was changed after it was written.',
  REMOVED: 'The entry at this place is missing.',
  INSERTED: 'The entry was not written by the program at this place.',
} as const;

export type ChainBreak = keyof typeof chainBreaks;

export interface ChainVerification {
  readonly entriesChecked: number;
  /** The hash of the newest entry, hexadecimal; noted elsewhere, it proves later that the chain was not rewritten. */
  readonly headHash: string;
  readonly firstBreak: {
    readonly kind: ChainBreak;
    readonly sequence: number;
    /** Absent where the entry itself is. */
    readonly entry: AuditEntryRow | null;
  } | null;
}

/** What checking a chain without rows finds. */
export const emptyChain: ChainVerification = {
  entriesChecked: 0,
  headHash: firstPreviousHash.toString('hex'),
  firstBreak: null,
};

const batchSize = 1_000;

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

/** How far from its place a row is looked for when it was renumbered: so many may have been removed or put in at once. */
const shiftMax = 1_000n;

/** Chains can be read in a transaction or outside of any: what is appended meanwhile does no harm. */
type ChainReader = Pick<Transaction, 'prisma' | 'reader'>;

/** The last row that holds; at first, what the first row builds on. */
interface Link {
  readonly sequence: bigint;
  readonly hash: Uint8Array;
  readonly row: AuditEntryRow | null;
}

/**
 * Walks a chain from its first row and computes every hash again. The first place that does not hold is always found
 * as long as the chain's newest hash is known from elsewhere: whoever can write the database can also compute hashes, so
 * a chain that was written anew from some row to its head holds again, with another `headHash`.
 *
 * What was done there is told from the rows around it. Each row names its predecessor's hash, and its own covers that
 * and its place, so a row that nobody touched says where it belongs. Some things look alike: a row that changed places
 * with its successor was INSERTED before it, and one that changed places with another one is REMOVED; a head that was
 * set back leaves its last rows INSERTED; and a head with another hash means that it or the last row was ALTERED.
 */
export async function verifyChain(database: ChainReader, chainId: string): Promise<ChainVerification> {
  let last: Link = { sequence: 0n, hash: firstPreviousHash, row: null };
  while (true) {
    const rows = await rowsAfter(database, chainId, last.sequence);
    for (const [index, row] of rows.entries()) {
      const place = last.sequence + 1n;
      if (row.sequence !== place) return broken('REMOVED', place, null, last.hash);
      if (!isSame(row.previousHash, last.hash) || !isSame(row.hash, hashOf(row, place, last.hash))) {
        const next = rows[index + 1] ?? (await rowsAfter(database, chainId, place))[0];
        return explain(database, chainId, { last, row, next });
      }
      last = { sequence: place, hash: row.hash, row };
    }
    if (rows.length === batchSize) continue;
    // Read after the rows: what was appended meanwhile is walked in the next turn.
    const head = await headOf(database, chainId);
    if (head.sequence < last.sequence) return insertedAt(database, chainId, head.sequence + 1n);
    if (head.sequence === last.sequence) {
      const agrees = isSame(head.hash, last.hash) && isSame(head.previousHash, last.row?.previousHash ?? last.hash);
      if (agrees) return { entriesChecked: Number(last.sequence), headHash: hex(last.hash), firstBreak: null };
      return broken('ALTERED', last.sequence, last.row, last.row?.previousHash ?? last.hash);
    }
    const appended = await rowsAfter(database, chainId, last.sequence);
    if (appended.length === 0) return broken('REMOVED', last.sequence + 1n, null, last.hash);
  }
}

/** What was done where a row does not go on from the last one that holds. */
async function explain(
  database: ChainReader,
  chainId: string,
  { last, row, next }: { last: Link; row: AuditEntryRow; next: AuditEntryRow | undefined },
): Promise<ChainVerification> {
  const place = row.sequence;
  const head = await headOf(database, chainId);
  const successorGoesOnFromLast = next !== undefined && isSame(next.previousHash, last.hash);
  if (successorGoesOnFromLast) return broken('INSERTED', place, row, last.hash);
  const writtenFor = originalPlace(row);
  if (writtenFor !== undefined && writtenFor < place) return insertedAt(database, chainId, writtenFor);
  if (head.sequence < place) return broken('INSERTED', place, row, last.hash);
  if (writtenFor === undefined) return broken('ALTERED', place, row, last.hash);
  if (writtenFor > place) return broken('REMOVED', place, null, last.hash);
  // It is where it belongs. If what follows builds on it, then not this row but the one before it was exchanged.
  const goesOn = isSame(row.hash, next?.previousHash ?? head.hash);
  return goesOn && last.row !== null
    ? broken('ALTERED', last.sequence, last.row, last.row.previousHash)
    : broken('ALTERED', place, row, last.hash);
}

/** The place for which a row was written, if nothing but its number was changed since. */
function originalPlace(row: AuditEntryRow): bigint | undefined {
  const isWrittenFor = (place: bigint): boolean => isSame(row.hash, hashOf(row, place, row.previousHash));
  for (let shift = 0n; shift <= shiftMax; shift += 1n) {
    if (isWrittenFor(row.sequence + shift)) return row.sequence + shift;
    if (shift < row.sequence && isWrittenFor(row.sequence - shift)) return row.sequence - shift;
  }
  return undefined;
}

/** A row that was put in, although its hash goes on from the row before it. */
async function insertedAt(database: ChainReader, chainId: string, place: bigint): Promise<ChainVerification> {
  const [row = null] = await rowsAfter(database, chainId, place - 1n);
  return broken('INSERTED', place, row, row?.previousHash ?? firstPreviousHash);
}

/** @param lastHash of the row before the break, which holds */
const broken = (
  kind: ChainBreak,
  place: bigint,
  entry: AuditEntryRow | null,
  lastHash: Uint8Array,
): ChainVerification => ({
  entriesChecked: Math.max(Number(place) - 1, 0),
  headHash: hex(lastHash),
  firstBreak: { kind, sequence: Number(place), entry },
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function headOf(database: ChainReader, chainId: string) {
  const head = await database.prisma.auditChain.findUnique({ where: { id: chainId } });
  return head ?? { sequence: 0n, hash: firstPreviousHash, previousHash: firstPreviousHash };
}

async function rowsAfter(database: ChainReader, chainId: string, sequence: bigint): Promise<readonly AuditEntryRow[]> {
  const page = await database.reader.page(auditEntries, {
    order: { by: 'sequence', direction: 'ASC' },
    size: batchSize,
    backward: false,
    where: [Prisma.sql`t.chain_id = ${chainId}::uuid`, Prisma.sql`t.sequence > ${sequence}`],
  });
  return page.rows;
}
