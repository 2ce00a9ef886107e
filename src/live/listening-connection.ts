import pg from 'pg';
import type { Logger } from 'pino';

/** How a connection that is silent is told from one that is dead. */
export interface Heartbeat {
  readonly everyMs: number;
  /** A connection that leaves one unanswered for this long is given up. */
  readonly answeredWithinMs: number;
}

export const defaultHeartbeat: Heartbeat = { everyMs: 1_000, answeredWithinMs: 2_000 };

const connectTimeoutMs = 10_000;

interface ListeningConnectionOptions {
  readonly url: string;
  readonly channel: string;
  readonly heartbeat: Heartbeat;
  readonly log: Logger;
  readonly onNotification: (payload: string) => void;
  /** Called once, however the connection came to its end. */
  readonly onEnd: () => void;
}

/** One connection that listens to a channel until it breaks or is closed. It is not made again. */
export class ListeningConnection {
  readonly #client: pg.Client;
  readonly #options: ListeningConnectionOptions;
  readonly #end = Promise.withResolvers<never>();
  #hasEnded = false;
  /** When the last heartbeat was sent that was answered, by a clock that is never set. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #nextBeat: NodeJS.Timeout | undefined;

  constructor(options: ListeningConnectionOptions) {
    this.#options = options;
    this.#end.promise.catch(() => undefined);
    this.#client = new pg.Client({
      connectionString: options.url,
      application_name: 'fairlead events',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    });
    this.#client.on('error', (error) => options.log.warn({ err: error }, 'the connection for events broke'));
    this.#client.on('notification', ({ payload = '' }) => options.onNotification(payload));
    this.#client.on('end', () => {
      this.#hasEnded = true;
      clearTimeout(this.#nextBeat);
      this.#end.reject(new Error('The connection for events ended.'));
      options.onEnd();
    });
  }

  /** Rejects when the connection ends. */
  get end(): Promise<never> {
    return this.#end.promise;
  }

  /** Whether the server answered lately, so that whatever it announced until shortly before now has come. */
  get isAlive(): boolean {
    return !this.#hasEnded && performance.now() - this.#answeredAt <= this.#options.heartbeat.answeredWithinMs;
  }

  async open(): Promise<void> {
    await this.#client.connect();
    await this.#ask(`LISTEN ${this.#options.channel}`);
    this.#beatLater();
  }

  /** Asks the server for a sign of life. @throws when the connection is given up instead */
  beat(): Promise<void> {
    return this.#ask('SELECT 1');
  }

  /** Ends the connection: in good order when the server can still be asked to, at once otherwise. */
  async close(): Promise<void> {
    clearTimeout(this.#nextBeat);
    if (!this.isAlive) this.#cut();
    const cutLater = setTimeout(() => this.#cut(), this.#options.heartbeat.answeredWithinMs);
    await this.#client.end();
    clearTimeout(cutLater);
  }

  #cut(): void {
    this.#client.connection.stream.destroy();
  }

  #beatLater(): void {
    this.#nextBeat = setTimeout(async () => {
      try {
        await this.beat();
        this.#beatLater();
      } catch {
        // The end of the connection says it.
      }
    }, this.#options.heartbeat.everyMs);
  }

  async #ask(statement: string): Promise<void> {
    const sentAt = performance.now();
    let isAnswered = false;
    const { answeredWithinMs } = this.#options.heartbeat;
    const giveUp = (): void => {
      if (isAnswered || this.#hasEnded) return;
      this.#options.log.warn('the connection for events does not answer and is given up');
      this.#cut();
    };
    let deadline = setTimeout(() => {
      const lateMs = performance.now() - sentAt - answeredWithinMs;
      // A deadline that comes late says that this process was busy: what has come meanwhile is read first, and what was
      // kept waiting with it gets its time again. Until then the connection does not count as alive.
      if (lateMs < answeredWithinMs / 10) setImmediate(giveUp);
      else deadline = setTimeout(giveUp, answeredWithinMs);
    }, answeredWithinMs);
    try {
      await this.#client.query(statement);
      this.#answeredAt = sentAt;
    } finally {
      isAnswered = true;
      clearTimeout(deadline);
    }
  }
}
