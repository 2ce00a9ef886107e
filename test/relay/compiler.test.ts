import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const require = createRequire(import.meta.url);
/** The package gives the path of the program for this platform. */
const compiler: string = require('relay-compiler');
const schema = fileURLToPath(new URL('../../schema.graphql', import.meta.url));

let project: string;

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'fairlead-relay-'));
  await mkdir(join(project, 'src'));
  // As it is checked in: a front end downloads it and changes nothing.
  await cp(schema, join(project, 'schema.graphql'));
  const config = { src: './src', schema: './schema.graphql', language: 'typescript', eagerEsModules: true };
  await writeFile(join(project, 'relay.config.json'), JSON.stringify(config));
});

afterEach(() => rm(project, { recursive: true, force: true }));

/** Compiles modules that have operations in graphql tags, and gives what the compiler says and makes. */
async function compile(modules: Readonly<Record<string, string>>) {
  for (const [name, operations] of Object.entries(modules)) {
    const source = operations.replace(/^ *(?=(query|mutation|subscription|fragment) )/gm, '').split('\n---\n');
    const tags = source.map((operation) => `graphql\`${operation}\`;`).join('\n');
    await writeFile(join(project, 'src', `${name}.ts`), `import { graphql } from 'relay-runtime';\n${tags}\n`);
  }
  const { status, stdout, stderr } = spawnSync(compiler, ['--noWatchman', 'relay.config.json'], {
    cwd: project,
    encoding: 'utf8',
  });
  const generated = join(project, 'src', '__generated__');
  return {
    status,
    output: stdout + stderr,
    files: (await readdir(generated).catch(() => [])).sort(),
    read: (name: string) => readFile(join(generated, `${name}.graphql.ts`), 'utf8'),
  };
}

describe('the Relay compiler', () => {
  it('takes the schema for a list that loads page after page, and again with other arguments', async () => {
    const { status, output, files, read } = await compile({
      Tenants: `query TenantsQuery($group: ID!) {
        fairshareGroup(id: $group) {
          ...Tenants_group @arguments(first: 50, orderBy: { field: NAME, direction: ASC })
        }
      }
---
      fragment Tenants_group on FairshareGroup
      @refetchable(queryName: "TenantsPaginationQuery")
      @argumentDefinitions(
        first: { type: "Int", defaultValue: 20 }
        after: { type: "String" }
        orderBy: { type: "TenantOrder" }
      ) {
        tenants(first: $first, after: $after, orderBy: $orderBy) @connection(key: "Tenants_group_tenants") {
          totalCount
          edges {
            node {
              ...TenantRow_tenant
            }
          }
        }
      }`,
      TenantRow: `fragment TenantRow_tenant on Tenant @refetchable(queryName: "TenantRowRefetchQuery") {
        name
        weight
        status
        createdAt
      }`,
    });
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('Compilation completed') });
    expect(files).toEqual([
      'TenantRowRefetchQuery.graphql.ts',
      'TenantRow_tenant.graphql.ts',
      'TenantsPaginationQuery.graphql.ts',
      'TenantsQuery.graphql.ts',
      'Tenants_group.graphql.ts',
    ]);
    // Both are fetched again through node, by the id of the object.
    for (const name of ['TenantsPaginationQuery', 'TenantRowRefetchQuery']) {
      expect(await read(name)).toMatch(/node\(id: \$id\)/);
    }
  });

  it('takes the schema for a list of the root, backwards as well', async () => {
    const { status, output } = await compile({
      AuditLog: `query AuditLogQuery {
        ...AuditLog_query
      }
---
      fragment AuditLog_query on Query
      @refetchable(queryName: "AuditLogPaginationQuery")
      @argumentDefinitions(
        last: { type: "Int", defaultValue: 20 }
        before: { type: "String" }
        filter: { type: "AuditLogFilter" }
      ) {
        auditLog(last: $last, before: $before, filter: $filter)
          @connection(key: "AuditLog_auditLog", filters: ["filter"]) {
          edges {
            node {
              id
              action
              occurredAt
            }
          }
        }
      }`,
    });
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('Compilation completed') });
  });

  it('takes the schema for commands that put their row into a list, and for subscriptions', async () => {
    const { status, output } = await compile({
      Groups: `mutation GroupsCreateMutation($input: CreateFairshareGroupInput!, $connections: [ID!]!) {
        createFairshareGroup(input: $input) {
          __typename
          ... on CreateFairshareGroupPayload {
            fairshareGroup @prependNode(connections: $connections, edgeTypeName: "FairshareGroupEdge") {
              id
              name
            }
          }
          ... on UserError {
            code
            message
            path
          }
        }
      }
---
      subscription GroupsTailSubscription {
        auditTail {
          action
          outcome
        }
      }`,
    });
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('Compilation completed') });
  });

  it('refuses what the schema does not have, so the tests above say something', async () => {
    const { status, output } = await compile({ Wrong: 'query WrongQuery { tenants(first: 1) { nothing } }' });
    expect(status).not.toBe(0);
    expect(output).toContain('nothing');
  });
});
