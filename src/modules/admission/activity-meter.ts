import type { Timers } from '../../live/timers.ts';
import type { Activity as ActivityFigures } from '../snapshots/snapshot.ts';
import type { Activity, NamedTenant } from './activity.ts';
import type { AdmissionReason } from './refusals.ts';

/** Of the last seconds. */
export type Rates = Omit<ActivityFigures, 'inFlight' | 'queued' | 'oldestWaitMs'>;

export interface TenantRates extends Rates {
  /** Nothing: no request of it came in that time, but some were settled. */
  readonly name: string | undefined;
}

/** Rates are over so long, which goes on by so much at a time. */
const windowSeconds = 5;
const turnMs = 250;
const turnsMax = (windowSeconds * 1_000) / turnMs;

/** Exact below a second, and to three digits above it, so that a bounded number of them is kept. */
function rounded(waitedMs: number): number {
  const whole = Math.max(0, Math.round(waitedMs));
  if (whole < 1_000) return whole;
  const unit = 10 ** (Math.floor(Math.log10(whole)) - 2);
  return Math.round(whole / unit) * unit;
}

function raise<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

class Counts {
  admitted = 0;
  refused = 0;
  settled = 0;
  tokens = 0;
  name: string | undefined;
  readonly refusals = new Map<AdmissionReason, number>();
  /** How many had waited for so long. */
  readonly waits = new Map<number, number>();

  /** @param part how much of them, 0 to 1; of waits, which are compared and not counted, all */
  add(other: Counts, part: number): void {
    this.admitted += part * other.admitted;
    this.refused += part * other.refused;
    this.settled += part * other.settled;
    this.tokens += part * other.tokens;
    this.name = other.name ?? this.name;
    for (const [reason, count] of other.refusals) raise(this.refusals, reason, part * count);
    for (const [waitedMs, count] of other.waits) raise(this.waits, waitedMs, count);
  }

  get rates(): TenantRates {
    const waits = [...this.waits].sort(([a], [b]) => a - b);
    const waited = waits.reduce((sum, [, count]) => sum + count, 0);
    const refusals = [...this.refusals].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
    return {
      name: this.name,
      admittedPerSecond: this.admitted / windowSeconds,
      refusedPerSecond: this.refused / windowSeconds,
      settledPerSecond: this.settled / windowSeconds,
      tokensPerSecond: this.tokens / windowSeconds,
      refusals: refusals.map(([reason, count]) => ({ reason, perSecond: count / windowSeconds })),
      queueWaitP50Ms: waitOfRank(waits, Math.ceil(waited * 0.5)),
      queueWaitP99Ms: waitOfRank(waits, Math.ceil(waited * 0.99)),
    };
  }
}

/** How long the one of this rank had waited, of waits in their order; null when there is none. */
function waitOfRank(waits: readonly (readonly [waitedMs: number, count: number])[], rank: number): number | null {
  let counted = 0;
  for (const [waitedMs, count] of waits) {
    counted += count;
    if (counted >= rank) return waitedMs;
  }
  return null;
}

interface Turn {
  readonly number: number;
  readonly all: Counts;
  readonly tenants: Map<string, Counts>;
}

/** Counts what becomes of requests, for what happens per second, and tells that something did. */
export class ActivityMeter implements Activity {
  readonly #timers: Pick<Timers, 'nowMs'>;
  readonly #listeners = new Set<() => void>();
  /** The oldest first. */
  #turns: Turn[] = [];
  #changes = 0;

  constructor(timers: Pick<Timers, 'nowMs'>) {
    this.#timers = timers;
  }

  admitted(tenant: NamedTenant, waitedMs: number): void {
    const wait = rounded(waitedMs);
    this.#count(tenant.id, (counts, isOfTenant) => {
      counts.admitted += 1;
      raise(counts.waits, wait, 1);
      if (isOfTenant) counts.name = tenant.name;
    });
  }

  refused(tenant: NamedTenant | undefined, reason: AdmissionReason): void {
    this.#count(tenant?.id, (counts, isOfTenant) => {
      counts.refused += 1;
      raise(counts.refusals, reason, 1);
      if (isOfTenant) counts.name = tenant?.name;
    });
  }

  settled(tenantId: string, tokens: number): void {
    this.#count(tenantId, (counts) => {
      counts.settled += 1;
      counts.tokens += tokens;
    });
  }

  changed(): void {
    this.#changes += 1;
    for (const listener of this.#listeners) listener();
  }

  /** How often something changed. */
  get changes(): number {
    return this.#changes;
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What happens per second: in all, and of each tenant with anything in that time by its id. */
  rates(): { readonly all: Rates; readonly tenants: ReadonlyMap<string, TenantRates> } {
    // Whole turns, the one that has begun, and of the oldest one as much as that one lacks: the window's length.
    const oldest = this.#turnNumber - turnsMax;
    const partOfOldest = 1 - (this.#timers.nowMs() % turnMs) / turnMs;
    const all = new Counts();
    const tenants = new Map<string, Counts>();
    for (const turn of this.#turns) {
      if (turn.number < oldest) continue;
      const part = turn.number === oldest ? partOfOldest : 1;
      all.add(turn.all, part);
      for (const [id, counts] of turn.tenants) countsOf(tenants, id).add(counts, part);
    }
    const { name, ...rates } = all.rates;
    return { all: rates, tenants: new Map([...tenants].map(([id, counts]) => [id, counts.rates])) };
  }

  #count(tenantId: string | undefined, count: (counts: Counts, isOfTenant: boolean) => void): void {
    const turn = this.#turn();
    count(turn.all, false);
    if (tenantId !== undefined) count(countsOf(turn.tenants, tenantId), true);
    this.changed();
  }

  get #turnNumber(): number {
    return Math.floor(this.#timers.nowMs() / turnMs);
  }

  #turn(): Turn {
    const number = this.#turnNumber;
    const last = this.#turns.at(-1);
    if (last?.number === number) return last;
    const next = { number, all: new Counts(), tenants: new Map<string, Counts>() };
    this.#turns = [...this.#turns.filter((turn) => turn.number >= number - turnsMax), next];
    return next;
  }
}

function countsOf(tenants: Map<string, Counts>, id: string): Counts {
  let counts = tenants.get(id);
  if (counts === undefined) {
    counts = new Counts();
    tenants.set(id, counts);
  }
  return counts;
}
