/**
 * Counts SQL statements as any client sends them: a proxy in front of Postgres that reads the protocol's message
 * headers and passes every byte on. Used for one request at a time before the measurements, never during them.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface StatementCosts {
  /** Transaction control included, since each of it waits for an answer. */
  readonly statementCount: number;
  /** How often the client waited for Postgres: pipelined statements share one. */
  readonly roundTripCount: number;
  /** Statements that Postgres had to parse and plan anew, since the client did not use a prepared one. */
  readonly parseCount: number;
  readonly statements: readonly string[];
}

export interface StatementCounter {
  readonly url: string;
  /** Forgets what was counted so far. */
  reset(): void;
  costs(): StatementCosts;
  stop(): Promise<void>;
}

const zeroTerminated = (bytes: Buffer, start: number): string => bytes.toString('utf8', start, bytes.indexOf(0, start));

class Connection {
  #pending: Buffer = Buffer.alloc(0);
  #started = false;
  readonly #prepared = new Map<string, string>();
  #bound = '';
  readonly #onStatement: (text: string) => void;
  readonly #onRoundTrip: () => void;
  readonly #onParse: () => void;

  constructor(onStatement: (text: string) => void, onRoundTrip: () => void, onParse: () => void) {
    this.#onStatement = onStatement;
    this.#onRoundTrip = onRoundTrip;
    this.#onParse = onParse;
  }

  read(data: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, data]);
    for (;;) {
      // The first message of a connection has no type byte.
      const typeBytes = this.#started ? 1 : 0;
      if (this.#pending.length < typeBytes + 4) return;
      const end = typeBytes + this.#pending.readInt32BE(typeBytes);
      if (this.#pending.length < end) return;
      const message = this.#pending.subarray(0, end);
      this.#pending = this.#pending.subarray(end);
      if (this.#started) this.#onMessage(String.fromCharCode(message[0] ?? 0), message.subarray(5));
      this.#started = true;
    }
  }

  #onMessage(type: string, payload: Buffer): void {
    if (type === 'Q') {
      this.#onStatement(zeroTerminated(payload, 0));
      this.#onRoundTrip();
    } else if (type === 'P') {
      const name = zeroTerminated(payload, 0);
      this.#onParse();
      this.#prepared.set(name, zeroTerminated(payload, Buffer.byteLength(name) + 1));
    } else if (type === 'B') {
      const portal = zeroTerminated(payload, 0);
      const statement = zeroTerminated(payload, Buffer.byteLength(portal) + 1);
      this.#bound = this.#prepared.get(statement) ?? statement;
    } else if (type === 'E') this.#onStatement(this.#bound);
    else if (type === 'S') this.#onRoundTrip();
  }
}

export async function startStatementCounter(databaseUrl: string): Promise<StatementCounter> {
  const upstream = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let statements: string[] = [];
  let roundTrips = 0;
  let parses = 0;
  const server = createServer((client) => {
    const postgres = connect({ host: upstream.hostname, port: Number(upstream.port || 5432) });
    const connection = new Connection(
      (text) => void statements.push(text),
      () => {
        roundTrips += 1;
      },
      () => {
        parses += 1;
      },
    );
    client.on('data', (data) => connection.read(data));
    for (const [socket, other] of [
      [client, postgres],
      [postgres, client],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    reset: () => {
      statements = [];
      roundTrips = 0;
      parses = 0;
    },
    costs: () => ({
      statementCount: statements.length,
      roundTripCount: roundTrips,
      parseCount: parses,
      statements: [...statements],
    }),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
