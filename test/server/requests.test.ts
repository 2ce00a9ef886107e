import { once } from 'node:events';
import { type IncomingMessage, request as sendRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../testkit/app.ts';

const maxBodyBytes = 2_000;
const { operator, anonymous } = await startTestApp({
  environment: { FAIRLEAD_MAX_BODY_BYTES: String(maxBodyBytes) },
});
const graphUrl = `${operator.url}/graphql`;
const query = '{ __typename }';

interface Sent {
  readonly method?: string;
  readonly contentType?: string;
  readonly body?: string | FormData;
  readonly headers?: Readonly<Record<string, string>>;
}

async function send({ method = 'POST', contentType, body, headers = {} }: Sent) {
  const response = await fetch(graphUrl, {
    method,
    headers: { ...operator.headers, ...headers, ...(contentType === undefined ? {} : { 'content-type': contentType }) },
    ...(body === undefined ? {} : { body }),
  });
  const type = response.headers.get('content-type');
  return { status: response.status, type, body: JSON.parse(await response.text()) };
}

const sendJson = (body: string, headers: Readonly<Record<string, string>> = {}) =>
  send({ contentType: 'application/json', body, headers });

const failsWith = (code: string, message: unknown = expect.any(String)) => ({
  errors: [{ message, extensions: expect.objectContaining({ code }) }],
});

it('leaves its connection open for longer than the minute for which load balancers keep one', async () => {
  const response = await fetch(graphUrl, { headers: operator.headers });
  await response.text();
  const seconds = Number(/^timeout=(\d+)$/.exec(response.headers.get('keep-alive') ?? '')?.[1]);
  expect(seconds).toBeGreaterThan(60);
});

describe('a body', () => {
  it('is read with a charset in its type, and as application/graphql+json', async () => {
    for (const contentType of ['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/graphql+json']) {
      const { status, body } = await send({ contentType, body: JSON.stringify({ query }) });
      expect({ contentType, status, body }).toMatchObject({
        contentType,
        status: 200,
        body: { data: expect.anything() },
      });
    }
  });

  const form = new FormData();
  form.append('operations', JSON.stringify({ query }));
  it.each([
    ['application/x-www-form-urlencoded', `query=${encodeURIComponent(query)}`],
    ['text/plain', JSON.stringify({ query })],
    ['application/graphql', query],
    ['application/xml', '<query/>'],
    // The type is set by the form, with its boundary.
    [undefined, form],
    // A body without any type.
    ['', JSON.stringify({ query })],
  ])('of the type %s is refused with 415, which says what is wanted', async (contentType, body) => {
    const answer = await send({ body, ...(contentType === undefined ? {} : { contentType }) });
    expect(answer).toMatchObject({
      status: 415,
      body: failsWith('UNSUPPORTED_MEDIA_TYPE', 'The body has to be of type application/json.'),
    });
    expect(answer.type).toMatch(/^application\/json/);
  });

  it.each([
    ['that is not JSON', '{"query":', 'BAD_REQUEST', 'The body is not valid JSON.'],
    ['that is empty', '', 'BAD_REQUEST', 'The body is not valid JSON.'],
    ['that is a list', `[{"query":"${query}"}]`, 'BATCHING_NOT_SUPPORTED', expect.stringContaining('one operation')],
    ['that is an empty list', '[]', 'BATCHING_NOT_SUPPORTED', expect.stringContaining('one operation')],
    ['that is null', 'null', 'BAD_REQUEST', expect.stringContaining('"query"')],
    ['that is a string', '"{ __typename }"', 'BAD_REQUEST', expect.stringContaining('"query"')],
    ['whose query is a number', '{"query":1}', 'BAD_REQUEST', expect.stringContaining('query')],
    [
      'whose variables are a list',
      `{"query":"${query}","variables":[]}`,
      'BAD_REQUEST',
      expect.stringContaining('variables'),
    ],
    [
      'with a field of no meaning',
      `{"query":"${query}","unknown":1}`,
      'BAD_REQUEST',
      expect.stringContaining('unknown'),
    ],
  ])('%s is refused with 400, which says why', async (_what, body, code, message) => {
    expect(await sendJson(body)).toMatchObject({ status: 400, body: failsWith(code, message) });
  });

  /** Sends with or without a length, and in pieces that the server can refuse before the last. */
  async function upload(bytes: number, { chunked }: { chunked: boolean }) {
    const start = `{"query":"${query}","operationName":"`;
    const body = `${start}${'x'.repeat(bytes - start.length - 2)}"}`;
    const outgoing = sendRequest(graphUrl, {
      method: 'POST',
      headers: {
        ...operator.headers,
        'content-type': 'application/json',
        ...(chunked ? {} : { 'content-length': String(bytes) }),
      },
    });
    const answered: Promise<IncomingMessage[]> = once(outgoing, 'response');
    for (let at = 0; at < body.length; at += 65_536) outgoing.write(body.slice(at, at + 65_536));
    outgoing.end();
    const [response] = await answered;
    if (response === undefined) throw new Error('There was no response.');
    return { status: response.statusCode, body: JSON.parse(await text(response)) };
  }

  describe.each([{ chunked: true }, { chunked: false }])('sent with chunked: $chunked', (options) => {
    it('may be exactly as long as allowed', async () => {
      // The operation of that name does not exist, which shows that the body was read.
      expect((await upload(maxBodyBytes, options)).body.errors[0].message).toContain('what operation');
    });

    it.each([maxBodyBytes + 1, 5_000_000])('is refused with 413 at %d bytes', async (bytes) => {
      expect(await upload(bytes, options)).toMatchObject({
        status: 413,
        body: failsWith('REQUEST_ENTITY_TOO_LARGE', `The body is longer than ${maxBodyBytes} bytes.`),
      });
    });
  });

  it('that its sender breaks off is not logged as a failure of the server', async () => {
    const { operator: caller, logged, close } = await startTestApp();
    const outgoing = sendRequest(`${caller.url}/graphql`, {
      method: 'POST',
      headers: {
        ...caller.headers,
        'content-type': 'application/json',
        'content-length': '500',
        expect: '100-continue',
      },
    });
    outgoing.on('error', () => undefined);
    outgoing.flushHeaders();
    // Says that the server has begun to read.
    await once(outgoing, 'continue');
    outgoing.write('{"query":');
    outgoing.destroy();
    // When it has ended, everything has been logged.
    await close();
    expect(logged).toEqual([]);
  });
});

describe('a method', () => {
  const get = (operation: string, variables?: object) =>
    fetch(
      `${graphUrl}?${new URLSearchParams({
        query: operation,
        ...(variables && { variables: JSON.stringify(variables) }),
      })}`,
      { headers: operator.headers },
    );

  it('GET carries out queries', async () => {
    const response = await get('query Group($name: String!) { fairshareGroup(name: $name) { name } }', {
      name: 'default',
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ data: { fairshareGroup: { name: 'default' } } });
  });

  it.each(['variables', 'extensions'])(
    'GET with %s that are not JSON is refused with 400, which says so',
    async (name) => {
      const response = await fetch(`${graphUrl}?query=${query}&${name}={no`, { headers: operator.headers });
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual(failsWith('BAD_REQUEST', `The parameter "${name}" is not valid JSON.`));
    },
  );

  it('GET carries out no command: 405, and POST is named', async () => {
    const command = 'mutation { createTenant(input: { name: "By GET" }) { __typename } }';
    const response = await get(command);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).toEqual({
      errors: [expect.objectContaining({ message: expect.stringContaining('POST') })],
    });
    const { data } = await operator.send<{ tenants: { totalCount: number } }, never>('{ tenants { totalCount } }');
    expect(data?.tenants.totalCount).toBe(0);
  });

  it.each(['PUT', 'DELETE', 'PATCH'])('%s is refused with 405', async (method) => {
    const response = await fetch(graphUrl, { method, headers: operator.headers });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, POST');
  });
});

