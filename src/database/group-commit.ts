import { setTimeout as wait } from 'node:timers/promises';
import { ConnectionLostError, codeOf } from './pipelined-connection.ts';

interface GroupCommitOptions<Operation, Answer> {
  /**
   * Writes a batch in one transaction and gives the answers in its order, or throws and has written nothing. It has to
   * be harmless to write a batch again that was written: after a lost connection nobody knows.
   */
  readonly write: (batch: readonly Operation[]) => Promise<readonly Answer[]>;
  /**
   * What undoes an operation whose caller was told that it failed, and that was written all the same or may have been.
   * Nothing: it may stay.
   */
  readonly undo: (operation: Operation) => Operation | undefined;
  /** How long an operation may wait before its caller is told to try again. */
  readonly deadlineMs: number;
  /** How many may wait for the batch that is under way; further ones are refused at once. */
  readonly waitingMax: number;
  /** How many go into one batch. */
  readonly batchMax: number;
  /** How soon after a batch was begun the next one is, unless it is full: a batch costs the same for one as for a few. */
  readonly intervalMs: number;
  /** Told each time that a batch has to be repeated. */
  readonly onRepeat: (error: unknown) => void;
}

/** What was asked for could not be written in time. Asking again is safe, also where it was written after all. */
export class NotWrittenError extends Error {
  override readonly name = 'NotWrittenError';
  readonly retryAfterMs: number;
  /** Whether it may have been written. False: it was not. */
  readonly isUnknown: boolean;

  constructor(message: string, { retryAfterMs, isUnknown }: { retryAfterMs: number; isUnknown: boolean }) {
    super(message);
    this.retryAfterMs = retryAfterMs;
    this.isUnknown = isUnknown;
  }
}

/** Thrown by `write`: it has written nothing, and nothing will be written any more. Whatever waits is refused. */
export class WritingEndedError extends Error {
  override readonly name = 'WritingEndedError';
}

interface Entry<Operation, Answer> {
  readonly operation: Operation;
  /** Gone once the caller was answered: whatever becomes of the operation, nobody waits for it. */
  caller: { readonly resolve: (answer: Answer) => void; readonly reject: (error: unknown) => void } | undefined;
  /** Since when it waits, by a clock that is never set; null: it undoes something, which has no deadline. */
  readonly since: number | null;
  /** The connection was lost while it was under way. */
  mayBeWritten: boolean;
}

const retryAfterMs = 1_000;
const repeatAfterMs = [20, 50, 100, 250, 500, 1_000] as const;

/**
 * Has whatever is asked for at the same time written in one transaction. While a batch is under way the next one fills,
 * so batches are as large as the database is slow. They are written one after the other, in the order of asking.
 */
export class GroupCommit<Operation, Answer> {
  readonly #options: GroupCommitOptions<Operation, Answer>;
  #waiting: Entry<Operation, Answer>[] = [];
  #underWay: readonly Entry<Operation, Answer>[] = [];
  #running: Promise<void> | undefined;
  /** When the last batch was, by a clock that is never set. */
  #begunAt = Number.NEGATIVE_INFINITY;
  #expiry: NodeJS.Timeout | undefined;
  /** Why nothing more is taken. */
  #closedBecause: string | undefined;

  constructor(options: GroupCommitOptions<Operation, Answer>) {
    this.#options = options;
  }

  /** How many operations were asked for and not answered. */
  get size(): number {
    return this.#waiting.length + this.#underWay.length;
  }

