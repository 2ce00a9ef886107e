import { pino } from 'pino';
import { expect, it } from 'vitest';
import { followChanges } from '../../../src/modules/admission/changes.ts';
import { hasTenant } from '../../../src/modules/admission/decision.ts';
import { type Party, partyOf } from '../../../src/modules/admission/parties.ts';
import type { KeyIdentity } from '../../../src/modules/keys/record.ts';
import { keyRecord } from '../../testkit/key-record.ts';

function partyWith(name: string): Party {
  const identity: KeyIdentity = keyRecord({ tenant: { name } });
  if (!hasTenant(identity)) throw new Error('The key has a tenant.');
  return partyOf(identity, null);
}

/** Whoever waits, changes that a test announces, and a database that answers when the test says so. */
function follow() {
  const listeners = new Map<string, (id: string) => void>();
  const reads: ((identity: KeyIdentity) => void)[] = [];
  const applied: string[] = [];
  let current = partyWith('before');
  followChanges({
    events: {
      onAtOnce: (topic, listener) => {
        listeners.set(topic, (id) => listener({ id, topic, tenantId: null, payload: { id } }));
        return () => undefined;
      },
      onRestored: () => () => undefined,
    },
    directory: {
      findById: () => new Promise((resolve) => reads.push(resolve)),
      findUser: () => undefined,
    },
    owner: () => ({
      review: {
        parties: [current],
        partyGone: () => undefined,
        partyChanged: (_before, now) => {
          current = now;
          applied.push(now.identity.tenant.name);
        },
      },
    }),
    log: pino({ level: 'silent' }),
  });
  const answer = async (name: string): Promise<void> => {
    reads.shift()?.(partyWith(name).identity);
    await new Promise(setImmediate);
  };
  return { announce: () => listeners.get('Tenant.changed')?.('tenant'), answer, applied, reads };
}

it('a change that comes while one before it is read is read after it, so that the last one is what counts', async () => {
  const { announce, answer, applied, reads } = follow();
  for (let time = 0; time < 3; time += 1) announce();
  expect(reads).toHaveLength(1);
  await answer('as the first left it');
  expect(reads).toHaveLength(1);
  await answer('as the last left it');
  expect(applied).toEqual(['as the first left it', 'as the last left it']);
  expect(reads).toEqual([]);
  announce();
  await answer('later');
  expect(applied.at(-1)).toBe('later');
});
