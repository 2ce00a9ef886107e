import type { Clock } from '../../graph/context.ts';
import { isClaimedBy, leaseNotFound, notWritten, requestKey } from './answers.ts';
import { type Held, Leases, viewOf } from './leases.ts';
import type { HeldByGateway, LeaseClaim, RenewAnswer, RenewCall } from './owner.ts';
import { PassingMap } from './passing-map.ts';
import type { Slots } from './slots.ts';
import type { AdmissionStore } from './store.ts';

interface Parts {
  readonly slots: Slots;
  readonly store: AdmissionStore;
  readonly clock: Clock;
  /** Told when a gateway holds leases, whose silence ends them. */
  readonly onGatewayHolds: () => void;
}

const msPerSecond = 1_000;

/** The leases that are held, kept as long as they are renewed and their gateways are heard of. */
export class Holding {
  readonly leases = new Leases();
  readonly #parts: Parts;
  readonly #idByRequest = new PassingMap<string>();
  readonly #lastHeardOf = new Map<string, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @param heardAt when its gateway was heard of, if it has one */
  add(held: Held, heardAt: number): void {
    const { id, gatewayId, requestId } = held.row;
    this.leases.add(held);
    this.#idByRequest.set(requestKey(held.row, requestId), id);
    if (gatewayId === null) return;
    this.#heardOf(gatewayId, heardAt);
    this.#parts.onGatewayHolds();
  }

  remove({ row }: Held): void {
    this.leases.remove(row.id);
    const key = requestKey(row, row.requestId);
    if (this.#idByRequest.get(key) === row.id) this.#idByRequest.delete(key);
  }

  /** The lease that somebody's request holds. */
  ofRequest(key: string): Held | undefined {
    const id = this.#idByRequest.get(key);
    return id === undefined ? undefined : this.leases.get(id);
  }

  /** A lease of the one who asks. */
  ofCaller(claim: LeaseClaim, leaseId: string): Held | undefined {
    const held = this.leases.get(leaseId);
    return held !== undefined && isClaimedBy(held.row, claim) ? held : undefined;
  }

  async renew(call: RenewCall): Promise<RenewAnswer> {
    const { leaseId, leaseSeconds } = call;
    const held = this.ofCaller(call, leaseId);
    if (held === undefined) return leaseNotFound;
    try {
      await this.#extend(held, leaseSeconds ?? held.row.leaseSeconds);
    } catch (error) {
      return notWritten(error);
    }
    return { outcome: 'RENEWED', lease: viewOf(held.row) };
  }

  async heard({ gatewayId, leaseIds, at }: HeldByGateway): Promise<void> {
    this.#heardOf(gatewayId, at);
    const held = leaseIds.flatMap((id) => this.leases.get(id) ?? []);
    // Half of a lease is left: one that is renewed with every heartbeat would be written with every heartbeat.
    const due = held.filter(
      ({ row }) => row.gatewayId === gatewayId && row.expiresAt.getTime() - at < (row.leaseSeconds * msPerSecond) / 2,
    );
    await Promise.all(due.map((each) => this.#extend(each, each.row.leaseSeconds)));
  }

  /** When a gateway was heard of last, by any process; nothing: it was not yet. */
  heardAt(gatewayId: string): number | undefined {
    return this.#lastHeardOf.get(gatewayId);
  }

  /** When each gateway that holds leases was heard of last. */
  *heardOf(): Iterable<readonly [gatewayId: string, at: number]> {
    for (const id of this.leases.gateways()) yield [id, this.#lastHeardOf.get(id) ?? 0];
  }

  /** Ends the leases of a gateway that nothing was heard of. */
  expireLeasesOf(gatewayId: string): void {
    this.#parts.slots.expire(this.leases.ofGateway(gatewayId).map(({ row }) => row.id));
  }

  async #extend(held: Held, leaseSeconds: number): Promise<void> {
    const { clock, slots, store } = this.#parts;
    const expiresAt = new Date(clock.now().getTime() + leaseSeconds * msPerSecond);
    held.row = { ...held.row, leaseSeconds, expiresAt };
    slots.renew(held.row.id, expiresAt.getTime());
    await store.renew({ id: held.row.id, expiresAt });
  }

  #heardOf(gatewayId: string, at: number): void {
    this.#lastHeardOf.set(gatewayId, Math.max(at, this.#lastHeardOf.get(gatewayId) ?? 0));
  }
}
