import { Kind, type OperationDefinitionNode } from 'graphql';
import { canonicalJson } from '../../database/canonical-json.ts';
import { type Database, isConflict, type Transaction } from '../../database/database.ts';
import { behindFence } from '../../database/fence.ts';
import type { AuditOutcome } from '../../database/generated/enums.ts';
import type { OutboxEvent } from '../../live/outbox.ts';
import { type AuditRecord, actorOf, type JsonObject } from '../audit.ts';
import type { GraphContext } from '../context.ts';
import { IdempotencyKeyReusedError, invalid, UserError, type UserErrorClass, ValidationError } from '../errors.ts';
import { decodeAnyId, IdProblem } from '../ids.ts';
import type { ChangedRow, CommandDefinition } from './definition.ts';
import { Idempotency, ReplayedError } from './idempotency.ts';
import { idempotencyKeyRule, validate } from './validation.ts';

type RawInput = Readonly<Record<string, unknown>>;
type AnyDefinition = Pick<CommandDefinition<never, never>, 'name' | 'target'>;

/** Carries a command out. Its scopes were checked before this is called. */
export async function runCommand<Input, Payload extends object>(
  definition: CommandDefinition<Input, Payload>,
  errors: readonly UserErrorClass[],
  input: RawInput,
  context: GraphContext,
  operation: OperationDefinitionNode,
): Promise<Payload> {
  const { audit, clock, database, principal, sealer, services } = context;
  const { idempotencyKey: keyInInput, ...fields } = input;
  let idempotency: Idempotency<Payload> | undefined;
  try {
    const checked = validate(definition.input, fields);
    const key = readKey(keyInInput, context, operation);
    if (key !== undefined) {
      idempotency = new Idempotency({
        credentialId: principal.credentialId,
        key,
        command: definition.name,
        input: fields,
        errors,
        sealer,
        now: clock.now(),
      });
    }
    return await carriedOut(database, async (transaction) => {
      const earlier = await idempotency?.claim(transaction);
      if (earlier !== undefined) return earlier;
      const now = clock.now();
      const {
        payload,
        changed,
        alsoChanged = [],
        events = [],
      } = await behindFence(transaction, principal, () =>
        definition.run(services, { transaction, principal, now }, checked),
      );
      const all = changed === undefined ? alsoChanged : [changed, ...alsoChanged];
      for (const [index, each] of all.entries()) {
        const row = { ...attempt(definition, context, 'SUCCEEDED'), ...each, ...difference(each) };
        await audit.record(transaction, row, [...announcement(definition.name, each), ...(index === 0 ? events : [])]);
      }
      await idempotency?.keepPayload(transaction, payload);
      return payload;
    });
  } catch (error) {
    if (error instanceof ReplayedError) throw error.original;
    try {
      await recordFailure(definition, fields, context, error, idempotency);
    } catch (recordingError) {
      throw new AggregateError([error, recordingError], `${definition.name} failed, and so did its audit row.`);
    }
    throw error;
  }
}

/** How often the transaction of a command is begun. Of two that were in each other's way, one always goes on. */
const attemptsMax = 3;

/**
 * Runs a transaction, and again when Postgres undid it because of others. That cannot be had by locking in one order
 * alone: two rows that are given each other's unique name at the same moment wait for each other within one statement
 * each. What was undone has left nothing behind: handlers write through the transaction, its events are announced when it
 * commits, and a one-time secret of before was shown to nobody.
 */
async function carriedOut<Result>(
  database: Database,
  work: (transaction: Transaction) => Promise<Result>,
  attempt = 1,
): Promise<Result> {
  try {
    return await database.transaction(work);
  } catch (error) {
    if (attempt === attemptsMax || !isConflict(error)) throw error;
    return carriedOut(database, work, attempt + 1);
  }
}

/** Records a command that the caller's scopes do not allow. */
export async function recordDenial(definition: AnyDefinition, input: RawInput, context: GraphContext): Promise<void> {
  await carriedOut(context.database, (transaction) =>
    context.audit.record(transaction, {
      ...attempt(definition, context, 'DENIED'),
      ...aim(definition, input),
      errorCode: 'FORBIDDEN',
    }),
  );
}

