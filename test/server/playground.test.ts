import { readFileSync } from 'node:fs';
import { createServer, type Server, request as sendRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { buildSchema, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseCoding } from '../../src/server/playground/asset.ts';
import { readExampleOperations } from '../../src/server/playground/operations.ts';
import { exampleHeaders } from '../../src/server/playground/page.ts';
import { createPlayground, type Playground } from '../../src/server/playground.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const schema = buildSchema('type Query { "The answer to everything." answer: Int }');

/** A server that has a playground and answers 418 to whatever the playground leaves. */
async function serve(playground: Playground): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    if (!playground.handle(request, response)) response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

/** `fetch` decompresses silently and adds headers of its own; here both are to be seen. */
function call(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = sendRequest({ host: '127.0.0.1', port, path, method, headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

interface Settings {
  readonly endpoint: string;
  readonly schemaUrl: string | null;
  readonly headers: string;
  readonly workers: Readonly<Record<string, string>>;
  readonly tabs: readonly { readonly query: string; readonly variables?: string; readonly headers: string }[];
}

function readSettings(html: string): Settings {
  const data = /<script type="application\/json" id="settings">(.*?)<\/script>/s.exec(html)?.[1];
  if (data === undefined) throw new Error('The page has no settings.');
  return JSON.parse(data) as Settings;
}

/** Every address the page names, in its markup and in its settings. */
function addressesOf(html: string): readonly string[] {
  const named = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? '');
  return [...named, ...Object.values(readSettings(html).workers)];
}

describe('playground', () => {
  let open: { server: Server; port: number };
  let closed: { server: Server; port: number };
  let html: string;

  beforeAll(async () => {
    open = await serve(createPlayground({ endpoint: '/graphql', schema }));
    closed = await serve(createPlayground({ endpoint: '/graphql' }));
    html = (await call(open.port, '/')).body.toString();
  });

  afterAll(() => {
    for (const { server } of [open, closed]) server.close();
  });

  describe('works without internet', () => {
    test('every address on the page is relative and served by this server', async () => {
      const addresses = addressesOf(html);
      expect(addresses.length).toBeGreaterThanOrEqual(7);
      for (const address of addresses) {
        expect(address).toMatch(/^playground\/[\w-]+\/[\w.-]+$/);
        expect((await call(open.port, `/${address}`, {}, 'HEAD')).status, address).toBe(200);
      }
    });

    test('the style sheet loads its fonts and pictures from itself', async () => {
      const address = addressesOf(html).find((candidate) => candidate.endsWith('.css'));
      const styles = (await call(open.port, `/${address}`)).body.toString();
      const sources = [...styles.matchAll(/url\(\s*["']?([^"')]{1,40})/g)].map((match) => match[1] ?? '');
      expect(sources.length).toBeGreaterThan(0);
      expect(sources.filter((source) => !/^(?:data:|#)/.test(source))).toEqual([]);
      expect(styles).not.toMatch(/@import/);
    });

    test('the policy of every answer lets a browser reach no other origin', async () => {
      for (const path of ['/', '/schema.json', ...addressesOf(html).map((address) => `/${address}`)]) {
        const policy = String((await call(open.port, path, {}, 'HEAD')).headers['content-security-policy']);
        const directives = new Map(policy.split('; ').map((directive) => [directive.split(' ', 1)[0], directive]));
        expect(directives.get('default-src'), path).toBe("default-src 'none'");
        expect(directives.get('script-src'), path).toBe("script-src 'self'");
        expect(directives.get('connect-src'), path).toBe("connect-src 'self'");
        expect(directives.get('frame-ancestors'), path).toBe("frame-ancestors 'none'");
        expect(policy).not.toMatch(/https?:|\*|blob:|unsafe-eval/);
      }
    });
  });

  test('the page has no inline script that runs', () => {
    const inline = [...html.matchAll(/<script(?![^>]*\bsrc=)([^>]*)>/g)].map((match) => match[1] ?? '');
    expect(inline).toEqual([' type="application/json" id="settings"']);
  });

  test('every answer forbids sniffing, referrers and embedding', async () => {
    for (const path of ['/', '/schema.json', '/playground/gone/graphiql.js']) {
      const { headers } = await call(open.port, path);
      expect(headers['x-content-type-options'], path).toBe('nosniff');
      expect(headers['referrer-policy'], path).toBe('no-referrer');
      expect(headers['cross-origin-opener-policy'], path).toBe('same-origin');
      expect(headers['cross-origin-resource-policy'], path).toBe('same-origin');
    }
  });

  describe('caching', () => {
    test('a client that has the page is told so, with the same headers and no body', async () => {
      const first = await call(open.port, '/');
      const tag = String(first.headers.etag);
      expect(tag).toMatch(/^"[^"]+"$/);
      expect(first.headers['cache-control']).toBe('no-cache');
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
        const second = await call(open.port, '/', { 'if-none-match': known });
        expect(second.status, known).toBe(304);
        expect(second.body.length).toBe(0);
        expect(second.headers.etag).toBe(tag);
        expect(second.headers['content-security-policy']).toBe(first.headers['content-security-policy']);
      }
      expect((await call(open.port, '/', { 'if-none-match': '"other"' })).status).toBe(200);
    });

    test('each coding has its own strong tag, so that no cache mixes their bytes', async () => {
      const codings = ['br', 'gzip', 'identity'];
      const tags = await Promise.all(
        codings.map(async (coding) => (await call(open.port, '/', { 'accept-encoding': coding })).headers.etag),
      );
      expect(new Set(tags).size).toBe(codings.length);
    });

    test('files with their digest in the address are kept for good', async () => {
      for (const address of addressesOf(html)) {
        const { headers } = await call(open.port, `/${address}`, {}, 'HEAD');
        expect(headers['cache-control'], address).toBe('public, max-age=31536000, immutable');
      }
    });

    test('two servers of one version give the same addresses', async () => {
      const other = (await call(closed.port, '/')).body.toString();
      expect(addressesOf(other)).toEqual(addressesOf(html));
    });
  });

  describe('compression', () => {
    test('is negotiated, and every form has the same content', async () => {
      for (const path of ['/', ...addressesOf(html).map((address) => `/${address}`)]) {
        const plain = await call(open.port, path);
        const brotli = await call(open.port, path, { 'accept-encoding': 'gzip, deflate, br' });
        const gzip = await call(open.port, path, { 'accept-encoding': 'gzip' });
        expect(plain.headers['content-encoding']).toBeUndefined();
        expect(brotli.headers['content-encoding']).toBe('br');
        expect(gzip.headers['content-encoding']).toBe('gzip');
        expect(brotliDecompressSync(brotli.body).equals(plain.body), path).toBe(true);
        expect(gunzipSync(gzip.body).equals(plain.body), path).toBe(true);
        for (const answer of [plain, brotli, gzip]) {
          expect(answer.headers.vary).toBe('accept-encoding');
          expect(answer.headers['content-length']).toBe(String(answer.body.length));
        }
      }
    });

    test.each([
      [undefined, 'identity'],
      ['', 'identity'],
      ['deflate', 'identity'],
      ['gzip', 'gzip'],
      ['gzip, br', 'br'],
      ['GZIP', 'gzip'],
      ['*', 'br'],
      ['br;q=0, *', 'gzip'],
      ['br;q=0.2, gzip;q=0.8', 'gzip'],
      ['br; q=0, gzip; q=0', 'identity'],
      ['br;q=nonsense', 'identity'],
    ] as const)('accept-encoding %j is answered with %s', (accepted, coding) => {
      expect(chooseCoding(accepted)).toBe(coding);
    });
  });

  describe('the schema', () => {
    test('is published as introspection data without a key', async () => {
      const answer = await call(open.port, '/schema.json');
      expect(answer.headers['content-type']).toBe('application/json');
      const result = JSON.parse(answer.body.toString()) as { data: { __schema: { types: { name: string }[] } } };
      expect(result.data.__schema.types.map((type) => type.name)).toContain('Query');
      expect(answer.body.toString()).toContain('The answer to everything.');
      expect(readSettings(html).schemaUrl).toBe('schema.json');
    });

    test('is not published when the playground is made without it', async () => {
      expect((await call(closed.port, '/schema.json')).status).toBe(418);
      expect(readSettings((await call(closed.port, '/')).body.toString()).schemaUrl).toBeNull();
    });
  });

  describe('what the user finds', () => {
    const operations = readExampleOperations();

    test('there is one tab for each example operation, in the order of the files', () => {
      expect(operations.length).toBeGreaterThanOrEqual(6);
      expect(readSettings(html).tabs.map((tab) => tab.query)).toEqual(operations.map((operation) => operation.text));
    });

    test.each(operations)('$file holds one named operation and says first what it shows', ({ text }) => {
      const definitions = parse(text).definitions.filter((definition) => definition.kind === 'OperationDefinition');
      expect(definitions.map((definition) => definition.name?.value)).toEqual([expect.stringMatching(/^[A-Z]\w+$/)]);
      expect(text).toMatch(/^# \S/);
    });

    test.each(operations)('$file is valid in the schema of this version', ({ text }) => {
      const sdl = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
      expect(validate(buildSchema(sdl), parse(text)).map((error) => error.message)).toEqual([]);
    });

    test('every tab waits for a key and holds none', () => {
      const settings = readSettings(html);
      expect(JSON.parse(exampleHeaders)).toEqual({ Authorization: 'Bearer <paste a key>' });
      for (const headers of [settings.headers, ...settings.tabs.map((tab) => tab.headers)]) {
        expect(headers).toBe(exampleHeaders);
      }
    });

    test('headers are kept by the browser only for those who chose it', async () => {
      const address = addressesOf(html).find((candidate) => candidate.endsWith('/client.js'));
      const script = (await call(open.port, `/${address}`)).body.toString();
      const persistence = [...script.matchAll(/shouldPersistHeaders: (.*),/g)].map((match) => match[1]);
      expect(persistence).toEqual(["storage.getItem('graphiql:shouldPersistHeaders') === 'true'"]);
    });
  });

  describe('as a part of the server', () => {
    test.each(['/graphql', '/health', '/playground', '/playgrounds/', '/index.html', '//'])(
      'leaves %s to the others',
      async (path) => {
        expect((await call(open.port, path)).status).toBe(418);
      },
    );

    test('answers its page also with a query string, which links to an operation have', async () => {
      expect((await call(open.port, '/?query=%7Banswer%7D')).status).toBe(200);
    });

    test('answers 404 for a file of another version, and never a file of the disk', async () => {
      for (const path of ['/playground/old/graphiql.js', '/playground/../package.json', '/playground/%2e%2e/page.ts']) {
        expect((await call(open.port, path)).status, path).toBe(404);
      }
    });

    test('reads only: other methods are refused and named', async () => {
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
        const answer = await call(open.port, '/', {}, method);
        expect(answer.status, method).toBe(405);
        expect(answer.headers.allow).toBe('GET, HEAD');
      }
    });

    test('a failure is reported and answered with 500, without its reason', async () => {
      const failures: unknown[] = [];
      // A schema of a type that no introspection can describe.
      const broken = buildSchema('type Query { answer: Int }');
      broken.getTypeMap = () => {
        throw new Error('internal detail');
      };
      const onError = (error: unknown): number => failures.push(error);
      const { server, port } = await serve(createPlayground({ endpoint: '/graphql', schema: broken, onError }));
      const answer = await call(port, '/');
      server.close();
      expect(answer.status).toBe(500);
      expect(answer.body.toString()).not.toContain('internal detail');
      expect(failures).toHaveLength(1);
    });

    test('HEAD has the headers of GET and no body', async () => {
      const get = await call(open.port, '/');
      const head = await call(open.port, '/', {}, 'HEAD');
      expect(head.body.length).toBe(0);
      expect({ ...head.headers, date: '' }).toEqual({ ...get.headers, date: '' });
    });
  });
});
