import { z } from 'zod';
import { Prisma, type Tenant } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { rule } from '../../graph/commands/validation.ts';
import { isGiven } from '../../graph/given.ts';

/**
 * The columns of every row that has limits. Null inherits from the level above, 0 blocks.
 */
export const limitColumns = [
  'requestsPerMinute',
  'tokensPerMinute',
  'tokensPerDay',
  'maxInFlight',
  'budgetTokens',
  'budgetCostUsd',
  'budgetPeriod',
  'budgetStartedAt',
] as const satisfies readonly (keyof Tenant)[];

export type LimitsRow = Pick<Tenant, (typeof limitColumns)[number]>;

/** Everything inherits. */
export const noLimits: LimitsRow = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  tokensPerDay: null,
  maxInFlight: null,
  budgetTokens: null,
  budgetCostUsd: null,
  budgetPeriod: null,
  budgetStartedAt: null,
};

const limit = (maximum: number) =>
  z
    .int({ error: (issue) => (issue.input === null ? undefined : 'A limit is a whole number.') })
    .min(0, 'A limit is 0 or more; 0 blocks, null inherits.')
    .max(maximum, `A limit is at most ${maximum.toLocaleString('en')}.`)
    .nullish();

const int32Max = 2_147_483_647;

const budget = z
  .object({
    tokens: limit(Number.MAX_SAFE_INTEGER),
    costUsd: z
      .string()
      .refine((amount) => !amount.startsWith('-'), rule('OUT_OF_RANGE', 'A budget is 0 or more; 0 blocks.'))
      .refine(
        (amount) => !/\.\d{7}/.test(amount),
        rule('TOO_PRECISE', 'A budget has at most 6 digits after the point.'),
      )
      .nullish(),
    period: z.enum(['LIFETIME', 'MONTHLY', 'TERM']),
    startedAt: z.date().nullish(),
  })
  .refine(
    ({ tokens, costUsd }) => isGiven(tokens) || isGiven(costUsd),
    rule('EMPTY_BUDGET', 'A budget names tokens, costUsd or both; to have none, set the budget to null.'),
  )
  .refine(({ period, startedAt }) => period !== 'MONTHLY' || !isGiven(startedAt), {
    ...rule('NOT_APPLICABLE', "A monthly budget follows the calendar of the tenant's time zone; leave startedAt out."),
    path: ['startedAt'],
  });

/** The rules of `LimitsInput`. */
export const limitsRules = z.object({
  requestsPerMinute: limit(int32Max),
  tokensPerMinute: limit(Number.MAX_SAFE_INTEGER),
  tokensPerDay: limit(Number.MAX_SAFE_INTEGER),
  maxInFlight: limit(int32Max),
  budget: budget.nullish(),
});

export type LimitsPatch = z.infer<typeof limitsRules>;

/**
 * The columns that a patch changes: an omitted limit stays, null goes back to inheriting, and a budget is replaced as
 * a whole. Its count goes on when the period stays the same, and starts now when it does not.
 */
export function limitsData(patch: LimitsPatch, row: Partial<LimitsRow>, now: Date): Partial<LimitsRow> {
  const { requestsPerMinute, tokensPerMinute, tokensPerDay, maxInFlight } = patch;
  return {
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute: toBigInt(tokensPerMinute) }),
    ...(tokensPerDay === undefined ? {} : { tokensPerDay: toBigInt(tokensPerDay) }),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
    ...budgetData(patch.budget, row, now),
  };
}

function budgetData(patch: LimitsPatch['budget'], row: Partial<LimitsRow>, now: Date): Partial<LimitsRow> {
  if (patch === undefined) return {};
  if (patch === null) return { budgetTokens: null, budgetCostUsd: null, budgetPeriod: null, budgetStartedAt: null };
  const { tokens, costUsd, period, startedAt } = patch;
  const goesOn = row.budgetPeriod === period ? row.budgetStartedAt : undefined;
  return {
    budgetTokens: toBigInt(tokens ?? null),
    budgetCostUsd: isGiven(costUsd) ? new Prisma.Decimal(costUsd) : null,
    budgetPeriod: period,
    budgetStartedAt: period === 'MONTHLY' ? null : (startedAt ?? goesOn ?? now),
  };
}

/** Limits in the words of the graph, for the audit log. */
export const describeLimits = (row: LimitsRow): JsonObject => ({
  requestsPerMinute: row.requestsPerMinute,
  tokensPerMinute: toNumber(row.tokensPerMinute),
  tokensPerDay: toNumber(row.tokensPerDay),
  maxInFlight: row.maxInFlight,
  budget:
    row.budgetPeriod === null
      ? null
      : {
          tokens: toNumber(row.budgetTokens),
          costUsd: row.budgetCostUsd?.toString() ?? null,
          period: row.budgetPeriod,
          startedAt: row.budgetStartedAt?.toISOString() ?? null,
        },
});

const toBigInt = (value: number | null): bigint | null => (value === null ? null : BigInt(value));

/** Token counts fit: the rules keep them below 2^53. */
export const toNumber = (value: bigint | null): number | null => (value === null ? null : Number(value));
