import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { Channel } from './channel.ts';
import { type ArgumentOf, type MethodName, ownerPath } from './methods.ts';
import { introductionOf, isAnswerTo, writeIntroduction } from './proof.ts';

/** The one that decides, in one epoch. */
export interface OwnerAddress {
  readonly epoch: number;
  readonly instanceId: string;
  /** Null: nowhere yet. */
  readonly address: string | null;
}

/** The one that decides was not reached, or is gone. Whether it did what it was asked is not known. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

interface Options {
  readonly instanceId: string;
  readonly secret: Uint8Array;
  readonly log: Logger;
  /** Called once, however it came to its end. */
  readonly onEnd: () => void;
}

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

const connectTimeoutMs = 2_000;
/** Snapshots of thousands of tenants are the largest. */
const maxPayloadBytes = 256 * 1_048_576;

const answerRule = z.union([
  z.tuple([z.number(), z.literal('answer'), z.unknown()]),
  z.tuple([z.number(), z.literal('failure'), z.string()]),
]);

/** One connection to the one that decides, until either of them ends it. It is not made again. */
export class OwnerConnection {
  readonly #channel: Channel;
  readonly #opened = Promise.withResolvers<void>();
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #isOpen = false;
  #hasEnded = false;

  constructor({ address, epoch, instanceId: to }: OwnerAddress & { readonly address: string }, options: Options) {
    const { instanceId, secret, log, onEnd } = options;
    const introduction = introductionOf(instanceId, to, epoch);
    const url = new URL(address);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.pathname = `${url.pathname.replace(/\/$/, '')}${ownerPath}`;
    const socket = new WebSocket(url, {
      headers: { authorization: writeIntroduction(secret, introduction) },
      handshakeTimeout: connectTimeoutMs,
      perMessageDeflate: false,
      maxPayload: maxPayloadBytes,
    });
    // Whoever else listens there is told nothing.
    let isProven = false;
    socket.once('upgrade', ({ headers }) => {
      isProven = isAnswerTo(secret, introduction, String(headers['x-fairlead-replica']));
    });
    socket.once('open', () => {
      if (!isProven) {
        log.error({ address }, 'whatever listens where admission is decided is no server of this deployment');
        socket.terminate();
        return;
      }
      this.#isOpen = true;
      this.#opened.resolve();
    });
    this.#opened.promise.catch(() => undefined);
    this.#channel = new Channel(socket, {
      log,
      onMessage: (message) => this.#receive(message),
      onEnd: () => {
        this.#hasEnded = true;
        const error = new UnreachableError('The server that decides is gone, or was not reached.');
        this.#opened.reject(error);
        for (const { reject } of this.#pending.values()) reject(error);
        this.#pending.clear();
        onEnd();
      },
    });
  }

  /** Fulfilled when it can be used. @throws {UnreachableError} */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /**
   * @param signal tells the other one that nobody waits any more
   * @throws {UnreachableError}
   */
  async ask<Name extends MethodName>(
    name: Name,
    argument: ArgumentOf<Name>,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (!this.#isOpen) await this.#opened.promise;
    if (this.#hasEnded) throw new UnreachableError('The server that decides is gone.');
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    this.#channel.send([id, name, argument]);
    const abort = (): void => this.#channel.send([id, 'abort', null]);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  close(): void {
    this.#channel.close();
  }

  #receive(message: unknown): void {
    const [id, kind, content] = answerRule.parse(message);
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (kind === 'answer') pending?.resolve(content);
    else pending?.reject(new Error(`The server that decides has failed: ${content}`));
  }
}
