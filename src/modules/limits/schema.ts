import { BudgetPeriod } from '../../database/generated/enums.ts';
import { builder } from '../../graph/builder.ts';
import { type LimitsRow, toNumber } from './limits.ts';

const BudgetPeriodEnum = builder.enumType('BudgetPeriod', {
  description: 'When the count of a budget starts again.',
  values: {
    LIFETIME: { value: BudgetPeriod.LIFETIME, description: 'Never: it counts from `startedAt` on.' },
    MONTHLY: {
      value: BudgetPeriod.MONTHLY,
      description: "At the start of each calendar month in the tenant's time zone.",
    },
    TERM: { value: BudgetPeriod.TERM, description: 'When a new `startedAt` is set, as at the start of a contract.' },
  } satisfies Record<BudgetPeriod, object>,
});

const Budget = builder.objectRef<LimitsRow & { budgetPeriod: BudgetPeriod }>('Budget').implement({
  description: 'What may be used within a period: tokens, money, or whichever of the two is reached first.',
  fields: (t) => ({
    tokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Input and output tokens together; null: not limited.',
      resolve: (row) => toNumber(row.budgetTokens),
    }),
    costUsd: t.field({
      type: 'Decimal',
      nullable: true,
      description: 'US dollars; null: not limited.',
      resolve: (row) => row.budgetCostUsd?.toString() ?? null,
    }),
    period: t.field({
      type: BudgetPeriodEnum,
      description: 'When the count starts again.',
      resolve: (row) => row.budgetPeriod,
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Usage before this time does not count; null for monthly budgets, which follow the calendar.',
      resolve: (row) => row.budgetStartedAt,
    }),
  }),
});

/** For every type whose rows have limits. */
export const Limits = builder.objectRef<LimitsRow>('Limits').implement({
  description:
    'How much may be used. Null inherits the limit of the level above (and is unlimited where there is none), 0 blocks.',
  fields: (t) => ({
    requestsPerMinute: t.exposeInt('requestsPerMinute', { nullable: true, description: 'Requests a minute.' }),
    tokensPerMinute: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Input and output tokens a minute.',
      resolve: (row) => toNumber(row.tokensPerMinute),
    }),
    tokensPerDay: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Input and output tokens a day.',
      resolve: (row) => toNumber(row.tokensPerDay),
    }),
    maxInFlight: t.exposeInt('maxInFlight', { nullable: true, description: 'Requests that may run at the same time.' }),
    budget: t.field({
      type: Budget,
      nullable: true,
      description: 'What may be used in all within a period; null: no budget.',
      resolve: (row) => (row.budgetPeriod === null ? null : { ...row, budgetPeriod: row.budgetPeriod }),
    }),
  }),
});

const BudgetInput = builder.inputType('BudgetInput', {
  description: 'A budget. It replaces the one before it as a whole; one of `tokens` and `costUsd` is needed.',
  fields: (t) => ({
    tokens: t.field({
      type: 'SafeInt',
      description: 'Input and output tokens together, 0 or more; absent: not limited.',
    }),
    costUsd: t.field({
      type: 'Decimal',
      description: 'US dollars, 0 or more, at most 6 digits after the point, as "12.50"; absent: not limited.',
    }),
    period: t.field({
      type: BudgetPeriodEnum,
      required: true,
      defaultValue: BudgetPeriod.LIFETIME,
      description: 'When the count starts again.',
    }),
    startedAt: t.field({
      type: 'DateTime',
      description:
        'From when usage counts. Absent: as before when the period stays the same, otherwise now. Not for monthly budgets.',
    }),
  }),
});

/** The same patch for every type whose rows have limits. */
export const LimitsInput = builder.inputType('LimitsInput', {
  description: 'Limits to set: an omitted one stays as it is, null goes back to inheriting, 0 blocks.',
  fields: (t) => ({
    requestsPerMinute: t.int({ description: 'Requests a minute, 0 or more.' }),
    tokensPerMinute: t.field({ type: 'SafeInt', description: 'Input and output tokens a minute, 0 or more.' }),
    tokensPerDay: t.field({ type: 'SafeInt', description: 'Input and output tokens a day, 0 or more.' }),
    maxInFlight: t.int({ description: 'Requests that may run at the same time, 0 or more.' }),
    budget: t.field({ type: BudgetInput, description: 'What may be used in all within a period; null: no budget.' }),
  }),
});
