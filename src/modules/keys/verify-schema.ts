import { isScope } from '../../access/scopes.ts';
import { builder, requires } from '../../graph/builder.ts';
import { enumValues } from '../../graph/enums.ts';
import { RequestError } from '../../graph/errors.ts';
import { encodeId, type NodeType } from '../../graph/ids.ts';
import { loadReference } from '../../graph/loaders.ts';
import { InferenceConfiguration, inferenceOf } from '../apps/schema.ts';
import { Limits } from '../limits/schema.ts';
import type { KeyRecord } from './record.ts';
import { ApiKey, KeyEnvironmentEnum, KeyKindEnum } from './schema.ts';
import { refusals } from './verification.ts';
import type { KeyUse, KeyVerification } from './verifier.ts';

const KeyRefusalEnum = builder.enumType('KeyRefusal', {
  description: 'Why a key is not accepted. Where several are true, the first of this list is given.',
  values: enumValues(refusals),
});

const VerifyKeyInput = builder.inputType('VerifyKeyInput', {
  description:
    'A key and what its holder wants to do with it. What is left out is not checked, unless it says otherwise.',
  fields: (t) => ({
    key: t.string({ required: true, description: 'The secret, as the caller presented it.' }),
    requiredScopes: t.stringList({ description: 'The scopes that are needed, all of them.' }),
    model: t.string({ description: 'The model that is to be used.' }),
    origin: t.string({
      description:
        "The request's Origin header. A publishable key without it is refused, unless every origin may use it.",
    }),
    ip: t.string({
      description: "The caller's address. A key that is bound to addresses is refused without it.",
    }),
    environment: t.field({ type: KeyEnvironmentEnum, description: 'The data that it is to be used for.' }),
  }),
});

/** An owner and its id, as far as a key has one. */
const ownerId = (type: NodeType, owner: { readonly id: string } | null): string | null =>
  owner === null ? null : encodeId(type, owner.id);

const KeyOwnersType = builder.objectRef<KeyRecord>('KeyOwners').implement({
  description:
    'Whom a key belongs to, from the tenant down, with the limits of each. Null where there is no such owner.',
  fields: (t) => ({
    tenantId: t.id({ nullable: true, description: 'The tenant.', resolve: ({ tenant }) => ownerId('Tenant', tenant) }),
    tenantName: t.string({ nullable: true, description: "The tenant's name.", resolve: ({ tenant }) => tenant?.name }),
    tenantLimits: t.field({
      type: Limits,
      nullable: true,
      description: "The tenant's limits.",
      resolve: ({ tenant }) => tenant?.limits,
    }),
    teamId: t.id({
      nullable: true,
      description: "The user's team.",
      resolve: ({ user }) => ownerId('Team', user?.team ?? null),
    }),
    teamName: t.string({ nullable: true, description: "The team's name.", resolve: ({ user }) => user?.team?.name }),
    teamLimits: t.field({
      type: Limits,
      nullable: true,
      description: "The team's limits.",
      resolve: ({ user }) => user?.team?.limits,
    }),
    teamUserSharePercent: t.int({
      nullable: true,
      description: "How much of each of the team's limits this user can take, in percent; null: all of it.",
      resolve: ({ user }) => user?.team?.userSharePercent,
    }),
    userId: t.id({ nullable: true, description: 'The user.', resolve: ({ user }) => ownerId('User', user) }),
    userExternalId: t.string({
      nullable: true,
      description: "What the tenant's own systems call the user; of an engine key: the user of the engine.",
      resolve: ({ user, engine }) => user?.externalId ?? engine?.userExternalId,
    }),
    userLimits: t.field({
      type: Limits,
      nullable: true,
      description: "The user's limits.",
      resolve: ({ user }) => user?.limits,
    }),
    productId: t.id({
      nullable: true,
      description: 'The product.',
      resolve: ({ product }) => ownerId('Product', product),
    }),
    productSlug: t.string({
      nullable: true,
      description: "The product's slug.",
      resolve: ({ product }) => product?.slug,
    }),
    productLimits: t.field({
      type: Limits,
      nullable: true,
      description: "The product's limits, of its platform keys and its engines together.",
      resolve: ({ product }) => product?.limits,
    }),
    engineId: t.id({ nullable: true, description: 'The engine.', resolve: ({ engine }) => ownerId('Engine', engine) }),
    appId: t.id({ nullable: true, description: 'The application.', resolve: ({ app }) => ownerId('App', app) }),
    appName: t.string({ nullable: true, description: "The application's name.", resolve: ({ app }) => app?.name }),
  }),
});

