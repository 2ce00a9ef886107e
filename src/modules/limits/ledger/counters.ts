import { z } from 'zod';
import { Tally } from './tally.ts';
import { SlidingWindow } from './window.ts';

/** What one owner of limits used. Absent: nothing, as far as is known. */
export class OwnerCounters {
  readonly key: string;
  requests: SlidingWindow | undefined;
  tokens: SlidingWindow | undefined;
  day: Tally | undefined;
  budget: Tally | undefined;

  constructor(key: string) {
    this.key = key;
  }

  /** From when on nothing would be lost with it; null: as long as its budget lasts. */
  get lastEnd(): number | null {
    const { requests, tokens, day, budget } = this;
    let last = 0;
    for (const part of [requests, tokens, day, budget]) {
      const end = part === undefined ? 0 : part.lastEnd;
      if (end === null) return null;
      if (end > last) last = end;
    }
    return last;
  }
}

/** Twice the largest limit, which a debt can come to, is no safe integer any more. */
const count = z.number().min(0);
const time = z.int();

/** Times and amounts in turn, as `SlidingWindow.steps` gives them; pairs of them were kept once. */
const windowState = z.union([
  z.array(count),
  z.array(z.tuple([time, count])).transform((pairs) => new SlidingWindow(pairs).steps()),
]);

const tallyState = z.object({
  calendar: z.enum(['DAY', 'MONTH']).nullable(),
  timeZone: z.string(),
  epoch: time,
  start: time,
  end: time.nullable(),
  tokens: count,
  costNanoUsd: z.string().regex(/^\d+$/).transform(BigInt),
});

/** What was kept of the counters of one owner, as it comes out of JSON. */
const countersState = z.object({
  requests: windowState.optional(),
  tokens: windowState.optional(),
  day: tallyState.optional(),
  budget: tallyState.optional(),
});

/** The counters of one owner as JSON, for keeping. */
export type CountersState = z.input<typeof countersState>;

const serialiseTally = (tally: Tally): z.input<typeof tallyState> => {
  const state = tally.state();
  return { ...state, costNanoUsd: String(state.costNanoUsd) };
};

export const serialiseCounters = ({ requests, tokens, day, budget }: OwnerCounters): CountersState => ({
  ...(requests && { requests: requests.steps() }),
  ...(tokens && { tokens: tokens.steps() }),
  ...(day && { day: serialiseTally(day) }),
  ...(budget && { budget: serialiseTally(budget) }),
});

/** @throws {z.ZodError} when the state is none that was kept */
export function restoreCounters(key: string, state: unknown): OwnerCounters {
  const { requests, tokens, day, budget } = countersState.parse(state);
  const counters = new OwnerCounters(key);
  if (requests) counters.requests = SlidingWindow.of(requests);
  if (tokens) counters.tokens = SlidingWindow.of(tokens);
  if (day) counters.day = Tally.restore(day);
  if (budget) counters.budget = Tally.restore(budget);
  return counters;
}
