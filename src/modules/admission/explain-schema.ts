import { builder, requires } from '../../graph/builder.ts';
import { validate } from '../../graph/commands/validation.ts';
import type { GraphContext } from '../../graph/context.ts';
import { enumValues } from '../../graph/enums.ts';
import { NotFoundError, RequestError, ValidationError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeAnyId, encodeId, encodeOptionalId, IdProblem, type NodeType } from '../../graph/ids.ts';
import { loadReference } from '../../graph/loaders.ts';
import { FairshareAlgorithmEnum } from '../capacity/schema.ts';
import { FairshareGroup } from '../fairshare-groups/schema.ts';
import { AdmissionUnavailableError } from './errors.ts';
import {
  admissionChecks,
  admissionVerdicts,
  checkOutcomes,
  type EstimateView,
  type FairnessView,
  type PlaceView,
} from './explanation.ts';
import type { Check, EffectiveLimits, Explanation } from './explanations.ts';
import { explainAdmissionRules } from './input.ts';
import { wishFields } from './inputs.ts';
import { EffectiveLimit } from './limit-schema.ts';
import type { LimitTarget } from './owner.ts';
import { refusalField } from './schema.ts';

const ExplainAdmissionInput = builder.inputType('ExplainAdmissionInput', {
  description: 'A request as `admitRequest` takes it, as far as that says what becomes of it.',
  fields: wishFields,
});

const AdmissionCheckNameEnum = builder.enumType('AdmissionCheckName', {
  description: 'What is looked at before a request is admitted; `AdmissionExplanation.checks` has them in their order.',
  values: enumValues(admissionChecks),
});

const AdmissionCheckOutcomeEnum = builder.enumType('AdmissionCheckOutcome', {
  description: 'What a check says of a request.',
  values: enumValues(checkOutcomes),
});

const AdmissionVerdictEnum = builder.enumType('AdmissionVerdict', {
  description: 'What would become of a request.',
  values: enumValues(admissionVerdicts),
});

const AdmissionCheckType = builder.objectRef<Check>('AdmissionCheck').implement({
  description: 'One of the things that are looked at before a request is admitted.',
  fields: (t) => ({
    check: t.expose('check', { type: AdmissionCheckNameEnum, description: 'What is looked at.' }),
    outcome: t.expose('outcome', {
      type: AdmissionCheckOutcomeEnum,
      description: 'What it says. Each is asked by itself, so that several may refuse.',
    }),
    refusal: refusalField(t, 'Why it refuses; null when it does not.'),
  }),
});

const AdmissionEstimate = builder.objectRef<EstimateView>('AdmissionEstimate').implement({
  description: 'What a request would take of limits until it is settled.',
  fields: (t) => ({
    requests: t.exposeInt('requests', { description: 'Requests: always 1.' }),
    tokens: t.expose('tokens', { type: 'SafeInt', description: 'Input and output tokens together.' }),
    costUsd: t.expose('costUsd', { type: 'Decimal', description: 'US dollars by the prices of the model.' }),
  }),
});

const AdmissionFairness = builder.objectRef<FairnessView>('AdmissionFairness').implement({
  description:
    'What decides who comes next among those who wait for the same model, as far as it is about the request.',
  fields: (t) => ({
    algorithm: t.expose('algorithm', { type: FairshareAlgorithmEnum, description: 'How slots are shared.' }),
    fairshareGroupId: t.id({
      description: "The tenant's group.",
      resolve: ({ fairshareGroupId }) => encodeId('FairshareGroup', fairshareGroupId),
    }),
    fairshareGroup: t.field({
      ...requires(['fairshare:read']),
      type: FairshareGroup,
      nullable: true,
      description: 'The group itself, with its weight; null: it is gone, or you may not see it.',
      resolve: ({ fairshareGroupId }, _args, context) =>
        loadReference(context, 'FairshareGroup', fairshareGroupId, (ids) =>
          context.services.fairshareGroups.byIds(context.principal, ids),
        ),
    }),
    tenantWeight: t.exposeInt('tenantWeight', { description: "The tenant's weight, 1 to 1,000,000." }),
    weightPercent: t.exposeInt('weightPercent', {
      description: 'By how many percent the model multiplies the weights of tenants.',
    }),
    keyWeight: t.exposeInt('keyWeight', { description: "The key's weight among those of its tenant." }),
    expectedSlots: t.exposeFloat('expectedSlots', {
      description:
        "The tenant's part of the model's slots by the weights of those who wait or run, with this request; no whole number, and no bound: it has more while others leave theirs.",
    }),
    inFlight: t.exposeInt('inFlight', { description: 'Requests of the tenant that run on the model.' }),
    queued: t.exposeInt('queued', { description: 'Requests of the tenant that wait for the model.' }),
  }),
});

