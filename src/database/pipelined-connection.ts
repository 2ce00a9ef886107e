import pg from 'pg';
import { prismaTypes } from './reader.ts';

/** One statement of a transaction; it is kept prepared under its name. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

export type Rows = readonly Record<string, unknown>[];

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
  /** How long one statement may wait for locks or for anything else before Postgres undoes its transaction. */
  readonly statementTimeoutMs: number;
  /** A connection that leaves a transaction unanswered for this long is given up. */
  readonly answeredWithinMs: number;
  /** Told of every connection that broke. */
  readonly onLost: (error: Error) => void;
}

const connectTimeoutMs = 5_000;

/** What Postgres answers to every statement after the one that failed. */
const transactionIsAborted = '25P02';

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
   * Carries the statements out in one transaction, in their order, and gives the rows of each.
   *
   * @param durable false: it may be lost with Postgres's own process, though not with this one; it does not wait for the
   * disk
   * @throws {ConnectionLostError} or the error of the statement that failed, with which all of them are undone
   */
  async transaction(statements: readonly PreparedStatement[], durable: boolean): Promise<readonly Rows[]> {
    const client = await this.#connected();
    const { stream } = client.connection;
    const cut = setTimeout(() => stream.destroy(), this.#options.answeredWithinMs);
    // One packet for all of it, and not one for each statement.
    stream.cork();
    const sent = [
      client.query(durable ? 'BEGIN' : 'BEGIN; SET LOCAL synchronous_commit = off'),
      ...statements.map((statement) => send(client, statement)),
      client.query('COMMIT'),
    ];
    stream.uncork();
    const answers = await Promise.allSettled(sent);
    clearTimeout(cut);
    const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [asError(answer.reason)] : []));
    const [cause] = failures.filter((error) => codeOf(error) !== transactionIsAborted);
    if (cause !== undefined) throw orLost(cause);
    const results = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (results.at(-1)?.command !== 'COMMIT') throw new Error('Postgres undid a transaction without saying why.');
    return results.slice(1, -1).map(({ rows }) => rows);
  }

  /** Carries out one statement that reads. */
  async read(statement: PreparedStatement): Promise<Rows> {
    const client = await this.#connected();
    try {
      return (await send(client, statement)).rows;
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
    const { url, applicationName, statementTimeoutMs, onLost } = this.#options;
    const session = { ...settings, statement_timeout: statementTimeoutMs };
    const client = new pg.Client({
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      pipeline: true,
      options: Object.entries(session)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    });
    client.on('error', onLost);
    client.on('end', forget);
    try {
      await client.connect();
      return client;
    } catch (error) {
      forget();
      throw lost(error);
    }
  }
}

const send = (client: pg.Client, { name, text, values }: PreparedStatement) =>
  client.query<Record<string, unknown>>({ name, text, values: [...values], types: prismaTypes });

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const lost = (cause: unknown): ConnectionLostError =>
  new ConnectionLostError(`The connection to the database was lost: ${asError(cause).message}`, { cause });

/** Errors of the statement stay what they are. Those with which Postgres ends the connection are the connection's. */
const orLost = (error: unknown): unknown => (/^(57P|08)/.test(codeOf(error) ?? '08') ? lost(error) : error);

/** Of an error that Postgres itself answered. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError && error.code !== undefined ? error.code : undefined;
