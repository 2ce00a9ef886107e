import { ProductStatus } from '../../database/generated/enums.ts';
import { comparableText, exactlyOne } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { checkTextFilter, DateTimeRange, filterId, TextFilter } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { Limits } from '../limits/schema.ts';
import { Tenant, tenantOf } from '../tenants/schema.ts';
import { policyOf } from './data.ts';
import { type ProductRow, products } from './entity.ts';
import type { ProductFilter } from './filter.ts';
import { ProductPolicyType } from './policy-schema.ts';

const ProductStatusEnum = builder.enumType('ProductStatus', {
  description: 'Whether a product is served.',
  values: {
    ACTIVE: { value: ProductStatus.ACTIVE, description: 'It is served, within its policy.' },
    SUSPENDED: {
      value: ProductStatus.SUSPENDED,
      description: 'No engine of it is admitted or registered until it is resumed.',
    },
    DELETING: {
      value: ProductStatus.DELETING,
      description: 'Nothing is admitted or registered any more; it is deleted with the last of its engines.',
    },
  } satisfies Record<ProductStatus, object>,
});

export const Product = builder.objectRef<ProductRow>('Product');

builder.node(Product, {
  description:
    'An application on the platform: its policy says how many engines it may have and how often they are asked for.',
  id: { resolve: (product) => product.id },
  loadMany: loadNodes('Product', [['products:read']], ({ services, principal }, ids) =>
    services.products.byIds(principal, ids),
  ),
  fields: (t) => ({
    slug: t.exposeString('slug', {
      description: 'Its name in URLs and logs, unique in the deployment; never changed.',
    }),
    displayName: t.exposeString('displayName', { description: 'Its name for people.' }),
    status: t.expose('status', { type: ProductStatusEnum, description: 'Whether it is served.' }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      description: 'The tenant that it belongs to.',
      resolve: (product, _args, context) => tenantOf(context, product.tenantId),
    }),
    policy: t.field({ type: ProductPolicyType, description: 'What it may use, as it is now.', resolve: policyOf }),
    limits: t.field({
      type: Limits,
      description:
        "How much the requests of its platform keys and of its engines' keys may use together. Null inherits the limit of the tenant. How often engines may be asked for is another thing, which its policy says.",
      resolve: (product) => product,
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const ProductConnection = builder.connectionObject(
  { type: Product, name: 'ProductConnection', description: 'A page of products.' },
  { name: 'ProductEdge', description: 'A product in a list.' },
);

const ProductOrder = orderInput('Product', {
  SLUG: { column: 'slug', description: 'By slug.' },
  DISPLAY_NAME: { column: 'displayNameFolded', description: 'By display name, without regard to case.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of registration.' },
});

const ProductFilterInput = builder.inputType('ProductFilter', {
  description: 'Which products are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'Of this tenant.' }),
    statuses: t.field({ type: [ProductStatusEnum], description: 'With any of these statuses.' }),
    slug: t.field({ type: TextFilter, description: 'By slug.' }),
    displayName: t.field({ type: TextFilter, description: 'By display name, without regard to case.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of registration.' }),
  }),
});

const bySlug = { by: 'slug', direction: 'ASC' } as const;

function readFilter(given: typeof ProductFilterInput.$inferInput | null | undefined): ProductFilter {
  const { tenantId, ...filter } = given ?? {};
  if (filter.slug) checkTextFilter('filter.slug', filter.slug);
  if (filter.displayName) checkTextFilter('filter.displayName', filter.displayName);
  return { ...filter, tenantId: filterId('Tenant', 'filter.tenantId', tenantId) };
}

builder.queryFields((t) => ({
  product: t.field({
    ...requires(['products:read']),
    type: Product,
    nullable: true,
    description: 'One product, by id or by slug; null when there is none that you may see.',
    args: {
      id: t.arg.id({ description: 'Its id. Give this or `slug`.' }),
      slug: t.arg.string({ description: 'Its slug, without regard to case.' }),
    },
    resolve: (_parent, args, { services, principal }, info) => {
      const [argument, value] = exactlyOne({ id: args.id, slug: args.slug });
      return services.products.find(
        principal,
        argument === 'id'
          ? { id: decodeIdArgument('Product', 'id', value) }
          : { slug: comparableText(argument, value) },
        wantedColumns(products, info),
      );
    },
  }),
  products: t.field({
    ...requires(['products:read']),
    type: ProductConnection,
    description: 'The products that you may see, by slug unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: ProductFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: ProductOrder, description: 'Default: by slug, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.products.list(principal, readFilter(filter), listRequest(products, list, bySlug, info)),
  }),
}));

builder.objectField(Tenant, 'products', (t) =>
  t.field({
    ...requires(['products:read']),
    type: ProductConnection,
    description: 'The products of the tenant that you may see, by slug unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: ProductFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: ProductOrder, description: 'Default: by slug, ascending.' }),
    },
    resolve: (tenant, { filter, ...list }, context, info) =>
      context.services.products.listOfTenant(
        context,
        tenant.id,
        readFilter(filter),
        listRequest(products, list, bySlug, info),
      ),
  }),
);
