import { TenantStatus } from '../../database/generated/enums.ts';
import { comparableText, exactlyOne } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import type { GraphContext } from '../../graph/context.ts';
import { checkTextFilter, DateTimeRange, IntRange, TextFilter } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadReference } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { FairshareGroup } from '../fairshare-groups/schema.ts';
import { Limits } from '../limits/schema.ts';
import { type TenantRow, tenants } from './entity.ts';
import type { TenantFilter } from './filter.ts';
import { type GuardrailsPolicy, type guardrailsActions, guardrailsPolicy } from './input.ts';
import { type DayOfWeek, daysOfWeek, storedWindows, type WeeklyWindow } from './schedule.ts';

const TenantStatusEnum = builder.enumType('TenantStatus', {
  description: 'Whether a tenant is served.',
  values: {
    ACTIVE: { value: TenantStatus.ACTIVE, description: 'It is served, within its schedule.' },
    SUSPENDED: { value: TenantStatus.SUSPENDED, description: 'It is not served until it is resumed.' },
    ARCHIVED: {
      value: TenantStatus.ARCHIVED,
      description: 'It is kept for its history: not served, and not to be changed until it is resumed.',
    },
  } satisfies Record<TenantStatus, object>,
});

export const DayOfWeekEnum = builder.enumType('DayOfWeek', {
  description: "A day of the week in the tenant's time zone.",
  values: Object.fromEntries(
    daysOfWeek.map((day) => [day, { value: day, description: `${day.charAt(0)}${day.slice(1).toLowerCase()}.` }]),
  ) as Record<DayOfWeek, { value: DayOfWeek; description: string }>,
});

const WeeklyWindowType = builder.objectRef<WeeklyWindow>('WeeklyWindow').implement({
  description: 'Hours of one day of the week in which a tenant is served.',
  fields: (t) => ({
    day: t.expose('day', { type: DayOfWeekEnum, description: 'The day.' }),
    startMinute: t.exposeInt('startMinute', { description: 'Minutes from midnight at which it begins, 0 to 1439.' }),
    endMinute: t.exposeInt('endMinute', { description: 'Minutes from midnight before which it ends, up to 1440.' }),
  }),
});

export const GuardrailsActionEnum = builder.enumType('GuardrailsAction', {
  description: 'What a gateway does with a request that a guardrail finds fault with.',
  values: {
    BLOCK: { description: 'Refuses it.' },
    REDACT: { description: 'Takes the offending parts out.' },
    LOG_ONLY: { description: 'Lets it pass and makes a note.' },
  } satisfies Record<(typeof guardrailsActions)[number], object>,
});

const GuardrailsPolicyType = builder.objectRef<GuardrailsPolicy>('GuardrailsPolicy').implement({
  description: "What gateways look for in a tenant's requests.",
  fields: (t) => ({
    action: t.expose('action', {
      type: GuardrailsActionEnum,
      description: 'What happens to a request with a finding.',
    }),
    scanners: t.exposeStringList('scanners', { description: "Names of the gateway's scanners to run." }),
    guardModel: t.exposeString('guardModel', {
      nullable: true,
      description: 'A model that judges requests; null: none.',
    }),
    banKeywords: t.exposeStringList('banKeywords', { description: 'Words that count as a finding.' }),
    failOpen: t.exposeBoolean('failOpen', { description: 'Whether a request passes when the check itself fails.' }),
  }),
});

export const Tenant = builder.objectRef<TenantRow>('Tenant');

