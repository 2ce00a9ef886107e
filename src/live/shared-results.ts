import type { LiveResult } from './live-result.ts';
import type { LiveSource } from './live-source.ts';
import type { Follower, Receiver, SnapshotStamp } from './snapshot-hub.ts';

/** Nothing: what came of it depends on who asked, so it must not be shared. */
type SharedExecute<Snapshot> = (snapshot: Snapshot) => LiveResult | undefined | Promise<LiveResult | undefined>;

type Execute<Snapshot> = (snapshot: Snapshot) => LiveResult | Promise<LiveResult>;

/** Takes results as they come, without being asked. */
export interface Sink {
  /** @returns true: it can take another already; else it says when, or never, when its client is gone */
  send(result: LiveResult, sent: () => void): boolean;
}

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

interface Group<Snapshot> {
  readonly execution: Execution<Snapshot, LiveResult | undefined>;
  /** False since its execution was found to depend on who asks. */
  isShared: boolean;
  size: number;
}

export interface Joining<Snapshot extends SnapshotStamp> {
  /** The same for everyone who gets the same results. */
  readonly key: string;
  readonly source: LiveSource<Snapshot>;
  /** Executes with nothing in its reach but what `key` stands for. */
  readonly execute: SharedExecute<Snapshot>;
  /** Executes as this subscriber. */
  readonly executeAlone: Execute<Snapshot>;
}

/** Deliveries go on for so long in one turn; then others have theirs. */
const turnMs = 8;

interface Deliverable {
  /** True: a result was sent. */
  deliver(): boolean;
}

/** Delivers results to thousands without keeping everything else waiting. */
class Deliveries {
  readonly #onDelivered: (count: number) => void;
  #queue: Deliverable[] = [];
  #isScheduled = false;

  /** @param onDelivered told after each turn how many results were sent in it */
  constructor(onDelivered: (count: number) => void) {
    this.#onDelivered = onDelivered;
  }

  add(deliverable: Deliverable): void {
    this.#queue.push(deliverable);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#deliver);
  }

  readonly #deliver = (): void => {
    const until = performance.now() + turnMs;
    const queue = this.#queue;
    let done = 0;
    let sent = 0;
    while (done < queue.length && (done % 16 !== 0 || performance.now() < until)) {
      if (queue[done]?.deliver()) sent += 1;
      done += 1;
    }
    this.#queue = queue.slice(done);
    this.#isScheduled = this.#queue.length > 0;
    if (this.#isScheduled) setImmediate(this.#deliver);
    if (sent > 0) this.#onDelivered(sent);
  };
}

export interface SharedExecutionCounts {
  /** Told of each execution. */
  readonly onExecuted: () => void;
  /** Told of results that subscribers were sent. */
  readonly onDelivered: (count: number) => void;
}

/** Executes live subscriptions: once for all that have the same key. */
export class SharedExecutions {
  readonly #groups = new Map<string, Group<unknown>>();
  readonly #deliveries: Deliveries;
  readonly #counts: SharedExecutionCounts;

  constructor(counts: SharedExecutionCounts) {
    this.#counts = counts;
    this.#deliveries = new Deliveries(counts.onDelivered);
  }

  /** How many different executions there are. */
  get size(): number {
    return this.#groups.size;
  }

  /** The results of a subscription. It begins when the first is asked for. */
  join<Snapshot extends SnapshotStamp>(joining: Joining<Snapshot>): SharedResults<Snapshot> {
    const { key, source, execute, executeAlone } = joining;
    const { onExecuted } = this.#counts;
    // One key has one type of snapshots: it follows from its document.
    const known = this.#groups.get(key) as Group<Snapshot> | undefined;
    const group: Group<Snapshot> = known ?? {
      execution: new Execution((snapshot) => {
        onExecuted();
        return execute(snapshot);
      }),
      isShared: true,
      size: 0,
    };
    const alone = (): Execution<Snapshot, LiveResult> =>
      new Execution((snapshot) => {
        onExecuted();
        return executeAlone(snapshot);
      });
    return new SharedResults<Snapshot>(group, this.#deliveries, {
      source,
      alone,
      onBegin: () => {
        group.size += 1;
        this.#groups.set(key, group as Group<unknown>);
      },
      onEnd: () => {
        group.size -= 1;
        if (group.size === 0 && this.#groups.get(key) === group) this.#groups.delete(key);
      },
    });
  }
}

interface SharedResultsParts<Snapshot extends SnapshotStamp> {
  readonly source: LiveSource<Snapshot>;
  /** The execution of this one by itself. */
  readonly alone: () => Execution<Snapshot, LiveResult>;
  readonly onBegin: () => void;
  readonly onEnd: () => void;
}

