/** What became of requests so far. */
export class Counts {
  admitted = 0;
  /** Of those, how many had waited. */
  admittedAfterWaiting = 0;
  settled = 0;
  /** Settled after their lease had expired. */
  settledLate = 0;
  /** Their client went away while they waited. */
  withdrawn = 0;
  /** The server could not be asked, or could not decide. */
  failed = 0;
  /** Now. */
  inFlight = 0;
  /** Now: asked for, and not answered yet. */
  waiting = 0;
  readonly refused = new Map<string, number>();

  refuse(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}

const clock = (ms: number): string => {
  const seconds = Math.floor(ms / 1_000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
};

export interface ProgressAt {
  readonly ms: number;
  readonly admitted: number;
}

/**
 * One line that says how it goes.
 *
 * @param since what there was when the rate began to be measured
 * @param silent the gateways that are silent now
 */
export function progressLine(counts: Counts, ms: number, since: ProgressAt, silent: readonly string[]): string {
  const seconds = Math.max(0.001, (ms - since.ms) / 1_000);
  const perSecond = (counts.admitted - since.admitted) / seconds;
  const reasons = [...counts.refused].toSorted(([, a], [, b]) => b - a);
  const refused = reasons.reduce((sum, [, count]) => sum + count, 0);
  const parts = [
    clock(ms),
    `admitted ${counts.admitted} (${perSecond.toFixed(1)}/s)`,
    `in flight ${counts.inFlight}`,
    `queued ${counts.waiting}`,
    `settled ${counts.settled}`,
    `refused ${refused}${refused === 0 ? '' : ` (${reasons.map(([reason, count]) => `${reason} ${count}`).join(', ')})`}`,
    ...(counts.withdrawn === 0 ? [] : [`gave up ${counts.withdrawn}`]),
    ...(counts.settledLate === 0 ? [] : [`settled late ${counts.settledLate}`]),
    ...(counts.failed === 0 ? [] : [`failed ${counts.failed}`]),
    ...silent.map((name) => `${name} is silent`),
  ];
  return parts.join('  ');
}
