import type { Entity, Owner } from '../database/entity.ts';
import { Prisma } from '../database/generated/client.ts';
import type { Binding } from './principal.ts';

const { sql } = Prisma;

/** What a principal can be bound to, and which owner of a row that is. */
const bindings = {
  tenant: 'tenantId',
  product: 'productId',
  engine: 'engineId',
  user: 'userId',
  app: 'appId',
} as const satisfies Record<string, keyof Binding>;

const bindingNames = Object.values(bindings);

/**
 * The conditions under which a principal sees rows of an entity. Whoever is bound to something sees the rows that
 * belong to it; rows that cannot belong to such a thing it does not see at all, unless the entity says that they are
 * shared.
 */
export function visibleTo<Row>(entity: Entity<Row>, principal: Binding): Prisma.Sql[] {
  return (Object.keys(bindings) as (keyof typeof bindings)[]).flatMap((binding) => {
    const id = principal[bindings[binding]];
    return id === undefined ? [] : conditionOf(entity, entity.owners[binding], id);
  });
}

function conditionOf<Row>(entity: Entity<Row>, owner: Owner<Row> | undefined, id: string): Prisma.Sql[] {
  if (owner === undefined) return [sql`false`];
  if (owner === 'shared') return [];
  return [typeof owner === 'function' ? owner(id) : sql`${entity.column(owner.column)} = ${id}::uuid`];
}

/** Whether a principal sees a row at hand whose owners these are. */
export const isWithin = (
  principal: Binding,
  owners: Readonly<Partial<Record<keyof Binding, string | null>>>,
): boolean => bindingNames.every((name) => principal[name] === undefined || principal[name] === owners[name]);
