import { setMaxListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { ClientConnection } from '../graph/context.ts';

function newController(): AbortController {
  const controller = new AbortController();
  // Any number of requests of one batch wait on it.
  setMaxListeners(0, controller.signal);
  return controller;
}

/** One operation of several that share a socket: its client may give it up and keep the socket. */
export class SocketOperation implements ClientConnection {
  #controller: AbortController | undefined;
  #isLeft = false;

  get closed(): AbortSignal {
    this.#controller ??= newController();
    if (this.#isLeft) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Nobody waits for it any more. */
  leave(): void {
    this.#isLeft = true;
    this.#controller?.abort();
  }
}

/** The operations of a socket that are not answered yet, by what its client calls them. */
export class SocketOperations {
  readonly #running = new Map<string, SocketOperation>();

  begin(id: string): SocketOperation {
    const operation = new SocketOperation();
    this.#running.set(id, operation);
    return operation;
  }

  end(id: string, operation: SocketOperation): void {
    // The client may have begun another one by that name.
    if (this.#running.get(id) === operation) this.#running.delete(id);
  }

  leave(id: string): void {
    this.#running.get(id)?.leave();
  }

  leaveAll(): void {
    for (const operation of this.#running.values()) operation.leave();
  }
}

/** The request that an operation came by. Most operations never ask whether it ends, so that nothing is made before. */
export class RequestConnection implements ClientConnection {
  readonly #response: Pick<ServerResponse, 'destroyed' | 'once' | 'writableFinished'>;
  #controller: AbortController | undefined;

  constructor(response: Pick<ServerResponse, 'destroyed' | 'once' | 'writableFinished'>) {
    this.#response = response;
  }

  get closed(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = newController();
      const abortUnlessAnswered = (): void => {
        // Nobody listens any more where it was answered, and the error that says so takes its time.
        if (!this.#response.writableFinished) controller.abort();
      };
      // It may have ended before anybody asked, while the credential was looked up.
      if (this.#response.destroyed) abortUnlessAnswered();
      else this.#response.once('close', abortUnlessAnswered);
      this.#controller = controller;
    }
    return this.#controller.signal;
  }
}
