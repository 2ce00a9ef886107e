import type { Logger } from 'pino';
import type { Lease } from '../../database/generated/client.ts';
import { GroupCommit, WritingEndedError } from '../../database/group-commit.ts';
import { codeOf, PipelinedConnection } from '../../database/pipelined-connection.ts';
import type { UsageRecordRow } from '../usage/entity.ts';
import { Batch, batchStatements, type Operation, type Settled } from './batch.ts';
import type { CounterRow, LateFigures, Renewal } from './rows.ts';

interface AdmissionWriterOptions {
  readonly url: string;
  /** For which epoch it writes: nothing any more once a later one has begun. */
  readonly epoch: number;
  /** Told when something was refused since a later epoch has begun. */
  readonly onOutdated?: () => void;
  readonly log: Logger;
  /** How long a caller waits at most before it is told to try again. Default: 2 seconds. */
  readonly deadlineMs?: number;
  /** How much may wait to be written; what comes on top is refused at once. Default: 20,000. */
  readonly waitingMax?: number;
}

const deadlineMsDefault = 2_000;
const waitingMaxDefault = 20_000;
const batchMax = 1_000;
const intervalMs = 2;

/** Fails, and with it all that is in its transaction, when another epoch has begun. */
const expectEpoch = { name: 'expect_epoch', text: 'SELECT expect_admission_epoch($1)', failure: 'FL001' } as const;

/**
 * Writes what admission has to keep: leases, usage, counters. Everything that is asked for at the same time is one
 * transaction of a few statements, over a connection of its own. It waits for the disk when a settlement is among it.
 * Without one it does not: leases and counters of the last moment are lost when Postgres's own machine dies, but not when
 * this program does.
 *
 * What was acknowledged is stored, and whoever begins a later epoch finds it. Of what failed with a `NotWrittenError`, a lease is taken back, and a settlement may
 * be stored: whoever repeats it is given what is.
 */
export class AdmissionWriter {
  readonly #connection: PipelinedConnection;
  readonly #commits: GroupCommit<Operation, Settled | undefined>;

  constructor(options: AdmissionWriterOptions) {
    const { url, epoch, onOutdated, log, deadlineMs = deadlineMsDefault, waitingMax = waitingMaxDefault } = options;
    const connection = new PipelinedConnection({
      url,
      applicationName: 'fairlead admission',
      statements: { ...batchStatements, [expectEpoch.name]: expectEpoch.text },
      // Ends before callers give up, so that what waits for a lock is not written behind their backs.
      statementTimeoutMs: Math.ceil(0.75 * deadlineMs),
      answeredWithinMs: 2 * deadlineMs,
      onLost: (error) => log.warn({ err: error }, 'the connection of admission broke; it is made again'),
    });
    this.#connection = connection;
    const expected = { name: expectEpoch.name, values: [String(epoch)] };
    this.#commits = new GroupCommit({
      write: async (operations) => {
        const batch = new Batch(operations);
        try {
          const [, ...results] = await connection.transaction([expected, ...batch.calls], batch.isDurable);
          return await batch.answers(results, (text, values) => connection.read(text, values));
        } catch (error) {
          if (codeOf(error) !== expectEpoch.failure) throw error;
          onOutdated?.();
          throw new WritingEndedError('Another server decides by now.');
        }
      },
      // Nobody would ever end a lease that nobody was told of.
      undo: (operation) => (operation.kind === 'grant' ? { kind: 'release', leaseId: operation.lease.id } : undefined),
      deadlineMs,
      waitingMax,
      batchMax,
      intervalMs,
      onRepeat: (error) => log.warn({ err: error }, 'what admission keeps could not be written; it is tried again'),
    });
  }

  /** How much waits to be written, or is being written. */
  get size(): number {
    return this.#commits.size;
  }

  /** Keeps a lease. One whose caller is told that it failed is taken back. */
  async grant(lease: Lease): Promise<void> {
    await this.#commits.submit({ kind: 'grant', lease });
  }

  /** Moves the end of a lease. */
  async renew(renewal: Renewal): Promise<void> {
    await this.#commits.submit({ kind: 'renew', renewal });
  }

  /** Ends a lease that used nothing. */
  async release(leaseId: string): Promise<void> {
    await this.#commits.submit({ kind: 'release', leaseId });
  }

  /** Ends a lease and records its usage, once: whoever asks, and how often, is given the same record. */
  async settle(record: UsageRecordRow): Promise<Settled> {
    const settled = await this.#commits.submit({ kind: 'settle', record });
    if (settled === undefined) throw new Error(`The usage record ${record.id} was neither made nor found.`);
    return settled;
  }

  /**
   * Gives a record that is UNSETTLED its figures, once: whoever asks after that is given the same record. Nothing when
   * there is none of that id, or it is another credential's.
   */
  async correct(figures: LateFigures): Promise<Settled | undefined> {
    const settled = await this.#commits.submit({ kind: 'correct', figures });
    return settled?.record.credentialId === figures.credentialId ? settled : undefined;
  }

  /** Keeps the states of counters. */
  async count(counters: readonly CounterRow[]): Promise<void> {
    await Promise.all(counters.map((counter) => this.#commits.submit({ kind: 'count', counter })));
  }

  /** Takes nothing more, and ends when all that was taken is written or given up. */
  async close(): Promise<void> {
    await this.#commits.close();
    await this.#connection.close();
  }
}
