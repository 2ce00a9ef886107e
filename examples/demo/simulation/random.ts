import { createHash } from 'node:crypto';

/** Numbers that look random and are the same for the same seed (mulberry32). Not for secrets. */
export class Random {
  readonly #seed: string;
  #state: number;

  constructor(seed: string) {
    this.#seed = seed;
    this.#state = createHash('sha256').update(seed).digest().readUInt32LE();
  }

  /** Numbers of its own for each name, so that one more tenant changes nothing for the others. */
  fork(name: string): Random {
    return new Random(`${this.#seed}/${name}`);
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** The time to the next of events that come independently of each other. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  /** Many small ones and a few large ones, half of them below the median. */
  logNormal(median: number, spread: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
    return median * Math.exp(spread * normal);
  }

  /** One of the choices, each as often as its weight says. */
  pick<Choice>(choices: readonly { readonly value: Choice; readonly weight: number }[]): Choice {
    let left = this.next() * choices.reduce((sum, { weight }) => sum + weight, 0);
    for (const { value, weight } of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    throw new Error('There is nothing to choose from.');
  }
}

/** The mean of what `logNormal` gives. */
export const logNormalMean = (median: number, spread: number): number => median * Math.exp(spread ** 2 / 2);
