import type { EventBus } from '../../live/event-bus.ts';
import { InvalidatedCache } from '../../live/invalidated-cache.ts';

/** A row that a login belongs to. */
interface LoginOwner {
  readonly id: string;
  readonly status: string;
}

/** A tenant by its id, or by its name whatever its case. */
export type TenantName = { readonly id: string } | { readonly name: string };

interface Owners {
  readonly tenants: { ofLogin(by: TenantName): Promise<LoginOwner | undefined> };
  readonly users: { ofLogin(tenantId: string, externalId: string): Promise<LoginOwner | undefined> };
}

const entriesMax = 10_000;

/** Whose logins are. What was found is remembered until it changes, since it is asked for with every request. */
export class LoginDirectory {
  readonly #owners: Owners;
  readonly #cache: InvalidatedCache<LoginOwner | undefined>;

  constructor(owners: Owners, events: EventBus) {
    this.#owners = owners;
    this.#cache = new InvalidatedCache(events, { maxEntries: entriesMax, types: ['Tenant', 'User'] });
  }

  tenant(by: TenantName): Promise<LoginOwner | undefined> {
    return this.#remembered(['tenant', by], () => this.#owners.tenants.ofLogin(by));
  }

  user(tenantId: string, externalId: string): Promise<LoginOwner | undefined> {
    return this.#remembered(['user', tenantId, externalId], () => this.#owners.users.ofLogin(tenantId, externalId));
  }

  close(): void {
    this.#cache.close();
  }

  async #remembered(
    key: readonly unknown[],
    find: () => Promise<LoginOwner | undefined>,
  ): Promise<LoginOwner | undefined> {
    return this.#cache.get(JSON.stringify(key), async () => {
      const value = await find();
      return { value, dependsOn: value === undefined ? [] : [value.id] };
    });
  }
}
