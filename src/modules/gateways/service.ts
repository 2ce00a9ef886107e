import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { NameTakenError, NotFoundError } from '../../graph/errors.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { type ListRequest, readList } from '../../graph/lists.ts';
import { differs } from '../../graph/patches.ts';
import { type GatewayRow, gateways } from './entity.ts';
import { type GatewayFilter, gatewayConditions } from './filter.ts';
import { type Pace, speaksFor } from './heartbeats.ts';
import type { GatewayReference, RegisterGateway } from './input.ts';
import { type GatewayStatus, statusOf } from './status.ts';

declare module '../../graph/context.ts' {
  interface Services {
    gateways: GatewayService;
  }
}

interface GatewayAnswer {
  readonly gateway: GatewayRow;
}

const { sql } = Prisma;

/** The processes of the data plane. What they say between registering and leaving is in `heartbeats.ts`. */
export class GatewayService {
  readonly pace: Pace;
  readonly #database: Database;

  constructor(database: Database, pace: Pace) {
    this.#database = database;
    this.pace = pace;
  }

  find(principal: Principal, id: string, wanted?: Wanted): Promise<GatewayRow | undefined> {
    const where = [sql`t.id = ${id}::uuid`, ...visibleTo(gateways, principal)];
    return this.#database.readerFor(principal).find(gateways, where, { wanted });
  }

  /** The gateways with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, GatewayRow>> {
    return this.#database.readerFor(principal).byIds(gateways, ids, visibleTo(gateways, principal));
  }

  list(
    principal: Principal,
    filter: GatewayFilter,
    now: Date,
    request: ListRequest<GatewayRow>,
  ): Promise<Connection<GatewayRow>> {
    const conditions = gatewayConditions(filter, now, this.pace.silenceSeconds);
    const where = [...conditions, ...visibleTo(gateways, principal)];
    return readList(this.#database.readerFor(principal), gateways, where, request);
  }

  statusOf(row: Pick<GatewayRow, 'lastHeartbeatAt' | 'leftAt'>, now: Date): GatewayStatus {
    return statusOf(row, now, this.pace.silenceSeconds);
  }

  /**
   * Makes a gateway, or has one that started again take its own place. Its name is its credential's until it leaves.
   *
   * @throws {NameTakenError} when another credential has registered the name
   */
  async register(scope: CommandScope, input: RegisterGateway): Promise<Change<GatewayAnswer & Pace>> {
    const { transaction, principal, now } = scope;
    const { name, version = '', address = '', maxInFlight = null } = input;
    const nameFolded = foldName(name);
    const tenantId = principal.tenantId ?? null;
    // Two that begin under one name at the same time do so one after the other.
    await transaction.prisma.$queryRaw`
      SELECT pg_advisory_xact_lock(hashtextextended(${`fairlead gateway ${tenantId} ${nameFolded}`}, 0))::text
    `;
    const sameOwner = tenantId === null ? sql`t.tenant_id IS NULL` : sql`t.tenant_id = ${tenantId}::uuid`;
    const where = [sql`t.name_folded = ${nameFolded}`, sameOwner, ...visibleTo(gateways, principal)];
    const before = await transaction.reader.find(gateways, where, { lock: 'NO KEY UPDATE' });
    const values = {
      name,
      version,
      address,
      maxInFlight,
      registeredById: principal.credentialId,
      keyId: principal.keyId ?? null,
      leftAt: null,
    };
    const presence = { registeredByName: principal.name, registeredAt: now, lastHeartbeatAt: now, inFlight: 0 };
    if (before === undefined) {
      const data = { ...values, ...presence, id: newId(), tenantId, nameFolded, createdAt: now, updatedAt: now };
      const gateway = await transaction.prisma.gateway.create({ data });
      return {
        payload: { gateway, ...this.pace },
        changed: { ...about(gateway), after: describeGateway(gateway) },
      };
    }
    if (before.leftAt === null && !speaksFor(principal, before)) throw new NameTakenError('gateway');
    const isOther = differs(before, values);
    const gateway = await transaction.prisma.gateway.update({
      where: { id: before.id },
      data: {
        ...values,
        ...presence,
        ...(isOther ? { revision: { increment: 1 }, updatedAt: now } : { updatedAt: before.updatedAt }),
      },
    });
    const payload = { gateway, ...this.pace };
    // That one with the same values started again is no change of configuration.
    if (!isOther) return unchanged(payload);
    return {
      payload,
      changed: { ...about(gateway), before: describeGateway(before), after: describeGateway(gateway) },
    };
  }

  /** By the one that registered it, or by whoever may manage gateways: its name is free then. */
  async deregister(scope: CommandScope, { gatewayId }: GatewayReference): Promise<Change<GatewayAnswer>> {
    const { principal, transaction, now } = scope;
    const before = await this.hold(scope, gatewayId, ['gatewayId'], 'NO KEY UPDATE');
    if (!speaksFor(principal, before) && !principal.scopes.has('gateways:write')) {
      throw new NotFoundError('gateway', ['gatewayId']);
    }
    if (before.leftAt !== null) return unchanged({ gateway: before });
    const gateway = await transaction.prisma.gateway.update({
      where: { id: before.id },
      data: { leftAt: now, inFlight: 0, revision: { increment: 1 }, updatedAt: now },
    });
    return {
      payload: { gateway },
      changed: { ...about(gateway), before: describeGateway(before), after: describeGateway(gateway) },
    };
  }

  /** The gateway, kept from being deleted until the transaction ends. @throws {NotFoundError} */
  async hold(
    { transaction, principal }: CommandScope,
    gatewayId: string,
    path: readonly string[],
    lock: 'NO KEY UPDATE' | 'KEY SHARE' = 'KEY SHARE',
  ): Promise<GatewayRow> {
    const where = [sql`t.id = ${gatewayId}::uuid`, ...visibleTo(gateways, principal)];
    const gateway = await transaction.reader.find(gateways, where, { lock });
    if (gateway === undefined) throw new NotFoundError('gateway', path);
    return gateway;
  }
}

const about = ({ id, tenantId }: GatewayRow) => ({
  target: { type: 'Gateway', id } as const,
  ...(tenantId === null ? {} : { tenantId }),
});

/** A gateway in the words of the graph, for the audit log. What changes all the time is not in it. */
const describeGateway = (row: GatewayRow): JsonObject => ({
  tenantId: row.tenantId === null ? null : encodeId('Tenant', row.tenantId),
  name: row.name,
  version: row.version,
  address: row.address,
  maxInFlight: row.maxInFlight,
  registeredById: row.registeredById,
  keyId: row.keyId === null ? null : encodeId('ApiKey', row.keyId),
  leftAt: row.leftAt?.toISOString() ?? null,
  revision: row.revision,
});
