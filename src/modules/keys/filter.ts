import type { Scope } from '../../access/scopes.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { KeyEnvironment, KeyKind } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { isGiven } from '../../graph/given.ts';
import { apiKeys } from './entity.ts';
import { anyStateCondition, type KeyState } from './states.ts';

type Optional<Value> = Value | null | undefined;

/** Which keys of a list are wanted: those that meet every condition given. Ids are UUIDs. */
export interface KeyFilter {
  readonly ids?: Optional<readonly string[]>;
  readonly kinds?: Optional<readonly KeyKind[]>;
  readonly states?: Optional<readonly KeyState[]>;
  readonly environment?: Optional<KeyEnvironment>;
  readonly tenantId?: Optional<string>;
  readonly userId?: Optional<string>;
  readonly appId?: Optional<string>;
  readonly productId?: Optional<string>;
  readonly engineId?: Optional<string>;
  readonly name?: Optional<Omit<TextConditions, 'contains'>>;
  readonly startsWith?: Optional<string>;
  readonly scope?: Optional<Scope>;
  readonly createdById?: Optional<string>;
  readonly createdAt?: Optional<TimeConditions>;
  readonly expiresAt?: Optional<TimeConditions>;
  readonly lastUsedAt?: Optional<TimeConditions>;
  readonly neverUsed?: Optional<boolean>;
}

const { sql } = Prisma;

/** What the columns hold that lists are sorted by, for keys that were never used and that do not expire. */
const neverUsed = sql`'1970-01-01 00:00:00+00'`;
const noEnd = sql`'9999-12-31 00:00:00+00'`;

/**
 * The conditions in SQL. Each is one that an index answers, and on the column that lists are sorted by where there is
 * one, so that a list in that order begins at the first row of the answer and not at the first of the table.
 */
export function keyConditions(filter: KeyFilter, now: Date): Prisma.Sql[] {
  return (
    new Conditions()
      .add(filter.ids, (ids) => sql`t.id = ANY(${[...ids]}::uuid[])`)
      .add(filter.kinds, (kinds) => sql`t.kind = ANY(${[...kinds]}::key_kind[])`)
      .add(filter.states, (states) => anyStateCondition(states, now))
      .add(filter.environment, (environment) => sql`t.environment = ${environment}::key_environment`)
      .add(filter.tenantId, (id) => sql`t.tenant_id = ${id}::uuid`)
      .add(filter.userId, (id) => sql`t.user_id = ${id}::uuid`)
      .add(filter.appId, (id) => sql`t.app_id = ${id}::uuid`)
      .add(filter.productId, (id) => sql`t.product_id = ${id}::uuid`)
      .add(filter.engineId, (id) => sql`t.engine_id = ${id}::uuid`)
      .name(apiKeys.column('nameFolded'), filter.name)
      .text(apiKeys.column('start'), { startsWith: filter.startsWith })
      .add(filter.scope, (scope) => sql`t.scopes @> ARRAY[${scope}]::text[]`)
      .add(filter.createdById, (id) => sql`t.created_by_id = ${id}`)
      .time(apiKeys.column('createdAt'), filter.createdAt)
      .time(apiKeys.column('expiresOrder'), filter.expiresAt)
      .add(hasEnds(filter.expiresAt) ? true : undefined, () => sql`t.expires_order < ${noEnd}`)
      // Who asks for keys that were not used since some day means those that were never used as well.
      .time(apiKeys.column('lastUsedOrder'), filter.lastUsedAt)
      .add(filter.neverUsed, (never) =>
        never ? sql`t.last_used_order = ${neverUsed}` : sql`t.last_used_order > ${neverUsed}`,
      ).all
  );
}

const hasEnds = (range: Optional<TimeConditions>): boolean => isGiven(range?.from) || isGiven(range?.until);
