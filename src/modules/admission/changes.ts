import type { Logger } from 'pino';
import type { EventBus } from '../../live/event-bus.ts';
import { type KeyDirectory, rowTypes } from '../keys/directory.ts';
import { hasTenant } from './decision.ts';
import { nameOf, type Party, partyOf } from './parties.ts';
import type { Review } from './review.ts';

interface Parts {
  readonly events: Pick<EventBus, 'onAtOnce' | 'onRestored'>;
  readonly directory: Pick<KeyDirectory, 'findById' | 'findUser'>;
  readonly owner: () => { readonly review: Pick<Review, 'parties' | 'partyChanged' | 'partyGone'> } | undefined;
  readonly log: Logger;
}

interface Reading {
  hasChanged: boolean;
  done: Promise<void> | undefined;
}

interface FollowedChanges {
  /** Fulfilled when what was changed before acts. */
  readonly refreshed: () => Promise<void>;
  readonly stop: () => void;
}

/** Has changes of tenants, keys, users and so on act on what waits and runs, whoever made them. */
export function followChanges({ events, directory, owner, log }: Parts): FollowedChanges {
  /** Those that are being read, and whether they changed since that began: so that what is read last is what counts. */
  const reading = new Map<string, Reading>();

  const read = async (party: Party): Promise<void> => {
    const { key } = party.identity;
    const identity = await directory.findById(key.id);
    if (identity === undefined || !hasTenant(identity)) {
      owner()?.review.partyGone(party, 'KEY_REVOKED');
      return;
    }
    const isForAnother = party.user !== null && identity.user === null;
    const user = isForAnother ? await directory.findUser(identity.tenant.id, party.user?.externalId ?? '') : null;
    if (user === undefined) owner()?.review.partyGone(party, 'USER_DEACTIVATED');
    else owner()?.review.partyChanged(party, partyOf(identity, user));
  };
  const readUntilCurrent = async (party: Party, state: Reading): Promise<void> => {
    try {
      while (state.hasChanged) {
        state.hasChanged = false;
        await read(party);
      }
    } catch (error) {
      log.error({ err: error }, 'a change could not be read; it acts on what is asked for next');
    } finally {
      reading.delete(nameOf(party));
    }
  };
  const reload = (party: Party): void => {
    const underWay = reading.get(nameOf(party));
    if (underWay !== undefined) {
      underWay.hasChanged = true;
      return;
    }
    const begun: Reading = { hasChanged: true, done: undefined };
    reading.set(nameOf(party), begun);
    begun.done = readUntilCurrent(party, begun);
  };
  const reloadAll = (isMeant: (party: Party) => boolean): void => {
    for (const party of [...(owner()?.review.parties ?? [])]) if (isMeant(party)) reload(party);
  };
  const stops = [
    ...rowTypes.flatMap((type) => [
      events.onAtOnce(`${type}.changed`, ({ payload: { id } }) =>
        reloadAll(({ rows }) => typeof id !== 'string' || rows.includes(id)),
      ),
      events.onAtOnce(`${type}.changedInBulk`, () => reloadAll(() => true)),
    ]),
    events.onRestored(() => reloadAll(() => true)),
  ];
  return {
    refreshed: async () => {
      reloadAll(() => true);
      await Promise.all(Array.from(reading.values(), ({ done }) => done));
    },
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}
