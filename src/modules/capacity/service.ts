import type { Database, Transaction } from '../../database/database.ts';
import type { CapacitySettings } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { expectRevision } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { loaderOf } from '../../graph/loaders.ts';
import { definedOf, differs } from '../../graph/patches.ts';
import type { GatewayService } from '../gateways/service.ts';
import type { ModelService } from '../models/service.ts';
import type { SetCapacity, SetFairshareAlgorithm } from './input.ts';
import {
  capacityOfGateway,
  capacityOfModel,
  type GatewayCapacityFigures,
  type ModelCapacityFigures,
  settingOf,
} from './values.ts';

declare module '../../graph/context.ts' {
  interface Services {
    capacity: CapacityService;
  }
}

/** Announced when anything about capacity or about the algorithm has changed. */
export const capacityChanged = 'Capacity.changed';

interface CapacityAnswer {
  readonly capacity: CapacitySettings;
}

/** A capacity of one model or gateway, as it was and as it is to be. */
interface OwnChange {
  readonly before: JsonObject;
  readonly after: JsonObject;
  readonly write: () => Promise<unknown>;
}

interface OwnFigure {
  readonly id: string;
  readonly maxInFlight: number;
}

/** All that is configured, for whoever goes by it. */
export interface ConfiguredCapacity {
  readonly settings: CapacitySettings;
  /** Of the models that have their own, by id. */
  readonly models: ReadonlyMap<string, number>;
  /** Of the gateways that were given less than they can run, by id. */
  readonly gateways: ReadonlyMap<string, number>;
}

const one = { id: 1 } as const;

/** How much may run and wait at once, and by which algorithm it is decided who comes next. What is live is not here. */
export class CapacityService {
  readonly #database: Database;
  readonly #models: ModelService;
  readonly #gateways: GatewayService;

  constructor(database: Database, models: ModelService, gateways: GatewayService) {
    this.#database = database;
    this.#models = models;
    this.#gateways = gateways;
  }

  /** What is configured for the whole deployment. */
  settings(): Promise<CapacitySettings> {
    return this.#database.prisma.capacitySettings.findUniqueOrThrow({ where: one });
  }

  /** Everything at once. It may be out of date as soon as `capacityChanged` is announced. */
  async configured(): Promise<ConfiguredCapacity> {
    const { prisma } = this.#database;
    const [settings, models, gateways] = await Promise.all([
      this.settings(),
      prisma.modelCapacity.findMany(),
      prisma.gatewayCapacity.findMany(),
    ]);
    return {
      settings,
      models: new Map(models.map(({ modelId, maxInFlight }) => [modelId, maxInFlight])),
      gateways: new Map(gateways.map(({ gatewayId, maxInFlight }) => [gatewayId, maxInFlight])),
    };
  }

