import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import type { Clock } from '../../graph/context.ts';
import type { EventBus } from '../../live/event-bus.ts';
import type { Timers } from '../../live/timers.ts';
import type { CapacityService } from '../capacity/service.ts';
import type { Pace } from '../gateways/heartbeats.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import type { Activity } from './activity.ts';
import { Catalog } from './catalog.ts';
import type { Counters } from './counters.ts';
import type { LocalOwner } from './local-owner.ts';
import { Silence } from './silence.ts';
import type { AdmissionStore, Epoch } from './store.ts';
import { takeOver } from './takeover.ts';

/** Ten times this for all that was counted, and ten more for what was counted just after such a round began. */
const keepEveryMs = 50;
const sweepEveryMs = 250;

export interface TermParts {
  readonly instanceId: string;
  readonly database: Database;
  readonly events: EventBus;
  readonly capacity: CapacityService;
  readonly directory: KeyDirectory;
  readonly pace: Pace;
  readonly openStore: (epoch: Epoch) => AdmissionStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly activity: Activity;
}

/** The time in which this process decides. It has a writer of its own, so that nothing of it is written in a later one. */
export class Term {
  readonly epoch: number;
  readonly #parts: TermParts;
  readonly #store: AdmissionStore;
  readonly #silence: Silence;
  readonly #catalog: Catalog;
  #owner: LocalOwner | undefined;
  #isOver = false;
  #isDraining = false;
  /** Running for as long as there is something to do: a server that nobody asks is to sleep. */
  #keeping: NodeJS.Timeout | undefined;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(parts: TermParts, epoch: Epoch) {
    this.#parts = parts;
    this.epoch = epoch.epoch;
    this.#store = parts.openStore(epoch);
    this.#silence = new Silence({ ...parts, owner: () => this.#owner, silenceMs: parts.pace.silenceSeconds * 1_000 });
    this.#catalog = new Catalog({ ...parts, onChanged: (state) => this.#owner?.review.configure(state) });
  }

  /** What decides; nothing before it knows what was kept, and after its end. */
  get owner(): LocalOwner | undefined {
    return this.#owner;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Takes over what was kept. */
  async begin(): Promise<void> {
    const catalog = this.#catalog;
    // What was told to the one before only, and not announced here yet.
    await this.#parts.events.caughtUp();
    await catalog.start();
    const owner = await takeOver({
      ...this.#parts,
      store: this.#store,
      catalog: () => catalog.state,
      catalogUnderWay: () => catalog.underWay,
      onGatewayHolds: () => this.#silence.watch(),
    });
    if (this.#isOver) {
      owner.slots.close();
      return;
    }
    this.#owner = owner;
    owner.ledger.whenChanged(() => this.#keepOn());
    this.#keepOn();
    this.#silence.watch();
    if (this.#isDraining) owner.stop();
    this.#parts.activity.changed();
  }

  /** Answers what waits, and takes nothing more; what runs can still be settled. */
  drain(): void {
    this.#isDraining = true;
    this.#owner?.stop();
  }

  /** Writes what was counted, and what could not be written before. */
  async flush(): Promise<void> {
    this.#owner?.records.retry();
    await this.#owner?.counters.flush();
  }

  /** Forgets counters of owners that were deleted. */
  async forgetGone(): Promise<void> {
    try {
      await this.#owner?.counters.forgetGone();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'counters of owners that were deleted could not be removed');
    }
  }

  /** Decides nothing any more. What waits is to be asked for again, of whoever decides now. */
  async end(): Promise<void> {
    this.#isOver = true;
    const owner = this.#owner;
    this.#owner = undefined;
    clearInterval(this.#keeping);
    clearInterval(this.#sweeping);
    owner?.records.close();
    this.#silence.close();
    owner?.stop();
    owner?.slots.close();
    this.#catalog.close();
    this.#parts.activity.changed();
    await this.#store.close();
  }

  /** Writes what is counted part by part, until all is written, and forgets counters that count for nothing any more. */
  #keepOn(): void {
    if (this.#isOver) return;
    this.#keeping ??= setInterval(() => {
      const counters = this.#owner?.counters;
      if (counters !== undefined && !counters.isWritten) return void counters.writePart();
      clearInterval(this.#keeping);
      this.#keeping = undefined;
    }, keepEveryMs).unref();
    this.#sweeping ??= setInterval(() => {
      const counters = this.#owner?.counters;
      if (counters !== undefined && !counters.isEmpty) return this.#sweep(counters);
      clearInterval(this.#sweeping);
      this.#sweeping = undefined;
    }, sweepEveryMs).unref();
  }

  #sweep(counters: Counters): void {
    counters.sweep(this.#parts.clock.now().getTime()).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'counters that count for nothing any more could not be removed');
    });
  }
}
