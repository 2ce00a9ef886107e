/** Keeps processes to cores, where the machine has a program for it: else the kernel puts them where it likes. */
import { spawnSync } from 'node:child_process';
import { availableParallelism, setPriority } from 'node:os';
import { childrenOf } from './process-time.ts';

const serverCores = '0';
const otherCores = `1-${Math.max(1, availableParallelism() - 1)}`;

/** Whether a server can have a core to itself. */
export const canPin: boolean =
  process.platform === 'linux' &&
  availableParallelism() > 1 &&
  spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;

function pin(pid: number, cores: string): void {
  if (!canPin) return;
  const { status, stderr } = spawnSync('taskset', ['-acp', cores, String(pid)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`process ${pid} could not be kept to the cores ${cores}: ${stderr}`);
}

/** All threads of it. */
export const pinServer = (pid: number): void => pin(pid, serverCores);

/** Everything but the server that is measured. */
export const pinOther = (pid: number): void => pin(pid, otherCores);

/**
 * Lets a process go before others on its cores, where that is allowed. Clients stand for other machines: what they wait
 * behind a Postgres that shares a core with them, for several milliseconds at a time, no user would see.
 */
export function putFirst(pid: number): void {
  try {
    setPriority(pid, -10);
  } catch {
    // Only root may, mostly: then waits are longer than they need be.
  }
}

/** Postgres: what it starts from now on inherits it. */
export function pinOtherFamily(pid: number): void {
  pinOther(pid);
  for (const child of childrenOf(pid)) {
    try {
      pinOther(child);
    } catch {
      // A process of Postgres that has ended meanwhile.
    }
  }
}
