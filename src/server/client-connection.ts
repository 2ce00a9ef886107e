import { type EventEmitter, setMaxListeners } from 'node:events';
import type { ClientConnection } from '../graph/context.ts';

/** The connection that an operation came over. Most operations never ask for it, so that nothing is made before. */
export class EmitterConnection implements ClientConnection {
  readonly #emitter: Pick<EventEmitter, 'once'>;
  #controller: AbortController | undefined;

  /** @param emitter says `close` when the connection ends, or the answer */
  constructor(emitter: Pick<EventEmitter, 'once'>) {
    this.#emitter = emitter;
  }

  get closed(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      // Any number of operations wait on one socket.
      setMaxListeners(0, controller.signal);
      this.#emitter.once('close', () => controller.abort());
      this.#controller = controller;
    }
    return this.#controller.signal;
  }
}
