import type { Clock } from '../../graph/context.ts';
import type { Timers } from '../../live/timers.ts';
import type { Adoption, Position } from '../fairshare/api.ts';
import type { Figures } from '../fairshare/figures.ts';
import type { Outlook } from '../fairshare/outlook.ts';
import type { SchedulerSnapshot } from '../fairshare/snapshot.ts';
import { Alarm } from './alarm.ts';
import type { Attempt, WaitEnd } from './attempt.ts';
import type { CatalogState } from './catalog.ts';
import type { Wish } from './decision.ts';
import type { AdmitCall } from './owner.ts';
import { gatewayCap, type Party } from './parties.ts';
import { PassingMap } from './passing-map.ts';
import { Pools } from './pools.ts';
import { type RefusalView, refusalFor } from './refusals.ts';
import { refusalOfSlots, waitIsOver } from './slot-refusals.ts';

interface Parts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly catalog: CatalogState;
  /** Told of each lease that nobody renewed; its slot is free already. */
  readonly onExpired: (leaseId: string) => void;
  readonly onChanged: () => void;
}

/** How a request of which it is asked what would become of it would wait. */
type OutlookCall = Pick<AdmitCall, 'priority' | 'deadline' | 'gatewayId'>;

const msPerSecond = 1_000;

/** The slots, and those who wait for one: the scheduler with a clock and a timer. */
export class Slots {
  readonly #parts: Parts;
  readonly #pools: Pools;
  readonly #alarm: Alarm;
  readonly #waiting = new PassingMap<Attempt>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#pools = new Pools(parts.catalog);
    this.#alarm = new Alarm({ ...parts, ring: () => this.#advance() });
    this.#pools.configure(parts.catalog, this.#now);
  }

  get #now(): number {
    return this.#parts.clock.now().getTime();
  }

  get #scheduler() {
    return this.#pools.scheduler;
  }

  /** Who waits. */
  get waiting(): Attempt[] {
    return this.#waiting.values();
  }

  /** Everybody whose weights and bounds are known here. */
  get parties(): Iterable<Party> {
    return this.#pools.parties;
  }

  /** A key of which something was met, with whom it belongs to. */
  identityOf(keyId: string): Party['identity'] | undefined {
    return this.#pools.identityOf(keyId);
  }

  tenantOf(tenantId: string): Party['identity']['tenant'] | undefined {
    return this.#pools.tenantOf(tenantId);
  }

  /** Asks for a slot: it is there, or it is waited for, or it cannot be had. */
  request(attempt: Attempt, wish: Wish): 'GRANTED' | Promise<WaitEnd> | { readonly refusal: RefusalView } {
    const now = this.#now;
    const { call, id } = attempt;
    const { party, pool } = wish;
    this.#pools.meet(party, now);
    const submitted = this.#scheduler.submit(
      {
        id,
        pool,
        tenantId: party.identity.tenant.id,
        keyId: party.identity.key.id,
        priority: call.priority,
        cost: call.estimatedInputTokens + call.estimatedOutputTokens,
        deadline: call.deadline ?? undefined,
        leaseMs: call.leaseSeconds * msPerSecond,
        caps: capsOf(party, call.gatewayId),
      },
      now,
    );
    if (submitted.outcome === 'REFUSED') {
      this.#settled();
      return { refusal: refusalOfSlots(submitted, wish, call.gatewayId) };
    }
    if (submitted.outcome === 'GRANTED') {
      this.#settled();
      return 'GRANTED';
    }
    this.#waiting.set(id, attempt);
    return new Promise((resolve) => {
      attempt.endWait = (end) => {
        this.#waiting.delete(id);
        attempt.endWait = undefined;
        resolve(end);
      };
      this.#settled();
    });
  }

  /** Counts a slot that an earlier process gave. */
  adopt(adoption: Adoption): void {
    this.#scheduler.adopt(adoption, this.#now);
    this.#settled();
  }

  /** Frees a slot and corrects its charge. */
  settle(id: string, tokens: number): void {
    this.#scheduler.settle(id, tokens, this.#now);
    this.#settled();
  }

  /** Takes a request out, whether it waits or runs: it is not charged. */
  cancel(id: string, why: WaitEnd = { refusal: refusalFor('CANCELLED') }): void {
    const attempt = this.#waiting.get(id);
    this.#scheduler.cancel(id, this.#now);
    attempt?.endWait?.(why);
    this.#settled();
  }

  renew(id: string, expiresAt: number): void {
    this.#scheduler.renew(id, expiresAt);
    this.#settled();
  }

  /** Ends leases now that nobody will renew. */
  expire(ids: readonly string[]): void {
    const now = this.#now;
    for (const id of ids) this.#scheduler.renew(id, now);
    this.#advance();
  }

  configure(catalog: CatalogState): void {
    for (const id of this.#pools.configure(catalog, this.#now)) {
      this.#waiting.get(id)?.endWait?.({ refusal: refusalFor('MODEL_DISABLED') });
    }
    this.#settled();
  }

  /** Takes over what somebody has now, also for what waits already. */
  meet(party: Party): void {
    this.#pools.meet(party, this.#now);
    this.#settled();
  }

  forget(isActive: (keyId: string) => boolean): void {
    this.#pools.forget(isActive, this.#now);
    this.#parts.onChanged();
  }

  /** What `request` would answer now. Asks for nothing. */
  outlook({ party, pool }: Wish, call: OutlookCall): Outlook {
    const { tenant, key } = party.identity;
    const { gatewayId } = call;
    return this.#scheduler.outlook(
      {
        pool,
        tenantId: tenant.id,
        keyId: key.id,
        priority: call.priority,
        deadline: call.deadline ?? undefined,
        tenant: this.#pools.settingsOf(tenant),
        key: { weight: key.weight, maxInFlight: key.limits.maxInFlight },
        caps: gatewayId === null ? party.caps : [...party.caps, this.#pools.gateway(gatewayId)],
      },
      this.#now,
    );
  }

  /** What runs and waits of one at a time. */
  get figures(): Figures {
    return this.#scheduler.figures;
  }

  positionOf(id: string): Position | undefined {
    return this.#scheduler.positionOf(id, this.#now);
  }

  snapshot(): SchedulerSnapshot {
    return this.#scheduler.snapshot(this.#now);
  }

  /** Ends every wait. */
  stopWaiting(): void {
    for (const attempt of this.#waiting.values()) this.cancel(attempt.id, 'STOPPED');
  }

  close(): void {
    this.#alarm.close();
  }

  #advance(): void {
    const { timedOut, expired } = this.#scheduler.advance(this.#now);
    for (const id of timedOut) this.#waiting.get(id)?.endWait?.({ refusal: waitIsOver() });
    for (const id of expired) this.#parts.onExpired(id);
    this.#settled();
  }

  /** After everything that may have given slots away or moved what is next. */
  #settled(): void {
    for (const { id } of this.#scheduler.takeGrants()) this.#waiting.get(id)?.endWait?.({ granted: true });
    this.#alarm.set(this.#scheduler.nextEventAt());
    this.#parts.onChanged();
  }
}

/** The narrowest first. */
const capsOf = ({ caps }: Pick<Party, 'caps'>, gatewayId: string | null): readonly string[] => {
  const ids = caps.map(({ id }) => id);
  return gatewayId === null ? ids : [...ids, gatewayCap(gatewayId)];
};