async function recordFailure(
  definition: AnyDefinition,
  input: RawInput,
  context: GraphContext,
  error: unknown,
  idempotency: Pick<Idempotency<unknown>, 'keepError'> | undefined,
): Promise<void> {
  const refused = error instanceof UserError;
  // What may succeed later, and what never began, is not an answer to be repeated.
  const isAnswer =
    refused && !error.retryable && !(error instanceof ValidationError) && !(error instanceof IdempotencyKeyReusedError);
  await carriedOut(context.database, async (transaction) => {
    // The key before the audit chain, as in an attempt that succeeds, so that the two cannot wait for each other.
    if (isAnswer) await idempotency?.keepError(transaction, error);
    await context.audit.record(transaction, {
      ...attempt(definition, context, refused ? 'REFUSED' : 'FAILED'),
      ...aim(definition, input),
      errorCode: refused ? error.code : 'INTERNAL_SERVER_ERROR',
    });
  });
}

/** The field of the input, or else the header, which stands for it in a request with one command. */
function readKey(
  inInput: unknown,
  { info }: GraphContext,
  { selectionSet }: OperationDefinitionNode,
): string | undefined {
  const given = inInput ?? info.idempotencyKey;
  const parsed = idempotencyKeyRule.safeParse(given);
  if (!parsed.success) {
    throw invalid(['idempotencyKey'], 'INVALID_IDEMPOTENCY_KEY', parsed.error.issues[0]?.message ?? 'not usable');
  }
  const [only, second] = selectionSet.selections;
  const isAlone = second === undefined && only?.kind === Kind.FIELD;
  if (given !== null && given !== inInput && !isAlone) {
    throw invalid(
      ['idempotencyKey'],
      'AMBIGUOUS_IDEMPOTENCY_KEY',
      'The header Idempotency-Key is for a request with one command; give each of several its own idempotencyKey field.',
    );
  }
  return parsed.data ?? undefined;
}

function attempt(definition: AnyDefinition, context: GraphContext, outcome: AuditOutcome): AuditRecord {
  return {
    occurredAt: context.clock.now(),
    actor: actorOf(context.principal),
    info: context.info,
    action: definition.name,
    outcome,
    ...(context.principal.tenantId === undefined ? {} : { tenantId: context.principal.tenantId }),
  };
}

/** Tells the rest of the system that a row changed; whoever needs its values reads them. */
function announcement(command: string, { target, tenantId }: ChangedRow): OutboxEvent[] {
  if (target === undefined) return [];
  const event = {
    topic: `${target.type}.changed`,
    ...(tenantId === undefined ? {} : { tenantId }),
    payload: { id: target.id, command },
  };
  return [event];
}

/** What an attempt that was not carried out was aimed at. Its row joins the chain of whoever tried. */
function aim({ target }: AnyDefinition, input: RawInput): Pick<AuditRecord, 'target'> {
  const id = target?.field === undefined ? undefined : input[target.field];
  if (typeof id !== 'string') return {};
  try {
    const { type, uuid } = decodeAnyId(id);
    return { target: { type, id: uuid } };
  } catch (error) {
    if (error instanceof IdProblem) return {};
    throw error;
  }
}

/** The values that differ between a row as it was and as it is. */
function difference({
  before,
  after,
}: {
  before?: JsonObject;
  after?: JsonObject;
}): Pick<AuditRecord, 'before' | 'after'> {
  if (before === undefined || after === undefined) return {};
  const keys = Object.keys({ ...before, ...after }).filter(
    (key) => canonicalJson(before[key] ?? null) !== canonicalJson(after[key] ?? null),
  );
  const only = (row: JsonObject): JsonObject =>
    Object.fromEntries(keys.flatMap((key) => (row[key] === undefined ? [] : [[key, row[key]]])));
  return { before: only(before), after: only(after) };
}
