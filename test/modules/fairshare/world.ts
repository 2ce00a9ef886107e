import type { Submission } from '../../../src/modules/fairshare/api.ts';
import { Scheduler } from '../../../src/modules/fairshare/scheduler.ts';
import type { Bounds, Priority } from '../../../src/modules/fairshare/state.ts';

/**
 * A scheduler beside a plain record of what it was told and what it said, from which the tests judge it. The record
 * is kept without any figure of the scheduler's own.
 */

export interface Asked extends Submission {
  readonly priority: Priority;
  readonly caps: readonly string[];
}

export interface Known extends Asked {
  state: 'WAITING' | 'HELD' | 'SETTLED' | 'RELEASED' | 'EXPIRED' | 'GONE';
}

export type Operation =
  | { readonly kind: 'submit'; readonly asked: Omit<Asked, 'id' | 'deadline'>; readonly waitMs: number | undefined }
  | { readonly kind: 'settle'; readonly nth: number; readonly tokens: number }
  | { readonly kind: 'cancel'; readonly nth: number }
  | { readonly kind: 'renew'; readonly nth: number; readonly byMs: number }
  | { readonly kind: 'advance'; readonly byMs: number }
  | {
      readonly kind: 'setPool';
      readonly pool: string;
      readonly capacity: number;
      readonly weightPercent: number;
      readonly bounds?: Bounds;
    }
  | { readonly kind: 'setCeiling'; readonly ceiling: number | null }
  | { readonly kind: 'setGroup'; readonly groupId: string; readonly weight: number }
  | {
      readonly kind: 'setTenant';
      readonly tenantId: string;
      readonly groupId: string;
      readonly weight: number;
      readonly maxInFlight: number | null;
      readonly bounds?: Bounds;
    }
  | { readonly kind: 'setKey'; readonly keyId: string; readonly weight: number; readonly maxInFlight: number | null }
  | { readonly kind: 'setCap'; readonly cap: string; readonly max: number | null }
  | { readonly kind: 'setAlgorithm'; readonly algorithm: 'HIERARCHICAL' | 'WEIGHTED' }
  | { readonly kind: 'adopt'; readonly asked: Omit<Asked, 'id' | 'deadline'>; readonly lastsMs: number }
  | { readonly kind: 'remove'; readonly what: 'pool' | 'group' | 'tenant' | 'key'; readonly id: string };

const unbounded = Number.POSITIVE_INFINITY;

/** What a trace needs of whoever decides. */
export type Decides = Pick<
  Scheduler,
  | 'submit'
  | 'settle'
  | 'cancel'
  | 'renew'
  | 'advance'
  | 'takeGrants'
  | 'setAlgorithm'
  | 'setCeiling'
  | 'setPool'
  | 'setGroup'
  | 'setTenant'
  | 'setKey'
  | 'setCap'
  | 'adopt'
  | 'removePool'
  | 'removeGroup'
  | 'removeTenant'
  | 'removeKey'
>;

export class World {
  readonly scheduler: Scheduler;
  /** Who is told what happens; the scheduler, unless something else is held against it. */
  readonly #decides: Decides;
  readonly requests = new Map<string, Known>();
  readonly groupOf = new Map<string, string>();
  /** Bounds by what they bound, such as `pool:a`. What is not here has none. */
  readonly bounds = new Map<string, number>();
  readonly running = new Map<string, number>();
  /** What was decided, in order. */
  readonly log: string[] = [];
  /** Called at each grant, when the request counts as held. */
  onGrant: (request: Known) => void = () => undefined;
  now = 1_000;
  #count = 0;

  constructor(scheduler = new Scheduler({ algorithm: 'HIERARCHICAL' }), decides: Decides = scheduler) {
    this.scheduler = scheduler;
    this.#decides = decides;
  }

  all(state: Known['state']): Known[] {
    return [...this.requests.values()].filter((request) => request.state === state);
  }

