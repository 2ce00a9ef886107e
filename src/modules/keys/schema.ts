import { keyKinds } from '../../access/principal.ts';
import { KeyEnvironment, SecretOrigin } from '../../database/generated/enums.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { enumValues } from '../../graph/enums.ts';
import { encodeId } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadReference } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { toNumber } from '../limits/limits.ts';
import { Limits } from '../limits/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { type ApiKeyRow, type ApiKeySecretRow, apiKeySecrets } from './entity.ts';
import { keyStates, secretStateOf, secretStates, stateOf } from './states.ts';

export const KeyKindEnum = builder.enumType('KeyKind', {
  description: 'What a key is for, and whose it is.',
  values: enumValues(keyKinds),
});

export const KeyEnvironmentEnum = builder.enumType('KeyEnvironment', {
  description: 'Which data an application or publishable key is for. Its prefix says so as well.',
  values: {
    LIVE: { value: KeyEnvironment.LIVE, description: 'Real data.' },
    TEST: { value: KeyEnvironment.TEST, description: 'Test data.' },
  } satisfies Record<KeyEnvironment, object>,
});

export const KeyStateEnum = builder.enumType('KeyState', {
  description: 'Whether a key is accepted. Where several are true, the first of this list is shown.',
  values: enumValues(keyStates),
});

const SecretStateEnum = builder.enumType('SecretState', {
  description: 'Whether one secret of a key is accepted, as long as the key is.',
  values: enumValues(secretStates),
});

const SecretOriginEnum = builder.enumType('SecretOrigin', {
  description: 'Where a secret came from.',
  values: {
    GENERATED: { value: SecretOrigin.GENERATED, description: 'It was made here and shown once.' },
    PROVIDED: { value: SecretOrigin.PROVIDED, description: 'Whoever made the key brought it.' },
    HASH_ONLY: { value: SecretOrigin.HASH_ONLY, description: 'Only its SHA-256 was brought; it was never seen here.' },
  } satisfies Record<SecretOrigin, object>,
});

const KeyCreatorType = builder.objectRef<ApiKeyRow>('KeyCreator').implement({
  description: 'Who made a key.',
  fields: (t) => ({
    credentialId: t.exposeString('createdById', { description: 'The credential that was used, never its secret.' }),
    name: t.exposeString('createdByName', { description: 'The name of that credential at that time.' }),
  }),
});

export const ApiKeySecret = builder.objectRef<ApiKeySecretRow>('ApiKeySecret');

