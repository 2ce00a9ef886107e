import type { GraphQLField } from 'graphql';
import { minIntervalBoundsMs } from '../live/snapshot-hub.ts';
import { RequestError } from './errors.ts';
import { isGiven } from './given.ts';

/**
 * Options of a field of `Subscription` whose `subscribe` gives a `LiveSource`. Subscribers who see the same share what
 * it executes: its resolvers, and those of everything below it, see of the principal only what decides who sees what.
 * A resolver that reads anything else of who asks makes the operation be executed for each subscriber.
 */
export const live = { extensions: { isLive: true } } as const;

export const isLive = ({ extensions }: GraphQLField<unknown, unknown>): boolean => extensions.isLive === true;

export const minIntervalDescription = `The least time between two results, in milliseconds, ${minIntervalBoundsMs.from} to ${minIntervalBoundsMs.to}. Default: ${minIntervalBoundsMs.default}. Whoever is slower gets the newest result and not those in between.`;

/** @throws {RequestError} when it is out of bounds */
export function minIntervalOf(given: number | null | undefined): number {
  const { from, to } = minIntervalBoundsMs;
  const minIntervalMs = isGiven(given) ? given : minIntervalBoundsMs.default;
  if (minIntervalMs >= from && minIntervalMs <= to) return minIntervalMs;
  throw new RequestError('BAD_USER_INPUT', `minIntervalMs is ${from} to ${to}, not ${minIntervalMs}.`, {
    argument: 'minIntervalMs',
  });
}
