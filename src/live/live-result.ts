/** The longest head of a frame. */
const headMax = 10;

/** Room for what a message begins with: ids of subscriptions are UUIDs, mostly. */
const beginMax = 118;

const room = headMax + beginMax;

/** Longer ones are not copied for those who have to wait, but given to the system in two parts. */
const endMax = 32_768;

/** One result of a live subscription, written once for everyone who gets it. */
export class LiveResult {
  /** As JSON. */
  readonly text: string;
  #message: MessageFrames | undefined;
  #eventChunk: Buffer | undefined;

  constructor(result: object) {
    this.text = JSON.stringify(result);
  }

  /** The frames of the messages that have it as their last field. */
  get message(): MessageFrames {
    this.#message ??= new MessageFrames(`${this.text}}`);
    return this.#message;
  }

  /** As an event of a stream of events. */
  get event(): string {
    return `event: next\ndata: ${this.text}\n\n`;
  }

  /** The event as one chunk of an HTTP answer. */
  get eventChunk(): Buffer {
    if (this.#eventChunk === undefined) {
      const { event } = this;
      this.#eventChunk = Buffer.from(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`);
    }
    return this.#eventChunk;
  }
}

/**
 * The WebSocket frames of messages that differ in a short beginning. They are made one after the other in the same
 * memory, since the system mostly takes one at once; whoever has to wait keeps his.
 */
export class MessageFrames {
  /** The end of all messages, which never changes. */
  readonly end: Buffer;
  /** The same behind room for the rest. */
  #bytes: Buffer;
  #isKept = false;
  #beginLength = -1;
  #frame: Buffer;

  constructor(end: string) {
    this.#bytes = Buffer.allocUnsafe(room + Buffer.byteLength(end));
    this.#bytes.write(end, room);
    this.#frame = this.#bytes;
    this.end = this.#bytes.subarray(room);
  }

  /**
   * The frame of the message that begins with this. It is good until the next one is asked for, unless `keep` is called.
   *
   * @returns nothing when it should be sent in parts
   */
  with(begin: Buffer): Buffer | undefined {
    const endLength = this.end.length;
    if (begin.length > beginMax || endLength > endMax) return undefined;
    if (this.#isKept) {
      this.#bytes = Buffer.from(this.#bytes);
      this.#isKept = false;
      this.#beginLength = -1;
    }
    if (begin.length !== this.#beginLength) {
      this.#beginLength = begin.length;
      const head = frameHead(begin.length + endLength);
      const from = room - begin.length - head.length;
      this.#bytes.set(head, from);
      this.#frame = this.#bytes.subarray(from);
    }
    this.#bytes.set(begin, room - begin.length);
    return this.#frame;
  }

  /** The frame that was given last is still needed: those that follow are made elsewhere. */
  keep(): void {
    this.#isKept = true;
  }
}

/** The head of an unmasked text frame that is a whole message of so many bytes. */
export function frameHead(length: number): Buffer {
  const head = Buffer.alloc(length < 126 ? 2 : length <= 0xffff ? 4 : headMax);
  head[0] = 0x81;
  head[1] = Math.min(length, head.length === headMax ? 127 : 126);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === headMax) head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}
