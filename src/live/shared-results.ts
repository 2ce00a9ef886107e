import type { LiveSource } from './live-source.ts';
import type { Follower, SnapshotStamp } from './snapshot-hub.ts';

/** One result of a live subscription, written once for everyone who gets it. */
export class LiveResult<Result = unknown> {
  readonly result: Result;
  #text: string | undefined;
  #messageEnd: Buffer | undefined;

  constructor(result: Result) {
    this.result = result;
  }

  /** As JSON. */
  get text(): string {
    this.#text ??= JSON.stringify(this.result);
    return this.#text;
  }

  /** The end of a message that has it as its last field. */
  get messageEnd(): Buffer {
    this.#messageEnd ??= Buffer.from(`${this.text}}`);
    return this.#messageEnd;
  }
}

/** Nothing: what came of it depends on who asked, so it must not be shared. */
type SharedExecute<Snapshot, Result> = (
  snapshot: Snapshot,
) => LiveResult<Result> | undefined | Promise<LiveResult<Result> | undefined>;

type Execute<Snapshot, Result> = (snapshot: Snapshot) => LiveResult<Result> | Promise<LiveResult<Result>>;

/** Takes results as they come, without being asked, and says when it can take another. */
export type Sink = (result: LiveResult, sent: () => void) => void;

/** An execution that any number of subscriptions wait for: once for each snapshot, one at a time. */
class Execution<Snapshot, Output> {
  readonly #run: (snapshot: Snapshot) => Output | Promise<Output>;
  #of: Snapshot | undefined;
  #output: Output | Promise<Output> | undefined;

  constructor(run: (snapshot: Snapshot) => Output | Promise<Output>) {
    this.#run = run;
  }