const AdmissionPlace = builder.objectRef<PlaceView>('AdmissionPlace').implement({
  description: 'The place that a request would have among those who wait.',
  fields: (t) => ({
    position: t.exposeInt('position', {
      description: 'How many are served before it and itself if nothing else comes: an estimate by the weights.',
    }),
    estimatedWaitMs: t.exposeFloat('estimatedWaitMs', {
      nullable: true,
      description: 'How many milliseconds that takes as fast as slots came lately; null: none came yet.',
    }),
  }),
});

const AdmissionExplanation = builder.objectRef<Explanation>('AdmissionExplanation').implement({
  description: 'What would become of a request that came at `at`, and why. Nothing was taken, counted or kept.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When it was decided.', resolve: ({ at }) => new Date(at) }),
    verdict: t.expose('verdict', { type: AdmissionVerdictEnum, description: 'What would become of it.' }),
    refusal: refusalField(
      t,
      'As `admitRequest` would say it: what the first check says that refuses. Null: none does.',
    ),
    checks: t.field({
      type: [AdmissionCheckType],
      description: 'Everything that is looked at, in order.',
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ checks }) => [...checks],
    }),
    keyId: t.id({
      nullable: true,
      description: 'The key; null: what was presented is none.',
      resolve: ({ keyId }) => encodeOptionalId('ApiKey', keyId),
    }),
    tenantId: t.id({
      nullable: true,
      description: 'The tenant; null: there is none, and so no limits.',
      resolve: ({ tenantId }) => encodeOptionalId('Tenant', tenantId),
    }),
    userId: t.id({
      nullable: true,
      description: 'The user that it is for; null: it is for none.',
      resolve: ({ userId }) => encodeOptionalId('User', userId),
    }),
    teamId: t.id({
      nullable: true,
      description: "The user's team; null: there is none.",
      resolve: ({ teamId }) => encodeOptionalId('Team', teamId),
    }),
    productId: t.id({
      nullable: true,
      description: "The key's product; null: there is none.",
      resolve: ({ productId }) => encodeOptionalId('Product', productId),
    }),
    modelId: t.id({
      nullable: true,
      description: 'The model; null: the registry has none of that name.',
      resolve: ({ modelId }) => encodeOptionalId('Model', modelId),
    }),
    modelName: t.exposeString('modelName', { description: 'The name of the model.' }),
    estimate: t.expose('estimate', { type: AdmissionEstimate, description: 'What it would take of limits.' }),
    limits: t.field({
      type: [EffectiveLimit],
      description:
        'Every limit that it meets, with all who set it, and whether it fits. What the deployment sets for all together is shown to principals of the deployment, and with the scope fairshare:totals.',
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ limits }) => [...limits],
    }),
    fairness: t.expose('fairness', {
      type: AdmissionFairness,
      nullable: true,
      description: 'Who would come next; null: there is no tenant.',
    }),
    place: t.expose('place', {
      type: AdmissionPlace,
      nullable: true,
      description: 'The place that it would have; null: it would not wait.',
    }),
  }),
});

const EffectiveLimitsType = builder.objectRef<EffectiveLimits>('EffectiveLimits').implement({
  description: 'Where the limits of somebody stand, and those of all above.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When that was so.', resolve: ({ at }) => new Date(at) }),
    limits: t.field({
      type: [EffectiveLimit],
      description: 'Every limit, with all who set it. Empty for a key of no tenant, for which no request is admitted.',
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ limits }) => [...limits],
    }),
  }),
});