  /** What a request counts against. */
  boundsOf({ pool, tenantId, keyId, caps }: Asked): string[] {
    const named = [`pool:${pool}`, 'ceiling', `tenant:${tenantId}`, `key:${keyId}`, ...caps.map((cap) => `cap:${cap}`)];
    return [...new Set(named)];
  }

  roomFor(request: Asked): boolean {
    return this.boundsOf(request).every((name) => (this.running.get(name) ?? 0) < (this.bounds.get(name) ?? unbounded));
  }

  submit(asked: Omit<Asked, 'id'>): Known {
    this.#count += 1;
    const request: Known = { ...asked, id: `r${this.#count}`, state: 'WAITING' };
    const answer = this.#decides.submit(request, this.now);
    this.log.push(`${request.id} ${JSON.stringify(answer)}`);
    this.requests.set(request.id, request);
    if (answer.outcome === 'GRANTED') this.#grant(request);
    if (answer.outcome === 'REFUSED') request.state = 'GONE';
    this.#takeGrants();
    return request;
  }

  settle(request: Known, tokens: number): void {
    if (!this.#decides.settle(request.id, tokens, this.now)) throw new Error(`${request.id} was not running`);
    this.#end(request, 'SETTLED');
    this.#takeGrants();
  }

  cancel(request: Known): void {
    const isHeld = request.state === 'HELD';
    const outcome = this.#decides.cancel(request.id, this.now);
    if (outcome !== (isHeld ? 'RELEASED' : 'WITHDRAWN')) throw new Error(`${request.id} was ${outcome}`);
    if (isHeld) this.#end(request, 'RELEASED');
    else request.state = 'GONE';
    this.#takeGrants();
  }

  advance(byMs: number): void {
    this.now += byMs;
    const { timedOut, expired } = this.#decides.advance(this.now);
    this.log.push(`timed out ${timedOut.join()}, expired ${expired.join()}`);
    const waited = this.#granted();
    // Somebody may have been granted a slot, and lost it again, in the same call.
    for (const request of waited) this.#grant(request, false);
    for (const id of expired) this.#end(this.#get(id), 'EXPIRED');
    for (const id of timedOut) this.#get(id).state = 'GONE';
    for (const request of waited) if (request.state === 'HELD') this.onGrant(request);
  }

  setPool(pool: string, capacity: number, weightPercent = 100, bounds: Bounds = {}): void {
    this.bounds.set(`pool:${pool}`, capacity);
    this.#decides.setPool(pool, { capacity, weightPercent, ...bounds }, this.now);
    this.#takeGrants();
  }

  setCeiling(ceiling: number | null): void {
    this.bounds.set('ceiling', ceiling ?? unbounded);
    this.#decides.setCeiling(ceiling, this.now);
    this.#takeGrants();
  }

  setTenant(
    tenantId: string,
    groupId: string,
    weight: number,
    maxInFlight: number | null = null,
    bounds: Bounds = {},
  ): void {
    this.groupOf.set(tenantId, groupId);
    this.bounds.set(`tenant:${tenantId}`, maxInFlight ?? unbounded);
    this.#decides.setTenant(tenantId, { groupId, weight, maxInFlight, ...bounds }, this.now);
    this.#takeGrants();
  }

  setKey(keyId: string, weight: number, maxInFlight: number | null = null): void {
    this.bounds.set(`key:${keyId}`, maxInFlight ?? unbounded);
    this.#decides.setKey(keyId, { tenantId: tenantOf(keyId), weight, maxInFlight }, this.now);
    this.#takeGrants();
  }

  setCap(cap: string, max: number | null): void {
    this.bounds.set(`cap:${cap}`, max ?? unbounded);
    this.#decides.setCap(cap, max, this.now);
    this.#takeGrants();
  }

  perform(operation: Operation): void {
    switch (operation.kind) {
      case 'submit': {
        const { asked, waitMs } = operation;
        this.submit({ ...asked, deadline: waitMs === undefined ? undefined : this.now + waitMs });
        return;
      }
      case 'settle': {
        const request = pick(this.all('HELD'), operation.nth);
        if (request !== undefined) this.settle(request, operation.tokens);
        return;
      }
      case 'cancel': {
        const request = pick([...this.all('HELD'), ...this.all('WAITING')], operation.nth);
        if (request !== undefined) this.cancel(request);
        return;
      }
      case 'renew': {
        const request = pick(this.all('HELD'), operation.nth);
        if (request !== undefined) this.#decides.renew(request.id, this.now + operation.byMs);
        return;
      }
      case 'advance':
        this.advance(operation.byMs);
        return;
      case 'setPool':
        this.setPool(operation.pool, operation.capacity, operation.weightPercent, operation.bounds);
        return;
      case 'setCeiling':
        this.setCeiling(operation.ceiling);
        return;
      case 'setGroup':
        this.#decides.setGroup(operation.groupId, { weight: operation.weight });
        return;
      case 'setTenant':
        this.setTenant(
          operation.tenantId,
          operation.groupId,
          operation.weight,
          operation.maxInFlight,
          operation.bounds,
        );
        return;
      case 'setKey':
        this.setKey(operation.keyId, operation.weight, operation.maxInFlight);
        return;
      case 'setCap':
        this.setCap(operation.cap, operation.max);
        return;
      case 'setAlgorithm':
        this.#decides.setAlgorithm(operation.algorithm, this.now);
        this.#takeGrants();
        return;
      case 'adopt': {
        this.#count += 1;
        const request: Known = { ...operation.asked, id: `r${this.#count}`, state: 'HELD' };
        this.requests.set(request.id, request);
        this.#decides.adopt({ ...request, expiresAt: this.now + operation.lastsMs }, this.now);
        this.#tally(request, 1);
        return;
      }
      case 'remove':
        this.#remove(operation.what, operation.id);
    }
  }

  #remove(what: 'pool' | 'group' | 'tenant' | 'key', id: string): void {
    const decides = this.#decides;
    if (what === 'group') {
      decides.removeGroup(id);
      return;
    }
    const remove = {
      pool: () => decides.removePool(id, this.now),
      tenant: () => decides.removeTenant(id, this.now),
      key: () => decides.removeKey(id, this.now),
    };
    const evicted = remove[what]();
    this.log.push(`evicted ${evicted.join()}`);
    for (const each of evicted) this.#get(each).state = 'GONE';
    this.bounds.set(`${what}:${id}`, what === 'pool' ? 0 : unbounded);
    this.#takeGrants();
  }

