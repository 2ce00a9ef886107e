import type { InputFieldMap, ObjectFieldsShape } from '@pothos/core';
import { builder, type GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { deletionFields, removalFields } from '../../graph/commands/deletions.ts';
import { InvalidStateError, NameTakenError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { LimitsInput } from '../limits/schema.ts';
import type { TenantRow } from './entity.ts';
import { TenantHasChildrenError } from './errors.ts';
import {
  createTenantRules,
  deleteTenantRules,
  setTenantGroupRules,
  setTenantLimitsRules,
  setTenantWeightRules,
  tenantStatusRules,
  updateTenantRules,
} from './input.ts';
import { DayOfWeekEnum, GuardrailsActionEnum, Tenant } from './schema.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'Tenant', field: 'tenantId' } as const;
const scopes = [['tenants:write']] as const;
/** Any tenant can be resumed and archived, whatever its status. */
const errorsOfStatus = [NotFoundError, StaleRevisionError];
const errorsOfChange = [...errorsOfStatus, InvalidStateError];

const currentTenant: ObjectFieldsShape<GraphSchemaTypes, { readonly tenant: TenantRow }> = (t) => ({
  tenant: t.expose('tenant', { type: Tenant, description: 'The tenant as it is now.' }),
});

const WeeklyWindowInput = builder.inputType('WeeklyWindowInput', {
  description: 'Hours of one day of the week. One that crosses midnight is written as two.',
  fields: (t) => ({
    day: t.field({ type: DayOfWeekEnum, required: true, description: "The day, in the tenant's time zone." }),
    startMinute: t.int({ required: true, description: 'Minutes from midnight at which it begins, 0 to 1439.' }),
    endMinute: t.int({
      required: true,
      description: 'Minutes from midnight before which it ends: after the start, up to 1440.',
    }),
  }),
});

const GuardrailsPolicyInput = builder.inputType('GuardrailsPolicyInput', {
  description: 'What gateways look for in requests. It replaces the policy before it as a whole.',
  fields: (t) => ({
    action: t.field({
      type: GuardrailsActionEnum,
      required: true,
      description: 'What happens to a request with a finding.',
    }),
    scanners: t.stringList({
      required: true,
      defaultValue: [],
      description: "Names of the gateway's scanners to run.",
    }),
    guardModel: t.string({ description: 'A model that judges requests. Default: none.' }),
    banKeywords: t.stringList({ required: true, defaultValue: [], description: 'Words that count as a finding.' }),
    failOpen: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether a request passes when the check itself fails.',
    }),
  }),
});

const reference = (t: Fields) => ({
  tenantId: t.id({ required: true, description: 'The tenant.' }),
  expectedRevision: t.int({
    description: 'The revision that you expect the tenant to have; at any other one nothing is changed.',
  }),
});

const details = (t: Fields): InputFieldMap => ({
  description: t.string({ description: 'Free text, at most 2,000 characters.' }),
  organization: t.string({ description: 'Whom it belongs to, at most 255 characters.' }),
  contactEmail: t.string({ description: 'An e-mail address of at most 254 characters, or empty.' }),
  timeZone: t.string({ description: 'IANA time zone of its schedule and of its monthly budget. Default: UTC.' }),
  activeFrom: t.field({ type: 'DateTime', description: 'It is not served before this time; null: no such bound.' }),
  activeUntil: t.field({
    type: 'DateTime',
    description: 'It is not served from this time on; after `activeFrom`; null: no such bound.',
  }),
  weeklyWindows: t.field({
    type: [WeeklyWindowInput],
    description: 'The hours of the week in which it is served, 1 to 100 without overlaps; null: always.',
  }),
  allowedModels: t.stringList({ description: 'The only models that it may use, 1 to 1,000; null: every one.' }),
  tracingEnabled: t.boolean({ description: 'Whether gateways trace its requests. Default: false.' }),
  guardrailsPolicy: t.field({ type: GuardrailsPolicyInput, description: 'What gateways look for; null: nothing.' }),
  synthetic: t.boolean({ description: 'Whether its traffic is made by benchmarks. Default: false.' }),
});

