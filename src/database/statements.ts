import { hash } from 'node:crypto';
import type { Pool } from 'pg';
import { isInBackground } from './background.ts';
import { Prisma } from './generated/client.ts';

/** A statement as it is sent. */
export interface SentStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Under which it is kept prepared, if it is. */
  readonly name: string | undefined;
}

/** Called with every statement when it is sent. */
export type StatementListener = (text: string, sent: SentStatement) => void;

/**
 * Lets tests and traces see what the program asks of Postgres on somebody's behalf, whoever asks: Prisma or our own
 * statements. What it does in the background goes on meanwhile, and is left out.
 */
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
          if (this.#listeners.size > 0 && !isInBackground()) this.#announce(parameters[0], parameters[1]);
          return send(...parameters);
        },
      });
    });
  }

  /** Statements come as a text, with their values behind it, or as an object with both. */
  #announce(query: unknown, given: unknown): void {
    const config: { text?: unknown; values?: unknown; name?: unknown } =
      typeof query === 'object' && query !== null ? query : { text: query };
    const values = config.values ?? given;
    const text = String(config.text ?? '');
    const sent: SentStatement = {
      text,
      values: Array.isArray(values) ? values : [],
      name: typeof config.name === 'string' && config.name !== '' ? config.name : undefined,
    };
    for (const listener of this.#listeners) listener(text, sent);
  }
}

/**
 * A statement that is sent so often that making its text each time would show: a template, and the values put in their
 * places.
 */
export function fixedStatement(template: Prisma.Sql): (values: readonly unknown[]) => Prisma.Sql {
  const { text, strings } = template;
  class FixedStatement extends Prisma.Sql {
    override get text(): string {
      return text;
    }
  }
  return (values) => new FixedStatement(strings, values);
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
