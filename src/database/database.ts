import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from 'pg';
import { type Fence, FencedConnections } from './fence.ts';
import { Prisma, PrismaClient } from './generated/client.ts';
import { Reader, type Send, sendThroughPool } from './reader.ts';
import { StatementLog, StatementNames } from './statements.ts';

/** What a transaction tells the rest of the system when it commits. It is a row of the outbox. */
export interface Announcement {
  readonly id: string;
  readonly topic: string;
  readonly tenantId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** One transaction: Prisma for the writes, the reader for rows in the shape that the graph shows. */
export interface Transaction {
  readonly prisma: Prisma.TransactionClient;
  readonly reader: Reader;
  /** What it has announced so far; the outbox adds to it. */
  readonly announced: Announcement[];
}

type CommitListener = (announced: readonly Announcement[]) => Promise<void> | void;

/** The program's way to Postgres. */
export interface Database {
  readonly url: string;
  readonly pool: Pool;
  /** The connections behind the fence; what tenants read goes through `readerFor`. */
  readonly fencedPool: Pool;
  readonly prisma: PrismaClient;
  /** Reads of the program itself, outside of any transaction and behind no fence. */
  readonly reader: Reader;
  /** Reads on behalf of a caller: whoever belongs to a tenant reads behind its fence. */
  readerFor(fence: Fence): Reader;
  readonly statements: StatementLog;
  /** Runs the work in one transaction, which an error undoes. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>;
  /**
   * Calls the listener with what each transaction announced once it has committed, before its result is given. A promise
   * is waited for; it must not be rejected, since what is committed stays so.
   */
  onCommitted(listener: CommitListener): () => void;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly poolSize: number;
  /** Told of connections that broke while idle; the pool replaces them. */
  readonly onConnectionError: (error: Error) => void;
}

/** How long a command may wait for a free connection and for its locks before it is given up. */
const transactionLimits = { maxWait: 5_000, timeout: 15_000 } as const;

/** Opens the connection pool; connections are made when they are needed. */
export function openDatabase({ url, poolSize, onConnectionError }: DatabaseOptions): Database {
  const connections = {
    connectionString: url,
    max: poolSize,
    application_name: 'fairlead',
    options: '-c TimeZone=UTC',
  };
  const pool = new Pool(connections);
  const names = new StatementNames();
  const fenced = new FencedConnections(connections, names);
  const statements = new StatementLog();
  for (const each of [pool, fenced.pool]) {
    each.on('error', onConnectionError);
    statements.attach(each);
  }
  const reader = new Reader(sendThroughPool(pool, names));
  const commitListeners = new Set<CommitListener>();
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: ({ sql }) => names.of(sql) ?? '' }),
  });
  return {
    url,
    pool,
    fencedPool: fenced.pool,
    prisma,
    statements,
    reader,
    readerFor: (fence) => (fence.tenantId === undefined ? reader : new Reader(fenced.behind(fence), true)),
    transaction: async (work) => {
      const announced: Announcement[] = [];
      const result = await prisma.$transaction(
        (client) => work({ prisma: client, reader: new Reader(sendThrough(client)), announced }),
        transactionLimits,
      );
      if (announced.length > 0) await Promise.all(Array.from(commitListeners, (listener) => listener(announced)));
      return result;
    },
    onCommitted: (listener) => {
      commitListeners.add(listener);
      return () => commitListeners.delete(listener);
    },
    close: async () => {
      await prisma.$disconnect();
      await Promise.all([pool.end(), fenced.pool.end()]);
    },
  };
}

const sendThrough =
  (client: Prisma.TransactionClient): Send =>
  (statement) =>
    client.$queryRaw<Record<string, unknown>[]>(statement);

/** Whether an error says that a value which must be unique is taken, in this column. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';
}

/** What Postgres undoes a transaction for that may succeed when it is run again: of a deadlock, one of those in it. */
const conflicts: ReadonlySet<unknown> = new Set(['40P01', '40001']);

/** Whether an error says that Postgres undid the transaction because of others at the same time: it may be repeated. */
export function isConflict(error: unknown): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return false;
  const { driverAdapterError } = error.meta ?? {};
  const cause = driverAdapterError instanceof Error ? driverAdapterError.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'originalCode' in cause && conflicts.has(cause.originalCode);
}
