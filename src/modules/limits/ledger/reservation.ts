import { z } from 'zod';

/** What a request takes of its limits: estimated when it is admitted, counted when it is settled. */
export interface Amounts {
  readonly requests: number;
  /** Input and output together. */
  readonly tokens: number;
  readonly costNanoUsd: bigint;
}

/** What was taken from the counters of one owner; null where it has no limit. */
export interface Taken {
  readonly key: string;
  /** The second whose entry of the window was charged. */
  readonly requestsSecond: number | null;
  readonly tokensSecond: number | null;
  readonly tokensPerMinute: number | null;
  /** Names the period that was charged. */
  readonly dayEpoch: number | null;
  readonly tokensPerDay: number | null;
  readonly budgetEpoch: number | null;
  readonly isBudgetMonthly: boolean;
  readonly budgetTokens: number | null;
  readonly budgetCostNanoUsd: bigint | null;
}

/** What an admitted request took, and from where. It is a value: kept with the lease, it outlives the process. */
export interface Reservation extends Amounts {
  readonly timeZone: string;
  readonly taken: readonly Taken[];
}

const money = z.string().regex(/^\d+$/).transform(BigInt);
const count = z.int().min(0);
const time = z.int();

const packedTaken = z.tuple([
  z.string(),
  time.nullable(),
  time.nullable(),
  count.nullable(),
  time.nullable(),
  count.nullable(),
  time.nullable(),
  z.boolean(),
  count.nullable(),
  money.nullable(),
]);

const packed = z.tuple([count, count, money, z.string(), z.array(packedTaken)]);

/** A reservation as JSON, in lists without names: there is one in every row of a lease. */
export type PackedReservation = z.input<typeof packed>;

export const packReservation = ({ requests, tokens, costNanoUsd, timeZone, taken }: Reservation): PackedReservation => [
  requests,
  tokens,
  String(costNanoUsd),
  timeZone,
  taken.map((of) => [
    of.key,
    of.requestsSecond,
    of.tokensSecond,
    of.tokensPerMinute,
    of.dayEpoch,
    of.tokensPerDay,
    of.budgetEpoch,
    of.isBudgetMonthly,
    of.budgetTokens,
    of.budgetCostNanoUsd === null ? null : String(of.budgetCostNanoUsd),
  ]),
];

/** @throws {z.ZodError} when it is not one that was packed */
export function unpackReservation(given: unknown): Reservation {
  const [requests, tokens, costNanoUsd, timeZone, taken] = packed.parse(given);
  return {
    requests,
    tokens,
    costNanoUsd,
    timeZone,
    taken: taken.map(
      ([
        key,
        requestsSecond,
        tokensSecond,
        tokensPerMinute,
        dayEpoch,
        tokensPerDay,
        budgetEpoch,
        isBudgetMonthly,
        budgetTokens,
        budgetCostNanoUsd,
      ]) => ({
        key,
        requestsSecond,
        tokensSecond,
        tokensPerMinute,
        dayEpoch,
        tokensPerDay,
        budgetEpoch,
        isBudgetMonthly,
        budgetTokens,
        budgetCostNanoUsd,
      }),
    ),
  };
}
