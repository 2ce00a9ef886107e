import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { refuseUpgrade } from '../../../live/refuse-upgrade.ts';
import { Channel } from './channel.ts';
import { type Answerer, callRule, isMethodName, messagesFingerprint, ownerMethods } from './methods.ts';
import { answerTo, type Introduction, readIntroduction } from './proof.ts';

interface Parts {
  readonly instanceId: string;
  readonly secret: Uint8Array;
  readonly log: Logger;
  /** Called when another process has connected, or is gone. */
  readonly onReplicasChanged: () => void;
}

/** What is answered for, and in which epoch. */
interface Served extends Answerer {
  readonly epoch: number;
}

const maxPayloadBytes = 16 * 1_048_576;
/** What was said once is not accepted again. Only processes of the deployment can add to them. */
const noncesMax = 100_000;

/**
 * Answers the other processes of the deployment while this one decides, and nobody else. They prove that they know the
 * deployment's secret before anything they send is read, and name the epoch that they mean.
 */
export class ReplicaEndpoint {
  readonly #parts: Parts;
  readonly #sockets: WebSocketServer;
  readonly #nonces = new LRUCache<string, true>({ max: noncesMax });
  readonly #connections = new Map<Channel, { readonly replica: string; readonly ended: Promise<void> }>();
  #served: Served | undefined;
  readonly #answering = new Set<Promise<void>>();
  /** Ends those that wait for snapshots only. */
  #stopping = new AbortController();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxPayloadBytes,
    });
  }

  /** How many other processes are connected. */
  get replicas(): number {
    return new Set([...this.#connections.values()].map(({ replica }) => replica)).size;
  }

  serve(served: Served): void {
    this.#stopping = new AbortController();
    this.#served = served;
  }

  /** Answers what was asked, and ends every connection. */
  async stop(): Promise<void> {
    this.#served = undefined;
    this.#stopping.abort();
    const connections = [...this.#connections];
    await Promise.all(this.#answering);
    for (const [channel] of connections) channel.close();
    const late = setTimeout(() => {
      for (const [channel] of connections) channel.terminate();
    }, closeTimeoutMs);
    await Promise.all(connections.map(([, { ended }]) => ended));
    clearTimeout(late);
  }

  /** Takes a connection, or refuses it; an HTTP server gives it up to this. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { instanceId, secret } = this.#parts;
    const introduction = readIntroduction(secret, request.headers.authorization);
    if (introduction === undefined || introduction.to !== instanceId || this.#nonces.has(introduction.nonce)) {
      refuseUpgrade(socket, '401 Unauthorized');
      return;
    }
    this.#nonces.set(introduction.nonce, true);
    if (introduction.messages !== messagesFingerprint) {
      refuseUpgrade(socket, otherMessages);
      return;
    }
    const served = this.#served;
    if (served?.epoch !== introduction.epoch) {
      refuseUpgrade(socket, '409 Conflict');
      return;
    }
    const addAnswer = (headers: string[]): void => {
      headers.push(`X-Fairlead-Replica: ${answerTo(secret, introduction)}`);
    };
    // The HTTP server has given the socket up; without a listener, a client that resets it would end the program.
    socket.on('error', () => socket.destroy());
    this.#sockets.once('headers', addAnswer);
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#connect(webSocket, introduction, served));
    this.#sockets.off('headers', addAnswer);
  }

  #connect(socket: WebSocket, { from }: Introduction, answerer: Answerer): void {
    const { log, onReplicasChanged } = this.#parts;
    const ended = Promise.withResolvers<void>();
    const underWay = new Map<number, AbortController>();
    const stopping = this.#stopping.signal;
    const channel = new Channel(socket, {
      log,
      onMessage: (message) => {
        const [id, name, argument] = callRule.parse(message);
        if (name === 'abort') {
          underWay.get(id)?.abort();
          return;
        }
        const controller = new AbortController();
        underWay.set(id, controller);
        const signal = name === 'snapshot' ? AbortSignal.any([controller.signal, stopping]) : controller.signal;
        const answering = this.#answer(answerer, name, argument, signal)
          .then((answer) => channel.send([id, ...answer]))
          .finally(() => {
            underWay.delete(id);
            this.#answering.delete(answering);
          });
        this.#answering.add(answering);
      },
      onEnd: () => {
        this.#connections.delete(channel);
        // Nobody waits for it any more.
        for (const controller of underWay.values()) controller.abort();
        ended.resolve();
        onReplicasChanged();
      },
    });
    this.#connections.set(channel, { replica: from, ended: ended.promise });
    onReplicasChanged();
  }

  async #answer(answerer: Answerer, name: string, argument: unknown, signal: AbortSignal) {
    try {
      if (!isMethodName(name)) throw new TypeError(`There is no method ${name}.`);
      const method = ownerMethods[name];
      // What the method's own schema has let pass.
      return ['answer', await method.run(answerer, method.argument.parse(argument) as never, signal)];
    } catch (error) {
      this.#parts.log.error({ err: error, method: name }, 'what another server asked could not be answered');
      return ['failure', error instanceof Error ? error.message : String(error)];
    }
  }
}

/** What one is answered that speaks otherwise: it is another version of the program. */
const otherMessages = '426 Upgrade Required';

const closeTimeoutMs = 1_000;
