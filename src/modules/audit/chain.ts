import { createHash } from 'node:crypto';
import { canonicalJson } from '../../database/canonical-json.ts';
import type { Transaction } from '../../database/database.ts';
import type { AuditEntryRow } from './entity.ts';

/** What a row says, apart from its place in the chain. */
export type AuditContent = Omit<AuditEntryRow, 'sequence' | 'previousHash' | 'hash' | 'before' | 'after'> & {
  readonly before: unknown;
  readonly after: unknown;
};

/** The deployment's own chain; every tenant has one under its id. */
export const deploymentChain = '00000000-0000-0000-0000-000000000000';

/** What the first row of a chain builds on. */
export const firstPreviousHash = Buffer.alloc(32);

/** The text of a row that its hash covers: every column of its content. */
function contentText(content: AuditContent): string {
  const { id, chainId, occurredAt, actorKind, actorId, actorName, action, targetType, targetId } = content;
  const { outcome, errorCode, attempts, before, after, requestId, ipAddress, userAgent } = content;
  return canonicalJson({
    ...{ id, chainId, occurredAt, actorKind, actorId, actorName, action, targetType, targetId },
    ...{ outcome, errorCode, attempts, before, after, requestId, ipAddress, userAgent },
  });
}

/** The hash that a row has when nothing of it was changed. */
export function hashOf(row: AuditEntryRow, sequence: bigint, previousHash: Uint8Array): Buffer {
  const position = Buffer.alloc(8);
  position.writeBigInt64BE(sequence);
  return createHash('sha256').update(previousHash).update(position).update(contentText(row)).digest();
}

/**
 * Adds a row to the end of its chain, in one statement: the chain's head moves and is locked until the transaction
 * ends, so rows of one chain are committed in their order.
 */
export async function append({ prisma }: Transaction, content: AuditContent): Promise<void> {
  const row = JSON.stringify({
    id: content.id,
    occurred_at: content.occurredAt,
    actor_kind: content.actorKind,
    actor_id: content.actorId,
    actor_name: content.actorName,
    action: content.action,
    target_type: content.targetType,
    target_id: content.targetId,
    outcome: content.outcome,
    error_code: content.errorCode,
    attempts: content.attempts,
    before: content.before,
    after: content.after,
    request_id: content.requestId,
    ip_address: content.ipAddress,
    user_agent: content.userAgent,
  });
  const text = contentText(content);
  await prisma.$executeRaw`
    WITH head AS (
      INSERT INTO audit_chain AS chain (id, sequence, previous_hash, hash)
      VALUES (
        ${content.chainId}::uuid, 1, ${firstPreviousHash}::bytea,
        sha256(${firstPreviousHash}::bytea || int8send(1) || convert_to(${text}::text, 'UTF8'))
      )
      ON CONFLICT (id) DO UPDATE SET
        sequence = chain.sequence + 1,
        previous_hash = chain.hash,
        hash = sha256(chain.hash || int8send(chain.sequence + 1) || convert_to(${text}::text, 'UTF8'))
      RETURNING id, sequence, previous_hash, hash
    )
    INSERT INTO audit_entry (
      id, chain_id, sequence, previous_hash, hash, occurred_at, actor_kind, actor_id, actor_name, action,
      target_type, target_id, outcome, error_code, attempts, before, after, request_id, ip_address, user_agent
    )
    SELECT
      entry.id, head.id, head.sequence, head.previous_hash, head.hash, occurred_at, actor_kind, actor_id, actor_name,
      action, target_type, target_id, outcome, error_code, attempts, before, after, request_id, ip_address, user_agent
    FROM head, jsonb_to_record(${row}::jsonb) AS entry (
      id uuid, occurred_at timestamptz, actor_kind text, actor_id text, actor_name text, action text,
      target_type text, target_id text, outcome audit_outcome, error_code text, attempts int, before jsonb,
      after jsonb, request_id text, ip_address text, user_agent text
    )
  `;
}
