import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import type { FairshareAlgorithm } from '../../database/generated/enums.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { EventBus } from '../../live/event-bus.ts';
import { type CapacityService, capacityChanged } from '../capacity/service.ts';
import { capacityOfGateway, capacityOfModel, settingOf } from '../capacity/values.ts';
import { noPrices, type PicoPrices, picoPrices } from './costs.ts';

export interface CatalogModel {
  readonly id: string;
  readonly name: string;
  readonly isEnabled: boolean;
  readonly weightPercent: number;
  readonly prices: PicoPrices;
  readonly maxInFlight: number;
}

interface CatalogGroup {
  readonly id: string;
  readonly name: string;
  readonly weight: number;
}

export interface CatalogGateway {
  readonly id: string;
  readonly tenantId: string | null;
  readonly registeredById: string;
  readonly isGone: boolean;
  readonly maxInFlight: number | null;
  readonly lastHeartbeatAt: number;
}

interface Settings {
  readonly algorithm: FairshareAlgorithm;
  readonly ceiling: number;
  readonly modelDefault: number;
  readonly poolQueueMax: number;
  readonly tenantQueueMax: number;
  readonly queueTimeoutMs: number;
}

/** Everything configured for the deployment that decisions need, at one moment. */
export interface CatalogState {
  readonly settings: Settings;
  readonly models: ReadonlyMap<string, CatalogModel>;
  /** Of models that are gone, for requests that still run. */
  readonly formerPrices: Pick<ReadonlyMap<string, PicoPrices>, 'get'>;
  readonly modelsByName: ReadonlyMap<string, CatalogModel>;
  readonly groups: ReadonlyMap<string, CatalogGroup>;
  readonly gateways: ReadonlyMap<string, CatalogGateway>;
}

interface Parts {
  readonly database: Database;
  readonly events: EventBus;
  readonly capacity: CapacityService;
  readonly log: Logger;
  readonly onChanged: (state: CatalogState) => void;
}

const topics = ['Model.changed', 'FairshareGroup.changed', 'Gateway.changed', capacityChanged] as const;
const retryAfterMs = 1_000;
const formerPricesMax = 1_000;

/**
 * Models, capacity, groups and gateways in memory, read again whenever one of them changes. There are hundreds of them
 * where there are thousands of tenants, and they change when people change them.
 */
export class Catalog {
  readonly #parts: Parts;
  readonly #stopListening: readonly (() => void)[];
  #state: CatalogState | undefined;
  #isStale = false;
  #reading: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;
  readonly #formerPrices = new LRUCache<string, PicoPrices>({ max: formerPricesMax });

  constructor(parts: Parts) {
    this.#parts = parts;
    const { events } = parts;
    this.#stopListening = [
      ...topics.map((topic) => events.onAtOnce(topic, () => this.#readAgain())),
      events.onRestored(() => this.#readAgain()),
    ];
  }

  /** @throws when the database cannot be read this first time */
  async start(): Promise<CatalogState> {
    this.#state = await this.#read();
    if (this.#isStale) await this.refreshed();
    return this.state;
  }

  get state(): CatalogState {
    if (this.#state === undefined) throw new Error('The catalog was not read yet.');
    return this.#state;
  }

  /** Fulfilled when what this process heard of is known; nothing when it is. */
  get underWay(): Promise<void> | undefined {
    return this.#reading;
  }

  /** Fulfilled when what was changed before is known. */
  async refreshed(): Promise<void> {
    this.#readAgain();
    await this.#reading;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const stop of this.#stopListening) stop();
  }

  #readAgain(): void {
    this.#isStale = true;
    if (this.#state !== undefined && !this.#isClosed) this.#reading ??= this.#readUntilCurrent();
  }

  async #readUntilCurrent(): Promise<void> {
    const { log, onChanged } = this.#parts;
    try {
      while (this.#isStale && !this.#isClosed) {
        this.#isStale = false;
        const state = await this.#read();
        if (this.#isClosed) return;
        for (const { id, prices } of this.#state?.models.values() ?? []) {
          if (!state.models.has(id)) this.#formerPrices.set(id, prices);
        }
        this.#state = state;
        onChanged(state);
      }
    } catch (error) {
      this.#isStale = true;
      log.error({ err: error }, 'models and capacity could not be read again; it is tried again');
      this.#retry = setTimeout(() => this.#readAgain(), retryAfterMs).unref();
    } finally {
      this.#reading = undefined;
    }
  }

  async #read(): Promise<CatalogState> {
    const { database, capacity } = this.#parts;
    const { prisma } = database;
    const [configured, models, groups, gateways] = await Promise.all([
      capacity.configured(),
      prisma.model.findMany(),
      prisma.fairshareGroup.findMany({ select: { id: true, name: true, weight: true } }),
      prisma.gateway.findMany(),
    ]);
    const { settings } = configured;
    const catalogModels = models.map((model): readonly [string, CatalogModel] => [
      model.nameFolded,
      {
        id: model.id,
        name: model.name,
        isEnabled: model.isEnabled,
        weightPercent: model.admissionWeightPercent,
        prices: picoPrices(model),
        maxInFlight: capacityOfModel(model.id, configured.models.get(model.id) ?? null, settings).maxInFlight,
      },
    ]);
    return {
      settings: {
        algorithm: settings.fairshareAlgorithm,
        ceiling: settingOf(settings, 'deploymentMaxInFlight').value,
        modelDefault: settingOf(settings, 'modelDefaultMaxInFlight').value,
        poolQueueMax: settingOf(settings, 'poolQueueMax').value,
        tenantQueueMax: settingOf(settings, 'tenantQueueMax').value,
        queueTimeoutMs: settingOf(settings, 'queueTimeoutSeconds').value * 1_000,
      },
      models: new Map(catalogModels.map(([, model]) => [model.id, model])),
      formerPrices: this.#formerPrices,
      modelsByName: new Map(catalogModels),
      groups: new Map(groups.map((group) => [group.id, group])),
      gateways: new Map(
        gateways.map((gateway) => [
          gateway.id,
          {
            id: gateway.id,
            tenantId: gateway.tenantId,
            registeredById: gateway.registeredById,
            isGone: gateway.leftAt !== null,
            maxInFlight: capacityOfGateway(gateway.id, gateway.maxInFlight, configured.gateways.get(gateway.id) ?? null)
              .maxInFlight,
            lastHeartbeatAt: gateway.lastHeartbeatAt.getTime(),
          },
        ]),
      ),
    };
  }
}

/** What a model costs now, or cost when it was deleted; null: one that the registry never had. */
export const pricesOf = ({ models, formerPrices }: CatalogState, modelId: string | null): PicoPrices =>
  (modelId === null ? undefined : (models.get(modelId)?.prices ?? formerPrices.get(modelId))) ?? noPrices;

/** The model that a caller means; nothing when the registry has none of that name. */
export const modelNamed = ({ modelsByName }: CatalogState, name: string): CatalogModel | undefined =>
  modelsByName.get(foldName(name.trim()));
