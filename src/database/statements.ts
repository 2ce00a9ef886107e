import { hash } from 'node:crypto';
import type { Pool } from 'pg';

/** Called with the text of every statement, when it is sent. */
export type StatementListener = (text: string) => void;

/** Lets tests and traces see what the program asks of Postgres, whoever asks: Prisma or our own statements. */
export class StatementLog {
  readonly #listeners = new Set<StatementListener>();

  /** Starts listening; the returned function ends it. */
  listen(listener: StatementListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The statements sent while `work` runs, with transaction control left in. */
  async during<Result>(work: () => Promise<Result>): Promise<{ result: Result; statements: string[] }> {
    const statements: string[] = [];
    const stop = this.listen((text) => statements.push(text));
    try {
      return { result: await work(), statements };
    } finally {
      stop();
    }
  }

  /** Observes every connection that the pool opens from now on. */
  attach(pool: Pool): void {
    pool.on('connect', (client) => {
      // `query` has a dozen overloads and no event of its own; the arguments pass through untouched.
      const send: (...parameters: unknown[]) => unknown = client.query.bind(client);
      Object.defineProperty(client, 'query', {
        value: (...parameters: unknown[]) => {
          if (this.#listeners.size > 0) this.#announce(parameters[0]);
          return send(...parameters);
        },
      });
    });
  }

  #announce(query: unknown): void {
    const text =
      typeof query === 'string'
        ? query
        : typeof query === 'object' && query !== null && 'text' in query
          ? String(query.text)
          : '';
    for (const listener of this.#listeners) listener(text);
  }
}

/** Distinct statements that are kept prepared on each connection; further ones are planned each time they are sent. */
const preparedMax = 500;

/** Gives each statement the name under which Postgres keeps it prepared: parsed once a connection, not once a call. */
export class StatementNames {
  readonly #names = new Map<string, string>();

  of(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= preparedMax) return known;
    const name = hash('sha1', text, 'hex');
    this.#names.set(text, name);
    return name;
  }
}
