import type { Principal } from '../../access/principal.ts';
import { isWithin, visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { AuditOutcome } from '../../database/generated/enums.ts';
import type { AuditRecord, AuditRecorder } from '../../graph/audit.ts';
import type { Connection } from '../../graph/connections.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { type ListRequest, readList } from '../../graph/lists.ts';
import type { EventBus } from '../../live/event-bus.ts';
import { announce, type OutboxEvent } from '../../live/outbox.ts';
import { append, deploymentChain } from './chain.ts';
import { type AuditEntryRow, auditEntries } from './entity.ts';
import { AuditTail, entryTopic } from './tail.ts';
import { type ChainVerification, emptyChain, verifyChain } from './verify.ts';

declare module '../../graph/context.ts' {
  interface Services {
    audit: AuditService;
  }
}

type Optional<Value> = Value | null | undefined;

/** Which entries are wanted: those that meet every condition given. */
export interface AuditLogFilter {
  readonly actorId?: Optional<string>;
  readonly actions?: Optional<readonly string[]>;
  readonly targetId?: Optional<string>;
  readonly tenantId?: Optional<string>;
  readonly occurredAt?: Optional<{ readonly from?: Optional<Date>; readonly until?: Optional<Date> }>;
  readonly outcomes?: Optional<readonly AuditOutcome[]>;
}

const userAgentLengthMax = 512;
const { sql } = Prisma;

/** The audit log: one row for every command, whatever its outcome, in a chain of hashes per tenant. */
export class AuditService implements AuditRecorder {
  readonly #database: Database;
  readonly #tail: AuditTail;

  constructor(database: Database, events: EventBus) {
    this.#database = database;
    this.#tail = new AuditTail(database.reader, events);
  }

  async record(transaction: Transaction, entry: AuditRecord, events: readonly OutboxEvent[] = []): Promise<void> {
    const id = newId();
    const { actor, info, target, tenantId } = entry;
    await append(transaction, {
      id,
      chainId: tenantId ?? deploymentChain,
      occurredAt: entry.occurredAt,
      actorKind: actor.kind,
      actorId: actor.credentialId,
      actorName: actor.name,
      action: entry.action,
      targetType: target?.type ?? null,
      targetId: target === undefined ? null : encodeId(target.type, target.id),
      outcome: entry.outcome,
      errorCode: entry.errorCode ?? null,
      attempts: entry.attempts ?? 1,
      before: entry.before ?? null,
      after: entry.after ?? null,
      requestId: info.id,
      ipAddress: info.ipAddress,
      userAgent: info.userAgent?.slice(0, userAgentLengthMax) ?? null,
    });
    const added = { topic: entryTopic, ...(tenantId === undefined ? {} : { tenantId }), payload: { id } };
    await announce(
      transaction,
      [...events, added].map((event) => ({ ...event, id: newId() })),
    );
  }

  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, AuditEntryRow>> {
    return this.#database.readerFor(principal).byIds(auditEntries, ids, visibleTo(auditEntries, principal));
  }

  list(
    principal: Principal,
    filter: AuditLogFilter,
    request: ListRequest<AuditEntryRow>,
  ): Promise<Connection<AuditEntryRow>> {
    return readList(
      this.#database.readerFor(principal),
      auditEntries,
      [...conditions(filter), ...visibleTo(auditEntries, principal)],
      request,
    );
  }

  /** Checks a chain from its first row to its head. To a principal of a tenant, every other chain is an empty one. */
  async verify(principal: Principal, tenantId: string | undefined): Promise<ChainVerification> {
    const chainId = tenantId ?? principal.tenantId ?? deploymentChain;
    const isVisible = principal.tenantId === undefined || principal.tenantId === chainId;
    return isVisible ? verifyChain(this.#database, chainId) : emptyChain;
  }

  /** New entries as they are committed, from now on. */
  follow(principal: Principal, filter: AuditLogFilter): AsyncIterable<AuditEntryRow> {
    return this.#tail.follow((entry) => isWithin(principal, { tenantId: entry.chainId }) && matches(filter, entry));
  }
}

/** The filter in SQL; `matches` is the same for a row at hand. */
function conditions(filter: AuditLogFilter): Prisma.Sql[] {
  const found: Prisma.Sql[] = [];
  const add = <Value>(value: Optional<Value>, condition: (value: Value) => Prisma.Sql): void => {
    if (value !== undefined && value !== null) found.push(condition(value));
  };
  add(filter.actorId, (id) => sql`t.actor_id = ${id}`);
  add(filter.actions, (actions) => sql`t.action = ANY(${[...actions]}::text[])`);
  add(filter.targetId, (id) => sql`t.target_id = ${id}`);
  add(filter.tenantId, (id) => sql`t.chain_id = ${id}::uuid`);
  add(filter.occurredAt?.from, (from) => sql`t.occurred_at >= ${from}`);
  add(filter.occurredAt?.until, (until) => sql`t.occurred_at < ${until}`);
  add(filter.outcomes, (outcomes) => sql`t.outcome = ANY(${[...outcomes]}::audit_outcome[])`);
  return found;
}

function matches(filter: AuditLogFilter, entry: AuditEntryRow): boolean {
  const holds = <Value>(value: Optional<Value>, condition: (value: Value) => boolean): boolean =>
    value === undefined || value === null || condition(value);
  return (
    holds(filter.actorId, (id) => entry.actorId === id) &&
    holds(filter.actions, (actions) => actions.includes(entry.action)) &&
    holds(filter.targetId, (id) => entry.targetId === id) &&
    holds(filter.tenantId, (id) => entry.chainId === id) &&
    holds(filter.occurredAt?.from, (from) => entry.occurredAt >= from) &&
    holds(filter.occurredAt?.until, (until) => entry.occurredAt < until) &&
    holds(filter.outcomes, (outcomes) => outcomes.includes(entry.outcome))
  );
}
