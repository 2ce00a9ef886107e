import type { Logger } from 'pino';
import { z } from 'zod';
import type { Database } from '../../../database/database.ts';
import type { EventBus } from '../../../live/event-bus.ts';
import { ownerChanged } from '../ownership.ts';
import type { OwnerAddress } from './owner-connection.ts';

interface Parts {
  readonly database: Database;
  readonly events: EventBus;
  readonly log: Logger;
  /** Told of each that is newer than the one before, and when the same one is reached elsewhere. */
  readonly onOwner: (owner: OwnerAddress) => void;
}

const announced = z.object({ epoch: z.number(), instanceId: z.uuid(), address: z.string().nullable() });

/** Knows which process decides. */
export class OwnerWatch {
  readonly #parts: Parts;
  readonly #stopListening: readonly (() => void)[];
  #newest = 0;
  #reading: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { events } = parts;
    this.#stopListening = [
      events.onAtOnce(ownerChanged, ({ payload }) => {
        const owner = announced.safeParse(payload);
        if (owner.success) this.#learn(owner.data);
      }),
      events.onRestored(() => void this.read()),
    ];
  }

  /** Reads which one it is; what cannot be read is announced, or read again later. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  async #read(): Promise<void> {
    try {
      const row = await this.#parts.database.prisma.admissionOwner.findUnique({ where: { id: 1 } });
      if (row === null || row.instanceId === null) return;
      this.#learn({ epoch: Number(row.epoch), instanceId: row.instanceId, address: row.address });
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'which server decides about admission could not be read');
    }
  }

  #learn(owner: OwnerAddress): void {
    if (owner.epoch < this.#newest) return;
    this.#newest = owner.epoch;
    this.#parts.onOwner(owner);
  }
}