interface Limited {
  readonly target: LimitTarget['type'];
  /** What it is called when there is none. */
  readonly name: string;
  /** Whether the caller sees the row. */
  readonly isSeen: (context: GraphContext, id: string) => Promise<boolean>;
}

const seenBy =
  (service: 'tenants' | 'teams' | 'users' | 'products' | 'keys'): Limited['isSeen'] =>
  async ({ services, principal }, id) =>
    (await services[service].byIds(principal, [id])).size > 0;

const keys: Limited = { target: 'KEY', name: 'key', isSeen: seenBy('keys') };

const limitedTypes: Readonly<Partial<Record<NodeType, Limited>>> = {
  Tenant: { target: 'TENANT', name: 'tenant', isSeen: seenBy('tenants') },
  Team: { target: 'TEAM', name: 'team', isSeen: seenBy('teams') },
  User: { target: 'USER', name: 'user', isSeen: seenBy('users') },
  Product: { target: 'PRODUCT', name: 'product', isSeen: seenBy('products') },
  ApiKey: keys,
};

/** What an id names that has limits. @throws {RequestError} when it names something else */
function limitedBy(id: string): Limited & { readonly uuid: string } {
  try {
    const { type, uuid } = decodeAnyId(id);
    const limited = limitedTypes[type];
    if (limited !== undefined) return { ...limited, uuid };
    const wanted = `"${id}" is the id of a ${type}; limits are those of ${Object.keys(limitedTypes).join(', ')}.`;
    throw new RequestError('WRONG_ID_TYPE', `for: ${wanted}`, { argument: 'for' });
  } catch (error) {
    if (error instanceof IdProblem) throw new RequestError(error.code, `for: ${error.message}`, { argument: 'for' });
    throw error;
  }
}

builder.queryFields((t) => ({
  explainAdmission: t.field({
    ...requires(['requests:admit'], ['limits:read']),
    type: AdmissionExplanation,
    description:
      'What would become of a request that came now, by the very rules of `admitRequest`, with everything that is looked at and every limit that it meets. Takes, counts and keeps nothing. Whoever belongs to a tenant, a user or the like asks about the keys of that. Send it as POST, so that a key stands in no address.',
    complexity: { field: 10, multiplier: 1 },
    args: { input: t.arg({ type: ExplainAdmissionInput, required: true, description: 'The request.' }) },
    errors: {
      types: [ValidationError, NotFoundError, AdmissionUnavailableError],
      union: {
        name: 'ExplainAdmissionResult',
        description: 'The explanation, or the reason why there is none.',
      },
    },
    resolve: async (_parent, args, context) => {
      const input = validate(explainAdmissionRules, args.input);
      // Looked up for everybody: whoever is told at once of a key in memory would know that there is one.
      if (isGiven(input.keyId) && !(await keys.isSeen(context, input.keyId))) throw new NotFoundError('key', ['keyId']);
      const { services, principal } = context;
      return services.admission.explanations.explain(principal, input);
    },
  }),
  effectiveLimits: t.field({
    ...requires(['limits:read']),
    type: EffectiveLimitsType,
    description:
      'Where the limits stand of a tenant, team, user, product or key, with those of all above that its requests meet as well. What a user is given within a team is among them.',
    complexity: { field: 5, multiplier: 1 },
    args: {
      for: t.arg.id({ required: true, description: 'The id of a Tenant, Team, User, Product or ApiKey.' }),
    },
    errors: {
      types: [NotFoundError, AdmissionUnavailableError],
      union: {
        name: 'EffectiveLimitsResult',
        description: 'The limits, or the reason why they cannot be shown.',
      },
    },
    resolve: async (_parent, args, context) => {
      const { target, name, isSeen, uuid } = limitedBy(args.for);
      if (!(await isSeen(context, uuid))) throw new NotFoundError(name, ['for']);
      return context.services.admission.explanations.effectiveLimits({ type: target, id: uuid });
    },
  }),
}));
