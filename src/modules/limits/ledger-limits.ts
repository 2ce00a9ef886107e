import type { LedgerLimits } from './ledger/layers.ts';
import { type LimitsRow, toNumber } from './limits.ts';

const nanoPerUsd = 1_000_000_000;

/** Limits in the units of the ledger. What columns hold fits: token counts are below 2^53, money has six digits. */
export const ledgerLimits = (row: LimitsRow): LedgerLimits => ({
  requestsPerMinute: row.requestsPerMinute,
  tokensPerMinute: toNumber(row.tokensPerMinute),
  tokensPerDay: toNumber(row.tokensPerDay),
  budget:
    row.budgetPeriod === null
      ? null
      : {
          tokens: toNumber(row.budgetTokens),
          costNanoUsd: row.budgetCostUsd === null ? null : BigInt(row.budgetCostUsd.mul(nanoPerUsd).toFixed(0)),
          period: row.budgetPeriod === 'MONTHLY' ? 'MONTH' : { startedAt: row.budgetStartedAt?.getTime() ?? 0 },
        },
});
