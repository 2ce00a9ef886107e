import pg from 'pg';
import { prismaTypes } from './reader.ts';

/** A prepared statement, and the values that it is carried out with, as Postgres writes them. */
export interface Call {
  readonly name: string;
  readonly values: readonly string[];
}

/** What a statement gave: of each row the values, as Postgres writes them. */
export type Rows = readonly (readonly (string | null)[])[];

/**
 * The connection was lost, or could not be made. Whether a transaction that was under way was committed is not known:
 * whoever repeats it has to see to it that this does no harm.
 */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
}

interface PipelinedConnectionOptions {
  readonly url: string;
  /** As Postgres lists it. */
  readonly applicationName: string;
  /** What transactions are made of, by name; each connection prepares all of them when it is made. */
  readonly statements: Readonly<Record<string, string>>;
  /**
   * Whether a transaction that was answered is on the disk. False: it may be lost with Postgres's own process, though not
   * with this one, and does not wait for the disk.
   */
  readonly isDurable: boolean;
  /** How long one statement may wait for locks or for anything else before Postgres undoes its transaction. */
  readonly statementTimeoutMs: number;
  /** A connection that leaves a transaction unanswered for this long is given up. */
  readonly answeredWithinMs: number;
  /** Told of every connection that broke. */
  readonly onLost: (error: Error) => void;
}

const connectTimeoutMs = 5_000;

/** Settings of the session, for statements that look rows up by their key and nothing else. */
const settings = {
  TimeZone: 'UTC',
  // Prepared once for all values, so that no time goes into plans. A table that was empty or small when a plan was made
  // would be read as a whole ever after, dead rows included.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
};

/**
 * A connection for one purpose, which sends all statements of a transaction at once and does not wait between them. It is
 * made when it is needed, and made again after it was lost.
 */
export class PipelinedConnection {
  readonly #options: PipelinedConnectionOptions;
  #client: Promise<pg.Client> | undefined;

  constructor(options: PipelinedConnectionOptions) {
    this.#options = options;
  }

  /**
   * Carries statements out in one transaction, in their order, and gives the rows of each.
   *
   * @throws {ConnectionLostError} or the error of the statement that failed, with which all of them are undone
   */
  async transaction(calls: readonly Call[]): Promise<readonly Rows[]> {
    const client = await this.#connected();
    const cut = setTimeout(() => client.connection.stream.destroy(), this.#options.answeredWithinMs);
    try {
      return await client.query(new PipelinedTransaction(calls)).rows;
    } catch (error) {
      throw orLost(error);
    } finally {
      clearTimeout(cut);
    }
  }

  /** Carries out one statement that reads, which is none of those of transactions; values have the types of Prisma's. */
  async read(text: string, values: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const client = await this.#connected();
    try {
      const { rows } = await client.query<Record<string, unknown>>({ text, values: [...values], types: prismaTypes });
      return rows;
    } catch (error) {
      throw orLost(error);
    }
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    const cut = setTimeout(() => client?.connection.stream.destroy(), this.#options.answeredWithinMs);
    await client?.end();
    clearTimeout(cut);
  }

  #connected(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    const made = this.#connect(() => {
      if (this.#client === made) this.#client = undefined;
    });
    this.#client = made;
    return made;
  }

  async #connect(forget: () => void): Promise<pg.Client> {
    const { url, applicationName, statements, isDurable, statementTimeoutMs, onLost } = this.#options;
    const session = {
      ...settings,
      ...(isDurable ? {} : { synchronous_commit: 'off' }),
      statement_timeout: statementTimeoutMs,
    };
    const client = new pg.Client({
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      options: Object.entries(session)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    });
    client.on('error', onLost);
    client.on('end', forget);
    try {
      await client.connect();
      const prepared = Object.entries(statements);
      await client.query(prepared.map(([name, text]) => `PREPARE "${name}" AS ${text}`).join(';'));
      return client;
    } catch (error) {
      forget();
      throw lost(error);
    }
  }
}

/**
 * Statements with one Sync behind all of them, which Postgres takes for one transaction: it commits when it comes to the
 * Sync, and after an error leaves out all that is before it. The driver has no call for this; it lets objects such as
 * this one send what they like, and hands them the answers.
 */
class PipelinedTransaction implements pg.Submittable {
  readonly #calls: readonly Call[];
  readonly #answers: (string | null)[][][] = [[]];
  readonly #done = Promise.withResolvers<readonly Rows[]>();

  constructor(calls: readonly Call[]) {
    this.#calls = calls;
  }

  /** The rows of each call, once all of it is committed. */
  get rows(): Promise<readonly Rows[]> {
    return this.#done.promise;
  }

  submit(connection: pg.Connection): void {
    connection.stream.cork();
    for (const { name, values } of this.#calls) {
      connection.bind({ statement: name, values: [...values] }, true);
      connection.execute({}, true);
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleDataRow({ fields }: { readonly fields: (string | null)[] }): void {
    this.#answers.at(-1)?.push(fields);
  }

  handleCommandComplete(): void {
    this.#answers.push([]);
  }

  handleReadyForQuery(): void {
    this.#done.resolve(this.#answers);
  }

  handleError(error: unknown): void {
    this.#done.reject(error);
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const lost = (cause: unknown): ConnectionLostError =>
  new ConnectionLostError(`The connection to the database was lost: ${asError(cause).message}`, { cause });

/** Errors of the statement stay what they are. Those with which Postgres ends the connection are the connection's. */
const orLost = (error: unknown): unknown => (/^(57P|08)/.test(codeOf(error) ?? '08') ? lost(error) : error);

/** Of an error that Postgres itself answered. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError && error.code !== undefined ? error.code : undefined;
