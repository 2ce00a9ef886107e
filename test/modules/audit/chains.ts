import type { Database } from '../../../src/database/database.ts';
import { Prisma } from '../../../src/database/generated/client.ts';
import type { AuditRecord } from '../../../src/graph/audit.ts';
import { newId } from '../../../src/graph/ids.ts';
import { firstPreviousHash, hashOf } from '../../../src/modules/audit/chain.ts';
import { type AuditEntryRow, auditEntries } from '../../../src/modules/audit/entity.ts';
import type { AuditService } from '../../../src/modules/audit/service.ts';

/** An attempt at a command, as the command helper records it. */
export const attemptOf = (tenantId: string, over: Partial<AuditRecord> = {}): AuditRecord => ({
  occurredAt: new Date('2026-03-01T12:00:00.000Z'),
  actor: { kind: 'ROOT', credentialId: 'root:0123', name: 'root admin key' },
  info: { id: newId(), ipAddress: '203.0.113.7', userAgent: 'a test', idempotencyKey: null },
  action: 'setTenantWeight',
  outcome: 'SUCCEEDED',
  target: { type: 'Tenant', id: tenantId },
  tenantId,
  before: { weight: 1, nested: { list: [1, 2.5, 'é', null], text: '"' } },
  after: { weight: 2, nested: {} },
  ...over,
});

/** Makes the chain of a new tenant of as many rows, the way the program does; gives the tenant's UUID. */
export async function recordChain(database: Database, audit: AuditService, length: number): Promise<string> {
  const chainId = newId();
  await database.transaction(async (transaction) => {
    for (let index = 0; index < length; index += 1) await audit.record(transaction, attemptOf(chainId));
  });
  return chainId;
}

/** Makes a long chain in one statement: the hashes are the program's own. */
export async function insertLongChain(database: Database, length: number): Promise<string> {
  const chainId = newId();
  let previousHash = Uint8Array.from(firstPreviousHash);
  const rows = Array.from({ length }, (_, index) => {
    const row = {
      id: newId(),
      chainId,
      sequence: BigInt(index + 1),
      previousHash,
      hash: previousHash,
      occurredAt: new Date(Date.UTC(2026, 2, 1) + index),
      actorKind: 'ROOT',
      actorId: 'root:0123',
      actorName: 'root admin key',
      action: 'setTenantWeight',
      targetType: 'Tenant',
      targetId: null,
      outcome: 'SUCCEEDED',
      errorCode: null,
      attempts: 1,
      before: null,
      after: { weight: index },
      requestId: null,
      ipAddress: null,
      userAgent: null,
    } as const satisfies AuditEntryRow;
    const hash = Uint8Array.from(hashOf(row, row.sequence, previousHash));
    previousHash = hash;
    return { ...row, hash };
  });
  await database.prisma.auditEntry.createMany({
    data: rows.map(({ before: _before, ...row }) => row),
  });
  const last = rows.at(-1);
  if (last !== undefined) {
    const { sequence, previousHash: before, hash } = last;
    await database.prisma.auditChain.create({ data: { id: chainId, sequence, previousHash: before, hash } });
  }
  return chainId;
}

/** A chain's rows in their order. */
export async function rowsOf(source: Pick<Database, 'reader'>, chainId: string): Promise<readonly AuditEntryRow[]> {
  const page = await source.reader.page(auditEntries, {
    order: { by: 'sequence', direction: 'ASC' },
    size: 10_000,
    backward: false,
    where: [Prisma.sql`t.chain_id = ${chainId}::uuid`],
  });
  return page.rows;
}
