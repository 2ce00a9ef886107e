import { z } from 'zod';
import { type Model, Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { rule } from '../../graph/commands/validation.ts';

/** What is paid for: the columns of a model's prices, in US dollars each, and what the graph says of them. */
export const prices = {
  inputTokenUsd: 'For each token of the input.',
  outputTokenUsd: 'For each token of the output.',
  imageUsd: 'For each image that is made.',
  audioSecondUsd: 'For each second of audio that is transcribed or spoken.',
  characterUsd: 'For each character of a text that is spoken.',
} as const satisfies Partial<Record<keyof Model, string>>;

export type PriceColumn = keyof typeof prices;

export const priceColumns = Object.keys(prices) as readonly PriceColumn[];

export type PricesRow = Pick<Model, PriceColumn>;

/** US dollars for one of anything; the table keeps to the same bound. */
const priceMax = 100_000;

export const priceBounds = `0 to ${priceMax.toLocaleString('en')}, at most 12 digits after the point`;

const price = z
  .string()
  .refine(
    (amount) => !amount.startsWith('-') && new Prisma.Decimal(amount).lte(priceMax),
    rule('OUT_OF_RANGE', `A price is ${priceBounds}.`),
  )
  .transform((amount) => new Prisma.Decimal(amount))
  .optional();

/** The rules of `ModelPricesInput`: a price that is left out stays as it is. */
export const pricesRules = z.object({
  inputTokenUsd: price,
  outputTokenUsd: price,
  imageUsd: price,
  audioSecondUsd: price,
  characterUsd: price,
} satisfies Record<PriceColumn, typeof price>);

/** As it is written in the graph: never with an exponent, which small numbers else have. */
export const priceText = (amount: Prisma.Decimal): string => amount.toFixed();

/** Prices in the words of the graph, for the audit log. */
export const describePrices = (row: PricesRow): JsonObject =>
  Object.fromEntries(priceColumns.map((column) => [column, priceText(row[column])]));