builder.node(ApiKeySecret, {
  description: 'One secret of a key, without anything that could be used in its place.',
  id: { resolve: (secret) => secret.id },
  loadMany: loadNodes('ApiKeySecret', [['keys:read']], ({ services, principal }, ids) =>
    services.keys.secretsByIds(principal, ids),
  ),
  fields: (t) => ({
    state: t.field({
      type: SecretStateEnum,
      description: 'Whether it is accepted, as long as the key is.',
      resolve: (secret, _args, { clock }) => secretStateOf(secret, clock.now()),
    }),
    start: t.exposeString('start', { description: 'How it begins; empty when only its hash is known.' }),
    origin: t.expose('origin', { type: SecretOriginEnum, description: 'Where it came from.' }),
    validUntil: t.expose('validUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'It is refused from this time on; null: as long as the key is accepted.',
    }),
    supersededAt: t.expose('supersededAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a newer secret took its place; null: none did.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked, if it was.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last accepted, a second or so late; null: never.',
    }),
    useCount: t.field({
      type: 'SafeInt',
      description: 'How often it was accepted, a second or so late.',
      resolve: ({ useCount }) => toNumber(useCount) ?? 0,
    }),
    supersededUseCount: t.field({
      type: 'SafeInt',
      description: 'Of these, how often after a newer one took its place: callers that still have the old one.',
      resolve: ({ supersededUseCount }) => toNumber(supersededUseCount) ?? 0,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

const ApiKeySecretConnection = builder.connectionObject(
  { type: ApiKeySecret, name: 'ApiKeySecretConnection', description: "A page of a key's secrets." },
  { name: 'ApiKeySecretEdge', description: 'A secret in a list.' },
);

export const ApiKey = builder.objectRef<ApiKeyRow>('ApiKey');

const newestSecretFirst = { by: 'createdAt', direction: 'DESC' } as const;

/** Stored lists for which empty means that nothing is restricted. */
const orNull = (list: readonly string[]): string[] | null => (list.length === 0 ? null : [...list]);

builder.node(ApiKey, {
  description:
    'The lasting identity of a credential: its owner, scopes, limits and history. Its secrets come and go with rotations.',
  id: { resolve: (key) => key.id },
  loadMany: loadNodes('ApiKey', [['keys:read']], ({ services, principal }, ids) => services.keys.byIds(principal, ids)),
  fields: (t) => ({
    kind: t.expose('kind', { type: KeyKindEnum, description: 'What it is for.' }),
    name: t.exposeString('name', { description: 'What people call it; not unique.' }),
    state: t.field({
      type: KeyStateEnum,
      description: 'Whether it is accepted now.',
      resolve: (key, _args, { clock }) => stateOf(key, clock.now()),
    }),
    start: t.exposeString('start', { description: 'How its newest secret begins; empty when only its hash is known.' }),
    environment: t.expose('environment', {
      type: KeyEnvironmentEnum,
      nullable: true,
      description: 'Of application and publishable keys: which data it is for.',
    }),
    scopes: t.stringList({ description: 'What it may do.', resolve: ({ scopes }) => [...scopes] }),
    allowedOrigins: t.stringList({
      nullable: true,
      description:
        'Of publishable keys: the origins of pages that may use it; `*` stands for every one. Null for others.',
      resolve: ({ allowedOrigins }) => orNull(allowedOrigins),
    }),
    allowedIpRanges: t.stringList({
      nullable: true,
      description: 'The addresses that it is accepted from; null: every one.',
      resolve: ({ allowedIpRanges }) => orNull(allowedIpRanges),
    }),
    allowedModels: t.stringList({
      nullable: true,
      description: "The only models that it may use, of those of its tenant; null: all of the tenant's.",
      resolve: ({ allowedModels }) => orNull(allowedModels),
    }),
    weight: t.exposeInt('weight', {
      description:
        'Its share of the slots among the keys of its tenant, 1 to 1,000,000: of two keys that both wait, one of weight 200 gets twice as much as one of 100.',
    }),
    limits: t.field({ type: Limits, description: 'How much it may use.', resolve: (key) => key }),
    metadata: t.field({
      type: 'JSONObject',
      description: 'Whatever its owner keeps with it.',
      // The rules let nothing else in.
      resolve: ({ metadata }) => metadata as JsonObject,
    }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: 'The tenant that it belongs to; null: it belongs to the deployment.',
      resolve: ({ tenantId }, _args, context) =>
        loadReference(context, 'Tenant', tenantId, (ids) => context.services.tenants.byIds(context.principal, ids)),
    }),
    tenantId: t.id({
      nullable: true,
      description: 'The id of that tenant.',
      resolve: ({ tenantId }) => (tenantId === null ? null : encodeId('Tenant', tenantId)),
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'It is refused from this time on; null: it does not expire.',
    }),
    disabledAt: t.expose('disabledAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was disabled; null: it is not.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was first revoked, if it was.',
    }),
    revokedReason: t.exposeString('revokedReason', {
      nullable: true,
      description: 'Why it was revoked, if that was said.',
    }),
    retiringUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Until when an older secret is accepted as well; null: none is.',
      resolve: ({ retiringUntil }, _args, { clock }) =>
        retiringUntil !== null && retiringUntil > clock.now() ? retiringUntil : null,
    }),
    rotatedAt: t.expose('rotatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it last got a new secret, if it did.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When any of its secrets was last accepted, up to a minute late; null: never. The secrets say it exactly.',
    }),
    createdBy: t.field({ type: KeyCreatorType, description: 'Who made it.', resolve: (key) => key }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
    secrets: t.field({
      type: ApiKeySecretConnection,
      description: 'Its secrets, newest first: when each was last used, and until when it is accepted.',
      complexity: listComplexity,
      args: t.arg.connectionArgs(),
      resolve: (key, list, context, info) =>
        context.services.keys.secretsOf(context, key.id, listRequest(apiKeySecrets, list, newestSecretFirst, info)),
    }),
  }),
});

export const ApiKeyConnection = builder.connectionObject(
  { type: ApiKey, name: 'ApiKeyConnection', description: 'A page of keys.' },
  { name: 'ApiKeyEdge', description: 'A key in a list.' },
);

export const ApiKeyOrder = orderInput('ApiKey', {
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  LAST_USED_AT: { column: 'lastUsedOrder', description: 'By the last use; never used comes before every use.' },
  EXPIRES_AT: { column: 'expiresOrder', description: 'By the end; those without one come after every end.' },
});
