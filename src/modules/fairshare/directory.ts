import type { Cells, Store } from './cells.ts';
import { IdTable } from './id-table.ts';
import { groupFields, keyFields, noMaximum, tenantFields } from './layout.ts';
import { type Bounds, NamedCap, type Queueing } from './state.ts';

const { max, name, weight, isSet, nodes } = groupFields;
const { group: groupOfTenant, keys: keysOfTenant, maxQueued, maxWaitMs } = tenantFields;
const { tenant: tenantOfKey, requests } = keyFields;

export const defaultWeight = 100;
const defaultGroup = 'default';
/** Of a bound that is not set. */
const unset = -1;

/** Nodes of keys in trees. */
interface KeyNodes {
  /** Whether some node of a key is kept for what it took in advance. */
  isAhead(key: number): boolean;
  releaseNodes(key: number): void;
}

/**
 * Groups, tenants, keys and named caps by their ids. What a request names and nobody has set gets the defaults (weight
 * 100, no cap, group «default»), and is kept only while it is used or ahead of others for what it took in advance: else
 * leaving would pay. So is what was removed while it was in use.
 */
export class Directory {
  readonly groups = new Map<string, number>();
  readonly tenants = new Map<string, number>();
  readonly keys = new IdTable((key) => this.idOf(key));
  readonly caps = new Map<string, NamedCap>();
  readonly #cells: Cells;
  readonly #names: Store<string>;
  readonly #keyNodes: KeyNodes;

  constructor(cells: Cells, names: Store<string>, keyNodes: KeyNodes) {
    this.#cells = cells;
    this.#names = names;
    this.#keyNodes = keyNodes;
  }

  idOf(row: number): string {
    return this.#names.get(this.#cells.int(row + name)) ?? '';
  }

  group(id: string): number {
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    const made = this.make(id, groupFields.size);
    this.groups.set(id, made);
    return made;
  }

  tenant(id: string): number {
    const known = this.tenants.get(id);
    if (known !== undefined) return known;
    const made = this.make(id, tenantFields.size);
    this.setBounds(made, {});
    this.#join(made, this.group(defaultGroup));
    this.tenants.set(id, made);
    return made;
  }

  /** @throws when the key is known as another tenant's */
  key(id: string, tenantId: string): number {
    const known = this.keys.get(id);
    if (known !== 0) {
      const owner = this.idOf(this.#cells.int(known + tenantOfKey));
      if (owner === tenantId) return known;
      throw new Error(`key ${id} belongs to tenant ${owner}, not to ${tenantId}`);
    }
    const tenant = this.tenant(tenantId);
    this.#cells.addInt(tenant + keysOfTenant, 1);
    const made = this.make(id, keyFields.size);
    this.#cells.setInt(made + tenantOfKey, tenant);
    this.keys.add(id, made);
    return made;
  }

  cap(id: string): NamedCap {
    const known = this.caps.get(id);
    if (known !== undefined) return known;
    const made = new NamedCap(id);
    this.caps.set(id, made);
    return made;
  }

  /** A row with a name and the defaults. */
  make(id: string, size: number): number {
    const row = this.#cells.allocate(size);
    this.#cells.setInt(row + name, this.#names.add(id));
    this.#cells.set(row + weight, defaultWeight);
    this.#cells.setInt(row + max, noMaximum);
    return row;
  }

  setBounds(tenant: number, bounds: Bounds): void {
    this.#cells.set(tenant + maxQueued, bounds.maxQueued ?? unset);
    this.#cells.set(tenant + maxWaitMs, bounds.maxWaitMs ?? unset);
  }

  queueOf(tenant: number): Queueing {
    const maxWait = this.#cells.get(tenant + maxWaitMs);
    const maxLength = this.#cells.get(tenant + maxQueued);
    return {
      bounds: { maxWaitMs: maxWait < 0 ? undefined : maxWait, maxQueued: maxLength < 0 ? undefined : maxLength },
      queued: this.#cells.int(tenant + tenantFields.queued),
    };
  }

  /** Puts a tenant into a group; gives whether it was in another one. */
  assign(tenant: number, groupId: string): boolean {
    const from = this.#cells.int(tenant + groupOfTenant);
    if (this.idOf(from) === groupId) return false;
    this.#join(tenant, this.group(groupId));
    this.#leave(from);
    return true;
  }

  /** A group, tenant or key is as if nobody had ever set it. */
  reset(row: number): void {
    this.#cells.setInt(row + isSet, 0);
    this.#cells.set(row + weight, defaultWeight);
    this.#cells.setInt(row + max, noMaximum);
  }

  dropGroup(group: number): void {
    const cells = this.#cells;
    if (cells.int(group + isSet) + cells.int(group + groupFields.tenants) + cells.int(group + nodes) > 0) return;
    if (this.groups.delete(this.idOf(group))) this.release(group, groupFields.size);
  }

  dropTenant(tenant: number): void {
    const cells = this.#cells;
    if (cells.int(tenant + isSet) + cells.int(tenant + keysOfTenant) + cells.int(tenant + nodes) > 0) return;
    if (!this.tenants.delete(this.idOf(tenant))) return;
    this.#leave(cells.int(tenant + groupOfTenant));
    this.release(tenant, tenantFields.size);
  }

  /** Gives whether it is gone. */
  dropKey(key: number): boolean {
    const cells = this.#cells;
    if (cells.int(key + isSet) + cells.int(key + requests) > 0 || this.#keyNodes.isAhead(key)) return false;
    if (!this.keys.delete(this.idOf(key))) return false;
    this.#keyNodes.releaseNodes(key);
    const tenant = cells.int(key + tenantOfKey);
    cells.addInt(tenant + keysOfTenant, -1);
    this.release(key, keyFields.size);
    this.dropTenant(tenant);
    return true;
  }

  dropCap(cap: NamedCap): void {
    if (!cap.isSet && cap.requests === 0) this.caps.delete(cap.id);
  }

  release(row: number, size: number): void {
    this.#names.remove(this.#cells.int(row + name));
    this.#cells.release(row, size);
  }

  #join(tenant: number, group: number): void {
    this.#cells.setInt(tenant + groupOfTenant, group);
    this.#cells.addInt(group + groupFields.tenants, 1);
  }

  #leave(group: number): void {
    this.#cells.addInt(group + groupFields.tenants, -1);
    this.dropGroup(group);
  }
}
