/**
 * Subscriptions of the playground outlive their connection. A server that is restarted or replaced, a proxy that closes
 * what is old, a laptop that slept: each breaks the stream, and GraphiQL would show "network error" until somebody
 * presses the button again. Served as it stands, like client.js.
 *
 * Only whole events are handed on: what breaks off in the middle of one would otherwise be joined with the next one's
 * beginning.
 */

/** How long to wait before the next attempt, in milliseconds; the last one from then on. */
const reconnectDelaysMs = [500, 1_000, 2_000, 5_000];

const endOfEvent = '\n\n';

const isStream = (response) => response.headers.get('content-type')?.startsWith('text/event-stream') === true;

const eventOf = (result) => `event: next\ndata: ${JSON.stringify(result)}${endOfEvent}`;

/** Shown in place of the newest result, which from now on would be an old one. */
const connectionLost = eventOf({
  errors: [{ message: 'The connection was lost. It is opened again as soon as the server answers.' }],
});

/** The whole events of a stream, as they come. Returns whether the last one said that there are no more. */
async function* wholeEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      text += value;
      const end = text.lastIndexOf(endOfEvent) + endOfEvent.length;
      if (end < endOfEvent.length) continue;
      const events = text.slice(0, end);
      text = text.slice(end);
      yield events;
      if (/^event: complete$/m.test(events)) return true;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** Fulfilled after the time, and at once when nobody wants the stream any more. */
function pause(durationMs, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, durationMs);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}

/**
 * All events of a subscription, over as many connections as it takes.
 *
 * @param {Response} first what the server answered
 * @param {() => Promise<Response>} ask sends the same request again
 * @param {AbortSignal} signal aborted when nobody wants the stream any more
 */
async function* eventsOf(first, ask, signal) {
  let response = first;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      response ??= await ask();
      if (response.status === 429 || response.status >= 500) throw new Error('It is not ready yet.');
      if (!isStream(response)) {
        // A credential that was revoked meanwhile, an operation that the new version does not know: asking again would
        // change nothing.
        yield `${eventOf(await response.json())}event: complete\ndata:${endOfEvent}`;
        return;
      }
      const events = wholeEvents(response.body);
      for (let next = await events.next(); ; next = await events.next()) {
        if (next.done && next.value) return;
        if (next.done) break;
        attempt = 0;
        yield next.value;
      }
    } catch {
      // It did not answer, or broke off: the same to whoever waits.
    }
    response = undefined;
    if (signal.aborted) return;
    if (attempt === 0) yield connectionLost;
    await pause(reconnectDelaysMs[Math.min(attempt, reconnectDelaysMs.length - 1)], signal);
  }
}

/** The same `fetch`, whose event streams go on when their connection breaks. */
globalThis.continueStreams =
  (fetch) =>
  async (input, init = {}) => {
    const gone = new AbortController();
    init.signal?.addEventListener('abort', () => gone.abort(), { once: true });
    const ask = () => fetch(input, { ...init, signal: gone.signal });
    const first = await ask();
    if (!isStream(first)) return first;
    const events = eventsOf(first, ask, gone.signal);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await events.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: () => gone.abort(),
    });
    return new Response(body, { status: first.status, headers: first.headers });
  };
