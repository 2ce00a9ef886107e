import type { Logger } from 'pino';
import type { Authentication, PresentedCredential } from '../access/authenticator.ts';
import type { RejectionReason } from '../access/credentials.ts';
import type { Binding, Principal } from '../access/principal.ts';
import type { EventBus } from './event-bus.ts';
import type { Timers } from './timers.ts';

/** Why what a credential had begun cannot go on. */
export type CredentialEnd = RejectionReason | 'PERMISSIONS_REDUCED';

/** A credential that is watched; the same object for all that it is used by. */
interface WatchedCredential {
  /**
   * Settles when it is known whether the credential is still good; nothing when that is known already. Whoever is to be
   * told has been told by then.
   */
  settled(): Promise<void> | undefined;
}

/** One socket or subscription whose credential is watched. */
export interface Watched {
  readonly credential: WatchedCredential;
  release(): void;
}

interface Holder {
  /** As which it began. */
  readonly principal: Principal;
  readonly onEnd: (end: CredentialEnd) => void;
}

/** One credential, however many sockets and subscriptions it has. */
interface Entry extends WatchedCredential {
  readonly credential: PresentedCredential;
  readonly holders: Set<Holder>;
  /** As whom it was last known. */
  principal: Principal;
  /** The rows under which it is found. */
  rows: readonly string[];
  /** Set while it is being looked at; in doubt until then. */
  check: PromiseWithResolvers<void> | undefined;
  /** Something changed while it was being looked at. */
  isOutdated: boolean;
  stopTimer: (() => void) | undefined;
}

interface Parts {
  readonly events: Pick<EventBus, 'isAlive' | 'onAtOnce' | 'onLost' | 'onRestored'>;
  readonly clock: { now(): Date };
  readonly timers: Timers;
  readonly log: Logger;
}

/** The types of the rows that a credential depends on. */
const types = ['ApiKey', 'Tenant', 'User', 'App', 'Product', 'Engine'] as const;

/** How long until a credential is looked at again whose deadline has passed, or which could not be looked at. */
const againAfterMs = 1_000;

/** Credentials are looked at once more now and then: providers of logins do not say when they withdraw a key. */
const sweepEveryMs = 30_000;

/** While changes are not heard of, all are looked at. */
const sweepWhileLostEveryMs = 500;

const checksAtOnce = 50;

/**
 * Tells sockets and subscriptions when their credential ends: as soon as a change of what it depends on is heard of, and
 * exactly at its deadline, also when nothing else happens.
 */
export class CredentialWatch {
  readonly #parts: Parts;
  readonly #entries = new Map<string, Entry>();
  readonly #entriesByRow = new Map<string, Set<Entry>>();
  readonly #queue = new Set<Entry>();
  #isChecking = false;
  #isClosed = false;
  #stopSweep: () => void = () => undefined;
  readonly #stopListening: readonly (() => void)[];

