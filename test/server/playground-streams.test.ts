import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createContext, runInContext } from 'node:vm';
import { afterEach, describe, expect, test } from 'vitest';

type Fetch = typeof fetch;

/** What the playground's page runs, in a global scope of its own, with time that goes by as soon as it is waited for. */
function loadStreams(): (fetch: Fetch) => Fetch {
  const page = createContext({
    AbortController,
    ReadableStream,
    Response,
    TextDecoderStream,
    TextEncoder,
    setTimeout: (run: () => void) => setImmediate(run),
    clearTimeout: clearImmediate,
  });
  runInContext(readFileSync(new URL('../../src/server/playground/streams.js', import.meta.url), 'utf8'), page);
  return page.continueStreams;
}

const stream = { 'content-type': 'text/event-stream' };
const next = (seq: number): string => `event: next\ndata: {"data":{"seq":${seq}}}\n\n`;
const complete = 'event: complete\ndata:\n\n';

describe('a subscription of the playground', () => {
  let server: Server | undefined;

  afterEach(async () => {
    server?.closeAllConnections();
    server?.close();
    await (server && once(server, 'close'));
  });

  /** A server that answers the first request with the first of these, and so on; the last one again and again. */
  async function serve(...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]) {
    const bodies: string[] = [];
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      bodies.push(body);
      answers[Math.min(bodies.length, answers.length) - 1]?.(response, request);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, bodies };
  }

  const open = (url: string, signal?: AbortSignal): Promise<Response> =>
    loadStreams()(fetch)(url, { method: 'POST', body: '{"query":"…"}', ...(signal && { signal }) });

  const sends =
    (...events: string[]) =>
    (response: ServerResponse): void => {
      response.writeHead(200, stream).end(events.join(''));
    };

  /** The connection breaks after this much was sent. */
  const breaksAfter =
    (text: string) =>
    (response: ServerResponse): void => {
      response.writeHead(200, stream).write(text, () => response.destroy());
    };

  /** The results that are shown, one after the other; a lost connection as LOST. */
  const shown = (text: string): string[] =>
    [...text.matchAll(/^data: (.+)$/gm)].map(([, data = '']) =>
      data.includes('The connection was lost') ? 'LOST' : data,
    );

  const result = (seq: number): string => `{"data":{"seq":${seq}}}`;

  test('goes on after the connection broke, with the same request, and says meanwhile that it is lost', async () => {
    const { url, bodies } = await serve(breaksAfter(next(1)), sends(next(2), complete));
    expect(shown(await (await open(url)).text())).toEqual([result(1), 'LOST', result(2)]);
    expect(bodies).toEqual(['{"query":"…"}', '{"query":"…"}']);
  });

  test('goes on after a server that stops has ended its stream without saying that nothing more comes', async () => {
    const { url } = await serve(sends(next(1)), sends(next(2), complete));
    expect(shown(await (await open(url)).text())).toEqual([result(1), 'LOST', result(2)]);
  });

  test('never joins half an event with what comes over the next connection', async () => {
    const { url } = await serve(breaksAfter(`${next(1)}event: next\ndata: {"da`), sends(next(2), complete));
    expect(shown(await (await open(url)).text())).toEqual([result(1), 'LOST', result(2)]);
  });

  test('tries again until a server is there that is not ready at first, and says so once', async () => {
    const { url, bodies } = await serve(
      breaksAfter(next(1)),
      (response) => response.destroy(),
      (response) => response.writeHead(503).end('not ready'),
      (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>'),
      sends(next(2), complete),
    );
    expect(shown(await (await open(url)).text())).toEqual([result(1), 'LOST', result(2)]);
    expect(bodies).toHaveLength(5);
  });

  test('ends with the reason when the server refuses it meanwhile', async () => {
    const { url, bodies } = await serve(breaksAfter(next(1)), (response) =>
      response
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"errors":[{"message":"The credential was revoked."}]}'),
    );
    expect(shown(await (await open(url)).text())).toEqual([
      result(1),
      'LOST',
      '{"errors":[{"message":"The credential was revoked."}]}',
    ]);
    expect(bodies).toHaveLength(2);
  });

  test('ends when the server says that nothing more comes', async () => {
    const { url, bodies } = await serve(sends(next(1), complete));
    expect(shown(await (await open(url)).text())).toEqual([result(1)]);
    expect(bodies).toHaveLength(1);
  });

  test('is not asked for again once it was stopped', async () => {
    const closed = Promise.withResolvers<void>();
    const { url, bodies } = await serve((response) => {
      response.writeHead(200, stream).write(next(1));
      response.once('close', () => closed.resolve());
    });
    const stop = new AbortController();
    const reader = (await open(url, stop.signal)).body?.getReader();
    expect(shown(new TextDecoder().decode((await reader?.read())?.value))).toEqual([result(1)]);
    stop.abort();
    await closed.promise;
    expect(await reader?.read()).toMatchObject({ done: true });
    expect(bodies).toHaveLength(1);
  });

  test('leaves what is no stream as it is', async () => {
    const { url } = await serve((response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{}}'),
    );
    expect(await (await open(url)).json()).toEqual({ data: {} });
  });
});
