import { Group, Key, NamedCap, noMaximum, Tenant } from './state.ts';

export const defaultWeight = 100;
const defaultGroup = 'default';

/**
 * Groups, tenants, keys and named caps by their ids. What a request names and nobody has set gets the defaults (weight
 * 100, no cap, group «default»), and is kept only while it is used or ahead of others for what it took in advance: else
 * leaving would pay. So is what was removed while it was in use.
 */
export class Directory {
  readonly groups = new Map<string, Group>();
  readonly tenants = new Map<string, Tenant>();
  readonly keys = new Map<string, Key>();
  readonly caps = new Map<string, NamedCap>();

  group(id: string): Group {
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    const made = new Group(id, defaultWeight);
    this.groups.set(id, made);
    return made;
  }

  tenant(id: string): Tenant {
    const known = this.tenants.get(id);
    if (known !== undefined) return known;
    const group = this.group(defaultGroup);
    group.tenants += 1;
    const made = new Tenant(id, defaultWeight, group);
    this.tenants.set(id, made);
    return made;
  }

  /** @throws when the key is known as another tenant's */
  key(id: string, tenantId: string): Key {
    const known = this.keys.get(id);
    if (known !== undefined) {
      if (known.tenant.id === tenantId) return known;
      throw new Error(`key ${id} belongs to tenant ${known.tenant.id}, not to ${tenantId}`);
    }
    const tenant = this.tenant(tenantId);
    tenant.keys += 1;
    const made = new Key(id, defaultWeight, tenant);
    this.keys.set(id, made);
    return made;
  }

  cap(id: string): NamedCap {
    const known = this.caps.get(id);
    if (known !== undefined) return known;
    const made = new NamedCap(id);
    this.caps.set(id, made);
    return made;
  }

  /** Puts a tenant into a group; gives whether it was in another one. */
  assign(tenant: Tenant, groupId: string): boolean {
    const { group } = tenant;
    if (group.id === groupId) return false;
    tenant.group = this.group(groupId);
    tenant.group.tenants += 1;
    group.tenants -= 1;
    this.dropGroup(group);
    return true;
  }

  resetGroup(group: Group): void {
    group.isSet = false;
    group.weight = defaultWeight;
  }

  resetTenant(tenant: Tenant): void {
    tenant.isSet = false;
    tenant.weight = defaultWeight;
    tenant.max = noMaximum;
    tenant.bounds = {};
  }

  resetKey(key: Key): void {
    key.isSet = false;
    key.weight = defaultWeight;
    key.max = noMaximum;
  }

  dropGroup(group: Group): void {
    if (!group.isSet && group.tenants === 0 && group.nodes === 0) this.groups.delete(group.id);
  }

  dropTenant(tenant: Tenant): void {
    if (tenant.isSet || tenant.keys > 0 || tenant.nodes > 0) return;
    if (!this.tenants.delete(tenant.id)) return;
    tenant.group.tenants -= 1;
    this.dropGroup(tenant.group);
  }

  dropKey(key: Key): void {
    if (key.isSet || key.requests > 0 || key.nodes.some(({ place }) => place === 'ahead')) return;
    if (!this.keys.delete(key.id)) return;
    key.tenant.keys -= 1;
    this.dropTenant(key.tenant);
  }

  dropCap(cap: NamedCap): void {
    if (!cap.isSet && cap.requests === 0) this.caps.delete(cap.id);
  }
}