  #get(id: string): Known {
    const request = this.requests.get(id);
    if (request === undefined) throw new Error(`nobody asked for ${id}`);
    return request;
  }

  #granted(): Known[] {
    return this.#decides.takeGrants().map(({ id, waitedMs }) => {
      this.log.push(`${id} granted after ${waitedMs}`);
      return this.#get(id);
    });
  }

  #takeGrants(): void {
    for (const request of this.#granted()) this.#grant(request);
  }

  #grant(request: Known, isTold = true): void {
    if (request.state !== 'WAITING') throw new Error(`${request.id} was granted while ${request.state}`);
    request.state = 'HELD';
    this.#tally(request, 1);
    if (isTold) this.onGrant(request);
  }

  #end(request: Known, state: Known['state']): void {
    if (request.state !== 'HELD') throw new Error(`${request.id} ended while ${request.state}`);
    request.state = state;
    this.#tally(request, -1);
  }

  #tally(request: Asked, difference: number): void {
    for (const name of this.boundsOf(request)) this.running.set(name, (this.running.get(name) ?? 0) + difference);
  }
}

function pick<Item>(items: readonly Item[], nth: number): Item | undefined {
  return items[nth % Math.max(1, items.length)];
}

/** Key `t1.0` is tenant t1's. */
export const tenantOf = (keyId: string): string => keyId.slice(0, keyId.indexOf('.'));
