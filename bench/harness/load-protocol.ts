import type { Target } from './keep-alive-client.ts';

/** One of the requests that take turns. */
export interface RequestVariant {
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text with the placeholders of contenders/contender.ts. */
  readonly bodyTemplate: string;
  /** Text that every answer must hold; with `@name@` the name of its own request. */
  readonly marker: string;
}

/** What the load process is told to do, once for every measurement. */
export interface LoadOrder {
  readonly target: Target;
  readonly variants: readonly RequestVariant[];
  /** Which names stand in for the placeholder, and must come back in every answer: of tenants, or of keys with their secrets. */
  readonly names: 'tenants' | 'fresh' | 'keys' | 'seenKeys';
  readonly connectionCount: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly serverPid: number;
  readonly postmasterPid: number | undefined;
}

export interface Measurement {
  readonly requestCount: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly serverCpuUsPerRequest: number | undefined;
  readonly postgresCpuUsPerRequest: number | undefined;
  readonly loadCpuUsPerRequest: number;
  /** On the clock of process.hrtime, to find the same stretch in a CPU profile. */
  readonly startedAtUs: number;
  readonly endedAtUs: number;
}

export type LoadReply =
  | { readonly kind: 'measured'; readonly measurement: Measurement }
  | { readonly kind: 'failed'; readonly reason: string };