const KeyVerificationType = builder.objectRef<KeyVerification>('KeyVerification').implement({
  description: 'Whether a gateway may accept a key, and what it may be used for.',
  fields: (t) => ({
    isValid: t.boolean({ description: 'Whether it is accepted.', resolve: ({ refusal }) => refusal === undefined }),
    reason: t.field({
      type: KeyRefusalEnum,
      nullable: true,
      description: 'Why it is not; null when it is.',
      resolve: ({ refusal }) => refusal,
    }),
    message: t.string({
      nullable: true,
      description: 'The same in words.',
      resolve: ({ refusal }) => (refusal === undefined ? null : refusals[refusal]),
    }),
    cacheUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'How long the answer may be relied on: before every deadline of the key, this secret and the tenant. Null when it is not accepted: ask again.',
      resolve: (verification) => verification.cacheUntil,
    }),
    keyId: t.id({
      nullable: true,
      description: 'The key; null when there is none that you may know of, as are the fields below.',
      resolve: ({ record }) => (record === undefined ? null : encodeId('ApiKey', record.key.id)),
    }),
    kind: t.field({
      type: KeyKindEnum,
      nullable: true,
      description: 'What it is for.',
      resolve: ({ record }) => record?.key.kind,
    }),
    name: t.string({ nullable: true, description: 'What people call it.', resolve: ({ record }) => record?.key.name }),
    environment: t.field({
      type: KeyEnvironmentEnum,
      nullable: true,
      description: 'Of application and publishable keys: which data it is for.',
      resolve: ({ record }) => record?.key.environment,
    }),
    scopes: t.stringList({
      nullable: true,
      description: 'What it may do.',
      resolve: ({ record }) => (record === undefined ? null : [...record.key.scopes]),
    }),
    limits: t.field({
      type: Limits,
      nullable: true,
      description: 'Its own limits; those of its owners are in `owners`.',
      resolve: ({ record }) => record?.key.limits,
    }),
    allowedModels: t.stringList({
      nullable: true,
      description: 'The only models that it may use, by its own list and by that of its tenant; null: every one.',
      resolve: ({ record }) => (record === undefined ? null : modelsOf(record)),
    }),
    inference: t.field({
      type: InferenceConfiguration,
      nullable: true,
      description: 'Of application keys: the configuration that they inherit.',
      resolve: ({ record }) => (record?.app ? inferenceOf(record.app.inference) : null),
    }),
    owners: t.field({
      type: KeyOwnersType,
      nullable: true,
      description: 'Whom it belongs to.',
      resolve: ({ record }) => record,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'The key is refused from this time on; null: it does not expire.',
      resolve: ({ record }) => record?.key.expiresAt,
    }),
    isSuperseded: t.boolean({
      nullable: true,
      description: 'Whether a newer secret took the place of the one that was presented: its holder should use that.',
      resolve: ({ record }) => (record === undefined ? null : record.secret.supersededAt !== null),
    }),
    secretValidUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'This secret is refused from this time on; null: as long as the key is accepted.',
      resolve: ({ record }) => record?.secret.validUntil,
    }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: 'The whole key. It is read from the database, which the rest of the answer need not be.',
      resolve: ({ record }, _args, context) =>
        loadReference(context, 'ApiKey', record?.key.id ?? null, (ids) =>
          context.services.keys.byIds(context.principal, ids),
        ),
    }),
  }),
});

/** What both lists allow; null: everything. */
function modelsOf({ key, tenant }: KeyRecord): string[] | null {
  const ofTenant = tenant?.allowedModels ?? [];
  if (key.allowedModels.length === 0) return ofTenant.length === 0 ? null : [...ofTenant];
  return ofTenant.length === 0 ? [...key.allowedModels] : key.allowedModels.filter((model) => ofTenant.includes(model));
}

/** @throws {RequestError} for a scope that does not exist: a gateway that asks for it has a mistake */
function readUse({ ip, requiredScopes, ...use }: typeof VerifyKeyInput.$inferInput): KeyUse {
  const scopes = requiredScopes?.map((scope) => {
    if (isScope(scope)) return scope;
    throw new RequestError(
      'BAD_USER_INPUT',
      `requiredScopes: there is no scope "${scope.slice(0, 60)}"; scopeRegistry lists all of them.`,
      { argument: 'requiredScopes' },
    );
  });
  return { ...use, requiredScopes: scopes, ipAddress: ip };
}

const batchMax = 100;

builder.queryFields((t) => ({
  verifyKey: t.field({
    ...requires(['keys:verify']),
    type: KeyVerificationType,
    description:
      "Whether a caller's key is accepted, for gateways. Who belongs to a tenant, product or engine verifies its keys; every other key is NOT_FOUND. Send it as POST, so that the key stands in no address.",
    args: { input: t.arg({ type: VerifyKeyInput, required: true, description: 'The key and its use.' }) },
    resolve: (_parent, { input }, { services, principal }) => services.keyVerifier.verify(principal, readUse(input)),
  }),
  verifyKeys: t.field({
    ...requires(['keys:verify']),
    type: [KeyVerificationType],
    description: 'The same for up to 100 keys at once, in their order.',
    complexity: ({ inputs }) => ({ field: inputs.length, multiplier: inputs.length }),
    args: { inputs: t.arg({ type: [VerifyKeyInput], required: true, description: 'The keys and their uses.' }) },
    resolve: (_parent, { inputs }, { services, principal }) => {
      if (inputs.length > batchMax) {
        throw new RequestError('INVALID_PAGE_SIZE', `inputs: at most ${batchMax} keys at once, not ${inputs.length}.`, {
          argument: 'inputs',
        });
      }
      return Promise.all(inputs.map((input) => services.keyVerifier.verify(principal, readUse(input))));
    },
  }),
}));
