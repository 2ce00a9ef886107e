import type { TenantSettings } from '../fairshare/api.ts';
import { Scheduler } from '../fairshare/scheduler.ts';
import type { CatalogState } from './catalog.ts';
import { unroutedPool } from './decision.ts';
import { gatewayCap, nameOf, type Party } from './parties.ts';

/** Keeps a scheduler at what is configured, and at what those have that requests are for. */
export class Pools {
  readonly scheduler: Scheduler;
  #state: CatalogState | undefined;
  /** What was last said of each key and of each cap of a user: said again when it is another. */
  readonly #parties = new Map<string, Party>();
  readonly #identities = new Map<string, Party['identity']>();
  readonly #tenants = new Map<string, Party['identity']['tenant']>();

  constructor(state: CatalogState) {
    this.scheduler = new Scheduler({ algorithm: state.settings.algorithm });
  }

  /** Takes over what is configured. @returns the requests that waited for pools that are no more */
  configure(state: CatalogState, now: number): readonly string[] {
    const { scheduler } = this;
    const before = this.#state;
    this.#state = state;
    const { settings } = state;
    if (before?.settings.algorithm !== settings.algorithm) scheduler.setAlgorithm(settings.algorithm, now);
    for (const group of state.groups.values()) {
      if (before?.groups.get(group.id)?.weight !== group.weight) scheduler.setGroup(group.id, group);
    }
    for (const id of before?.groups.keys() ?? []) if (!state.groups.has(id)) scheduler.removeGroup(id);
    for (const model of state.models.values()) this.#setPool(model.id, model.maxInFlight, model.weightPercent, now);
    this.#setPool(unroutedPool, settings.modelDefault, 100, now);
    for (const gateway of state.gateways.values()) {
      if (before?.gateways.get(gateway.id)?.maxInFlight !== gateway.maxInFlight) {
        scheduler.setCap(gatewayCap(gateway.id), gateway.maxInFlight, now);
      }
    }
    const gone = [...(before?.models.keys() ?? [])].filter((id) => !state.models.has(id));
    const evicted = gone.flatMap((id) => scheduler.removePool(id, now));
    // Last, so that what grew is there when it is given away.
    scheduler.setCeiling(settings.ceiling, now);
    for (const party of this.#parties.values()) this.#setTenant(party, now);
    return evicted;
  }

  /** Takes over what somebody has, if it is new. */
  meet(party: Party, now: number): void {
    const { key } = party.identity;
    const name = nameOf(party);
    if (this.#parties.get(name) === party) return;
    this.#parties.set(name, party);
    this.#identities.set(key.id, party.identity);
    this.#tenants.set(party.identity.tenant.id, party.identity.tenant);
    const { scheduler } = this;
    this.#setTenant(party, now);
    scheduler.setKey(
      key.id,
      { tenantId: party.identity.tenant.id, weight: key.weight, maxInFlight: key.limits.maxInFlight },
      now,
    );
    for (const cap of party.caps) scheduler.setCap(cap.id, cap.max, now);
  }

  /** A key of which something was said, with whom it belongs to. */
  identityOf(keyId: string): Party['identity'] | undefined {
    return this.#identities.get(keyId);
  }

  tenantOf(tenantId: string): Party['identity']['tenant'] | undefined {
    return this.#tenants.get(tenantId);
  }

  /** The cap of a gateway that is configured. */
  gateway(id: string): { readonly id: string; readonly max: number | null } {
    return { id: gatewayCap(id), max: this.#current.gateways.get(id)?.maxInFlight ?? null };
  }

  /** Everybody of whom something was said. */
  get parties(): Iterable<Party> {
    return this.#parties.values();
  }

  /** Forgets what was said of those of whom nothing waits or runs. */
  forget(isActive: (keyId: string) => boolean, now: number): void {
    const tenants = new Set<string>();
    const gone: Party[] = [];
    for (const [name, party] of this.#parties) {
      if (isActive(party.identity.key.id)) tenants.add(party.identity.tenant.id);
      else {
        gone.push(party);
        this.#parties.delete(name);
      }
    }
    for (const { identity, caps } of gone) {
      this.scheduler.removeKey(identity.key.id, now);
      this.#identities.delete(identity.key.id);
      if (!tenants.has(identity.tenant.id)) {
        this.scheduler.removeTenant(identity.tenant.id, now);
        this.#tenants.delete(identity.tenant.id);
      }
      for (const cap of caps) this.scheduler.setCap(cap.id, null, now);
    }
    // Those that stay may share users and teams with those that went.
    if (gone.length === 0) return;
    for (const { caps } of this.#parties.values()) for (const cap of caps) this.scheduler.setCap(cap.id, cap.max, now);
  }

  #setPool(name: string, capacity: number, weightPercent: number, now: number): void {
    const { settings } = this.#current;
    const bounds = { maxQueued: settings.poolQueueMax, maxWaitMs: settings.queueTimeoutMs };
    this.scheduler.setPool(name, { capacity, weightPercent, ...bounds }, now);
  }

  #setTenant({ identity: { tenant } }: Party, now: number): void {
    this.scheduler.setTenant(tenant.id, this.settingsOf(tenant), now);
  }

  /** What the scheduler is told of a tenant. */
  settingsOf({ fairshareGroupId, weight, limits }: Party['identity']['tenant']): TenantSettings {
    const { settings } = this.#current;
    return {
      groupId: fairshareGroupId,
      weight,
      maxInFlight: limits.maxInFlight,
      maxQueued: settings.tenantQueueMax,
      maxWaitMs: settings.queueTimeoutMs,
    };
  }

  get #current(): CatalogState {
    if (this.#state === undefined) throw new Error('Nothing was configured yet.');
    return this.#state;
  }
}
