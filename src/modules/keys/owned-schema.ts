import type { ObjectRef } from '@pothos/core';
import { builder, type GraphSchemaTypes, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadReference, requestTime } from '../../graph/loaders.ts';
import { App } from '../apps/schema.ts';
import { Engine } from '../engines/schema.ts';
import { Product } from '../products/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { User } from '../users/schema.ts';
import { apiKeys } from './entity.ts';
import { ApiKeyFilterInput, newestFirst, readFilter } from './queries.ts';
import { ApiKey, ApiKeyConnection, ApiKeyOrder } from './schema.ts';

type OwnerColumn = 'tenantId' | 'userId' | 'appId' | 'productId' | 'engineId';

/** Gives a type the list of the keys that belong to its rows. */
function addKeysTo<Row extends { id: string }>(
  type: ObjectRef<GraphSchemaTypes, Row>,
  by: OwnerColumn,
  description: string,
): void {
  // Pothos decides by the shape what a parent is, which it cannot for a type parameter.
  const owner: ObjectRef<GraphSchemaTypes, { id: string }> = type;
  builder.objectField(owner, 'apiKeys', (t) =>
    t.field({
      ...requires(['keys:read']),
      type: ApiKeyConnection,
      description: `${description}, as far as you may see them, newest first.`,
      complexity: listComplexity,
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: ApiKeyFilterInput, description: 'Which of them. Default: all.' }),
        orderBy: t.arg({ type: ApiKeyOrder, description: 'Default: by the time of making, descending.' }),
      },
      resolve: ({ id }, { filter, ...list }, context, info) =>
        context.services.keys.listOf(
          context,
          by,
          id,
          { filter: readFilter(filter), now: requestTime(context) },
          listRequest(apiKeys, list, newestFirst, info),
        ),
    }),
  );
}

addKeysTo(Tenant, 'tenantId', 'The keys of the tenant and of all that belongs to it');
addKeysTo(Product, 'productId', 'The platform keys of the product and the keys of its engines');
addKeysTo(Engine, 'engineId', 'The keys of the engine');
addKeysTo(App, 'appId', 'The keys of the application');
addKeysTo(User, 'userId', 'The keys of the user');

builder.objectFields(ApiKey, (t) => ({
  user: t.field({
    ...requires(['users:read']),
    type: User,
    nullable: true,
    description: 'The user that it belongs to; null: it belongs to none.',
    resolve: ({ userId }, _args, context) =>
      loadReference(context, 'User', userId, (ids) => context.services.users.byIds(context.principal, ids)),
  }),
  app: t.field({
    ...requires(['apps:read']),
    type: App,
    nullable: true,
    description: 'The application that it belongs to; null: it belongs to none.',
    resolve: ({ appId }, _args, context) =>
      loadReference(context, 'App', appId, (ids) => context.services.apps.byIds(context.principal, ids)),
  }),
  product: t.field({
    ...requires(['products:read']),
    type: Product,
    nullable: true,
    description: 'The product that it or its engine belongs to; null: it belongs to none.',
    resolve: ({ productId }, _args, context) =>
      loadReference(context, 'Product', productId, (ids) => context.services.products.byIds(context.principal, ids)),
  }),
  engine: t.field({
    ...requires(['engines:read']),
    type: Engine,
    nullable: true,
    description: 'The engine that it belongs to; null: it belongs to none.',
    resolve: ({ engineId }, _args, context) =>
      loadReference(context, 'Engine', engineId, (ids) => context.services.engines.byIds(context.principal, ids)),
  }),
}));