describe('a path that does not exist', () => {
  it.each(['/nothing', '/graphql/', '/graphql/more', '//graphql', '/health/'])('%s is a 404 in JSON', async (path) => {
    const response = await fetch(operator.url + path, { method: 'POST', headers: operator.headers });
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: `There is nothing at ${path}. The graph is at /graphql.` });
  });
});

describe('X-Request-Id', () => {
  const idFor = async (given?: string) => {
    const { headers } = await operator.with(given === undefined ? {} : { 'x-request-id': given }).send(query);
    return headers.get('x-request-id');
  };

  it('is made where none is given, another each time', async () => {
    const [first, second] = [await idFor(), await idFor()];
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).not.toBe(first);
  });

  it.each(['a', 'Order-12.7:b_3', 'x'.repeat(128)])('%s is kept', async (id) => {
    expect(await idFor(id)).toBe(id);
  });

  it.each(['', 'x'.repeat(129), 'a b', 'a;b', '"quoted"', 'ümlaut', '{"a":1}'])(
    '%j is replaced, since it could break a log',
    async (id) => {
      expect(await idFor(id)).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it('is on refusals too', async () => {
    const { status, headers, errors } = await anonymous.with({ 'x-request-id': 'refused-1' }).send(query);
    expect(status).toBe(401);
    expect(headers.get('x-request-id')).toBe('refused-1');
    expect(errors?.[0]?.extensions.requestId).toBe('refused-1');
  });
});

describe('X-Forwarded-For', () => {
  let behindProxy: TestApp;
  beforeAll(async () => {
    behindProxy = await startTestApp({ environment: { FAIRLEAD_TRUST_PROXY: 'true' } });
  });

  /** The address that the audit log has for a command. */
  async function addressOf(client: TestApp['operator'], forwardedFor: string) {
    const name = `From ${forwardedFor}`;
    await client
      .with({ 'x-forwarded-for': forwardedFor })
      .send(`mutation ($input: CreateTenantInput!) { createTenant(input: $input) { __typename } }`, {
        input: { name },
      });
    const { data } = await client.send<{ auditLog: { edges: { node: { ipAddress: string } }[] } }, never>(
      '{ auditLog(first: 1) { edges { node { ipAddress } } } }',
    );
    return data?.auditLog.edges[0]?.node.ipAddress;
  }

  it('is ignored, since anyone can send it', async () => {
    expect(await addressOf(operator, '203.0.113.9')).toBe('127.0.0.1');
  });

  it('names the client behind a proxy that is trusted: the address which that proxy added', async () => {
    expect(await addressOf(behindProxy.operator, '10.9.9.9, 203.0.113.9')).toBe('203.0.113.9');
    expect(await addressOf(behindProxy.operator, '')).toBe('127.0.0.1');
  });
});
