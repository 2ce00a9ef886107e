import type { GroupSettings, KeySettings, PoolSettings, TenantSettings } from './api.ts';
import type { Dispatcher } from './dispatcher.ts';
import { noMaximum, tenantFields } from './layout.ts';
import type { Pool } from './state.ts';

const { max, weight, isSet } = tenantFields;

/** Who has which weight and bounds. Whoever changes them grants then, as there may be room. */
export class Configuration {
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** A capacity below what runs drains; a larger one is used at once. */
  setPool(name: string, { capacity, weightPercent = 100, ...bounds }: PoolSettings): void {
    const { pool } = this.#dispatcher.pools.get(name) ?? this.#dispatcher.makePool(name);
    pool.isRemoved = false;
    pool.weightPercent = weightPercent;
    pool.bounds = bounds;
    this.#setCapacity(pool, capacity);
    this.#dispatcher.freed(pool.row);
  }

  /** Those who wait for it are gone. */
  removePool(pool: Pool): void {
    pool.isRemoved = true;
    this.#setCapacity(pool, 0);
    this.#dispatcher.dropIfDrained(pool);
  }

  setGroup(id: string, settings: GroupSettings): void {
    const { cells, directory, trees } = this.#dispatcher.forest;
    const group = directory.group(id);
    cells.setInt(group + isSet, 1);
    cells.set(group + weight, settings.weight);
    for (const tree of trees) tree.reweighGroup(group);
  }

  /** A group that tenants are still in has the default weight from now on. */
  removeGroup(id: string): void {
    const { directory, trees } = this.#dispatcher.forest;
    const group = directory.groups.get(id);
    if (group === undefined) return;
    directory.reset(group);
    for (const tree of trees) tree.reweighGroup(group);
    directory.dropGroup(group);
  }

  setTenant(id: string, { groupId, weight: newWeight, maxInFlight, ...bounds }: TenantSettings): void {
    const { cells, directory, trees } = this.#dispatcher.forest;
    const tenant = directory.tenant(id);
    cells.setInt(tenant + isSet, 1);
    cells.set(tenant + weight, newWeight);
    cells.setInt(tenant + max, maxInFlight ?? noMaximum);
    directory.setBounds(tenant, bounds);
    const isMoved = directory.assign(tenant, groupId);
    for (const tree of trees) {
      tree.reweighTenant(tenant);
      if (isMoved) tree.moveTenant(tenant);
    }
    this.#dispatcher.freed(tenant);
  }

  /** Those of it who wait are gone. */
  removeTenant(tenant: number): void {
    const { directory, trees } = this.#dispatcher.forest;
    directory.reset(tenant);
    directory.setBounds(tenant, {});
    for (const tree of trees) tree.reweighTenant(tenant);
    this.#dispatcher.freed(tenant);
    directory.dropTenant(tenant);
  }

  setKey(id: string, { tenantId, weight: newWeight, maxInFlight }: KeySettings): void {
    const { forest } = this.#dispatcher;
    const key = forest.directory.key(id, tenantId);
    forest.cells.setInt(key + isSet, 1);
    forest.cells.set(key + weight, newWeight);
    forest.cells.setInt(key + max, maxInFlight ?? noMaximum);
    forest.reweighKey(key);
    this.#dispatcher.freed(key);
  }

  /** Those of it who wait are gone. */
  removeKey(key: number): void {
    const { forest } = this.#dispatcher;
    forest.directory.reset(key);
    forest.reweighKey(key);
    this.#dispatcher.freed(key);
    forest.directory.dropKey(key);
  }

  setCap(id: string, newMax: number | null): void {
    const { directory } = this.#dispatcher.forest;
    const cap = directory.cap(id);
    cap.isSet = newMax !== null;
    cap.max = newMax ?? noMaximum;
    this.#dispatcher.freed(cap);
    directory.dropCap(cap);
  }

  #setCapacity(pool: Pool, capacity: number): void {
    const { cells, trees } = this.#dispatcher.forest;
    cells.setInt(pool.row + max, capacity);
    for (const tree of trees) if (tree.pool === pool) tree.reweighPool();
  }
}