  /** The capacity of one model; asked of many in one request, two statements for all of them. */
  ofModel(context: object, modelId: string): Promise<ModelCapacityFigures> {
    return loaderOf<ModelCapacityFigures>(context, 'capacities of models', async (ids) => {
      const [settings, rows] = await Promise.all([
        this.settings(),
        this.#database.prisma.$queryRaw<OwnFigure[]>`
          SELECT model_id AS id, max_in_flight AS "maxInFlight" FROM model_capacity WHERE model_id = ANY(${ids}::uuid[])
        `,
      ]);
      const own = figuresById(rows);
      return ids.map((id) => capacityOfModel(id, own.get(id) ?? null, settings));
    }).load(modelId);
  }

  /** The capacity of one gateway; asked of many in one request, one statement for all of them. */
  async ofGateway(
    context: object,
    { id: gatewayId, maxInFlight }: { readonly id: string; readonly maxInFlight: number | null },
  ): Promise<GatewayCapacityFigures> {
    const configured = await loaderOf<number | null>(context, 'capacities of gateways', async (ids) => {
      // With `in` it would be another statement for each number of ids.
      const rows = await this.#database.prisma.$queryRaw<OwnFigure[]>`
        SELECT gateway_id AS id, max_in_flight AS "maxInFlight" FROM gateway_capacity WHERE gateway_id = ANY(${ids}::uuid[])
      `;
      const given = figuresById(rows);
      return ids.map((id) => given.get(id) ?? null);
    }).load(gatewayId);
    return capacityOfGateway(gatewayId, maxInFlight, configured);
  }

  async set(scope: CommandScope, input: SetCapacity): Promise<Change<CapacityAnswer>> {
    const { deployment, modelDefault, queue = {}, model, gateway, expectedRevision } = input;
    // What it is for is locked before the settings, as when a model is deleted with its capacity.
    const own = {
      ...(model === undefined ? {} : { model: await this.#changeOfModel(scope, model) }),
      ...(gateway === undefined ? {} : { gateway: await this.#changeOfGateway(scope, gateway) }),
    };
    const before = await lockSettings(scope.transaction);
    expectRevision(before, expectedRevision);
    const data = definedOf({
      deploymentMaxInFlight: deployment,
      modelDefaultMaxInFlight: modelDefault,
      poolQueueMax: queue.poolMax,
      tenantQueueMax: queue.tenantMax,
      queueTimeoutSeconds: queue.timeoutSeconds,
    });
    const changes = Object.entries(own).flatMap(([name, change]) =>
      change === undefined ? [] : [[name, change] as const],
    );
    if (!differs(before, data) && changes.length === 0) return unchanged({ capacity: before });
    for (const [, { write }] of changes) await write();
    return this.#write(scope, 'setCapacity', before, data, {
      before: Object.fromEntries(changes.map(([name, change]) => [name, change.before])),
      after: Object.fromEntries(changes.map(([name, change]) => [name, change.after])),
    });
  }

  async setAlgorithm(
    scope: CommandScope,
    { algorithm, expectedRevision }: SetFairshareAlgorithm,
  ): Promise<Change<CapacityAnswer>> {
    const before = await lockSettings(scope.transaction);
    expectRevision(before, expectedRevision);
    if (before.fairshareAlgorithm === algorithm) return unchanged({ capacity: before });
    return this.#write(scope, 'setFairshareAlgorithm', before, { fairshareAlgorithm: algorithm });
  }

  async #write(
    { transaction, now }: CommandScope,
    command: string,
    before: CapacitySettings,
    data: Partial<CapacitySettings>,
    own: { readonly before: JsonObject; readonly after: JsonObject } = { before: {}, after: {} },
  ): Promise<Change<CapacityAnswer>> {
    const capacity = await transaction.prisma.capacitySettings.update({
      where: one,
      data: { ...data, revision: { increment: 1 }, updatedAt: now },
    });
    return {
      payload: { capacity },
      changed: { before: { ...describe(before), ...own.before }, after: { ...describe(capacity), ...own.after } },
      events: [{ topic: capacityChanged, payload: { command, revision: capacity.revision } }],
    };
  }

  async #changeOfModel(
    scope: CommandScope,
    { modelId, maxInFlight }: NonNullable<SetCapacity['model']>,
  ): Promise<OwnChange | undefined> {
    await this.#models.hold(scope, modelId, ['model', 'modelId'], 'NO KEY UPDATE');
    const { modelCapacity } = scope.transaction.prisma;
    const where = { modelId };
    const before = (await modelCapacity.findUnique({ where }))?.maxInFlight ?? null;
    return ownChange({ modelId: encodeId('Model', modelId) }, before, maxInFlight, (value) =>
      value === null
        ? modelCapacity.delete({ where })
        : modelCapacity.upsert({ where, create: { modelId, maxInFlight: value }, update: { maxInFlight: value } }),
    );
  }

  async #changeOfGateway(
    scope: CommandScope,
    { gatewayId, maxInFlight }: NonNullable<SetCapacity['gateway']>,
  ): Promise<OwnChange | undefined> {
    await this.#gateways.hold(scope, gatewayId, ['gateway', 'gatewayId'], 'NO KEY UPDATE');
    const { gatewayCapacity } = scope.transaction.prisma;
    const where = { gatewayId };
    const before = (await gatewayCapacity.findUnique({ where }))?.maxInFlight ?? null;
    return ownChange({ gatewayId: encodeId('Gateway', gatewayId) }, before, maxInFlight, (value) =>
      value === null
        ? gatewayCapacity.delete({ where })
        : gatewayCapacity.upsert({ where, create: { gatewayId, maxInFlight: value }, update: { maxInFlight: value } }),
    );
  }
}

/** @returns nothing when it would change nothing */
function ownChange(
  of: JsonObject,
  before: number | null,
  maxInFlight: number | null | undefined,
  write: (value: number | null) => Promise<unknown>,
): OwnChange | undefined {
  if (maxInFlight === undefined || maxInFlight === before) return undefined;
  return {
    before: { ...of, maxInFlight: before },
    after: { ...of, maxInFlight },
    write: () => write(maxInFlight),
  };
}

const figuresById = (rows: readonly OwnFigure[]): ReadonlyMap<string, number> =>
  new Map(rows.map(({ id, maxInFlight }) => [id, maxInFlight]));

/** The settings, locked until the transaction ends. */
async function lockSettings({ prisma }: Transaction): Promise<CapacitySettings> {
  await prisma.$queryRaw`SELECT id FROM capacity_settings FOR NO KEY UPDATE`;
  return prisma.capacitySettings.findUniqueOrThrow({ where: one });
}

/** The settings in the words of the graph, for the audit log. */
const describe = (row: CapacitySettings): JsonObject => ({
  deployment: settingOf(row, 'deploymentMaxInFlight').value,
  modelDefault: settingOf(row, 'modelDefaultMaxInFlight').value,
  queue: {
    poolMax: settingOf(row, 'poolQueueMax').value,
    tenantMax: settingOf(row, 'tenantQueueMax').value,
    timeoutSeconds: settingOf(row, 'queueTimeoutSeconds').value,
  },
  fairshareAlgorithm: row.fairshareAlgorithm,
  revision: row.revision,
});
