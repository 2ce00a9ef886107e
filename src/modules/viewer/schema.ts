import type { Principal } from '../../access/principal.ts';
import type { LoginRole } from '../../config/oidc-issuers.ts';
import { builder, requires } from '../../graph/builder.ts';
import { encodeId, type NodeType } from '../../graph/ids.ts';
import { PrincipalKindEnum } from '../../graph/principal-kind.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { apps } from '../apps/entity.ts';
import { App } from '../apps/schema.ts';
import { engines } from '../engines/entity.ts';
import { Engine } from '../engines/schema.ts';
import { apiKeys } from '../keys/entity.ts';
import { ApiKey } from '../keys/schema.ts';
import { products } from '../products/entity.ts';
import { Product } from '../products/schema.ts';
import { tenants } from '../tenants/entity.ts';
import { Tenant } from '../tenants/schema.ts';
import { users } from '../users/entity.ts';
import { User } from '../users/schema.ts';

const LoginRoleEnum = builder.enumType('LoginRole', {
  description: 'What a person who logged in may do. The scopes say it exactly.',
  values: {
    OWNER: { value: 'owner', description: 'Everything within the tenant, or everything in the deployment.' },
    ADMIN: { value: 'admin', description: 'Everything that is not kept for owners.' },
    MEMBER: { value: 'member', description: "See one's own user, and manage the keys of one's own." },
    VIEWER: { value: 'viewer', description: 'Read everything, change nothing.' },
  } satisfies Record<Uppercase<LoginRole>, { value: LoginRole; description: string }>,
});

const idOrNull = (type: NodeType, uuid: string | undefined): string | null =>
  uuid === undefined ? null : encodeId(type, uuid);

const Viewer = builder.objectRef<Principal>('Viewer').implement({
  description: 'Whoever sends the request: what the credential is, what it may do, and until when.',
  fields: (t) => ({
    kind: t.expose('kind', { type: PrincipalKindEnum, description: 'What kind of credential it is.' }),
    name: t.exposeString('name', { description: 'What the audit log calls it.' }),
    credentialId: t.exposeString('credentialId', {
      description: 'Names the credential in the audit log; never its secret, and the same after the secret is rotated.',
    }),
    role: t.expose('role', { type: LoginRoleEnum, nullable: true, description: 'Of a login; null for keys.' }),
    scopes: t.stringList({
      description: 'Everything that it may do, sorted.',
      resolve: ({ scopes }) => [...scopes].sort(),
    }),
    keyId: t.id({
      nullable: true,
      description: 'The key that was used; null for root admin keys and logins.',
      resolve: ({ keyId }) => idOrNull('ApiKey', keyId),
    }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: 'That key.',
      resolve: ({ keyId }, _args, { services, principal }, info) =>
        keyId === undefined ? null : services.keys.find(principal, keyId, wantedColumns(apiKeys, info)),
    }),
    tenantId: t.id({
      nullable: true,
      description: 'The tenant that it belongs to; null: it belongs to the deployment.',
      resolve: ({ tenantId }) => idOrNull('Tenant', tenantId),
    }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: 'That tenant.',
      resolve: ({ tenantId }, _args, { services, principal }, info) =>
        tenantId === undefined
          ? null
          : services.tenants.find(principal, { id: tenantId }, wantedColumns(tenants, info)),
    }),
    userId: t.id({
      nullable: true,
      description: 'The user that it belongs to, or who logged in; null when that is no user of the tenant.',
      resolve: ({ userId, loginUserId }) => idOrNull('User', userId ?? loginUserId),
    }),
    user: t.field({
      ...requires(['users:read']),
      type: User,
      nullable: true,
      description: 'That user.',
      resolve: ({ userId, loginUserId }, _args, { services, principal }, info) => {
        const id = userId ?? loginUserId;
        return id === undefined ? null : services.users.find(principal, { id }, wantedColumns(users, info));
      },
    }),
    productId: t.id({
      nullable: true,
      description: 'The product that it belongs to; null when it is bound to none.',
      resolve: ({ productId }) => idOrNull('Product', productId),
    }),
    product: t.field({
      ...requires(['products:read']),
      type: Product,
      nullable: true,
      description: 'That product.',
      resolve: ({ productId }, _args, { services, principal }, info) =>
        productId === undefined
          ? null
          : services.products.find(principal, { id: productId }, wantedColumns(products, info)),
    }),
    engineId: t.id({
      nullable: true,
      description: 'The engine that it belongs to; null when it is bound to none.',
      resolve: ({ engineId }) => idOrNull('Engine', engineId),
    }),
    engine: t.field({
      ...requires(['engines:read']),
      type: Engine,
      nullable: true,
      description: 'That engine.',
      resolve: ({ engineId }, _args, { services, principal }, info) =>
        engineId === undefined
          ? null
          : services.engines.find(principal, { id: engineId }, wantedColumns(engines, info)),
    }),
    appId: t.id({
      nullable: true,
      description: 'The application that it belongs to; null when it is bound to none.',
      resolve: ({ appId }) => idOrNull('App', appId),
    }),
    app: t.field({
      ...requires(['apps:read']),
      type: App,
      nullable: true,
      description: 'That application.',
      resolve: ({ appId }, _args, { services, principal }, info) =>
        appId === undefined ? null : services.apps.find(principal, appId, wantedColumns(apps, info)),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'From when on the secret or the access token that was sent is refused; null when that is not known.',
      resolve: ({ expiresAt }) => expiresAt ?? null,
    }),
    usesRetiringSecret: t.boolean({
      description: 'Whether the secret that was sent is an older one of a rotated key, so that it should be replaced.',
      resolve: ({ retiringUntil }) => retiringUntil !== undefined,
    }),
    retiringUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Until when that older secret is accepted; null when the newest one was sent.',
      resolve: ({ retiringUntil }) => retiringUntil ?? null,
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    ...requires(),
    type: Viewer,
    description: 'Who you are, as far as your credential says.',
    resolve: (_parent, _args, { principal }) => principal,
  }),
);