builder.node(Tenant, {
  description: 'A customer or organisation: the unit of isolation, of fairshare and of billing.',
  id: { resolve: (tenant) => tenant.id },
  loadMany: loadNodes('Tenant', [['tenants:read']], ({ services, principal }, ids) =>
    services.tenants.byIds(principal, ids),
  ),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in the deployment, without regard to case.' }),
    description: t.exposeString('description', { description: 'Free text; empty when there is none.' }),
    organization: t.exposeString('organization', { description: 'Whom it belongs to; empty when not said.' }),
    contactEmail: t.exposeString('contactEmail', { description: 'Whom to write to; empty when not said.' }),
    status: t.expose('status', { type: TenantStatusEnum, description: 'Whether it is served.' }),
    weight: t.exposeInt('weight', {
      description: 'Its share relative to the other tenants of its group, 1 to 1,000,000.',
    }),
    fairshareGroup: t.expose('fairshareGroup', {
      ...requires(['fairshare:read']),
      type: FairshareGroup,
      description: 'The group whose slots it shares.',
    }),
    timeZone: t.exposeString('timeZone', {
      description: 'IANA time zone of its schedule and of its monthly budget, such as Europe/Berlin.',
    }),
    activeFrom: t.expose('activeFrom', {
      type: 'DateTime',
      nullable: true,
      description: 'It is not served before this time; null: no such bound.',
    }),
    activeUntil: t.expose('activeUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'It is not served from this time on; null: no such bound.',
    }),
    weeklyWindows: t.field({
      type: [WeeklyWindowType],
      nullable: true,
      description: 'The hours of the week in which it is served, in its time zone, sorted; null: always.',
      resolve: (tenant) => storedWindows.parse(tenant.weeklyWindows),
    }),
    allowedModels: t.stringList({
      nullable: true,
      description: 'The only models that it may use; null: every one.',
      resolve: ({ allowedModels }) => (allowedModels.length === 0 ? null : allowedModels),
    }),
    limits: t.field({ type: Limits, description: 'How much it may use.', resolve: (tenant) => tenant }),
    tracingEnabled: t.exposeBoolean('tracingEnabled', { description: 'Whether gateways trace its requests.' }),
    guardrailsPolicy: t.field({
      type: GuardrailsPolicyType,
      nullable: true,
      description: 'What gateways look for in its requests; null: nothing.',
      resolve: (tenant) => guardrailsPolicy.nullable().parse(tenant.guardrailsPolicy),
    }),
    synthetic: t.exposeBoolean('synthetic', {
      description: 'Whether its traffic is made by benchmarks, which reports leave out.',
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

/** Of the field `tenantId` of commands that make rows of a tenant; see `TenantService.holdForChild`. */
export const ownerTenantDescription =
  'The tenant that it belongs to. Default: your own; needed when your credential belongs to the whole deployment.';

/** The tenant that a row belongs to; asked of many rows within a request, one statement for all of them. */
export async function tenantOf(context: GraphContext, id: string): Promise<TenantRow> {
  const { principal, services } = context;
  const tenant = await loadReference(context, 'Tenant', id, (ids) => services.tenants.byIds(principal, ids));
  // Rows go with their tenant, and who sees them sees it.
  if (tenant === null) throw new Error(`The tenant ${id} was deleted while its rows were read.`);
  return tenant;
}

const TenantConnection = builder.connectionObject(
  { type: Tenant, name: 'TenantConnection', description: 'A page of tenants.' },
  { name: 'TenantEdge', description: 'A tenant in a list.' },
);

const TenantOrder = orderInput('Tenant', {
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  WEIGHT: { column: 'weight', description: 'By weight.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
});

const TenantFilterInput = builder.inputType('TenantFilter', {
  description: 'Which tenants are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    name: t.field({ type: TextFilter, description: 'By name, without regard to case.' }),
    statuses: t.field({ type: [TenantStatusEnum], description: 'With any of these statuses.' }),
    fairshareGroupId: t.id({ description: 'In this fairshare group.' }),
    weight: t.field({ type: IntRange, description: 'By weight.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of making.' }),
  }),
});

const byName = { by: 'nameFolded', direction: 'ASC' } as const;

function readFilter(given: typeof TenantFilterInput.$inferInput | null | undefined): TenantFilter {
  const { fairshareGroupId, ...filter } = given ?? {};
  if (filter.name) checkTextFilter('filter.name', filter.name);
  if (fairshareGroupId === undefined || fairshareGroupId === null) return filter;
  return {
    ...filter,
    fairshareGroupId: decodeIdArgument('FairshareGroup', 'filter.fairshareGroupId', String(fairshareGroupId)),
  };
}

builder.queryFields((t) => ({
  tenant: t.field({
    ...requires(['tenants:read']),
    type: Tenant,
    nullable: true,
    description: 'One tenant, by id or by name; null when there is none that you may see.',
    args: {
      id: t.arg.id({ description: 'Its id. Give this or `name`.' }),
      name: t.arg.string({ description: 'Its name, without regard to case.' }),
    },
    resolve: (_parent, args, { services, principal }, info) => {
      const [argument, value] = exactlyOne({ id: args.id, name: args.name });
      return services.tenants.find(
        principal,
        argument === 'id' ? { id: decodeIdArgument('Tenant', 'id', value) } : { name: comparableText(argument, value) },
        wantedColumns(tenants, info),
      );
    },
  }),
  tenants: t.field({
    ...requires(['tenants:read']),
    type: TenantConnection,
    description: 'The tenants that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: TenantFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: TenantOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.tenants.list(principal, readFilter(filter), listRequest(tenants, list, byName, info)),
  }),
}));

builder.objectField(FairshareGroup, 'tenants', (t) =>
  t.field({
    ...requires(['tenants:read']),
    type: TenantConnection,
    description: 'The tenants of the group that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: TenantFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: TenantOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (group, { filter, ...list }, context, info) =>
      context.services.tenants.listOfGroup(
        context,
        group.id,
        readFilter(filter),
        listRequest(tenants, list, byName, info),
      ),
  }),
);
