import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { Client } from './client.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The program as `npm start` runs it. */
export class Program {
  readonly #home: string;
  readonly #process: ReturnType<typeof spawn>;
  /** What it wrote, to both of its outputs. */
  output = '';
  readonly exitCode: Promise<number | null>;

  /** @param home the folder where it keeps what it makes */
  constructor(home: string, environment: Readonly<Record<string, string>>) {
    this.#home = home;
    this.#process = spawn(process.execPath, [main], {
      env: { PATH: process.env.PATH, FAIRLEAD_HOME: home, PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, as a shell gives to each command.
      detached: true,
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.exitCode = once(this.#process, 'close').then(([code]) => code);
  }

  /** Its address, once it says that it is ready. */
  async ready(): Promise<string> {
    const url = vi.waitUntil(() => /graph +(\S+)\/graphql\n.*A first query:.*\n\n/s.exec(this.output)?.[1], {
      timeout: 60_000,
      interval: 10,
    });
    const ended = this.exitCode.then((code) => {
      throw new Error(`The program ended with ${code}: ${this.output}`);
    });
    return Promise.race([url, ended]);
  }

  async client(): Promise<Client> {
    const url = await this.ready();
    return new Client(url, { 'x-admin-key': (await readFile(join(this.#home, 'admin-key'), 'utf8')).trim() });
  }

  /** To the whole group, as a terminal does for Ctrl-C. */
  signal(signal: NodeJS.Signals): void {
    if (this.#process.pid === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    process.kill(-this.#process.pid, signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal);
    return this.exitCode;
  }
}
