import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import { Channel } from './channel.ts';
import { type AnswerOf, type ArgumentOf, answerRule, type MethodName, ownerMethods, ownerPath } from './methods.ts';
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

/** How a connection came to its end. */
interface ConnectionEnd {
  /** Whether the other one is of a version that speaks otherwise. */
  readonly speaksOtherwise: boolean;
}

interface Options {
  readonly instanceId: string;
  /** The fingerprint of the messages that this process sends and understands. */
  readonly messages: string;
  readonly secret: Uint8Array;
  readonly log: Logger;
  /** Called once, however it came to its end. */
  readonly onEnd: (end: ConnectionEnd) => void;
}

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

const connectTimeoutMs = 2_000;
/** Snapshots of thousands of tenants are the largest. */
const maxPayloadBytes = 256 * 1_048_576;

/** One connection to the one that decides, until either of them ends it. It is not made again. */
export class OwnerConnection {
  readonly #channel: Channel;
  readonly #opened = Promise.withResolvers<void>();
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #isOpen = false;
  #hasEnded = false;

  constructor({ address, epoch, instanceId: to }: OwnerAddress & { readonly address: string }, options: Options) {
    const { instanceId: from, messages, secret, log, onEnd } = options;
    const introduction = introductionOf({ from, to, epoch, messages });
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
    let speaksOtherwise = false;
    socket.once('unexpected-response', (_request, { statusCode }) => {
      speaksOtherwise = statusCode === 426;
      log.debug({ host: url.host, statusCode }, 'the server that decides does not take this one');
      socket.terminate();
    });
    socket.once('open', () => {
      if (!isProven) {
        log.error({ host: url.host }, 'whatever listens where admission is decided is no server of this deployment');
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
        onEnd({ speaksOtherwise });
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
  ): Promise<AnswerOf<Name>> {
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
      // What the schema of the same method has let pass.
      return ownerMethods[name].answer.parse(await promise) as AnswerOf<Name>;
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
