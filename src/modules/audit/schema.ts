import { AuditOutcome } from '../../database/generated/enums.ts';
import { comparableText } from '../../graph/arguments.ts';
import type { AuditActor, JsonObject } from '../../graph/audit.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { enumValues } from '../../graph/enums.ts';
import { DateTimeRange } from '../../graph/filters.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument, encodeId } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { PrincipalKindEnum } from '../../graph/principal-kind.ts';
import { deploymentChain } from './chain.ts';
import { type AuditEntryRow, auditEntries } from './entity.ts';
import type { AuditLogFilter } from './service.ts';
import { type ChainVerification, chainBreaks } from './verify.ts';

const AuditOutcomeEnum = builder.enumType('AuditOutcome', {
  description: 'How an attempt ended.',
  values: {
    SUCCEEDED: { value: AuditOutcome.SUCCEEDED, description: 'It was carried out.' },
    REFUSED: { value: AuditOutcome.REFUSED, description: 'It was refused by a rule; `errorCode` names it.' },
    DENIED: { value: AuditOutcome.DENIED, description: 'The credential was missing, not valid, or not enough.' },
    FAILED: { value: AuditOutcome.FAILED, description: 'It failed for a reason of the server.' },
  } satisfies Record<AuditOutcome, object>,
});

const AuditActorType = builder.objectRef<AuditEntryRow>('AuditActor').implement({
  description: 'Who tried something, as they were called at that time.',
  fields: (t) => ({
    kind: t.field({
      type: PrincipalKindEnum,
      description: 'What kind of principal.',
      // Written from AuditActor, which has these kinds.
      resolve: (entry) => entry.actorKind as AuditActor['kind'],
    }),
    credentialId: t.exposeString('actorId', {
      nullable: true,
      description: 'The credential that was used, never its secret; null when there was no valid one.',
    }),
    name: t.exposeString('actorName', { description: 'The name of that credential.' }),
  }),
});

const AuditTargetType = builder.objectRef<{ type: string; id: string }>('AuditTarget').implement({
  description: 'What an attempt was aimed at. It may be gone by now.',
  fields: (t) => ({
    type: t.exposeString('type', { description: "The type's name in this graph." }),
    id: t.exposeID('id', { description: 'Its id.' }),
  }),
});

const AuditEntry = builder.objectRef<AuditEntryRow>('AuditEntry');

builder.node(AuditEntry, {
  description: 'One row of the audit log: an attempt at a command, whatever its outcome.',
  id: { resolve: (entry) => entry.id },
  loadMany: loadNodes('AuditEntry', [['audit:read']], ({ services, principal }, ids) =>
    services.audit.byIds(principal, ids),
  ),
  fields: (t) => ({
    sequence: t.field({
      type: 'SafeInt',
      description: 'Its place in its chain, from 1 without gaps.',
      resolve: (entry) => Number(entry.sequence),
    }),
    tenantId: t.id({
      nullable: true,
      description: "The tenant whose chain it is in; null: the deployment's own chain.",
      resolve: ({ chainId }) => (chainId === deploymentChain ? null : encodeId('Tenant', chainId)),
    }),
    occurredAt: t.expose('occurredAt', { type: 'DateTime', description: 'When it was tried.' }),
    actor: t.field({ type: AuditActorType, description: 'Who tried it.', resolve: (entry) => entry }),
    action: t.exposeString('action', { description: 'The command, such as createTenant; or `authenticate`.' }),
    target: t.field({
      type: AuditTargetType,
      nullable: true,
      description: 'What it was aimed at, as far as that is known.',
      resolve: ({ targetType, targetId }) =>
        targetType === null || targetId === null ? null : { type: targetType, id: targetId },
    }),
    outcome: t.expose('outcome', { type: AuditOutcomeEnum, description: 'How it ended.' }),
    errorCode: t.exposeString('errorCode', { nullable: true, description: 'Why, when it was not carried out.' }),
    attempts: t.exposeInt('attempts', {
      description:
        'How many attempts the row stands for: more than 1 where those without a valid credential are counted together, by address, reason and minute.',
    }),
    before: t.field({
      type: 'JSONObject',
      nullable: true,
      description: 'The values that were changed, as they were; null when it was made or nothing was changed.',
      // Written from JsonObject.
      resolve: (entry) => entry.before as JsonObject | null,
    }),
    after: t.field({
      type: 'JSONObject',
      nullable: true,
      description: 'The values that were changed, as they are now; null when it was deleted or nothing was changed.',
      resolve: (entry) => entry.after as JsonObject | null,
    }),
    requestId: t.exposeString('requestId', {
      nullable: true,
      description: 'The request, as in the X-Request-Id header.',
    }),
    ipAddress: t.exposeString('ipAddress', { nullable: true, description: 'Where the request came from.' }),
    userAgent: t.exposeString('userAgent', { nullable: true, description: 'What sent it, in its own words.' }),
    previousHash: t.string({
      description: 'The hash of the row before it in its chain, hexadecimal.',
      resolve: (entry) => Buffer.from(entry.previousHash).toString('hex'),
    }),
    hash: t.string({
      description: 'SHA-256 over the hash before it, its place and everything in it, hexadecimal.',
      resolve: (entry) => Buffer.from(entry.hash).toString('hex'),
    }),
  }),
});

