import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { payloadOf } from '../support/refusal.ts';
import type { Run } from '../support/runner.ts';
import {
  admitRequest,
  cancelRequest,
  deregisterGateway,
  gatewayHeartbeat,
  registerGateway,
  renewLease,
  settleRequest,
} from './operations.ts';
import type { Counts } from './progress.ts';
import { isSilentAt, type PlannedGateway } from './simulation/plan.ts';
import type { SimulatedRequest } from './simulation/workload.ts';

interface Parts {
  readonly planned: PlannedGateway;
  /** With the gateway's own key. */
  readonly run: Run;
  readonly counts: Counts;
  /** Milliseconds since the demo began. */
  readonly now: () => number;
  /** The id of a key by its tenant's name and its own. */
  readonly keyIdOf: (tenant: string, key: string) => string;
}

const leaseSeconds = 20;
const renewEveryMs = (leaseSeconds * 1_000) / 2.5;
/** Until the answer of a model is sent off, nothing of it may be lost. */
const attemptsMax = Number.POSITIVE_INFINITY;
const notReadyMs = 500;
/** For how long the server may be away while everything ends. */
const patienceMs = 20_000;

/** Asks until there is somebody who decides: for a moment nobody does when a server starts, or takes over from another. */
async function untilReady<Answer extends object>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (!('code' in answer) || answer.code !== 'NOT_READY') return answer;
    await delay(notReadyMs, undefined, { signal });
  }
}

