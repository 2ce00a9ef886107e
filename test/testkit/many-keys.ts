import type { TestApp } from './app.ts';

const manyKeysCount = 100_000;

/** How many owners the keys have. The first of each has many more keys than the others, as in real deployments. */
const ownerCounts = { tenant: 20, user: 5_000, product: 40, engine: 3_000, app: 60 } as const;

type OwnerKind = keyof typeof ownerCounts;

const ownerKinds = Object.keys(ownerCounts) as OwnerKind[];

const uuidStart = (kind: OwnerKind): string => `00000000-0000-7000-8000-0${ownerKinds.indexOf(kind)}`;

/** The UUID of the owner with this number, from 1. */
export const ownerUuid = (kind: OwnerKind, number: number): string =>
  `${uuidStart(kind)}${String(number).padStart(10, '0')}`;

const uuidOf = (kind: OwnerKind, number: string): string =>
  `('${uuidStart(kind)}' || lpad((${number})::text, 10, '0'))::uuid`;

/** A whole number below `below` that looks random and is the same in every run. */
const random = (salt: number, below: number): string =>
  `((hashint8extended(number, ${salt}) & 9007199254740991) % ${below})`;

/** Four of ten belong to the first tenant. */
const tenantOf = (number: string): string =>
  uuidOf('tenant', `CASE WHEN (${number}) % 10 < 4 THEN 1 ELSE 1 + (${number}) % ${ownerCounts.tenant} END`);

/** One in a hundred keys of a kind belongs to its first owner. */
const ownerNumber = (kind: OwnerKind): string =>
  `CASE WHEN ${random(1, 100)} = 0 THEN 1 ELSE 1 + ${random(2, ownerCounts[kind])} END`;

const seriesOf = (count: number): string => `generate_series(1, ${count}) AS series (number)`;

const seedOwners = `
  INSERT INTO tenant (id, name, name_folded, fairshare_group_id, updated_at)
  SELECT ${uuidOf('tenant', 'number')}, 'Tenant ' || number, 'tenant ' || number,
    (SELECT id FROM fairshare_group WHERE is_default), now()
  FROM ${seriesOf(ownerCounts.tenant)};
  INSERT INTO tenant_user (id, tenant_id, external_id, updated_at)
  SELECT ${uuidOf('user', 'number')}, ${tenantOf('number')}, 'user-' || number, now() FROM ${seriesOf(ownerCounts.user)};
  INSERT INTO product (id, tenant_id, slug, display_name, display_name_folded, updated_at)
  SELECT ${uuidOf('product', 'number')}, ${tenantOf('number')}, 'product-' || number, 'Product', 'product', now()
  FROM ${seriesOf(ownerCounts.product)};
  INSERT INTO engine (id, tenant_id, product_id, user_external_id, status_changed_at, updated_at)
  SELECT ${uuidOf('engine', 'number')}, ${tenantOf(`1 + number % ${ownerCounts.product}`)},
    ${uuidOf('product', `1 + number % ${ownerCounts.product}`)}, 'user-' || number, now(), now()
  FROM ${seriesOf(ownerCounts.engine)};
  INSERT INTO app (id, tenant_id, name, name_folded, updated_at)
  SELECT ${uuidOf('app', 'number')}, ${tenantOf('number')}, 'App ' || number, 'app ' || number, now()
  FROM ${seriesOf(ownerCounts.app)};
`;

const scopes = ['cloud:inference', 'catalog:read', 'models:read', 'telemetry:write', 'devices:register', 'evals:write'];