const AuditEntryConnection = builder.connectionObject(
  { type: AuditEntry, name: 'AuditEntryConnection', description: 'A page of the audit log.' },
  { name: 'AuditEntryEdge', description: 'An entry in a page of the audit log.' },
);

const AuditEntryOrder = orderInput('AuditEntry', {
  OCCURRED_AT: { column: 'occurredAt', description: 'By the time of the attempt.' },
});

const AuditLogFilterInput = builder.inputType('AuditLogFilter', {
  description: 'Which entries are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    actorId: t.string({ description: 'By this credential: `actor.credentialId` of an entry.' }),
    actions: t.stringList({ description: 'Any of these commands, such as createTenant; or `authenticate`.' }),
    targetId: t.id({ description: 'Aimed at this object, which may be gone by now.' }),
    tenantId: t.id({ description: "In this tenant's chain." }),
    occurredAt: t.field({ type: DateTimeRange, description: 'Tried within this time.' }),
    outcomes: t.field({ type: [AuditOutcomeEnum], description: 'With any of these outcomes.' }),
  }),
});

function readFilter(given: typeof AuditLogFilterInput.$inferInput | null | undefined): AuditLogFilter {
  const { targetId, tenantId, ...filter } = given ?? {};
  if (isGiven(filter.actorId)) comparableText('filter.actorId', filter.actorId);
  for (const action of filter.actions ?? []) comparableText('filter.actions', action);
  return {
    ...filter,
    targetId: isGiven(targetId) ? comparableText('filter.targetId', String(targetId)) : undefined,
    tenantId: isGiven(tenantId) ? decodeIdArgument('Tenant', 'filter.tenantId', String(tenantId)) : undefined,
  };
}

const ChainBreakEnum = builder.enumType('AuditChainBreakKind', {
  description: 'What was done to a chain.',
  values: enumValues(chainBreaks),
});

const ChainBreakType = builder.objectRef<NonNullable<ChainVerification['firstBreak']>>('AuditChainBreak').implement({
  description: 'The first place where a chain does not hold.',
  fields: (t) => ({
    kind: t.expose('kind', { type: ChainBreakEnum, description: 'What was done there.' }),
    sequence: t.expose('sequence', { type: 'SafeInt', description: 'The place in the chain.' }),
    entry: t.expose('entry', {
      type: AuditEntry,
      nullable: true,
      description: 'The entry there; null where it is missing.',
    }),
  }),
});

const AuditChainVerification = builder.objectRef<ChainVerification>('AuditChainVerification').implement({
  description: 'What checking a chain of the audit log found.',
  fields: (t) => ({
    intact: t.boolean({
      description: 'Whether no row was altered, removed or put in since it was written.',
      resolve: ({ firstBreak }) => firstBreak === null,
    }),
    entriesChecked: t.expose('entriesChecked', {
      type: 'SafeInt',
      description: 'How many rows hold, from the first on.',
    }),
    headHash: t.exposeString('headHash', {
      description:
        'The hash of the last row that holds, hexadecimal. Kept outside of this database, it shows later whether the whole chain was written anew.',
    }),
    firstBreak: t.expose('firstBreak', {
      type: ChainBreakType,
      nullable: true,
      description: 'Where the chain stops to hold; null when it holds.',
    }),
  }),
});

const newestFirst = { by: 'occurredAt', direction: 'DESC' } as const;

builder.queryFields((t) => ({
  auditLog: t.field({
    ...requires(['audit:read']),
    type: AuditEntryConnection,
    description: 'The audit log as far as you may see it, newest first unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: AuditLogFilterInput, description: 'Which entries. Default: all.' }),
      orderBy: t.arg({ type: AuditEntryOrder, description: 'Default: by time, descending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.audit.list(principal, readFilter(filter), listRequest(auditEntries, list, newestFirst, info)),
  }),
  verifyAuditChain: t.field({
    ...requires(['audit:read']),
    type: AuditChainVerification,
    description: 'Checks a chain of the audit log from its first row to its last and finds the first break.',
    complexity: 100,
    args: {
      tenantId: t.arg.id({
        description: "The tenant whose chain to check. Default: the deployment's own chain, or your tenant's.",
      }),
    },
    resolve: (_parent, { tenantId }, { services, principal }) =>
      services.audit.verify(
        principal,
        isGiven(tenantId) ? decodeIdArgument('Tenant', 'tenantId', String(tenantId)) : undefined,
      ),
  }),
}));

builder.subscriptionField('auditTail', (t) =>
  t.field({
    ...requires(['audit:read']),
    type: AuditEntry,
    description:
      'New entries of the audit log that you may see, as they are committed by any process of the deployment. A reader that falls 1,000 entries behind is ended with SUBSCRIBER_TOO_SLOW.',
    args: { filter: t.arg({ type: AuditLogFilterInput, description: 'Which entries. Default: all.' }) },
    subscribe: (_parent, { filter }, { services, principal }) => services.audit.follow(principal, readFilter(filter)),
    resolve: (entry) => entry,
  }),
);
