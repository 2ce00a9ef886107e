import { Prisma } from '../../database/generated/client.ts';
import type { CacheStatus } from '../../database/generated/enums.ts';
import type { Amounts } from '../limits/ledger/reservation.ts';
import { type PriceColumn, type PricesRow, priceColumns } from '../models/prices.ts';

/** Prices as integers: prices have twelve digits after the point, so that sums of them are exact. */
export type PicoPrices = Readonly<Record<PriceColumn, bigint>>;

const picoPerUsd = '1000000000000';
const picoDigits = 12;
const picoPerNano = 1_000n;
const msPerSecond = 1_000;
/** What the column of a record holds at most, in whole dollars. */
const costMaxPico = 999_999_999_999n * 10n ** 12n;

export const noPrices: PicoPrices = {
  inputTokenUsd: 0n,
  outputTokenUsd: 0n,
  imageUsd: 0n,
  audioSecondUsd: 0n,
  characterUsd: 0n,
};

export const picoPrices = (row: PricesRow): PicoPrices => {
  const prices: Record<PriceColumn, bigint> = { ...noPrices };
  for (const column of priceColumns) prices[column] = BigInt(row[column].mul(picoPerUsd).toFixed(0));
  return prices;
};

/** What is paid for. */
export interface Consumption {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly images?: number;
  readonly audioSeconds?: number;
  readonly characters?: number;
}

/** Audio is paid for, and recorded, to the millisecond. */
export const audioMsOf = (seconds: number): number => Math.round(seconds * msPerSecond);

/** What it costs, in 10^-12 dollars. */
function costOf(prices: PicoPrices, { images = 0, audioSeconds = 0, characters = 0, ...tokens }: Consumption) {
  const audioMs = BigInt(audioMsOf(audioSeconds));
  const cost =
    BigInt(tokens.inputTokens) * prices.inputTokenUsd +
    BigInt(tokens.outputTokens) * prices.outputTokenUsd +
    BigInt(images) * prices.imageUsd +
    BigInt(characters) * prices.characterUsd +
    (audioMs * prices.audioSecondUsd) / BigInt(msPerSecond);
  return cost > costMaxPico ? costMaxPico : cost;
}

/**
 * What a request has to pay for, and what limits and shares count of it. What the gateway's cache answered has used no
 * model: the tokens of its record are those that were saved.
 */
export function chargeOf(prices: PicoPrices, used: Consumption & { readonly cacheStatus: CacheStatus }) {
  if (used.cacheStatus === 'HIT') return { tokens: 0, costPicoUsd: 0n, costNanoUsd: 0n };
  const costPicoUsd = costOf(prices, used);
  return { tokens: used.inputTokens + used.outputTokens, costPicoUsd, costNanoUsd: nanoOf(costPicoUsd) };
}

/** In nano-dollars, which limits are counted in; rounded up, so that what costs something counts. */
const nanoOf = (pico: bigint): bigint => (pico + picoPerNano - 1n) / picoPerNano;

/** What a request takes of limits, as it is estimated. */
export function amountsOf(
  given: { readonly estimatedInputTokens: number; readonly estimatedOutputTokens: number },
  model: { readonly prices: PicoPrices } | undefined,
): Amounts {
  const estimate = { inputTokens: given.estimatedInputTokens, outputTokens: given.estimatedOutputTokens };
  return {
    requests: 1,
    tokens: given.estimatedInputTokens + given.estimatedOutputTokens,
    costNanoUsd: nanoOf(costOf(model?.prices ?? noPrices, estimate)),
  };
}

/** In dollars, exactly. */
export function usdOf(pico: bigint): Prisma.Decimal {
  const digits = String(pico).padStart(picoDigits + 1, '0');
  return new Prisma.Decimal(`${digits.slice(0, -picoDigits)}.${digits.slice(-picoDigits)}`);
}

export const usdOfNanoCost = (nano: bigint): Prisma.Decimal => usdOf(nano * picoPerNano);
