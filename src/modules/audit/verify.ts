import type { Database } from '../../database/database.ts';
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

/**
 * Walks a chain from its first row and computes every hash again.
 *
 * Each row names its predecessor's hash, and its own covers that and its place. So a row that agrees with itself but not
 * with its predecessor shows that the one between them is gone, and one that agrees with neither was altered, unless its
 * successor goes on from its predecessor as if it were not there: then it was put in. The head tells when the last rows
 * are missing.
 */
export async function verifyChain(database: Database, chainId: string): Promise<ChainVerification> {
  let last = { sequence: 0n, hash: firstPreviousHash as Uint8Array };
  let checked = 0;
  const found = (kind: ChainBreak, sequence: bigint, entry: AuditEntryRow | null): ChainVerification => ({
    entriesChecked: checked,
    headHash: Buffer.from(last.hash).toString('hex'),
    firstBreak: { kind, sequence: Number(sequence), entry },
  });
  while (true) {
    const rows = await rowsAfter(database, chainId, last.sequence);
    for (const [index, row] of rows.entries()) {
      const place = last.sequence + 1n;
      if (row.sequence !== place) return found('REMOVED', place, null);
      if (!isSame(row.previousHash, last.hash) || !isSame(row.hash, hashOf(row, place, last.hash))) {
        const next = rows[index + 1] ?? (await rowsAfter(database, chainId, row.sequence))[0];
        const kind = kindOfBreak(row, next, last);
        return found(kind, place, kind === 'REMOVED' ? null : row);
      }
      last = { sequence: row.sequence, hash: row.hash };
      checked += 1;
    }
    if (rows.length === batchSize) continue;
    // Read after the rows: what was appended meanwhile is walked in the next turn.
    const head = await database.prisma.auditChain.findUnique({ where: { id: chainId } });
    const headSequence = head?.sequence ?? 0n;
    if (headSequence < last.sequence) {
      const [row = null] = await rowsAfter(database, chainId, headSequence);
      return found('INSERTED', headSequence + 1n, row);
    }
    if (headSequence === last.sequence) {
      return { entriesChecked: checked, headHash: Buffer.from(last.hash).toString('hex'), firstBreak: null };
    }
    const appended = await rowsAfter(database, chainId, last.sequence);
    if (appended.length === 0) return found('REMOVED', last.sequence + 1n, null);
  }
}

function kindOfBreak(
  row: AuditEntryRow,
  next: AuditEntryRow | undefined,
  last: { readonly sequence: bigint; readonly hash: Uint8Array },
): ChainBreak {
  const agreesWithItself = [0n, 1n].some((shift) =>
    isSame(row.hash, hashOf(row, row.sequence + shift, row.previousHash)),
  );
  const skipped = next !== undefined && isSame(next.previousHash, last.hash);
  if (skipped) return 'INSERTED';
  return agreesWithItself && !isSame(row.previousHash, last.hash) ? 'REMOVED' : 'ALTERED';
}

async function rowsAfter(database: Database, chainId: string, sequence: bigint): Promise<readonly AuditEntryRow[]> {
  const page = await database.reader.page(auditEntries, {
    order: { by: 'sequence', direction: 'ASC' },
    size: batchSize,
    backward: false,
    where: [Prisma.sql`t.chain_id = ${chainId}::uuid`, Prisma.sql`t.sequence > ${sequence}`],
  });
  return page.rows;
}
