/** The rows that every run starts from, as a pure function of their number: what is seeded and what must be read back. */

export const tenantCount = 5_000;
export const seededGroupCount = 10;
export const pageLength = 50;
export const tenantsPerGroupPage = 10;

/** Created rows begin with this: they are found for deletion, and sort behind every seeded row. */
export const createdNamePrefix = 'zz-bench-';

export interface ObservedGroup {
  readonly name: string;
  readonly weight: number;
}

export interface ObservedTenant {
  readonly name: string;
  readonly weight: number;
  readonly status: string;
  /** ISO 8601 in UTC with milliseconds, whatever the server's own notation. */
  readonly createdAt: string;
  readonly fairshareGroup: ObservedGroup;
}

export interface ObservedTenantPage {
  readonly tenants: readonly ObservedTenant[];
  readonly hasNextPage: boolean;
  readonly hasEndCursor: boolean;
}

export interface ObservedGroupWithTenants extends ObservedGroup {
  readonly totalCount: number;
  readonly tenants: readonly { readonly name: string; readonly weight: number }[];
}

export interface ObservedCreation {
  readonly name: string;
  readonly weight: number;
}

const firstCreatedAtMs = Date.UTC(2026, 0, 1);

export const tenantName = (number: number): string => `tenant-${String(number).padStart(5, '0')}`;

const groupName = (number: number): string => `group-${String(number).padStart(2, '0')}`;

const groupNumberOf = (tenantNumber: number): number => ((tenantNumber - 1) % seededGroupCount) + 1;

const tenantWeight = (number: number): number => 50 + (number % 200);

const groupWeight = (number: number): number => number * 100;

/**
 * The formulas of `expectedTenant` in SQL, one statement a table. Rows are stored in a mixed but fixed order: stored by
 * name, which no deployment is, the planner walks the index of all names to find the first tenants of a group, in some
 * runs and not in others.
 */
export const seedStatements: readonly string[] = [
  `insert into fairshare_group (id, name, name_folded, is_default, updated_at)
   values (gen_random_uuid(), 'default', 'default', true, now())
   on conflict (name_folded) do nothing`,
  `insert into fairshare_group (id, name, name_folded, weight, updated_at)
   select gen_random_uuid(), name, lower(name), number * 100, now()
   from generate_series(1, ${seededGroupCount}) as series (number)
   cross join lateral (select 'group-' || lpad(number::text, 2, '0') as name) as named`,
  `insert into tenant (id, name, name_folded, weight, fairshare_group_id, created_at, updated_at)
   select gen_random_uuid(), named.name, lower(named.name), 50 + number % 200, fairshare_group.id,
     to_timestamp(${firstCreatedAtMs / 1_000} + number * 60), now()
   from generate_series(1, ${tenantCount}) as series (number)
   cross join lateral (select 'tenant-' || lpad(number::text, 5, '0') as name) as named
   join fairshare_group on fairshare_group.name
     = 'group-' || lpad((((number - 1) % ${seededGroupCount}) + 1)::text, 2, '0')
   order by md5(number::text)`,
];

export function expectedTenant(number: number): ObservedTenant {
  const group = groupNumberOf(number);
  return {
    name: tenantName(number),
    weight: tenantWeight(number),
    status: 'ACTIVE',
    createdAt: new Date(firstCreatedAtMs + number * 60_000).toISOString(),
    fairshareGroup: { name: groupName(group), weight: groupWeight(group) },
  };
}

export function expectedTenantPage(): ObservedTenantPage {
  const tenants = Array.from({ length: pageLength }, (_, index) => expectedTenant(index + 1));
  return { tenants, hasNextPage: true, hasEndCursor: true };
}

/** Sorted by name: the order of the groups themselves is each server's own. */
export function expectedGroups(): readonly ObservedGroupWithTenants[] {
  const seeded = Array.from({ length: seededGroupCount }, (_, groupIndex): ObservedGroupWithTenants => {
    const numbers = Array.from({ length: tenantsPerGroupPage }, (__, row) => groupIndex + 1 + row * seededGroupCount);
    return {
      name: groupName(groupIndex + 1),
      weight: groupWeight(groupIndex + 1),
      totalCount: tenantCount / seededGroupCount,
      tenants: numbers.map((number) => ({ name: tenantName(number), weight: tenantWeight(number) })),
    };
  });
  return [{ name: 'default', weight: 100, totalCount: 0, tenants: [] }, ...seeded];
}

export const expectedCreation = (name: string): ObservedCreation => ({ name, weight: 100 });
