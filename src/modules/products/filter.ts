import { Prisma } from '../../database/generated/client.ts';
import type { ProductStatus } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { products } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which products of a list are wanted: those that meet every condition given. */
export interface ProductFilter {
  readonly tenantId?: Optional<string>;
  readonly statuses?: Optional<readonly ProductStatus[]>;
  readonly slug?: Optional<TextConditions>;
  readonly displayName?: Optional<TextConditions>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

export const productConditions = (filter: ProductFilter): Prisma.Sql[] =>
  new Conditions()
    .add(filter.tenantId, (id) => sql`${products.column('tenantId')} = ${id}::uuid`)
    .add(filter.statuses, (list) => sql`${products.column('status')} = ANY(${[...list]}::product_status[])`)
    .name(products.column('slug'), filter.slug)
    .name(products.column('displayNameFolded'), filter.displayName)
    .time(products.column('createdAt'), filter.createdAt).all;
