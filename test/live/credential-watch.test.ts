import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Authentication } from '../../src/access/authenticator.ts';
import type { Principal } from '../../src/access/principal.ts';
import { type CredentialEnd, CredentialWatch } from '../../src/live/credential-watch.ts';
import { TestClock } from '../testkit/clock.ts';
import { eventually } from '../testkit/eventually.ts';

type Listener = (event: never) => void;

/** The bus as far as a watch needs it, told by the test what to say. */
class Bus {
  isAlive = true;
  readonly #listeners = new Map<string, Set<Listener>>();

  readonly #on = (topic: string, listener: Listener): (() => void) => {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => listeners.delete(listener);
  };
  readonly onAtOnce = this.#on;
  readonly onLost = (listener: () => void) => this.#on('lost', listener);
  readonly onRestored = (listener: () => void) => this.#on('restored', listener);

  say(topic: string, payload: object = {}): void {
    // Listeners take of an event what the test gives.
    for (const listener of this.#listeners.get(topic) ?? []) listener({ topic, payload } as never);
  }

  get listenerCount(): number {
    return [...this.#listeners.values()].reduce((count, { size }) => count + size, 0);
  }
}

const keyPrincipal: Principal = {
  kind: 'TENANT',
  credentialId: 'key_1',
  name: 'key',
  keyId: 'row of the key',
  tenantId: 'row of the tenant',
  scopes: new Set(['audit:read', 'teams:read']),
};

function setUp(principal: Principal = keyPrincipal) {
  const bus = new Bus();
  const clock = new TestClock();
  const watch = new CredentialWatch({ events: bus, clock, timers: clock, log: pino({ level: 'silent' }) });
  const state = { asked: 0, answer: async (): Promise<Authentication> => ({ principal }) };
  const credential = {
    identity: 'the credential',
    authenticate: () => {
      state.asked += 1;
      return state.answer();
    },
  };
  const ends: CredentialEnd[] = [];
  const follow = () => watch.watch(credential, principal, (end) => ends.push(end));
  return { bus, clock, watch, state, ends, follow };
}

const rejected = (reason: 'REVOKED_CREDENTIAL' | 'EXPIRED_CREDENTIAL' | 'ISSUER_UNAVAILABLE') => async () => ({
  rejected: reason,
});

describe('a watched credential', () => {
  it('is asked about once for all of its sockets and subscriptions, each of which is told', async () => {
    const { bus, state, ends, follow } = setUp();
    const all = Array.from({ length: 1_000 }, follow);
    await all[0]?.credential.settled();
    expect(state.asked).toBe(1);
    state.answer = rejected('REVOKED_CREDENTIAL');
    bus.say('ApiKey.changed', { id: 'row of the key' });
    await all[0]?.credential.settled();
    expect(state.asked).toBe(2);
    expect(ends).toEqual(Array(1_000).fill('REVOKED_CREDENTIAL'));
  });

  it('is not asked about when something else changes', async () => {
    const { bus, state, follow } = setUp();
    await follow().credential.settled();
    bus.say('ApiKey.changed', { id: 'another row' });
    bus.say('Tenant.changed', { id: 'another row' });
    expect(state.asked).toBe(1);
  });

  it.each([
    ['ApiKey.changed', { id: 'row of the key' }],
    ['Tenant.changed', { id: 'row of the tenant' }],
    ['ApiKey.changedInBulk', { count: 2 }],
    ['User.changed', {}],
    ['restored', {}],
  ])('is in doubt from the event %s until it was asked about', async (topic, payload) => {
    const { bus, state, follow } = setUp();
    const watched = follow();
    await watched.credential.settled();
    expect(watched.credential.settled()).toBeUndefined();
    bus.say(topic, payload);
    expect(watched.credential.settled()).toBeInstanceOf(Promise);
    await watched.credential.settled();
    expect(watched.credential.settled()).toBeUndefined();
    expect(state.asked).toBe(2);
  });

  it('is asked about once more when it changed while it was asked about', async () => {
    const { bus, state, ends, follow } = setUp();
    const watched = follow();
    await watched.credential.settled();
    const { promise, resolve } = Promise.withResolvers<Authentication>();
    state.answer = () => promise;
    bus.say('ApiKey.changed', { id: 'row of the key' });
    await eventually(() => expect(state.asked).toBe(2));
    bus.say('ApiKey.changed', { id: 'row of the key' });
    state.answer = rejected('REVOKED_CREDENTIAL');
    resolve({ principal: keyPrincipal });
    await watched.credential.settled();
    expect(ends).toEqual(['REVOKED_CREDENTIAL']);
  });

  it('that may do more than before goes on; that is bound otherwise does not', async () => {
    const { bus, state, ends, follow } = setUp();
    const watched = follow();
    state.answer = async () => ({
      principal: { ...keyPrincipal, scopes: new Set([...keyPrincipal.scopes, 'keys:read' as const]) },
    });
    await watched.credential.settled();
    expect(ends).toEqual([]);
    state.answer = async () => ({ principal: { ...keyPrincipal, userId: 'row of a user' } });
    bus.say('Tenant.changed', { id: 'row of the tenant' });
    await watched.credential.settled();
    expect(ends).toEqual(['PERMISSIONS_REDUCED']);
  });

  it('ends exactly at its deadline, which may come nearer', async () => {
    const { bus, clock, state, ends, follow } = setUp();
    const expiresAt = new Date(clock.now().getTime() + 10_000);
    const watched = follow();
    await watched.credential.settled();
    state.answer = async () => ({ principal: { ...keyPrincipal, expiresAt } });
    bus.say('ApiKey.changed', { id: 'row of the key' });
    await watched.credential.settled();
    state.answer = rejected('EXPIRED_CREDENTIAL');
    clock.advance(9_999);
    expect(watched.credential.settled()).toBeUndefined();
    clock.advance(1);
    await watched.credential.settled();
    expect(ends).toEqual(['EXPIRED_CREDENTIAL']);
  });

  it('that is accepted for a while after its deadline ends when it is not', async () => {
    const clockStart = new TestClock().now().getTime();
    const { clock, state, ends, follow } = setUp({ ...keyPrincipal, expiresAt: new Date(clockStart + 1_000) });
    const watched = follow();
    await watched.credential.settled();
    clock.advance(1_000);
    await watched.credential.settled();
    expect(ends).toEqual([]);
    state.answer = rejected('EXPIRED_CREDENTIAL');
    clock.advance(1_000);
    await eventually(() => expect(ends).toEqual(['EXPIRED_CREDENTIAL']));
  });

  it('goes on when its issuer cannot be asked', async () => {
    const { bus, state, ends, follow } = setUp();
    const watched = follow();
    state.answer = rejected('ISSUER_UNAVAILABLE');
    bus.say('Tenant.changed', { id: 'row of the tenant' });
    await watched.credential.settled();
    expect(ends).toEqual([]);
  });

  it('that cannot be looked at stays in doubt, and is asked about every second until it can', async () => {
    const { bus, clock, state, ends, follow } = setUp();
    const watched = follow();
    await watched.credential.settled();
    state.answer = () => Promise.reject(new Error('the database is away'));
    bus.say('ApiKey.changed', { id: 'row of the key' });
    const settled = watched.credential.settled();
    for (const asked of [2, 3, 4]) {
      await eventually(() => expect(state.asked).toBe(asked));
      // The timer is set in the turn after the failure.
      await new Promise(setImmediate);
      clock.advance(1_000);
    }
    state.answer = rejected('REVOKED_CREDENTIAL');
    await eventually(() => expect(state.asked).toBe(5));
    await new Promise(setImmediate);
    clock.advance(1_000);
    await settled;
    expect(ends).toEqual(['REVOKED_CREDENTIAL']);
  });

  it('is asked about twice a second while changes are not heard of', async () => {
    const { bus, clock, state, ends, follow } = setUp();
    const watched = follow();
    await watched.credential.settled();
    bus.isAlive = false;
    bus.say('lost');
    state.answer = rejected('REVOKED_CREDENTIAL');
    clock.advance(500);
    await watched.credential.settled();
    expect(ends).toEqual(['REVOKED_CREDENTIAL']);
  });

  it('is forgotten with the last of its sockets and subscriptions, and is not told of its end by then', async () => {
    const { bus, watch, state, ends, follow } = setUp();
    const [first, second] = [follow(), follow()];
    await first.credential.settled();
    first.release();
    expect(watch.size).toBe(1);
    state.answer = rejected('REVOKED_CREDENTIAL');
    bus.say('ApiKey.changed', { id: 'row of the key' });
    second.release();
    await second.credential.settled();
    expect(watch.size).toBe(0);
    expect(ends).toEqual([]);
    watch.close();
    expect(bus.listenerCount).toBe(0);
  });

  it('leaves others time: thousands are not looked at in one go', async () => {
    const { bus, watch } = setUp();
    let asked = 0;
    const authenticate = async () => {
      asked += 1;
      return { principal: keyPrincipal };
    };
    for (let count = 0; count < 1_000; count += 1) {
      watch.watch({ identity: `credential ${count}`, authenticate }, keyPrincipal, () => undefined);
    }
    await eventually(() => expect(asked).toBe(1_000));
    bus.say('Tenant.changed', { id: 'row of the tenant' });
    const others = await new Promise<number>((resolve) => setImmediate(() => resolve(asked)));
    expect(others).toBeLessThan(1_500);
    await eventually(() => expect(asked).toBe(2_000));
  });
});
