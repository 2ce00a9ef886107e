import { builder } from '../../graph/builder.ts';
import type { RuntimeScope } from '../../graph/commands/definition.ts';
import { runtimeCommand } from '../../graph/commands/runtime-command.ts';
import type { GraphContext, Services } from '../../graph/context.ts';
import { enumValues } from '../../graph/enums.ts';
import { InvalidStateError, NotFoundError } from '../../graph/errors.ts';
import { UsageAdmissionEnum, UsageRecord } from '../usage/schema.ts';
import { AdmissionRefusedError, AdmissionUnavailableError } from './errors.ts';
import {
  type AdmitRequest,
  admitRequestRules,
  cancelRequestRules,
  renewLeaseRules,
  settleRequestRules,
} from './input.ts';
import { admitFields, cancelFields, renewFields, settleFields } from './inputs.ts';
import { LimitUse } from './limit-schema.ts';
import { cancellations, type LeaseView } from './owner.ts';
import { Lease } from './schema.ts';

const scopes = [['requests:admit']] as const;

export const CancellationEnum = builder.enumType('RequestCancellation', {
  description: 'What a cancelled request had.',
  values: enumValues(cancellations),
});

/** What a request was admitted with, and what was said of whom it is for. */
export interface Admitted {
  readonly lease: LeaseView;
  readonly userExternalId: string | null;
}

export const admit = async (
  { admission }: Services,
  { principal, connection }: RuntimeScope,
  input: AdmitRequest,
): Promise<Admitted> => ({
  lease: await admission.admit(principal, input, connection?.closed),
  userExternalId: input.userExternalId ?? null,
});

export const nearestLimitsOf = ({ lease, userExternalId }: Admitted, { services }: Pick<GraphContext, 'services'>) =>
  services.admission.explanations.nearestLimits({ keyId: lease.keyId, userExternalId });

/** The options of the field that shows them. */
export const remainingOptions = {
  nullable: true,
  description:
    'What is left with this request: of each limit that anybody sets whom it is for, the layer with the least left. Gateways make their X-RateLimit headers of it: of REQUESTS_PER_MINUTE and TOKENS_PER_MINUTE, `limit`, `remaining`, and `resetAt` less the time of now. Looked up when it is selected; null: it could not be at the moment.',
  complexity: { field: 1, multiplier: 1 },
} as const;

runtimeCommand({
  name: 'admitRequest',
  description:
    'Asks for a slot for a request, and waits for it: key, tenant, model, limits and budgets are decided as one, and nothing is taken unless all of them let it pass. The answer is a lease, or the first reason why there is none, of: the key; its tenant, user, application, product and engine; from where it is used; scopes; models; requests and tokens a minute, tokens a day, budgets; the queue. Of limits, one that the request can never fit into is named first. What changes while it waits acts on it. It is over when your connection ends. Whoever belongs to a tenant asks for the keys of that tenant.',
  scopes,
  input: admitRequestRules,
  fields: admitFields,
  errors: [AdmissionRefusedError, NotFoundError, AdmissionUnavailableError],
  run: admit,
  payload: (t) => ({
    lease: t.expose('lease', { type: Lease, description: 'The slot. Settle it when the request has ended.' }),
    queueWaitMs: t.int({
      description: 'Milliseconds that it waited.',
      resolve: ({ lease }) => lease.queueWaitMs,
    }),
    admission: t.field({
      type: UsageAdmissionEnum,
      description: 'How it came to its slot.',
      resolve: ({ lease }) => lease.admission,
    }),
    remaining: t.field({
      ...remainingOptions,
      type: [LimitUse],
      resolve: (admitted, _args, context) => nearestLimitsOf(admitted, context),
    }),
  }),
});

runtimeCommand({
  name: 'renewLease',
  description:
    'Holds a slot for longer. Whoever was given the lease can: every process that uses the same credential, unless it names its gateway. One that has ended is not found.',
  scopes,
  input: renewLeaseRules,
  fields: renewFields,
  errors: [NotFoundError, AdmissionUnavailableError],
  run: async ({ admission }, { principal }, input) => ({ lease: await admission.renew(principal, input) }),
  payload: (t) => ({ lease: t.expose('lease', { type: Lease, description: 'The lease as it is now.' }) }),
});

runtimeCommand({
  name: 'settleRequest',
  description:
    'Says what a request used: its slot is free, limits are corrected, and its usage is recorded, once. A second time gives the first record again. After the lease has expired, the record that says so is given its figures, once, and no slot is freed. Whoever was given the lease can: every process that uses the same credential, unless it names its gateway.',
  scopes,
  input: settleRequestRules,
  fields: settleFields,
  errors: [NotFoundError, AdmissionUnavailableError],
  run: ({ admission }, { principal }, input) => admission.settle(principal, input),
  payload: (t) => ({
    usageRecord: t.field({
      type: UsageRecord,
      description: 'What was recorded.',
      resolve: ({ record }) => record,
    }),
    isRepeated: t.exposeBoolean('isRepeated', {
      description: 'Whether it was recorded before, so that these figures were not looked at.',
    }),
  }),
});

runtimeCommand({
  name: 'cancelRequest',
  description:
    'Takes a request back that waits or has just got its slot: everything that it took from limits comes back, and nothing is recorded. Whoever asked for it can.',
  scopes,
  input: cancelRequestRules,
  fields: cancelFields,
  errors: [NotFoundError, InvalidStateError, AdmissionUnavailableError],
  run: async ({ admission }, { principal }, input) => ({ cancellation: await admission.cancel(principal, input) }),
  payload: (t) => ({
    cancellation: t.expose('cancellation', { type: CancellationEnum, description: 'What it had.' }),
  }),
});
