import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { Connection } from '../../graph/connections.ts';
import { type ListRequest, readList } from '../../graph/lists.ts';
import { type UsageRecordRow, usageRecords } from './entity.ts';
import { type UsageRecordFilter, usageConditions } from './filter.ts';

declare module '../../graph/context.ts' {
  interface Services {
    usage: UsageService;
  }
}

/**
 * What requests used. Records outlive what they speak of: a tenant's are kept when it is deleted, for the bills of the
 * deployment, and from then on only the deployment sees them.
 */
export class UsageService {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  find(principal: Principal, id: string, wanted?: Wanted): Promise<UsageRecordRow | undefined> {
    const where = [Prisma.sql`t.id = ${id}::uuid`, ...visibleTo(usageRecords, principal)];
    return this.#database.readerFor(principal).find(usageRecords, where, { wanted });
  }

  /** The records with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, UsageRecordRow>> {
    return this.#database.readerFor(principal).byIds(usageRecords, ids, visibleTo(usageRecords, principal));
  }

  list(
    principal: Principal,
    filter: UsageRecordFilter,
    request: ListRequest<UsageRecordRow>,
  ): Promise<Connection<UsageRecordRow>> {
    const where = [...usageConditions(filter), ...visibleTo(usageRecords, principal)];
    return readList(this.#database.readerFor(principal), usageRecords, where, request);
  }
}
