/** Gateways: they have requests admitted and settle them, as the suite says, and measure how long that takes. */
import { KeepAliveClient, type Target } from '../harness/keep-alive-client.ts';
import { familyMicroseconds, processMicroseconds } from '../harness/process-time.ts';
import { percentile } from '../harness/statistics.ts';
import { admitBody, estimate, settleBody } from './operations.ts';
import type { LoadOrder, LoadReply, Measured, Waits } from './protocol.ts';

const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

interface Clocks {
  readonly atUs: number;
  readonly serverUs: number | undefined;
  readonly postgresUs: number | undefined;
  readonly clientsUs: number;
}

function readClocks({ serverPid, postmasterPid }: LoadOrder): Clocks {
  const { user, system } = process.cpuUsage();
  return {
    serverUs: processMicroseconds(serverPid),
    postgresUs: postmasterPid === undefined ? undefined : familyMicroseconds(postmasterPid),
    clientsUs: user + system,
    atUs: nowUs(),
  };
}

const difference = (from: number | undefined, to: number | undefined): number | undefined =>
  from === undefined || to === undefined ? undefined : to - from;

const perRequest = (us: number | undefined, count: number): number | undefined =>
  us === undefined ? undefined : us / count;

function summarise(waits: readonly number[]): Waits {
  const sorted = waits.toSorted((left, right) => left - right);
  return { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: sorted.at(-1) ?? 0 };
}

