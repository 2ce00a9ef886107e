import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import type { Clock } from '../../graph/context.ts';
import type { Timers } from '../../live/timers.ts';
import { Alarm } from './alarm.ts';
import type { LocalOwner } from './local-owner.ts';

interface SilenceParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly silenceMs: number;
  readonly owner: () => LocalOwner | undefined;
  readonly log: Logger;
}

/** Ends the leases of gateways that nothing was heard of for too long, by any process. */
export class Silence {
  readonly #parts: SilenceParts;
  readonly #alarm: Alarm;

  constructor(parts: SilenceParts) {
    this.#parts = parts;
    this.#alarm = new Alarm({
      ...parts,
      ring: () => {
        this.#look().catch((error: unknown) =>
          parts.log.error({ err: error }, 'silent gateways could not be looked for'),
        );
      },
    });
  }

  /** To be called when a gateway holds leases. */
  watch(): void {
    const { owner, silenceMs } = this.#parts;
    let next: number | undefined;
    for (const [, at] of owner()?.holding.heardOf() ?? []) {
      const endsAt = at + silenceMs + 1;
      if (next === undefined || endsAt < next) next = endsAt;
    }
    this.#alarm.set(next);
  }

  close(): void {
    this.#alarm.close();
  }

  async #look(): Promise<void> {
    const { clock, database, owner, silenceMs } = this.#parts;
    const heardSince = clock.now().getTime() - silenceMs;
    const silent = [...(owner()?.holding.heardOf() ?? [])].flatMap(([id, at]) => (at < heardSince ? [id] : []));
    if (silent.length > 0) {
      // Another process may have heard of them.
      const rows = await database.prisma.gateway.findMany({
        where: { id: { in: silent } },
        select: { id: true, lastHeartbeatAt: true },
      });
      const heardAt = new Map(rows.map(({ id, lastHeartbeatAt }) => [id, lastHeartbeatAt.getTime()]));
      for (const id of silent) {
        const at = heardAt.get(id) ?? 0;
        if (at < heardSince) owner()?.holding.expireLeasesOf(id);
        else await owner()?.heard({ gatewayId: id, leaseIds: [], at });
      }
    }
    this.watch();
  }
}
