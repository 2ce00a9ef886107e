import type { Wish } from './decision.ts';
import type { AdmitAnswer, AdmitCall } from './owner.ts';
import type { RefusalView } from './refusals.ts';

/** How the wait for a slot ends. */
export type WaitEnd = { readonly granted: true } | { readonly refusal: RefusalView } | 'STOPPED';

/** One request that is being decided, waits, or holds its slot: everybody who asks for it by its request id shares it. */
export class Attempt {
  readonly call: AdmitCall;
  /** The lease's, once there is one. */
  readonly id: string;
  readonly answer: Promise<AdmitAnswer>;
  /** Since when it waits. */
  queuedAt: number;
  /** Set once it was found out; replaced when what it is made of changes. */
  wish: Wish | undefined;
  /** While it waits for a slot. */
  endWait: ((end: WaitEnd) => void) | undefined;
  /** Everybody who asked is gone. */
  isAbandoned = false;
  #listeners = 0;

  constructor(call: AdmitCall, id: string, now: number, run: (attempt: Attempt) => Promise<AdmitAnswer>) {
    this.call = call;
    this.id = id;
    this.queuedAt = now;
    this.answer = run(this);
  }

  /** Waits for the answer as long as the signal lets it; `abandon` is called when nobody waits any more. */
  async join(signal: AbortSignal | undefined, abandon: () => void): Promise<AdmitAnswer> {
    this.#listeners += 1;
    const leave = (): void => {
      this.#listeners -= 1;
      if (this.#listeners > 0) return;
      this.isAbandoned = true;
      abandon();
    };
    if (signal?.aborted) leave();
    else signal?.addEventListener('abort', leave, { once: true });
    try {
      return await this.answer;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }
}