/** `$1` is the time of the test. Keys were made over 400 days; what is true of few of them is true of old and new ones. */
const seedKeys = `
  INSERT INTO api_key (
    id, kind, name, name_folded, tenant_id, user_id, app_id, product_id, engine_id, environment, scopes, start,
    expires_at, disabled_at, revoked_at, secrets_until, retiring_until, last_used_at, created_by_id, created_by_name, created_at, updated_at
  )
  SELECT gen_random_uuid(), kind::key_kind, named, named,
    CASE kind
      WHEN 'ADMIN' THEN NULL WHEN 'GATEWAY' THEN NULL WHEN 'USER' THEN ${tenantOf('user_number')}
      WHEN 'PRODUCT' THEN ${tenantOf('product_number')} WHEN 'ENGINE' THEN ${tenantOf(`1 + engine_number % ${ownerCounts.product}`)}
      ELSE ${tenantOf('app_number')}
    END,
    CASE kind WHEN 'USER' THEN ${uuidOf('user', 'user_number')} END,
    CASE WHEN kind IN ('APP', 'PUBLISHABLE') THEN ${uuidOf('app', 'app_number')} END,
    CASE kind
      WHEN 'PRODUCT' THEN ${uuidOf('product', 'product_number')}
      WHEN 'ENGINE' THEN ${uuidOf('product', `1 + engine_number % ${ownerCounts.product}`)}
    END,
    CASE kind WHEN 'ENGINE' THEN ${uuidOf('engine', 'engine_number')} END,
    environment::key_environment,
    CASE
      WHEN number % 5000 = 0 THEN '{rollouts:write}'
      ELSE (ARRAY['${scopes.join("', '")}'])[1 + ${random(3, 3)}:4 + ${random(4, 3)}]
    END,
    concat_ws('_', 'fl', lower(kind), lower(environment), substr(md5(number::text), 1, 4)),
    expires, disabled, revoked, CASE WHEN number % 1500 = 7 THEN made + interval '5 days' END,
    CASE
      WHEN number % 4000 = 0 THEN $1::timestamptz + interval '1 minute' WHEN number % 200 = 0 THEN made + interval '5 days'
    END,
    CASE WHEN ${random(9, 10)} > 0 THEN made + (least($1::timestamptz, expires, disabled, revoked) - made) * (1 - power(${random(10, 1_000)} / 1000.0, 4)) END,
    'creator:' || CASE WHEN ${random(11, 10)} < 4 THEN 1 ELSE 2 + ${random(12, 300)} END, 'creator', made, made
  FROM (
    SELECT *,
      CASE WHEN ${random(5, 10)} >= 4 THEN made + (30 + ${random(6, 700)}) * interval '1 day' END AS expires,
      CASE WHEN ${random(7, 100)} = 0 THEN made + ($1::timestamptz - made) * 0.4 END AS disabled,
      CASE WHEN ${random(8, 100)} = 0 THEN made + ($1::timestamptz - made) * 0.6 END AS revoked,
      CASE WHEN kind IN ('APP', 'PUBLISHABLE') THEN CASE WHEN ${random(13, 10)} = 0 THEN 'TEST' ELSE 'LIVE' END END AS environment,
      (ARRAY['chat', 'batch', 'nightly', 'search', 'mobile', 'support'])[1 + ${random(14, 6)}] || ' ' || md5(number::text) AS named
    FROM (
      SELECT number, $1::timestamptz - (${manyKeysCount} - number) * interval '346 seconds' AS made,
        ${ownerNumber('user')} AS user_number, ${ownerNumber('product')} AS product_number,
        ${ownerNumber('engine')} AS engine_number, ${ownerNumber('app')} AS app_number,
        CASE
          WHEN share < 620 THEN 'USER' WHEN share < 770 THEN 'ENGINE' WHEN share < 860 THEN 'APP'
          WHEN share < 900 THEN 'PUBLISHABLE' WHEN share < 950 THEN 'PRODUCT' WHEN share < 998 THEN 'TENANT'
          WHEN share < 999 THEN 'GATEWAY' ELSE 'ADMIN'
        END AS kind
      FROM ${seriesOf(manyKeysCount)}, LATERAL (SELECT ${random(15, 1_000)} AS share) AS shared
    ) AS owned
  ) AS key
`;

/** Fills a database with as many keys as a large deployment has, of all kinds and in all states. */
export async function seedManyKeys({ app, clock }: TestApp): Promise<void> {
  const client = await app.database.pool.connect();
  try {
    // Keys refer to owners that are there; checking it for each of them would take longer than the rest.
    await client.query('SET session_replication_role = replica');
    await client.query(seedOwners);
    // So is filling an index row by row.
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(
      `SELECT indexname AS name, indexdef AS definition FROM pg_indexes
       WHERE tablename = 'api_key' AND indexname <> 'api_key_pkey'`,
    );
    for (const { name } of indexes) await client.query(`DROP INDEX "${name}"`);
    await client.query(seedKeys, [clock.now()]);
    for (const { definition } of indexes) await client.query(definition);
    await client.query('RESET session_replication_role');
    // As autovacuum leaves a table.
    await client.query('VACUUM (ANALYZE) api_key');
  } finally {
    client.release();
  }
}