/** Numbers from 0 to 1 that look random, and are the same in every run. */
function makeRandom(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Connections, each with one request at a time; what finds none free waits for one. */
class Connections {
  readonly #target: Target;
  readonly #all: Set<KeepAliveClient>;
  readonly #free: KeepAliveClient[];
  readonly #waiting: ((client: KeepAliveClient) => void)[] = [];

  private constructor(target: Target, clients: readonly KeepAliveClient[]) {
    this.#target = target;
    this.#all = new Set(clients);
    this.#free = [...clients];
  }

  static async open({ target, connectionCount }: LoadOrder): Promise<Connections> {
    return new Connections(
      target,
      await Promise.all(Array.from({ length: connectionCount }, () => KeepAliveClient.open(target))),
    );
  }

  close(): void {
    for (const client of this.#all) client.close();
  }

  /** @returns the text of the answer */
  async send(body: string): Promise<string> {
    const free = this.#free.pop() ?? (await new Promise<KeepAliveClient>((resolve) => this.#waiting.push(resolve)));
    const client = free.isClosed ? await this.#replace(free) : free;
    const answer = await client.send(body);
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(client);
    else next(client);
    const text = answer.body.toString('latin1');
    if (answer.status !== 200) throw new Error(`a request was answered with ${answer.status}: ${text.slice(0, 500)}`);
    return text;
  }

  /** For one that the server closed while nobody needed it. */
  async #replace(closed: KeepAliveClient): Promise<KeepAliveClient> {
    this.#all.delete(closed);
    const client = await KeepAliveClient.open(this.#target);
    this.#all.add(client);
    return client;
  }
}

/** One load, from its first request to its last settlement. */
class Load {
  readonly #order: LoadOrder;
  readonly #admissions: Connections;
  readonly #settlements: Connections;
  readonly #admitBody: (key: string, requestId: string) => string;
  readonly #random = makeRandom();
  readonly #admitWaits: number[] = [];
  /** The same without the delay of this process, whose timers end on a millisecond. */
  readonly #begunWaits: number[] = [];
  readonly #settleWaits: number[] = [];
  readonly #measureFromMs: number;
  readonly #stopAtMs: number;
  #before: Clocks | undefined;
  #after: Clocks | undefined;
  /** Answered while it was measured. */
  #admitted = 0;
  #settledThen = 0;
  #begun = 0;
  #settled = 0;
  #tokens = 0;

  constructor(order: LoadOrder, admissions: Connections, settlements: Connections) {
    this.#order = order;
    this.#admissions = admissions;
    this.#settlements = settlements;
    this.#admitBody = admitBody(order);
    this.#measureFromMs = performance.now() + order.warmUpMs;
    this.#stopAtMs = this.#measureFromMs + order.measureMs;
  }

  async run(): Promise<Measured> {
    const { arrival, connectionCount } = this.#order;
    if (arrival.kind === 'open') await this.#atRate(arrival.perSecond, arrival.heldMs);
    else await Promise.all(Array.from({ length: connectionCount }, () => this.#keepBusy()));
    this.#after ??= readClocks(this.#order);
    return this.#measured(this.#before, this.#after);
  }

  async #keepBusy(): Promise<void> {
    for (;;) {
      const now = performance.now();
      this.#look(now);
      if (now >= this.#stopAtMs) return;
      const leaseId = await this.#admit(now, now);
      await this.#settle(leaseId, performance.now());
    }
  }

  /** Requests of many callers who know nothing of each other: the time between two is exponentially distributed. */
  async #atRate(perSecond: number, heldMs: number): Promise<void> {
    const all: Promise<void>[] = [];
    const gap = (): number => (-Math.log(1 - this.#random()) * 1_000) / perSecond;
    let failure: unknown;
    for (let due = performance.now() + gap(); due < this.#stopAtMs; ) {
      const now = performance.now();
      this.#look(now);
      if (failure !== undefined) break;
      for (; due <= now && due < this.#stopAtMs; due += gap()) {
        const one = this.#admitAndHold(due, heldMs);
        one.catch((error: unknown) => {
          failure ??= error;
        });
        all.push(one);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.#look(this.#stopAtMs);
    await Promise.all(all);
  }

  async #admitAndHold(due: number, heldMs: number): Promise<void> {
    const leaseId = await this.#admit(due, performance.now());
    await new Promise((resolve) => setTimeout(resolve, heldMs * (0.5 + this.#random())));
    await this.#settle(leaseId, performance.now());
  }

  async #admit(dueAt: number, begunAt: number): Promise<string> {
    const { keys, name } = this.#order;
    const number = this.#begun;
    this.#begun += 1;
    const text = await this.#admissions.send(this.#admitBody(keys[number % keys.length] ?? '', `${name}-${number}`));
    const now = performance.now();
    if (this.#isMeasured(now)) this.#admitted += 1;
    if (this.#isMeasured(dueAt)) {
      this.#admitWaits.push(now - dueAt);
      this.#begunWaits.push(now - begunAt);
    }
    const leaseId = /"lease":\{"id":"([^"]+)"/.exec(text)?.[1];
    if (leaseId === undefined) throw new Error(`a request was not admitted: ${text.slice(0, 500)}`);
    return leaseId;
  }

  async #settle(leaseId: string, begunAt: number): Promise<void> {
    const outputTokens = 1 + Math.floor(this.#random() * estimate.output);
    const text = await this.#settlements.send(settleBody(leaseId, outputTokens));
    const now = performance.now();
    if (this.#isMeasured(now)) this.#settledThen += 1;
    if (this.#isMeasured(begunAt)) this.#settleWaits.push(now - begunAt);
    if (!text.includes('"isRepeated":false')) throw new Error(`a request was not settled: ${text.slice(0, 500)}`);
    this.#settled += 1;
    this.#tokens += estimate.input + outputTokens;
  }

  #isMeasured(atMs: number): boolean {
    return atMs >= this.#measureFromMs && atMs < this.#stopAtMs;
  }

  /** Reads the clocks where the measurement begins and where it ends. */
  #look(now: number): void {
    if (this.#before === undefined && now >= this.#measureFromMs) this.#before = readClocks(this.#order);
    if (this.#after === undefined && now >= this.#stopAtMs) this.#after = readClocks(this.#order);
  }

  #measured(before: Clocks | undefined, after: Clocks): Measured {
    if (before === undefined) throw new Error('the measurement never began');
    const requestCount = this.#admitted + this.#settledThen;
    const elapsedUs = after.atUs - before.atUs;
    const serverUs = difference(before.serverUs, after.serverUs);
    return {
      admit: summarise(this.#admitWaits),
      settle: summarise(this.#settleWaits),
      begunP99Ms: summarise(this.#begunWaits).p99Ms,
      admissionsPerSecond: (this.#admitted * 1_000_000) / elapsedUs,
      serverCpuUs: perRequest(serverUs, requestCount),
      postgresCpuUs: perRequest(difference(before.postgresUs, after.postgresUs), requestCount),
      clientsCpuUs: (after.clientsUs - before.clientsUs) / requestCount,
      serverShare: serverUs === undefined ? undefined : serverUs / elapsedUs,
      startedAtUs: before.atUs,
      endedAtUs: after.atUs,
      requestCount,
      acknowledged: { settlements: this.#settled, tokens: this.#tokens },
    };
  }
}

async function run(order: LoadOrder): Promise<Measured> {
  const admissions = await Connections.open(order);
  // Where requests come at times of their own, none of them waits behind what is said of those that are over.
  const settlements = order.arrival.kind === 'open' ? await Connections.open(order) : admissions;
  try {
    return await new Load(order, admissions, settlements).run();
  } finally {
    admissions.close();
    settlements.close();
  }
}

process.on('message', (order: LoadOrder) => {
  run(order).then(
    (measured) => process.send?.({ measured } satisfies LoadReply),
    (error: unknown) => process.send?.({ failure: String(error) } satisfies LoadReply),
  );
});
process.on('disconnect', () => process.exit());
