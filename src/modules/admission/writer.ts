import type { Logger } from 'pino';
import type { Lease } from '../../database/generated/client.ts';
import { GroupCommit, WritingEndedError } from '../../database/group-commit.ts';
import { codeOf, PipelinedConnection } from '../../database/pipelined-connection.ts';
import type { UsageRecordRow } from '../usage/entity.ts';
import { Batch, batchStatements, type Operation, type Settled } from './batch.ts';
import { PassingMap } from './passing-map.ts';
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

/** What is written together, over a connection of its own. */
interface Lane {
  /** Whether whoever asks waits for the disk. */
  readonly isDurable: boolean;
  readonly intervalMs: number;
}

const lanes = {
  leases: { isDurable: false, intervalMs: 2 },
  // Nobody waits for it but a gateway that is done: fewer and larger batches, each of which waits for the disk.
  endings: { isDurable: true, intervalMs: 4 },
  counters: { isDurable: false, intervalMs: 2 },
} as const satisfies Readonly<Record<string, Lane>>;

type Commits = GroupCommit<Operation, Settled | undefined>;

/** Fails, and with it all that is in its transaction, when another epoch has begun. */
const expectEpoch = { name: 'expect_epoch', text: 'SELECT expect_admission_epoch($1)', failure: 'FL001' } as const;

/**
 * Writes what admission has to keep. Everything of a kind that is asked for at the same time is one transaction of a few
 * statements. Settlements wait for the disk; leases and counters do not, and those of the last moment are lost when
 * Postgres's own machine dies, but not when this program does. Each kind has a connection, so that a request that is
 * admitted waits neither for the disk nor for counters.
 *
 * What was acknowledged is stored, and whoever begins a later epoch finds it. Of what failed with a `NotWrittenError`, a
 * lease is taken back, and a settlement may be stored: whoever repeats it is given what is.
 */
export class AdmissionWriter {
  readonly #options: AdmissionWriterOptions;
  readonly #connections: PipelinedConnection[] = [];
  readonly #leases: Commits;
  readonly #endings: Commits;
  readonly #counters: Commits;
  /** The last of what is being written of a lease: what is asked for next is written after it. */
  readonly #underWay = new PassingMap<Promise<unknown>>();

  constructor(options: AdmissionWriterOptions) {
    this.#options = options;
    this.#leases = this.#open(lanes.leases);
    this.#endings = this.#open(lanes.endings);
    this.#counters = this.#open(lanes.counters);
  }

  #open({ isDurable, intervalMs }: Lane): Commits {
    const { url, epoch, onOutdated, log } = this.#options;
    const { deadlineMs = deadlineMsDefault, waitingMax = waitingMaxDefault } = this.#options;
    const connection = new PipelinedConnection({
      url,
      applicationName: 'fairlead admission',
      statements: { ...batchStatements, [expectEpoch.name]: expectEpoch.text },
      isDurable,
      // Ends before callers give up, so that what waits for a lock is not written behind their backs.
      statementTimeoutMs: Math.ceil(0.75 * deadlineMs),
      answeredWithinMs: 2 * deadlineMs,
      onLost: (error) => log.warn({ err: error }, 'the connection of admission broke; it is made again'),
    });
    this.#connections.push(connection);
    const expected = { name: expectEpoch.name, values: [String(epoch)] };
    return new GroupCommit({
      write: async (operations) => {
        const batch = new Batch(operations);
        try {
          const [, ...results] = await connection.transaction([expected, ...batch.calls]);
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
    return this.#leases.size + this.#endings.size + this.#counters.size;
  }

  /** Keeps a lease. One whose caller is told that it failed is taken back. */
  async grant(lease: Lease): Promise<void> {
    await this.#write(lease.id, this.#leases, { kind: 'grant', lease });
  }

  /** Moves the end of a lease. */
  async renew(renewal: Renewal): Promise<void> {
    await this.#write(renewal.id, this.#leases, { kind: 'renew', renewal });
  }

  /** Ends a lease that used nothing. */
  async release(leaseId: string): Promise<void> {
    await this.#write(leaseId, this.#leases, { kind: 'release', leaseId });
  }

  /** Ends a lease and records its usage, once: whoever asks, and how often, is given the same record. */
  async settle(record: UsageRecordRow): Promise<Settled> {
    const settled = await this.#write(record.id, this.#endings, { kind: 'settle', record });
    if (settled === undefined) throw new Error(`The usage record ${record.id} was neither made nor found.`);
    return settled;
  }

  /**
   * Gives a record that is UNSETTLED its figures, once: whoever asks after that is given the same record. Nothing when
   * there is none of that id, or it is another credential's.
   */
  async correct(figures: LateFigures): Promise<Settled | undefined> {
    const settled = await this.#write(figures.id, this.#endings, { kind: 'correct', figures });
    return settled?.record.credentialId === figures.credentialId ? settled : undefined;
  }

  /** Keeps the states of counters. */
  async count(counters: readonly CounterRow[]): Promise<void> {
    await Promise.all(counters.map((counter) => this.#counters.submit({ kind: 'count', counter })));
  }

  /** Takes nothing more, and ends when all that was taken is written or given up. */
  async close(): Promise<void> {
    await this.#leases.close();
    // Ends that were asked for before the lease was written are among what was taken.
    await Promise.allSettled(this.#underWay.values());
    await Promise.all([this.#endings.close(), this.#counters.close()]);
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  /** What is asked for of one lease is written in that order, also where it goes over two connections. */
  async #write(leaseId: string, commits: Commits, operation: Operation): Promise<Settled | undefined> {
    const before = this.#underWay.get(leaseId);
    // What is asked for of an ended lease comes over the same connection, in order.
    if (before === undefined && commits === this.#endings) return commits.submit(operation);
    const writing = before === undefined ? commits.submit(operation) : submitAfter(before, commits, operation);
    this.#underWay.set(leaseId, writing);
    try {
      return await writing;
    } finally {
      if (this.#underWay.get(leaseId) === writing) this.#underWay.delete(leaseId);
    }
  }
}

async function submitAfter(before: Promise<unknown>, commits: Commits, operation: Operation) {
  // Whatever became of it: an operation that fails does not keep the next one from being written.
  await before.catch(() => undefined);
  return commits.submit(operation);
}
