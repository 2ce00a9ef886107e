/** What the suite says to the measured server and to the clients, which are processes of their own. */

/** To a server. */
export type ServerOrder =
  | { readonly kind: 'publish'; readonly everyMs: number }
  | { readonly kind: 'pause' }
  /** Begins to measure anew: what it takes, or, which takes time itself, for how long nothing else is done. */
  | { readonly kind: 'reset'; readonly watchesBlocks: boolean }
  | { readonly kind: 'report' }
  /** Collects garbage, then tells how much is left. */
  | { readonly kind: 'heap' };

export interface ServerReport {
  readonly cpuMicroseconds: number;
  /** Nothing else was done for this long at the most, in milliseconds; 0 where that was not watched. */
  readonly longestBlockMs: number;
  /** With what lies outside of the heap for objects on it. */
  readonly heapBytes: number;
}

export type Transport = 'WebSocket' | 'SSE';

/** To the clients. */
export type ClientOrder =
  | {
      readonly kind: 'connect';
      readonly transport: Transport;
      readonly url: string;
      readonly count: number;
      /** One for each credential; subscribers take them in turns. */
      readonly connectionParams: readonly object[];
      readonly query: string;
    }
  | { readonly kind: 'measure'; readonly ms: number }
  | { readonly kind: 'disconnect' }
  /** Connects, subscribes, waits for a result and goes, so many times. */
  | {
      readonly kind: 'churn';
      readonly url: string;
      readonly count: number;
      readonly connectionParams: object;
      readonly query: string;
    };

export interface Deliveries {
  readonly count: number;
  readonly bytesEach: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export type Reply<Value> = { readonly value: Value } | { readonly failure: string };
