/** What a tenant's requests pay for the second fence: the same requests with it and without, and those of the operator. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { fairlead } from '../contenders/fairlead.ts';
import type { BenchDatabase } from '../harness/database.ts';
import { tenantName } from '../harness/dataset.ts';
import type { LoadOrder, Measurement, RequestVariant } from '../harness/load-protocol.ts';
import type { Options } from '../harness/options.ts';
import { type LoadGenerator, type RunningServer, startLoadGenerator, startServer } from '../harness/processes.ts';
import { ratio, table, whole } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';

const callingTenants = 50;
const usersOfCallingTenant = 100;
const usersOfOtherTenant = 10;

const seedUsers = `
  INSERT INTO tenant_user (id, tenant_id, external_id, display_name, updated_at)
  SELECT gen_random_uuid(), tenant.id, tenant.name || '-user-' || lpad(number::text, 3, '0'), 'User ' || number, now()
  FROM tenant CROSS JOIN generate_series(1, ${usersOfCallingTenant}) AS series (number)
  WHERE number <= ${usersOfOtherTenant} OR tenant.name <= '${tenantName(callingTenants)}'
  ORDER BY md5(number::text || tenant.name)`;

interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly key: string;
}

const operations = {
  tenant: {
    title: 'one tenant by its id, with its group',
    query: 'query ($id: ID!) { tenant(id: $id) { id name weight status createdAt fairshareGroup { id name weight } } }',
    variables: ({ id }: Tenant) => ({ id }),
    marker: ({ name }: Tenant) => `"name":"${name}"`,
  },
  users: {
    title: 'a page of 50 of the 100 users of the tenant',
    query: `query ($filter: UserFilter) { users(first: 50, filter: $filter) {
      edges { node { id externalId displayName status createdAt } } pageInfo { hasNextPage endCursor } } }`,
    // A tenant has no other users; the operator has to say whose.
    variables: ({ id }: Tenant, caller: Caller) => (caller === 'operator' ? { filter: { tenantId: id } } : {}),
    marker: ({ name }: Tenant) => `"externalId":"${name}-user-050"`,
  },
} as const;

type OperationName = keyof typeof operations;

const callers = {
  'one tenant': (tenants: readonly Tenant[]) => tenants.slice(0, 1),
  '50 tenants in turn': (tenants: readonly Tenant[]) => tenants,
  operator: (tenants: readonly Tenant[]) => tenants.slice(0, 1),
} as const;

type Caller = keyof typeof callers;

const callerNames = Object.keys(callers) as Caller[];
const operationNames = Object.keys(operations) as OperationName[];

const isWithFence = { fenced: 'on', unfenced: 'off' } as const;

type Kind = keyof typeof isWithFence;

const kinds = Object.keys(isWithFence) as Kind[];

async function ask<Data>(server: RunningServer, query: string, variables: object): Promise<Data> {
  const response = await fetch(`http://127.0.0.1:${server.target.port}${server.target.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...server.target.headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors !== undefined) throw new Error(`the preparation failed: ${JSON.stringify(errors)}`);
  return data;
}

/** Makes a key for each of the tenants that call. */
async function makeTenants(server: RunningServer): Promise<readonly Tenant[]> {
  const tenants: Tenant[] = [];
  for (let number = 1; number <= callingTenants; number += 1) {
    const name = tenantName(number);
    const found = await ask<{ tenant: { id: string } }>(
      server,
      'query ($name: String!) { tenant(name: $name) { id } }',
      {
        name,
      },
    );
    const made = await ask<{ createKey: { secret?: { value: string }; message?: string } }>(
      server,
      `mutation ($input: CreateKeyInput!) { createKey(input: $input) {
        ... on CreateKeyPayload { secret { value } } ... on UserError { message } } }`,
      {
        input: {
          kind: 'TENANT',
          tenantId: found.tenant.id,
          name: 'bench',
          scopes: ['tenants:read', 'fairshare:read', 'users:read'],
        },
      },
    );
    const key = made.createKey.secret?.value;
    if (key === undefined) throw new Error(`no key could be made: ${made.createKey.message}`);
    tenants.push({ id: found.tenant.id, name, key });
  }
  return tenants;
}

function variantsOf(operation: OperationName, caller: Caller, server: RunningServer, tenants: readonly Tenant[]) {
  const { query, variables, marker } = operations[operation];
  return callers[caller](tenants).map(
    (tenant): RequestVariant => ({
      headers: caller === 'operator' ? server.target.headers : { authorization: `Bearer ${tenant.key}` },
      bodyTemplate: JSON.stringify({ query, variables: variables(tenant, caller) }),
      marker: marker(tenant),
    }),
  );
}

