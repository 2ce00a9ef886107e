import { z } from 'zod';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { Reservation, Taken } from '../limits/ledger/reservation.ts';
import { type CountedOwner, countedOwner } from './counted-owners.ts';
import type { CounterRow } from './rows.ts';

const { sql } = Prisma;

interface Used {
  readonly tokens: number;
  readonly costNanoUsd: bigint;
}

/** What somebody has used since a time, by the records. */
export async function usedSince({ prisma }: Database, owner: CountedOwner, since: number): Promise<Used> {
  const [used] = await prisma.$queryRaw<{ tokens: bigint; costNanoUsd: bigint }[]>`
    SELECT
      coalesce(
        sum(coalesce(input_tokens, estimated_input_tokens) + coalesce(output_tokens, estimated_output_tokens))
          FILTER (WHERE cache_status <> 'HIT'),
        0
      )::bigint AS tokens,
      ceil(coalesce(sum(cost_usd), 0) * 1000000000)::bigint AS "costNanoUsd"
    FROM usage_record WHERE ${conditionOf(owner)} AND completed_at >= ${new Date(since)}
  `;
  if (used === undefined) throw new Error('A sum has no row.');
  return { tokens: Math.min(Number(used.tokens), Number.MAX_SAFE_INTEGER), costNanoUsd: used.costNanoUsd };
}

function conditionOf(owner: CountedOwner): Prisma.Sql {
  switch (owner.type) {
    case 'KEY':
      return sql`key_id = ${owner.id}::uuid`;
    case 'USER':
      return sql`user_id = ${owner.id}::uuid`;
    case 'TEAM':
      return sql`team_id = ${owner.id}::uuid`;
    case 'TEAM_USER_SHARE':
      return sql`user_id = ${owner.userId}::uuid AND team_id = ${owner.teamId}::uuid`;
    case 'PRODUCT':
      return sql`product_id = ${owner.id}::uuid`;
    case 'TENANT':
      return sql`tenant_id = ${owner.id}::uuid`;
  }
}

const tally = z.looseObject({ epoch: z.int() });
type PackedTally = z.infer<typeof tally>;
const countedState = z.looseObject({ day: tally.optional(), budget: tally.optional() });

/**
 * The counters as they are when what was used just before the end of a process that could not write them any more is
 * counted as well: days and budgets, of which every request has a record, or a lease with what it reserved.
 */
export async function recounted(
  database: Database,
  counters: readonly CounterRow[],
  reservations: readonly Reservation[],
): Promise<readonly CounterRow[]> {
  if (counters.length === 0) return counters;
  const outdated = await outdatedCounters(database);
  return Promise.all(
    counters.map(async (counter) => {
      const { key } = counter;
      const owner = outdated.has(key) ? countedOwner(key) : undefined;
      if (owner === undefined) return counter;
      const { data: state } = countedState.safeParse(counter.state);
      // What cannot be read is said where it is restored.
      if (state === undefined) return counter;
      const again = async (part: PackedTally | undefined, epochOf: (taken: Taken) => number | null) => {
        if (part === undefined) return undefined;
        let { tokens, costNanoUsd } = await usedSince(database, owner, part.epoch);
        for (const reservation of reservations) {
          const isIn = reservation.taken.some((taken) => taken.key === key && epochOf(taken) === part.epoch);
          tokens += isIn ? reservation.tokens : 0;
          costNanoUsd += isIn ? reservation.costNanoUsd : 0n;
        }
        return { ...part, tokens, costNanoUsd: String(costNanoUsd) };
      };
      const day = await again(state.day, ({ dayEpoch }) => dayEpoch);
      const budget = await again(state.budget, ({ budgetEpoch }) => budgetEpoch);
      return { ...counter, state: { ...state, ...(day && { day }), ...(budget && { budget }) } };
    }),
  );
}

/** Those that somebody used something of at about the time when they were written last, or after it. */
async function outdatedCounters({ prisma }: Database): Promise<ReadonlySet<string>> {
  const rows = await prisma.$queryRaw<{ key: string }[]>`
    WITH recent AS (
      SELECT key_id, user_id, team_id, product_id, tenant_id, completed_at AS used_at FROM usage_record
      WHERE completed_at > (SELECT max(updated_at) FROM limit_counter) - interval '10 seconds'
      UNION ALL
      SELECT key_id, user_id, team_id, product_id, tenant_id, granted_at FROM lease
    ), owners AS (
      SELECT used_at, unnest(ARRAY[
        'KEY:' || key_id, 'USER:' || user_id, 'TEAM_USER_SHARE:' || team_id || ':' || user_id, 'TEAM:' || team_id,
        'PRODUCT:' || product_id, 'TENANT:' || tenant_id
      ]) AS key FROM recent
    )
    SELECT DISTINCT counter.key FROM limit_counter AS counter JOIN owners USING (key)
    WHERE owners.used_at > counter.updated_at - interval '1 second'
  `;
  return new Set(rows.map(({ key }) => key));
}
