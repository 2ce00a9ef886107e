import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from 'pg';
import { Prisma, PrismaClient } from './generated/client.ts';
import { Reader, type Send, sendThroughPool } from './reader.ts';
import { StatementLog, StatementNames } from './statements.ts';

/** One transaction: Prisma for the writes, the reader for rows in the shape that the graph shows. */
export interface Transaction {
  readonly prisma: Prisma.TransactionClient;
  readonly reader: Reader;
}

/** The program's way to Postgres. */
export interface Database {
  readonly url: string;
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  /** Reads outside of any transaction, over prepared statements. */
  readonly reader: Reader;
  readonly statements: StatementLog;
  /** Runs the work in one transaction, which an error undoes. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>;
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
  const pool = new Pool({
    connectionString: url,
    max: poolSize,
    application_name: 'fairlead',
    options: '-c TimeZone=UTC',
  });
  pool.on('error', onConnectionError);
  const statements = new StatementLog();
  statements.attach(pool);
  const names = new StatementNames();
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: ({ sql }) => names.of(sql) ?? '' }),
  });
  return {
    url,
    pool,
    prisma,
    statements,
    reader: new Reader(sendThroughPool(pool, names)),
    transaction: (work) =>
      prisma.$transaction(
        (client) => work({ prisma: client, reader: new Reader(sendThrough(client)) }),
        transactionLimits,
      ),
    close: async () => {
      await prisma.$disconnect();
      await pool.end();
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
