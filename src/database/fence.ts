import { type Connection, Pool, type PoolClient, type PoolConfig, Query } from 'pg';
import { Prisma } from './generated/client.ts';
import { prismaTypes, type Send } from './reader.ts';
import type { StatementNames } from './statements.ts';

/**
 * What the rows that a caller can reach belong to. Postgres itself keeps to it (row-level security, see the migration
 * that makes the role), so a statement that forgets its conditions still reaches nothing else.
 */
export interface Fence {
  readonly tenantId?: string;
  readonly productId?: string;
  readonly userId?: string;
}

/** The role that is subject to row-level security. The owner of the tables, as whom the program connects, is not. */
const fencedRole = 'fairlead_tenant';

/** The settings that the policies read. */
const valuesOf = ({ tenantId = '', productId = '', userId = '' }: Fence): string[] => [tenantId, productId, userId];

/** Sets them until the end of the transaction. It gives no row, so that none is taken for the caller's. */
const fenceStatement = {
  name: 'fence',
  text: `SELECT WHERE set_config('fairlead.tenant_id', $1, true) IS NULL
    OR set_config('fairlead.product_id', $2, true) IS NULL OR set_config('fairlead.user_id', $3, true) IS NULL`,
};

/** The same for whoever is bound to a tenant and nothing narrower, as most are: the others stay as empty as they were. */
const tenantFenceStatement = {
  name: 'tenant_fence',
  text: "SELECT WHERE set_config('fairlead.tenant_id', $1, true) IS NULL",
};

/** The policies read all settings, which a session knows from when they were set first. */
const preparation = `
  PREPARE "${fenceStatement.name}" AS ${fenceStatement.text};
  PREPARE "${tenantFenceStatement.name}" AS ${tenantFenceStatement.text};
  EXECUTE "${fenceStatement.name}" ('', '', '')
`;

/** The statement that sets a fence up, with its values. */
interface Setup {
  readonly name: string;
  readonly values: string[];
}

function setupOf(fence: Fence): Setup {
  const { tenantId = '', productId, userId } = fence;
  return productId === undefined && userId === undefined
    ? { name: tenantFenceStatement.name, values: [tenantId] }
    : { name: fenceStatement.name, values: valuesOf(fence) };
}

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly name: string | undefined;
}

/**
 * Connections for what tenants read. They act as the role always, and for nobody: each statement brings its own fence
 * along, in one batch that Postgres takes for one transaction. When it ends, the fence is gone.
 */
export class FencedConnections {
  readonly pool: Pool;
  readonly #names: Pick<StatementNames, 'of'>;

  constructor(config: PoolConfig, names: Pick<StatementNames, 'of'>) {
    this.#names = names;
    this.pool = new Pool({
      ...config,
      options: `${config.options ?? ''} -c role=${fencedRole}`,
      // Whoever wanted the connection is given it after that.
      onConnect: (client) => client.query(preparation),
    });
  }

  /** Sends statements behind the fence. */
  behind(fence: Fence): Send {
    const setup = setupOf(fence);
    return async ({ text, values }, plannedForValues = false) => {
      const name = plannedForValues ? undefined : this.#names.of(text);
      const client = await this.pool.connect();
      let failure: Error | undefined;
      try {
        return await sendBehind(client, setup, { text, values, name });
      } catch (error) {
        if (error instanceof Error && !leavesUsable(error)) failure = error;
        throw error;
      } finally {
        client.release(failure);
      }
    };
  }
}

/** What Postgres answers when it no longer knows a prepared statement, because somebody had it forget them. */
const unknownStatement = '26000';

/** An error of the statement leaves the connection usable; one of the connection does not. */
const leavesUsable = (error: Error): boolean =>
  'severity' in error && 'code' in error && error.code !== unknownStatement;

/**
 * Sends the settings and the statement together, with one Sync behind both: should the first fail, Postgres leaves the
 * second out. The driver has no call for this, so the messages of the first go before those that it sends itself.
 */
function sendBehind(
  client: PoolClient,
  setup: Setup,
  { text, values, name }: Statement,
): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const config = { text, values: [...values], types: prismaTypes, queryMode: 'extended', ...(name && { name }) };
    const query = new Query<Record<string, unknown>>(config, (error, result) => {
      if (error) return reject(error);
      // Of both statements, though the types know of one.
      const results: readonly (typeof result)[] = Array.isArray(result) ? result : [result];
      resolve(results.at(-1)?.rows ?? []);
    });
    const submit = query.submit.bind(query);
    query.submit = (connection: Connection) => {
      connection.stream.cork();
      connection.bind({ statement: setup.name, values: setup.values }, true);
      connection.execute({}, true);
      const refusal = submit(connection);
      connection.stream.uncork();
      return refusal;
    };
    client.query(query);
  });
}

/**
 * Does a part of a transaction's work behind a fence. What follows it in the transaction is not fenced.
 *
 * @param fence without a tenant there is none: the work belongs to the deployment
 */
export async function behindFence<Result>(
  { prisma }: { readonly prisma: Prisma.TransactionClient },
  fence: Fence,
  work: () => Promise<Result>,
): Promise<Result> {
  if (fence.tenantId === undefined) return work();
  const [tenantId, productId, userId] = valuesOf(fence);
  await prisma.$queryRaw`
    SELECT set_config('fairlead.tenant_id', ${tenantId}, true), set_config('fairlead.product_id', ${productId}, true),
      set_config('fairlead.user_id', ${userId}, true), set_config('role', ${fencedRole}, true)
  `;
  // An error undoes the transaction, and the settings with it.
  const result = await work();
  await prisma.$queryRaw(Prisma.sql`SELECT set_config('role', 'none', true)`);
  return result;
}
