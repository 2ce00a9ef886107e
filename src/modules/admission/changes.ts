import type { Logger } from 'pino';
import type { EventBus } from '../../live/event-bus.ts';
import { type KeyDirectory, rowTypes } from '../keys/directory.ts';
import { hasTenant } from './decision.ts';
import type { LocalOwner } from './local-owner.ts';
import { nameOf, type Party, partyOf } from './parties.ts';

interface Parts {
  readonly events: EventBus;
  readonly directory: KeyDirectory;
  readonly owner: () => LocalOwner | undefined;
  readonly log: Logger;
}

/** Has changes of tenants, keys, users and so on act on what waits and runs, whoever made them. */
export function followChanges({ events, directory, owner, log }: Parts): () => void {
  /** Those that are being read, and whether they changed since that began: so that what is read last is what counts. */
  const reading = new Map<string, { hasChanged: boolean }>();

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
  const reload = async (party: Party): Promise<void> => {
    const name = nameOf(party);
    const underWay = reading.get(name);
    if (underWay !== undefined) {
      underWay.hasChanged = true;
      return;
    }
    const state = { hasChanged: true };
    reading.set(name, state);
    try {
      while (state.hasChanged) {
        state.hasChanged = false;
        await read(party);
      }
    } catch (error) {
      log.error({ err: error }, 'a change could not be read; it acts on what is asked for next');
    } finally {
      reading.delete(name);
    }
  };
  const reloadAll = (isMeant: (party: Party) => boolean): void => {
    for (const party of [...(owner()?.review.parties ?? [])]) if (isMeant(party)) void reload(party);
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
  return () => {
    for (const stop of stops) stop();
  };
}
