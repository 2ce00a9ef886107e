/** Starts and stops the measured servers and the load generator: only ever by the handle of a process of our own. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Contender } from '../contenders/contender.ts';
import { onCleanup } from './cleanup.ts';
import type { Target } from './keep-alive-client.ts';
import type { LoadOrder, LoadReply, Measurement } from './load-protocol.ts';

export const benchFolder = dirname(import.meta.dirname);

/** Node as `npm start` runs the program with it: every measured server has it. */
export const serverNode = join(dirname(benchFolder), 'scripts', 'node');

/** What every measured server has of this process's environment. */
export const commonEnvironment = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  NODE_ENV: 'production',
};

const startDeadlineMs = 60_000;
const stopDeadlineMs = 15_000;

export interface RunningServer {
  readonly contender: Contender;
  readonly pid: number;
  readonly target: Target;
  stop(): Promise<void>;
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  await ended;
  clearTimeout(timer);
}

async function waitUntilListening(
  child: ChildProcess,
  target: Target,
  readyBody: string,
  output: () => string,
): Promise<void> {
  const deadlineMs = performance.now() + startDeadlineMs;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended at once:\n${output()}`);
    try {
      const response = await fetch(`http://127.0.0.1:${target.port}${target.path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...target.headers },
        body: readyBody,
      });
      await response.arrayBuffer();
      if (response.status === 200) return;
    } catch {
      // Not listening yet.
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`it did not answer within ${startDeadlineMs / 1_000} s:\n${output()}`);
    }
    await delay(50);
  }
}

export interface StartOptions {
  readonly databaseUrl: string;
  readonly poolSize: number;
  /** A request that the server answers with 200 as soon as it is ready. */
  readonly readyBody: string;
  readonly nodeOptions?: readonly string[];
}

export async function startServer(contender: Contender, options: StartOptions): Promise<RunningServer> {
  const { databaseUrl, poolSize, nodeOptions = [] } = options;
  const script = resolve(benchFolder, contender.script);
  if (!existsSync(script)) {
    throw new Error(`${contender.name}: there is no ${contender.script} in bench/; name the others with --only`);
  }
  const scratchFolder = await mkdtemp(join(tmpdir(), 'fairlead-bench-'));
  const removeFolder = onCleanup(() => rm(scratchFolder, { recursive: true, force: true }));
  const port = await findFreePort();
  const child = spawn(serverNode, [...nodeOptions, script], {
    cwd: benchFolder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...commonEnvironment,
      ...contender.environment({ databaseUrl, port, poolSize, scratchFolder }),
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4_000);
    });
  }
  const stopChild = onCleanup(() => stopProcess(child));
  const target: Target = { port, path: contender.path, headers: contender.headers };
  try {
    await waitUntilListening(child, target, options.readyBody, () => output);
  } catch (error) {
    throw new Error(`${contender.name} could not be started: ${(error as Error).message}`);
  }
  if (child.pid === undefined) throw new Error(`${contender.name} has no process id`);
  return {
    contender,
    pid: child.pid,
    target,
    stop: async () => {
      await stopChild();
      await removeFolder();
    },
  };
}

export interface LoadGenerator {
  measure(order: LoadOrder): Promise<Measurement>;
  stop(): Promise<void>;
}

export function startLoadGenerator(): LoadGenerator {
  const child = fork(join(import.meta.dirname, 'load.ts'), { execPath: process.execPath, execArgv: [] });
  const stop = onCleanup(() => stopProcess(child));
  return {
    measure: (order) =>
      new Promise((resolveMeasurement, reject) => {
        const onExit = (): void => reject(new Error('the load generator ended'));
        child.once('exit', onExit);
        child.once('message', (reply: LoadReply) => {
          child.off('exit', onExit);
          if (reply.kind === 'measured') resolveMeasurement(reply.measurement);
          else reject(new Error(reply.reason));
        });
        child.send(order);
      }),
    stop,
  };
}
