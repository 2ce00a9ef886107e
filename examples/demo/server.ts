import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The program as `npm start` runs it, for as long as the demo runs. When it ends by itself, it is started again. */
export class DemoServer {
  readonly #say: (line: string) => void;
  #child: ChildProcess | undefined;
  #isStopping = false;
  #port: string | undefined;

  constructor(say: (line: string) => void) {
    this.#say = say;
    // It would outlive a demo that ends without stopping it.
    process.once('exit', () => this.#child?.kill('SIGTERM'));
  }

  /** Starts it. @returns its address, and where the root admin key is kept */
  async start(): Promise<{ readonly url: string; readonly keyFile: string | undefined }> {
    const child = spawn(node, [program], {
      env: { LOG_LEVEL: 'warn', ...process.env, ...(this.#port !== undefined && { PORT: this.#port }) },
      stdio: ['ignore', 'pipe', 'inherit'],
      // A process group of its own: Ctrl-C is for the demo, which needs the server to clean up.
      detached: true,
    });
    this.#child = child;
    let output = '';
    const ended = once(child, 'exit');
    const ready = new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (/A first query:.*\n\n$/s.test(output)) resolve();
      });
    });
    await Promise.race([
      ready,
      ended.then(([code]) => {
        throw new Error(`The server could not be started; it ended with ${code}. ${output}`);
      }),
    ]);
    const url = /graph +(\S+)\/graphql\n/.exec(output)?.[1];
    if (url === undefined) throw new Error(`The server did not say where it is: ${output}`);
    this.#port = new URL(url).port;
    ended.then(([code, signal]) => this.#restart(signal ?? code)).catch(() => undefined);
    return { url, keyFile: /\$\(cat (.+?)\)/.exec(output)?.[1] };
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  async #restart(reason: unknown): Promise<void> {
    if (this.#isStopping) return;
    this.#say(`The server has ended (${reason}); starting it again.`);
    try {
      await this.start();
      this.#say('The server is there again.');
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Whether there is a Fairlead at this address already. */
export async function isRunning(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
    return response.ok;
  } catch {
    return false;
  }
}
