import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { scopesOfKind } from '../../src/access/scopes.ts';
import { Prisma } from '../../src/database/generated/client.ts';
import { decodeAnyId, decodeId, IdProblem, type NodeType } from '../../src/graph/ids.ts';
import { commandCases } from '../modules/commands.ts';
import { startTestApp } from '../testkit/app.ts';
import { type CommandInput, Commands } from '../testkit/commands.ts';
import { Seed } from '../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: '604800' } });
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
const ofTenant = scopesOfKind('TENANT');

/** Where the rows of each type are, and what says whose they are. */
const tenantColumns: Readonly<Partial<Record<NodeType, readonly [table: string, column: string]>>> = {
  Tenant: ['tenant', 'id'],
  Team: ['team', 'tenant_id'],
  User: ['tenant_user', 'tenant_id'],
  App: ['app', 'tenant_id'],
  Product: ['product', 'tenant_id'],
  Engine: ['engine', 'tenant_id'],
  ApiKey: ['api_key', 'tenant_id'],
  ApiKeySecret: ['api_key_secret', 'tenant_id'],
  Gateway: ['gateway', 'tenant_id'],
};

/** Every id in an input, however deep. */
function idsIn(value: unknown): { type: NodeType; uuid: string }[] {
  if (typeof value === 'string') {
    try {
      return [decodeAnyId(value)];
    } catch (error) {
      if (error instanceof IdProblem) return [];
      throw error;
    }
  }
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(idsIn) : [];
}

/** The tenant that an input is about; any other when it names no row. */
async function tenantOf(input: CommandInput): Promise<string> {
  for (const { type, uuid } of idsIn(input)) {
    const [table, column] = tenantColumns[type] ?? [];
    if (table === undefined || column === undefined) continue;
    const [row] = await app.app.database.prisma.$queryRaw<{ tenant: string | null }[]>`
      SELECT ${Prisma.raw(column)} AS tenant FROM ${Prisma.raw(table)} WHERE id = ${uuid}::uuid
    `;
    if (row?.tenant) return row.tenant;
  }
  return decodeId('Tenant', (await seed.tenant()).id);
}

const tenantCommands = Object.keys(commandCases).filter((name) => {
  const { scope = undefined } = commandCases[name] ?? {};
  return scope !== undefined && ofTenant.has(scope);
});

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(() => {
  expect(app.logged).toEqual([]);
});

describe("a tenant's own key carries out, behind the fence,", () => {
  it.each(tenantCommands)('%s', async (name) => {
    const input = (await commandCases[name]?.valid(seed)) ?? {};
    const caller = app.ofTenant(await tenantOf(input), ...ofTenant);
    const { __typename, message } = await commands.run(caller, name, input);
    expect({ __typename, message }).toEqual({
      __typename: `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`,
      message: undefined,
    });
  });
});
