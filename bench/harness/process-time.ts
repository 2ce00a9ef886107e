/** CPU time of processes, from /proc. Elsewhere than on Linux there is none, and the tables say so. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const microsecondsPerTick = 10_000;

interface ProcessTimes {
  readonly parentPid: number;
  readonly ownTicks: number;
  /** Of children that have ended and were waited for. */
  readonly endedChildrenTicks: number;
}

function readTimes(pid: number): ProcessTimes | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the command in parentheses, and may itself hold spaces and parentheses.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (oneBased: number): number => fields[oneBased - 3] ?? 0;
  return { parentPid: field(4), ownTicks: field(14) + field(15), endedChildrenTicks: field(16) + field(17) };
}

export function parentOf(pid: number): number | undefined {
  return readTimes(pid)?.parentPid;
}

/** All threads of one process. */
export function processMicroseconds(pid: number): number | undefined {
  const times = readTimes(pid);
  return times === undefined ? undefined : times.ownTicks * microsecondsPerTick;
}

/** Those that run. */
export const childrenOf = (pid: number): readonly number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);

/** A process and its children, ended ones included: for Postgres the postmaster, every backend and every helper. */
export function familyMicroseconds(pid: number): number | undefined {
  const own = readTimes(pid);
  if (own === undefined) return undefined;
  let ticks = own.ownTicks + own.endedChildrenTicks;
  for (const child of childrenOf(pid)) ticks += readTimes(child)?.ownTicks ?? 0;
  return ticks * microsecondsPerTick;
}
