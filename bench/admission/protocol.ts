import type { Target } from '../harness/keep-alive-client.ts';

/** How requests come. */
export type Arrival =
  /** Each connection has one request after another, admitted and settled at once. */
  | { readonly kind: 'closed' }
  /** As many a second on average, each at a time of its own, whether or not those before are answered. */
  | { readonly kind: 'open'; readonly perSecond: number; readonly heldMs: number };

/** What the process of clients is told to do. */
export interface LoadOrder {
  readonly target: Target;
  readonly model: string;
  /** Secrets of the keys that requests are for, in turn. */
  readonly keys: readonly string[];
  readonly gatewayId: string;
  /** Names this load: the session of its requests. */
  readonly name: string;
  readonly connectionCount: number;
  readonly arrival: Arrival;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly serverPid: number;
  readonly postmasterPid: number | undefined;
}

export interface Waits {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Measured {
  /** Of those that were due while it was measured, whether or not there was a free connection for them. */
  readonly admit: Waits;
  /** Of the same, from when the clients themselves began with them. */
  readonly begunP99Ms: number;
  readonly settle: Waits;
  readonly admissionsPerSecond: number;
  /** Per HTTP request: an admission is one, and its settlement another one. */
  readonly serverCpuUs: number | undefined;
  readonly postgresCpuUs: number | undefined;
  readonly clientsCpuUs: number;
  /** Of one core. */
  readonly serverShare: number | undefined;
  /** On the clock of process.hrtime, to find the same stretch in a CPU profile. */
  readonly startedAtUs: number;
  readonly endedAtUs: number;
  /** HTTP requests answered in that stretch. */
  readonly requestCount: number;
  /** Everything that was acknowledged from the first request to the last, warm-up included. */
  readonly acknowledged: { readonly settlements: number; readonly tokens: number };
}

export type LoadReply = { readonly measured: Measured } | { readonly failure: string };