/** What results wait for. */
interface Hold {
  /** When they may go on; nothing: at once. */
  settled(): Promise<void> | undefined;
}

/**
 * The results of one subscription, of which the newest takes the place of one that is not sent yet. A transport gives a
 * sink for them, and then asks once, for the end.
 */
export class SharedResults<Snapshot extends SnapshotStamp = SnapshotStamp>
  implements AsyncIterableIterator<never, undefined>, Deliverable, Receiver<Snapshot>
{
  readonly #group: Group<Snapshot>;
  readonly #deliveries: Deliveries;
  readonly #parts: SharedResultsParts<Snapshot>;
  #alone: Execution<Snapshot, LiveResult> | undefined;
  #follower: Follower | undefined;
  #sink: Sink | undefined;
  #hold: Hold | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<never, undefined>> | undefined;
  /** The newest snapshot of which nothing was sent. */
  #unsent: Snapshot | undefined;
  /** What came of it, when that had to be waited for. */
  #settled: { readonly of: Snapshot; readonly result: LiveResult } | undefined;
  /** Whether a delivery is under way. */
  #isBusy = false;
  /** Whether what is delivered next comes later than it was given. */
  #isLate = false;
  #isOver = false;

  constructor(group: Group<Snapshot>, deliveries: Deliveries, parts: SharedResultsParts<Snapshot>) {
    this.#group = group;
    this.#deliveries = deliveries;
    this.#parts = parts;
  }

  /** Gives results to the sink from now on, one at a time. To be called before the first is asked for. */
  pushTo(sink: Sink): void {
    this.#sink = sink;
  }

  /** Has results wait as long as there is something to wait for. */
  heldBy(hold: Hold): void {
    this.#hold = hold;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Begins, and waits for the end. */
  next(): Promise<IteratorResult<never, undefined>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    this.#waiting ??= Promise.withResolvers();
    const { promise } = this.#waiting;
    if (this.#follower === undefined) this.#begin();
    return promise;
  }

  return(): Promise<IteratorResult<never, undefined>> {
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
      this.#follower = source.follow(this);
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

  receive(snapshot: Snapshot): void {
    this.#unsent = snapshot;
    this.#isLate = this.#isBusy;
    this.#proceed();
  }

  /** Delivers the newest in its turn, if it can be delivered now. */
  #proceed(): void {
    if (this.#isBusy || this.#unsent === undefined) return;
    this.#isBusy = true;
    this.#deliveries.add(this);
  }

  /** Only to be called in its turn. */
  deliver(): boolean {
    const settled = this.#settled;
    this.#settled = undefined;
    const snapshot = settled?.of ?? this.#unsent;
    if (this.#isOver || snapshot === undefined) {
      this.#isBusy = false;
      return false;
    }
    const held = this.#hold?.settled();
    if (held !== undefined) {
      this.#isLate = true;
      held.then(this.#deliverAgain);
      return false;
    }
    try {
      const result = settled?.result ?? this.#resultOf(snapshot);
      if (!(result instanceof Promise)) {
        this.#send(snapshot, result);
        return true;
      }
      result.then(
        (later) => {
          this.#settled = { of: snapshot, result: later };
          this.#deliverAgain();
        },
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
    return false;
  }

  #resultOf(snapshot: Snapshot): LiveResult | Promise<LiveResult> {
    if (!this.#group.isShared) return this.#resultAlone(snapshot);
    const shared = this.#group.execution.outputOf(snapshot);
    if (shared instanceof Promise) return shared.then((result) => result ?? this.#resultAlone(snapshot));
    return shared ?? this.#resultAlone(snapshot);
  }

  #resultAlone(snapshot: Snapshot): LiveResult | Promise<LiveResult> {
    this.#group.isShared = false;
    this.#alone ??= this.#parts.alone();
    return this.#alone.outputOf(snapshot);
  }

  readonly #deliverAgain = (): void => {
    if (!this.#isOver) this.#deliveries.add(this);
  };

  #send(snapshot: Snapshot, result: LiveResult): void {
    // One that came meanwhile is delivered next.
    if (this.#unsent === snapshot) this.#unsent = undefined;
    if (this.#isLate) this.#follower?.delayed();
    this.#isLate = false;
    if (this.#sink === undefined) throw new Error('A live subscription has no sink for its results.');
    if (this.#sink.send(result, this.#onSent)) this.#sentAll();
  }

  #sentAll(): void {
    this.#isBusy = false;
    if (this.#unsent === undefined) return;
    this.#isLate = true;
    this.#proceed();
  }

  readonly #onSent = (): void => this.#sentAll();
}