  constructor(parts: Parts) {
    this.#parts = parts;
    const { events } = parts;
    this.#stopListening = [
      ...types.flatMap((type) => [
        events.onAtOnce(`${type}.changed`, ({ payload: { id } }) => this.#onChanged(id)),
        events.onAtOnce(`${type}.changedInBulk`, () => this.#checkAll()),
      ]),
      events.onLost(() => this.#sweepLater()),
      events.onRestored(() => {
        this.#checkAll();
        this.#sweepLater();
      }),
    ];
    this.#sweepLater();
  }

  /** How many credentials are watched. */
  get size(): number {
    return this.#entries.size;
  }

  /** @param onEnd called once, unless it is released before */
  watch(credential: PresentedCredential, principal: Principal, onEnd: (end: CredentialEnd) => void): Watched {
    const holder: Holder = { principal, onEnd };
    const { identity } = credential;
    const known = this.#entries.get(identity);
    const entry = known ?? this.#add(identity, credential, principal);
    entry.holders.add(holder);
    // Whom it stands for was found before this was watched.
    if (known === undefined || !coversAll(known.principal, principal)) this.#enqueue(entry);
    return {
      credential: entry,
      release: () => {
        entry.holders.delete(holder);
        if (entry.holders.size === 0 && this.#entries.get(identity) === entry) this.#remove(identity, entry);
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#stopSweep();
    for (const stop of this.#stopListening) stop();
    for (const [identity, entry] of this.#entries) this.#remove(identity, entry);
  }

  #add(identity: string, credential: PresentedCredential, principal: Principal): Entry {
    const entry: Entry = {
      credential,
      holders: new Set(),
      principal,
      rows: [],
      check: undefined,
      isOutdated: false,
      stopTimer: undefined,
      settled: () => this.#settled(entry),
    };
    this.#entries.set(identity, entry);
    this.#link(entry, rowsOf(principal));
    this.#setTimer(entry);
    return entry;
  }

  #link(entry: Entry, rows: readonly string[]): void {
    for (const id of entry.rows) {
      const entries = this.#entriesByRow.get(id);
      entries?.delete(entry);
      if (entries?.size === 0) this.#entriesByRow.delete(id);
    }
    for (const id of rows) this.#entriesByRow.set(id, (this.#entriesByRow.get(id) ?? new Set()).add(entry));
    entry.rows = rows;
  }

  #remove(identity: string, entry: Entry): void {
    this.#entries.delete(identity);
    this.#queue.delete(entry);
    entry.stopTimer?.();
    entry.check?.resolve();
    entry.check = undefined;
    this.#link(entry, []);
  }

  #settled(entry: Entry): Promise<void> | undefined {
    const { expiresAt } = entry.principal;
    const isDue = expiresAt !== undefined && this.#parts.clock.now() >= expiresAt;
    if (isDue && entry.holders.size > 0) this.#enqueue(entry);
    return entry.check?.promise;
  }

  #onChanged(id: unknown): void {
    if (typeof id !== 'string') this.#checkAll();
    else for (const entry of this.#entriesByRow.get(id) ?? []) this.#enqueue(entry);
  }

  #checkAll(): void {
    for (const entry of this.#entries.values()) this.#enqueue(entry);
  }

  #sweepLater(): void {
    this.#stopSweep();
    if (this.#isClosed) return;
    const { events, timers } = this.#parts;
    this.#stopSweep = timers.after(events.isAlive ? sweepEveryMs : sweepWhileLostEveryMs, () => {
      if (this.#queue.size === 0) this.#checkAll();
      this.#sweepLater();
    });
  }

  /** Puts it in doubt from now on, and looks at it soon. */
  #enqueue(entry: Entry): void {
    if (this.#isClosed) return;
    if (entry.check === undefined) entry.check = Promise.withResolvers();
    else entry.isOutdated = true;
    this.#queue.add(entry);
    if (this.#isChecking) return;
    this.#isChecking = true;
    // Whoever remembers what the credential depends on has to hear of the change first.
    queueMicrotask(() => void this.#checkQueued());
  }

  /** A few at a time: thousands may depend on one tenant, and others want to be served meanwhile. */
  async #checkQueued(): Promise<void> {
    while (this.#queue.size > 0) {
      const some = [...this.#queue.values().take(checksAtOnce)];
      for (const entry of some) this.#queue.delete(entry);
      await Promise.all(some.map((entry) => this.#check(entry)));
      if (this.#queue.size > 0) await new Promise(setImmediate);
    }
    this.#isChecking = false;
  }

  async #check(entry: Entry): Promise<void> {
    entry.isOutdated = false;
    try {
      this.#tell(entry, await entry.credential.authenticate());
    } catch (error) {
      if (this.#isClosed) return;
      this.#parts.log.warn({ err: error }, 'a credential of open subscriptions cannot be looked at; they wait for it');
      this.#parts.timers.after(againAfterMs, () => {
        if (entry.holders.size > 0) this.#enqueue(entry);
      });
      return;
    }
    if (entry.isOutdated) {
      this.#queue.add(entry);
      return;
    }
    entry.check?.resolve();
    entry.check = undefined;
  }

  #tell(entry: Entry, now: Authentication): void {
    if ('principal' in now) entry.principal = now.principal;
    // That its provider cannot be asked says nothing against it; its deadline holds.
    const rejected = 'rejected' in now && now.rejected !== 'ISSUER_UNAVAILABLE' ? now.rejected : undefined;
    for (const holder of [...entry.holders]) {
      const isCovered = coversAll(entry.principal, holder.principal);
      const end = rejected ?? (isCovered ? undefined : 'PERMISSIONS_REDUCED');
      if (end === undefined) continue;
      entry.holders.delete(holder);
      try {
        holder.onEnd(end);
      } catch (error) {
        this.#parts.log.error({ err: error }, 'what a credential had begun could not be ended');
      }
    }
    if (entry.holders.size > 0) {
      // Of a login, the user may be another by now.
      this.#link(entry, rowsOf(entry.principal));
      this.#setTimer(entry);
      return;
    }
    const { identity } = entry.credential;
    if (this.#entries.get(identity) === entry) this.#remove(identity, entry);
  }

  /** A login is accepted for a while after its deadline; it is looked at until it is not. */
  #setTimer(entry: Entry): void {
    entry.stopTimer?.();
    entry.stopTimer = undefined;
    const { clock, timers } = this.#parts;
    const { expiresAt } = entry.principal;
    if (expiresAt === undefined) return;
    const remainingMs = expiresAt.getTime() - clock.now().getTime();
    entry.stopTimer = timers.after(remainingMs > 0 ? remainingMs : againAfterMs, () => this.#enqueue(entry));
  }
}

const bindings = ['tenantId', 'productId', 'engineId', 'userId', 'appId'] as const satisfies readonly (keyof Binding)[];

/** The rows whose change may end the credential or make less of it. */
const rowsOf = (principal: Principal): string[] =>
  [principal.keyId, principal.loginUserId, ...bindings.map((name) => principal[name])].filter((id) => id !== undefined);

/** Whether one may do and see all that another may. */
const coversAll = (now: Principal, before: Principal): boolean =>
  now === before ||
  (now.kind === before.kind &&
    bindings.every((name) => now[name] === before[name]) &&
    before.scopes.isSubsetOf(now.scopes));
