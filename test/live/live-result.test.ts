import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LiveResult, type MessageFrames } from '../../src/live/live-result.ts';

/** What a client reads of an unmasked frame that is a whole text message. */
function textOf(frame: Buffer): string {
  expect(frame[0]).toBe(0x81);
  const short = frame[1] ?? 0;
  const [from, length] =
    short === 127 ? [10, Number(frame.readBigUInt64BE(2))] : short === 126 ? [4, frame.readUInt16BE(2)] : [2, short];
  expect(frame.length).toBe(from + length);
  return frame.toString('utf8', from);
}

const beginOf = (id: string): Buffer => Buffer.from(`{"id":${JSON.stringify(id)},"payload":`);

const frameOf = (message: MessageFrames, id: string): Buffer => {
  const frame = message.with(beginOf(id));
  if (frame === undefined) throw new Error('This message has no frame in one piece.');
  return frame;
};

describe('the frames of one result', () => {
  const payload = fc.string({ unit: 'binary', maxLength: 200 }).chain((text) =>
    // Heads of 2 and of 4 bytes, and what is near the bounds.
    fc.constantFrom(1, 2, 50, 500).map((times) => text.repeat(times).slice(0, 10_000)),
  );
  const ids = fc.array(fc.record({ id: fc.string({ maxLength: 30 }), isKept: fc.boolean() }), {
    minLength: 1,
    maxLength: 20,
  });

  it('are whole messages, each with its own beginning, and those that are kept stay as they were', () => {
    fc.assert(
      fc.property(payload, ids, (text, subscribers) => {
        const { message } = new LiveResult({ data: text });
        const expected = (id: string) => JSON.stringify({ id, payload: { data: text } });
        const kept: { frame: Buffer; id: string }[] = [];
        for (const { id, isKept } of subscribers) {
          const frame = frameOf(message, id);
          expect(textOf(frame)).toBe(expected(id));
          if (!isKept) continue;
          message.keep();
          kept.push({ frame, id });
        }
        for (const { frame, id } of kept) expect(textOf(frame)).toBe(expected(id));
        expect(message.end.toString()).toBe(`${JSON.stringify({ data: text })}}`);
      }),
    );
  });

  it('are made in the same memory as long as nobody keeps one', () => {
    const { message } = new LiveResult({ data: 'x' });
    const first = frameOf(message, 'one');
    expect(frameOf(message, 'two').buffer).toBe(first.buffer);
    message.keep();
    const second = frameOf(message, 'three');
    expect(second.buffer === first.buffer && second.byteOffset === first.byteOffset).toBe(false);
  });

  it('are sent in parts when the result is large, or the id of the subscription long', () => {
    expect(new LiveResult({ data: 'x'.repeat(40_000) }).message.with(beginOf('1'))).toBeUndefined();
    expect(new LiveResult({ data: 'x' }).message.with(beginOf('1'.repeat(200)))).toBeUndefined();
  });
});