  outputOf(snapshot: Snapshot): Output | Promise<Output> {
    if (this.#output !== undefined) {
      if (this.#of === snapshot) return this.#output;
      // One that is slower than the snapshots come does not pile up.
      if (this.#output instanceof Promise) {
        const again = () => this.outputOf(snapshot);
        return this.#output.then(again, again);
      }
    }
    const output = this.#run(snapshot);
    this.#of = snapshot;
    this.#output = output;
    if (output instanceof Promise) {
      const settle = (settled: Output | undefined): void => {
        if (this.#output === output) this.#output = settled;
      };
      output.then(settle, () => settle(undefined));
    }
    return output;
  }
}

interface Group<Snapshot, Result> {
  readonly execution: Execution<Snapshot, LiveResult<Result> | undefined>;
  /** False since its execution was found to depend on who asks. */
  isShared: boolean;
  size: number;
}

export interface Joining<Snapshot extends SnapshotStamp, Result> {
  /** The same for everyone who gets the same results. */
  readonly key: string;
  readonly source: LiveSource<Snapshot>;
  /** Executes with nothing in its reach but what `key` stands for. */
  readonly execute: SharedExecute<Snapshot, Result>;
  /** Executes as this subscriber. */
  readonly executeAlone: Execute<Snapshot, Result>;
}

/** Deliveries go on for so long in one turn; then others have theirs. */
const turnMs = 8;

/** Delivers results to thousands without keeping everything else waiting. */
class Deliveries {
  #queue: (() => void)[] = [];
  #isScheduled = false;

  add(deliver: () => void): void {
    this.#queue.push(deliver);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    const until = performance.now() + turnMs;
    let done = 0;
    while (done < this.#queue.length && (done % 16 !== 0 || performance.now() < until)) {
      this.#queue[done]?.();
      done += 1;
    }
    this.#queue = this.#queue.slice(done);
    this.#isScheduled = this.#queue.length > 0;
    if (this.#isScheduled) setImmediate(() => this.#deliver());
  }
}

export interface SharedExecutionCounts {
  /** Told of each execution. */
  readonly onExecuted: () => void;
  /** Told of each result that a subscriber was sent. */
  readonly onDelivered: () => void;
}

/** Executes live subscriptions: once for all that have the same key. */
export class SharedExecutions {
  readonly #groups = new Map<string, Group<unknown, unknown>>();
  readonly #deliveries = new Deliveries();
  readonly #counts: SharedExecutionCounts;

  constructor(counts: SharedExecutionCounts) {
    this.#counts = counts;
  }

  /** How many different executions there are. */
  get size(): number {
    return this.#groups.size;
  }

  /** The results of a subscription. It begins when the first is asked for. */
  join<Snapshot extends SnapshotStamp, Result>(joining: Joining<Snapshot, Result>): SharedResults<Snapshot, Result> {
    const { key, source, execute, executeAlone } = joining;
    const { onExecuted, onDelivered } = this.#counts;
    // One key has one type of snapshots and results: they follow from its document.
    const known = this.#groups.get(key) as Group<Snapshot, Result> | undefined;
    const group: Group<Snapshot, Result> = known ?? {
      execution: new Execution((snapshot) => {
        onExecuted();
        return execute(snapshot);
      }),
      isShared: true,
      size: 0,
    };
    const alone = new Execution<Snapshot, LiveResult<Result>>((snapshot) => {
      onExecuted();
      return executeAlone(snapshot);
    });
    return new SharedResults<Snapshot, Result>({
      source,
      deliveries: this.#deliveries,
      onDelivered,
      onBegin: () => {
        group.size += 1;
        this.#groups.set(key, group as Group<unknown, unknown>);
      },
      onEnd: () => {
        group.size -= 1;
        if (group.size === 0 && this.#groups.get(key) === group) this.#groups.delete(key);
      },
      resultOf: (snapshot) => {
        if (!group.isShared) return alone.outputOf(snapshot);
        const orAlone = (result: LiveResult<Result> | undefined) => {
          if (result !== undefined) return result;
          group.isShared = false;
          return alone.outputOf(snapshot);
        };
        const shared = group.execution.outputOf(snapshot);
        return shared instanceof Promise ? shared.then(orAlone) : orAlone(shared);
      },
    });
  }
}

interface SharedResultsParts<Snapshot extends SnapshotStamp, Result> {
  readonly source: LiveSource<Snapshot>;
  readonly deliveries: Deliveries;
  readonly resultOf: Execute<Snapshot, Result>;
  readonly onBegin: () => void;
  readonly onEnd: () => void;
  readonly onDelivered: () => void;
}

/** A result as the transports take it that ask for each: they write it by `stringify` where there is one. */
type PulledResult<Result> = Result & { readonly stringify: () => string };

/**
 * The results of one subscription, of which the newest takes the place of one that is not sent yet. A transport either
 * asks for each, or gives a sink and asks once, for the end.
 */
export class SharedResults<Snapshot extends SnapshotStamp = SnapshotStamp, Result = unknown>
  implements AsyncIterableIterator<PulledResult<Result>, undefined>
{
  readonly #parts: SharedResultsParts<Snapshot, Result>;
  #follower: Follower | undefined;
  #sink: Sink | undefined;
  #heldUntil: () => Promise<void> | undefined = () => undefined;
  #waiting: PromiseWithResolvers<IteratorResult<PulledResult<Result>, undefined>> | undefined;
  /** The newest snapshot of which nothing was sent. */
  #unsent: Snapshot | undefined;
  /** Whether a delivery is under way. */
  #isBusy = false;
  /** Whether what is delivered next comes later than it was given. */
  #isLate = false;
  #isOver = false;

  constructor(parts: SharedResultsParts<Snapshot, Result>) {
    this.#parts = parts;
  }

  /** Gives results to the sink from now on, one at a time. To be called before the first is asked for. */
  pushTo(sink: Sink): void {
    this.#sink = sink;
  }

  /** Has results wait as long as there is something to wait for. */
  holdWhile(heldUntil: () => Promise<void> | undefined): void {
    this.#heldUntil = heldUntil;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<PulledResult<Result>, undefined>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    this.#waiting ??= Promise.withResolvers();
    const { promise } = this.#waiting;
    if (this.#follower === undefined) this.#begin();
    else this.#proceed();
    return promise;
  }

  return(): Promise<IteratorResult<PulledResult<Result>, undefined>> {
    this.#end();
    this.#waiting?.resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<never> {
    this.#end();
    this.#waiting?.resolve({ done: true, value: undefined });
    return Promise.reject(error);
  }

  #begin(): void {
    const { source, onBegin } = this.#parts;
    onBegin();
    try {
      this.#follower = source.follow((snapshot) => {
        this.#unsent = snapshot;
        this.#isLate = this.#isBusy;
        this.#proceed();
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unsent = undefined;
    if (this.#waiting === undefined && this.#follower === undefined) return;
    this.#follower?.stop();
    this.#parts.onEnd();
  }

  #fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#end();
    waiting?.reject(error);
  }

  /** Delivers the newest in its turn, if it can be delivered now. */
  #proceed(): void {
    if (this.#isBusy || this.#unsent === undefined) return;
    if (this.#sink === undefined && this.#waiting === undefined) {
      this.#isLate = true;
      return;
    }
    this.#isBusy = true;
    this.#parts.deliveries.add(this.#deliver);
  }

  readonly #deliver = (): void => {
    const snapshot = this.#unsent;
    if (this.#isOver || snapshot === undefined) {
      this.#isBusy = false;
      return;
    }
    const held = this.#heldUntil();
    if (held !== undefined) {
      this.#isLate = true;
      held.then(this.#deliver);
      return;
    }
    try {
      const result = this.#parts.resultOf(snapshot);
      if (!(result instanceof Promise)) {
        this.#send(snapshot, result);
        return;
      }
      result.then(
        (settled) => {
          if (!this.#isOver) this.#parts.deliveries.add(() => this.#send(snapshot, settled));
        },
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  };

  #send(snapshot: Snapshot, result: LiveResult<Result>): void {
    if (this.#isOver) return;
    if (this.#heldUntil() !== undefined) {
      this.#deliver();
      return;
    }
    // One that came meanwhile is delivered next.
    if (this.#unsent === snapshot) this.#unsent = undefined;
    if (this.#isLate) this.#follower?.delayed();
    this.#isLate = false;
    this.#parts.onDelivered();
    if (this.#sink !== undefined) {
      this.#sink(result, this.#sent);
      return;
    }
    this.#isBusy = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const value = { ...result.result, stringify: () => result.text };
    waiting?.resolve({ done: false, value });
  }

  readonly #sent = (): void => {
    this.#isBusy = false;
    if (this.#unsent !== undefined) this.#isLate = true;
    this.#proceed();
  };
}
