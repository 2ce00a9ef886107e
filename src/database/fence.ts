import { Pool, type PoolClient, type PoolConfig } from 'pg';
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

const settings = `set_config('fairlead.tenant_id', $1, $4), set_config('fairlead.product_id', $2, $4), set_config('fairlead.user_id', $3, $4)`;

/** Connections that stay behind a fence: they act as the role always, and for whom is set when that changes. */
export class FencedConnections {
  readonly pool: Pool;
  readonly #names: StatementNames;
  /** Behind which fence each connection is at the moment. */
  readonly #fences = new WeakMap<PoolClient, string>();

  constructor(config: PoolConfig, names: StatementNames) {
    this.pool = new Pool({ ...config, options: `${config.options ?? ''} -c role=${fencedRole}` });
    this.#names = names;
  }

  /** Sends statements behind the fence. One more is sent first when the connection was last used behind another. */
  behind(fence: Fence): Send {
    const values = valuesOf(fence);
    const key = values.join(' ');
    return async (statement, plannedForValues = false) => {
      const client = await this.pool.connect();
      let failure: Error | undefined;
      try {
        if (this.#fences.get(client) !== key) {
          this.#fences.delete(client);
          await client.query({ name: 'fence', text: `SELECT ${settings}`, values: [...values, false] });
          this.#fences.set(client, key);
        }
        const text = statement.text;
        const name = plannedForValues ? undefined : this.#names.of(text);
        const result = await client.query<Record<string, unknown>>({
          text,
          values: statement.values,
          types: prismaTypes,
          ...(name === undefined ? {} : { name }),
        });
        return result.rows;
      } catch (error) {
        // An error of the statement leaves the connection usable; one of the connection does not.
        if (error instanceof Error && !('code' in error && 'severity' in error)) failure = error;
        throw error;
      } finally {
        client.release(failure);
      }
    };
  }
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
