import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { GraphContext } from '../../graph/context.ts';
import { RequestError } from '../../graph/errors.ts';
import type { CredentialEnd, CredentialWatch, Watched } from '../../live/credential-watch.ts';
import type { ServerContext } from '../context.ts';
import { rejectionMessages } from './authentication.ts';

/**
 * Ends subscriptions whose credential was revoked, has expired or may do less by now, also those that wait for their
 * next result; and holds results back while a credential is in doubt.
 */
export const useSubscriptionCredentials = (watch: CredentialWatch): Plugin<GraphContext & ServerContext> => ({
  onSubscribe: ({ args }) => ({
    onSubscribeResult: ({ result, setResult }) => {
      const { credential, principal } = args.contextValue;
      if (!isAsyncIterable(result) || credential === undefined) return;
      const guarded = new GuardedResults(result[Symbol.asyncIterator]());
      const watched = guarded.watchedBy((onEnd) => watch.watch(credential, principal, onEnd));
      args.contextValue.liveResults?.heldBy(watched.credential);
      setResult(guarded);
    },
  }),
});

const reducedMessage = 'The credential may do less than when the subscription began; subscribe again.';

const endedError = (end: CredentialEnd): RequestError =>
  end === 'PERMISSIONS_REDUCED'
    ? new RequestError('FORBIDDEN', reducedMessage, { reason: end })
    : new RequestError('UNAUTHENTICATED', rejectionMessages[end], { reason: end });

/** The results of a subscription up to the end of its credential, which is an error. */
class GuardedResults<Result> implements AsyncIterableIterator<Result, undefined> {
  readonly #results: AsyncIterator<Result>;
  #watched: Watched | undefined;
  #end: RequestError | undefined;
  #isOver = false;
  #waiting: PromiseWithResolvers<IteratorResult<Result, undefined>> | undefined;

  constructor(results: AsyncIterator<Result>) {
    this.#results = results;
  }

  watchedBy(watch: (onEnd: (end: CredentialEnd) => void) => Watched): Watched {
    const watched = watch((end) => {
      this.#end = endedError(end);
      if (this.#waiting === undefined) return;
      this.#waiting.reject(this.#end);
      this.#stop();
    });
    this.#watched = watched;
    return watched;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The transports ask for one at a time. */
  next(): Promise<IteratorResult<Result, undefined>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    if (this.#end !== undefined) {
      this.#stop();
      return Promise.reject(this.#end);
    }
    this.#waiting = Promise.withResolvers();
    const { promise } = this.#waiting;
    void this.#take(this.#waiting);
    return promise;
  }

  return(): Promise<IteratorResult<Result, undefined>> {
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<never> {
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#stop();
    return Promise.reject(error);
  }

  async #take(waiting: PromiseWithResolvers<IteratorResult<Result, undefined>>): Promise<void> {
    try {
      const result = await this.#results.next();
      // Rejects what waits when the credential is found to have ended.
      await this.#watched?.credential.settled();
      if (result.done) this.#stop();
      waiting.resolve(result.done ? { done: true, value: undefined } : result);
    } catch (error) {
      this.#stop();
      waiting.reject(error);
    } finally {
      if (this.#waiting === waiting) this.#waiting = undefined;
    }
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watched?.release();
    // Not waited for: a source that is in the midst of something ends when it is through.
    this.#results.return?.()?.catch(() => undefined);
  }
}