command({
  name: 'createTenant',
  description: 'Makes a tenant. It is active at once, within its schedule.',
  scopes,
  target: { type: 'Tenant' },
  input: createTenantRules,
  fields: (t) => ({
    name: t.string({ required: true, description: 'Unique without regard to case; trimmed, 1 to 255 characters.' }),
    weight: t.int({ description: 'Its share within its group, 1 to 1,000,000. Default: 100.' }),
    fairshareGroupId: t.id({ description: 'The group whose slots it shares. Default: the group `default`.' }),
    limits: t.field({ type: LimitsInput, description: 'How much it may use. Default: everything inherits.' }),
    ...details(t),
  }),
  errors: [NameTakenError, NotFoundError],
  run: ({ tenants }, scope, input) => tenants.create(scope, input),
  payload: (t) => ({ tenant: t.expose('tenant', { type: Tenant, description: 'The new tenant.' }) }),
});

command({
  name: 'updateTenant',
  description: 'Changes what is said of a tenant: an omitted field stays as it is, null clears those that can be null.',
  scopes,
  target,
  input: updateTenantRules,
  fields: (t) => ({
    ...reference(t),
    name: t.string({ description: 'Unique without regard to case; trimmed, 1 to 255 characters.' }),
    ...details(t),
  }),
  errors: [...errorsOfChange, NameTakenError],
  run: ({ tenants }, scope, input) => tenants.update(scope, input),
  payload: currentTenant,
});

command({
  name: 'setTenantWeight',
  description: "Changes a tenant's share within its group.",
  scopes,
  target,
  input: setTenantWeightRules,
  fields: (t) => ({
    ...reference(t),
    weight: t.int({
      required: true,
      description: 'Its share relative to the other tenants of its group, 1 to 1,000,000.',
    }),
  }),
  errors: errorsOfChange,
  run: ({ tenants }, scope, input) => tenants.setWeight(scope, input),
  payload: currentTenant,
});

command({
  name: 'setTenantLimits',
  description: 'Changes how much a tenant may use. Limits that are left out stay as they are.',
  scopes,
  target,
  input: setTenantLimitsRules,
  fields: (t) => ({
    ...reference(t),
    limits: t.field({ type: LimitsInput, required: true, description: 'The limits to set.' }),
  }),
  errors: errorsOfChange,
  run: ({ tenants }, scope, input) => tenants.setLimits(scope, input),
  payload: currentTenant,
});

command({
  name: 'setTenantGroup',
  description: 'Moves a tenant to another fairshare group.',
  scopes,
  target,
  input: setTenantGroupRules,
  fields: (t) => ({
    ...reference(t),
    fairshareGroupId: t.id({ required: true, description: 'The group to move it to.' }),
  }),
  errors: errorsOfChange,
  run: ({ tenants }, scope, input) => tenants.setGroup(scope, input),
  payload: currentTenant,
});

command({
  name: 'suspendTenant',
  description: 'Stops serving a tenant until it is resumed. Suspending a suspended one changes nothing.',
  scopes,
  target,
  input: tenantStatusRules,
  fields: reference,
  errors: errorsOfChange,
  run: ({ tenants }, scope, input) => tenants.suspend(scope, input),
  payload: currentTenant,
});

command({
  name: 'resumeTenant',
  description: 'Serves a suspended or archived tenant again. Resuming an active one changes nothing.',
  scopes,
  target,
  input: tenantStatusRules,
  fields: reference,
  errors: errorsOfStatus,
  run: ({ tenants }, scope, input) => tenants.resume(scope, input),
  payload: currentTenant,
});

command({
  name: 'archiveTenant',
  description: 'Stops serving a tenant and keeps it for its history. It can be resumed.',
  scopes,
  target,
  input: tenantStatusRules,
  fields: reference,
  errors: errorsOfStatus,
  run: ({ tenants }, scope, input) => tenants.archive(scope, input),
  payload: currentTenant,
});

command({
  name: 'deleteTenant',
  description:
    'Deletes a tenant for good. Refused while it has live children, unless `cascade` is given. Its audit log stays.',
  scopes,
  target,
  input: deleteTenantRules,
  fields: (t) => ({
    ...reference(t),
    ...deletionFields(t, 'children'),
  }),
  errors: [NotFoundError, StaleRevisionError, TenantHasChildrenError],
  run: ({ tenants }, scope, input) => tenants.delete(scope, input),
  payload: (t) => ({
    deletedTenantId: t.id({
      description: 'The id of the tenant.',
      resolve: (answer) => encodeId('Tenant', answer.deletedTenantId),
    }),
    ...removalFields(t, 'live children and the tenant itself'),
  }),
});