  /**
   * Fulfilled when the batch with the operation is committed.
   *
   * @throws {NotWrittenError} when the database does not keep up, or its own error when it refuses this operation
   */
  submit(operation: Operation): Promise<Answer> {
    const { waitingMax } = this.#options;
    if (this.#closedBecause !== undefined) return Promise.reject(this.#notWritten(this.#closedBecause, false));
    if (this.#waiting.length >= waitingMax) {
      return Promise.reject(this.#notWritten('The database does not keep up with what is to be written.', false));
    }
    return new Promise((resolve, reject) => {
      this.#add({ operation, caller: { resolve, reject }, since: performance.now(), mayBeWritten: false });
    });
  }

  /** Takes nothing more, and waits until all that was taken is written or given up. */
  async close(): Promise<void> {
    this.#closedBecause ??= 'The program is stopping.';
    await this.#running;
    clearTimeout(this.#expiry);
  }

  #add(entry: Entry<Operation, Answer>): void {
    this.#waiting.push(entry);
    this.#running ??= this.#run();
    this.#expiry ??= this.#expireAfter(this.#options.deadlineMs);
  }

  /** Writes until nothing waits. */
  async #run(): Promise<void> {
    let failures = 0;
    for (;;) {
      await this.#gather();
      if (this.#waiting.length === 0) break;
      this.#begunAt = performance.now();
      this.#underWay = this.#waiting.splice(0, this.#options.batchMax);
      const unwritten = await this.#write(this.#underWay);
      this.#underWay = [];
      if (unwritten.length === 0) {
        failures = 0;
        continue;
      }
      // Before all that was asked for later. Those that nobody waits for any more are left out.
      this.#waiting = [...unwritten.filter((entry) => this.#isWanted(entry)), ...this.#waiting];
      await wait(repeatAfterMs[Math.min(failures, repeatAfterMs.length - 1)] ?? 0);
      failures += 1;
    }
    this.#running = undefined;
  }

  /** Lets come together what comes at about the same time. */
  async #gather(): Promise<void> {
    const { batchMax, intervalMs } = this.#options;
    const early = this.#begunAt + intervalMs - performance.now();
    if (early >= 1 && this.#waiting.length < batchMax) await wait(early);
    // Whatever is asked for by what this turn of the event loop has read.
    else await new Promise(setImmediate);
  }

  /** Writes these and answers their callers; gives those that are to be written again later. */
  async #write(entries: readonly Entry<Operation, Answer>[]): Promise<readonly Entry<Operation, Answer>[]> {
    if (entries.length === 0) return [];
    try {
      const answers = await this.#options.write(entries.map(({ operation }) => operation));
      for (const [index, entry] of entries.entries()) this.#answer(entry, answers[index] as Answer);
      return [];
    } catch (error) {
      if (error instanceof WritingEndedError) return this.#end(entries, error);
      if (passes(error)) {
        this.#options.onRepeat(error);
        for (const entry of entries) {
          entry.mayBeWritten ||= error instanceof ConnectionLostError;
          if (entry.mayBeWritten) this.#undoUnlessWanted(entry);
        }
        return entries;
      }
      const [only] = entries;
      if (entries.length === 1 && only !== undefined) {
        only.caller?.reject(error);
        only.caller = undefined;
        return [];
      }
      // One that Postgres refuses is found by halving: with n operations after 2 log n batches, and its neighbours are
      // written. Of the halves, the first comes first, so that the order stays.
      const middle = Math.ceil(entries.length / 2);
      const first = await this.#write(entries.slice(0, middle));
      return first.length > 0 ? [...first, ...entries.slice(middle)] : await this.#write(entries.slice(middle));
    }
  }

  /** Refuses these and whatever waits, now and from now on. */
  #end(entries: readonly Entry<Operation, Answer>[], { message }: Error): readonly Entry<Operation, Answer>[] {
    this.#closedBecause ??= message;
    for (const entry of [...entries, ...this.#waiting.splice(0)]) {
      entry.caller?.reject(this.#notWritten(message, entry.mayBeWritten));
      entry.caller = undefined;
    }
    return [];
  }

  #answer(entry: Entry<Operation, Answer>, answer: Answer): void {
    this.#undoUnlessWanted(entry);
    entry.caller?.resolve(answer);
    entry.caller = undefined;
  }

  /** While it is being closed, nothing is repeated that only undoes something. */
  #isWanted({ caller, since }: Entry<Operation, Answer>): boolean {
    return caller !== undefined && (since !== null || this.#closedBecause === undefined);
  }

  /** Undoes what was written, or may have been, for a caller who was told that it failed. */
  #undoUnlessWanted({ caller, operation }: Entry<Operation, Answer>): void {
    const undoing = caller === undefined ? this.#options.undo(operation) : undefined;
    if (undoing === undefined) return;
    const nobody = { resolve: () => undefined, reject: () => undefined };
    this.#waiting.push({ operation: undoing, caller: nobody, since: null, mayBeWritten: false });
  }

  /** After `ms`, tells those who have waited too long; then looks again when the next one will have. */
  #expireAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      // What has come while this process was busy is read first.
      setImmediate(() => {
        const { deadlineMs } = this.#options;
        const now = performance.now();
        const waiting = this.#waiting;
        this.#waiting = [];
        let next: number | undefined;
        const look = (entries: readonly Entry<Operation, Answer>[], areUnderWay: boolean): void => {
          for (const entry of entries) {
            const endsAt = entry.caller === undefined || entry.since === null ? undefined : entry.since + deadlineMs;
            if (endsAt !== undefined && endsAt <= now) this.#giveUp(entry, areUnderWay);
            else next ??= endsAt;
          }
        };
        look(this.#underWay, true);
        look(waiting, false);
        this.#waiting.push(...waiting.filter(({ caller }) => caller !== undefined));
        this.#expiry = next === undefined ? undefined : this.#expireAfter(next - now);
      });
    }, ms);
  }

  #giveUp(entry: Entry<Operation, Answer>, isUnderWay: boolean): void {
    entry.caller?.reject(this.#notWritten('The database did not answer in time.', isUnderWay || entry.mayBeWritten));
    entry.caller = undefined;
    // Of what is under way, the end will tell.
    if (!isUnderWay && entry.mayBeWritten) this.#undoUnlessWanted(entry);
  }

  #notWritten(message: string, isUnknown: boolean): NotWrittenError {
    return new NotWrittenError(`${message} Try again in a moment.`, { retryAfterMs, isUnknown });
  }
}

/**
 * Whether an error says nothing against what was to be written: the connection, a lock, the server's state. Errors of
 * these classes come again however often it is repeated: of values, of rules, of the statement, and of the server itself.
 */
const passes = (error: unknown): boolean => {
  if (error instanceof ConnectionLostError) return true;
  const code = codeOf(error);
  return code !== undefined && !['0A', '21', '22', '23', '42', 'XX'].includes(code.slice(0, 2));
};