/** What a gateway does for its callers, in front of models that only take their time. */
export class SimulatedGateway {
  readonly #parts: Parts;
  readonly #leaseIds = new Set<string>();
  readonly #waiting = new Map<string, AbortController>();
  readonly #open = new Set<Promise<void>>();
  /** Aborted when everything is to end now. */
  readonly #ending = new AbortController();
  /** Aborted when nothing is said any more. */
  readonly #ended = new AbortController();
  #id: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heartbeatMs = 5_000;
  #wasSilent = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get isSilent(): boolean {
    return !this.#ending.signal.aborted && isSilentAt(this.#parts.planned, this.#parts.now());
  }

  get name(): string {
    return this.#parts.planned.name;
  }

  async start(): Promise<void> {
    const { run, planned } = this.#parts;
    const input = { name: planned.name, version: 'demo', address: 'simulated' };
    const { gateway, heartbeatSeconds } = payloadOf((await run(registerGateway, { input })).registerGateway);
    this.#id = gateway.id;
    this.#heartbeatMs = heartbeatSeconds * 1_000;
    this.#beatSoon();
  }

  /** Takes a request in; what becomes of it is counted. */
  take(request: SimulatedRequest): void {
    const done = this.#serve(request)
      .catch((error: unknown) => {
        const isExpected = this.#ending.signal.aborted || this.isSilent;
        if (!isExpected || this.#ended.signal.aborted) this.#parts.counts.failed += 1;
        this.lastFailure = error instanceof Error ? error.message : String(error);
      })
      .finally(() => this.#open.delete(done));
    this.#open.add(done);
  }

  /** Why something failed most recently. */
  lastFailure: string | undefined;

  /**
   * Withdraws what waits, settles what runs as far as it has come, and says goodbye. When the server cannot be reached
   * any more, it gives up.
   */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#ending.abort();
    for (const client of this.#waiting.values()) client.abort();
    const patience = setTimeout(() => this.#ended.abort(new Error('The server does not answer.')), patienceMs);
    await Promise.all(this.#open);
    clearTimeout(patience);
    this.#ended.abort();
    if (this.#id === undefined) return;
    payloadOf((await this.#parts.run(deregisterGateway, { input: { gatewayId: this.#id } })).deregisterGateway);
  }

  #beatSoon(): void {
    // A gateway that was cut off is heard of as soon as it is back.
    const everyMs = this.#wasSilent ? 500 : this.#heartbeatMs;
    this.#timer = setTimeout(() => {
      this.#beat()
        .catch((error: unknown) => {
          this.lastFailure = String(error);
        })
        .finally(() => {
          if (!this.#ending.signal.aborted) this.#beatSoon();
        });
    }, everyMs);
  }

  async #beat(): Promise<void> {
    const { run, counts } = this.#parts;
    const wasSilent = this.#wasSilent;
    this.#wasSilent = this.isSilent;
    if (this.#id === undefined) return;
    if (this.#wasSilent) {
      // Its connections are gone as well: whoever waits leaves the queue.
      if (!wasSilent) for (const client of this.#waiting.values()) client.abort();
      return;
    }
    const leaseIds = [...this.#leaseIds];
    const input = { gatewayId: this.#id, inFlight: leaseIds.length, leaseIds };
    const { gatewayHeartbeat: answer } = await run(gatewayHeartbeat, { input }, { attemptsMax: 1 });
    if ('code' in answer) counts.failed += 1;
  }

  async #serve(request: SimulatedRequest): Promise<void> {
    const leaseId = await this.#admit(request);
    if (leaseId === undefined) return;
    const { counts } = this.#parts;
    const startedAt = performance.now();
    this.#leaseIds.add(leaseId);
    counts.inFlight += 1;
    try {
      await this.#hold(leaseId, request.totalMs);
      const part = Math.min(1, (performance.now() - startedAt) / request.totalMs);
      await this.#settle(leaseId, request, part);
    } finally {
      this.#leaseIds.delete(leaseId);
      counts.inFlight -= 1;
    }
  }

  /** The lease, unless the request is refused or its client goes away. */
  async #admit(request: SimulatedRequest): Promise<string | undefined> {
    const { run, counts, keyIdOf } = this.#parts;
    const requestId = randomUUID();
    const client = new AbortController();
    this.#waiting.set(requestId, client);
    counts.waiting += 1;
    let withdrawing: Promise<boolean> | undefined;
    const patience =
      request.patienceMs === null
        ? undefined
        : setTimeout(() => {
            withdrawing = this.#withdraw(requestId);
            // Whether that worked is looked at when the answer comes.
            withdrawing.catch(() => undefined);
          }, request.patienceMs);
    const input = {
      requestId,
      keyId: keyIdOf(request.tenant.name, request.key.name),
      model: request.model.name,
      requestType: request.model.type.toLowerCase(),
      estimatedInputTokens: request.estimatedInputTokens,
      estimatedOutputTokens: request.estimatedOutputTokens,
      priority: request.priority,
      sessionId: request.sessionId,
      leaseSeconds,
      ...(this.#id !== undefined && { gatewayId: this.#id }),
    };
    try {
      const answer = await untilReady(
        async () => (await run(admitRequest, { input }, { signal: client.signal })).admitRequest,
        client.signal,
      );
      if ((await withdrawing) === true) {
        counts.withdrawn += 1;
        return undefined;
      }
      if ('code' in answer) {
        counts.refuse(answer.code);
        return undefined;
      }
      counts.admitted += 1;
      if (answer.queueWaitMs > 0) counts.admittedAfterWaiting += 1;
      return answer.lease.id;
    } catch (error) {
      // Its connection was cut, which took it out of the queue.
      if (!client.signal.aborted) throw error;
      counts.withdrawn += 1;
      // Unless its answer was on the way already: a slot that nobody knows of would be held until its lease expires.
      if (this.#ending.signal.aborted) await this.#withdraw(requestId);
      return undefined;
    } finally {
      clearTimeout(patience);
      counts.waiting -= 1;
      this.#waiting.delete(requestId);
    }
  }

  /** Whether the request was taken back: one that has ended already was not. */
  async #withdraw(requestId: string): Promise<boolean> {
    const { signal } = this.#ended;
    const { cancelRequest: answer } = await this.#parts.run(cancelRequest, { input: { requestId } }, { signal });
    return 'cancellation' in answer;
  }

  /** Keeps the slot while the model answers. */
  async #hold(leaseId: string, totalMs: number): Promise<void> {
    const endsAt = performance.now() + totalMs;
    for (;;) {
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) return;
      try {
        await delay(Math.min(leftMs, renewEveryMs), undefined, { signal: this.#ending.signal });
      } catch {
        return;
      }
      if (leftMs > renewEveryMs && !this.isSilent) {
        // One that could not be renewed, or has expired meanwhile, is settled all the same.
        await this.#parts
          .run(renewLease, { input: { leaseId } }, { signal: this.#ending.signal })
          .catch(() => undefined);
      }
    }
  }

  /** @param part how much of it ran: less than 1 when everything ends before it has */
  async #settle(leaseId: string, request: SimulatedRequest, part: number): Promise<void> {
    await this.#untilHeard();
    const { run, counts } = this.#parts;
    const isWhole = part >= 1;
    const input = {
      leaseId,
      // The client is told nothing any more, when everything ends.
      statusCode: isWhole ? request.statusCode : 499,
      inputTokens: request.inputTokens,
      outputTokens: Math.round(request.outputTokens * part),
      ttftMs: Math.round(request.ttftMs),
      totalMs: Math.round(request.totalMs * part),
    };
    const { signal } = this.#ended;
    const answer = await untilReady(
      async () => (await run(settleRequest, { input }, { attemptsMax, signal })).settleRequest,
      signal,
    );
    const { usageRecord } = payloadOf(answer);
    counts.settled += 1;
    if (usageRecord.settlement !== 'SETTLED') counts.settledLate += 1;
  }

  /** Waits for the end of an outage. */
  async #untilHeard(): Promise<void> {
    while (this.isSilent) {
      await delay(250, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    }
  }
}