const keyOf = (operation: OperationName, caller: Caller, kind: Kind): string => `${operation}, ${caller}, ${kind}`;

type Measurements = ReadonlyMap<string, readonly Measurement[]>;

interface Measuring {
  readonly servers: Readonly<Record<Kind, RunningServer>>;
  readonly tenants: readonly Tenant[];
  readonly database: BenchDatabase;
  readonly options: Options;
  readonly load: LoadGenerator;
}

/** With the fence and without in turns, so that a drift of the machine hits both alike. */
async function measureAll(measuring: Measuring, say: (line: string) => void): Promise<Measurements> {
  const { servers, tenants, database, options, load } = measuring;
  const measurements = new Map<string, Measurement[]>();
  const measure = (
    operation: OperationName,
    caller: Caller,
    kind: Kind,
    times: Pick<LoadOrder, 'warmUpMs' | 'measureMs'>,
  ) =>
    load.measure({
      target: servers[kind].target,
      variants: variantsOf(operation, caller, servers[kind], tenants),
      names: 'tenants',
      connectionCount: options.connectionCount,
      serverPid: servers[kind].pid,
      postmasterPid: database.postmasterPid,
      ...times,
    });
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const operation of operationNames) {
      for (const caller of callerNames) {
        // Whichever comes first has the worse caches.
        for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
          if (round === 0) {
            await measure(operation, caller, kind, {
              warmUpMs: 0,
              measureMs: (options.firstWarmUpSeconds * 1_000) / 2,
            });
            continue;
          }
          const measured = await measure(operation, caller, kind, {
            warmUpMs: options.laterWarmUpSeconds * 1_000,
            measureMs: options.measureSeconds * 1_000,
          });
          const key = keyOf(operation, caller, kind);
          measurements.set(key, [...(measurements.get(key) ?? []), measured]);
          say(`round ${round}/${options.rounds}  ${key}  ${measured.requestsPerSecond.toFixed(0)} requests/s`);
        }
      }
    }
  }
  return measurements;
}

function renderTable(operation: OperationName, measurements: Measurements): string {
  const rows = callerNames.map((caller) => {
    const middle = (kind: Kind, pick: (measurement: Measurement) => number | undefined): number =>
      median((measurements.get(keyOf(operation, caller, kind)) ?? []).map((each) => pick(each) ?? Number.NaN));
    const rate = ({ requestsPerSecond }: Measurement) => requestsPerSecond;
    const server = ({ serverCpuUsPerRequest }: Measurement) => serverCpuUsPerRequest;
    const postgres = ({ postgresCpuUsPerRequest }: Measurement) => postgresCpuUsPerRequest;
    return [
      caller,
      whole(middle('fenced', rate)),
      whole(middle('unfenced', rate)),
      ratio(middle('fenced', rate), middle('unfenced', rate)),
      `${whole(middle('fenced', server))} / ${whole(middle('unfenced', server))}`,
      `${whole(middle('fenced', postgres))} / ${whole(middle('unfenced', postgres))}`,
    ];
  });
  const heads = ['caller', 'requests/s', 'without fence', 'ratio', 'server CPU µs', 'Postgres CPU µs'];
  return `### fence, ${operation}: ${operations[operation].title}\n\n${table([heads, ...rows])}`;
}

/** Gives the tables of this comparison. */
export async function runFenceSuite(
  database: BenchDatabase,
  options: Options,
  say: (line: string) => void,
): Promise<string> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(seedUsers);
  await client.query('VACUUM (ANALYZE) tenant_user');
  await client.end();
  // Replicas are configured alike, so that keys made through one are good at the other.
  const peppers = `1:${randomBytes(32).toString('hex')}`;
  const start = (kind: Kind): Promise<RunningServer> =>
    startServer(
      {
        ...fairlead,
        name: `fairlead, ${kind}`,
        script: 'servers/fairlead.ts',
        environment: (context) => ({
          ...fairlead.environment(context),
          FAIRLEAD_PEPPERS: peppers,
          BENCH_FENCE: isWithFence[kind],
        }),
      },
      { databaseUrl: database.url, poolSize: options.poolSize, readyBody: JSON.stringify({ query: '{ __typename }' }) },
    );
  const servers = { fenced: await start('fenced'), unfenced: await start('unfenced') };
  const tenants = await makeTenants(servers.fenced);
  const load = startLoadGenerator();
  const measurements = await measureAll({ servers, tenants, database, options, load }, say);
  await load.stop();
  for (const server of Object.values(servers)) await server.stop();
  return operationNames.map((operation) => renderTable(operation, measurements)).join('\n\n');
}
