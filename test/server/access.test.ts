import { describe, expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';

const { anonymous, operator, rootKey, withScopes } = await startTestApp();
const query = '{ __typename }';

describe('a request without a valid credential', () => {
  const rejected: readonly [reason: string, headers: Record<string, string>][] = [
    ['MISSING_CREDENTIAL', {}],
    ['MISSING_CREDENTIAL', { 'x-admin-key': '' }],
    ['MALFORMED_CREDENTIAL', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['MALFORMED_CREDENTIAL', { authorization: 'Bearer' }],
    ['MALFORMED_CREDENTIAL', { authorization: 'Bearer two words' }],
    ['MALFORMED_CREDENTIAL', { 'x-api-key': 'x'.repeat(8_193) }],
    ['UNKNOWN_CREDENTIAL', { 'x-admin-key': 'wrong' }],
    ['UNKNOWN_CREDENTIAL', { authorization: 'Bearer wrong' }],
    ['UNKNOWN_CREDENTIAL', { 'x-engine-key': rootKey }],
    ['UNKNOWN_CREDENTIAL', { 'x-admin-key': rootKey.toUpperCase() }],
    ['AMBIGUOUS_CREDENTIAL', { 'x-admin-key': rootKey, authorization: `Bearer ${rootKey}` }],
  ];
  const types = ['application/json', 'application/graphql-response+json'] as const;

  it.each(rejected.flatMap(([reason, headers]) => types.map((type) => ({ reason, type, headers }))))(
    'gets 401 with $reason as $type',
    async ({ reason, type, headers }) => {
      const answer = await anonymous.with({ ...headers, accept: type }).send(query);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="fairlead"');
      expect(answer.errors).toEqual([
        {
          message: expect.stringContaining('redential'),
          extensions: { code: 'UNAUTHENTICATED', reason, requestId: answer.headers.get('x-request-id') },
        },
      ]);
      expect(answer).toMatchObject({ data: undefined, extensions: undefined });
    },
  );

  it('never has its secret repeated to it', async () => {
    const response = await fetch(`${anonymous.url}/graphql`, {
      method: 'POST',
      headers: { 'x-admin-key': 'a-secret-with-a-typo', authorization: 'Bearer a-secret-with-a-typo' },
    });
    expect(await response.text()).not.toContain('a-secret-with-a-typo');
  });

  it('is turned away before its body is looked at, by every method', async () => {
    for (const [method, body] of [['POST', 'no JSON'], ['GET'], ['PUT', '{}'], ['DELETE']] as const) {
      const response = await fetch(`${anonymous.url}/graphql`, { method, ...(body === undefined ? {} : { body }) });
      expect({ method, status: response.status }).toEqual({ method, status: 401 });
    }
  });

  it('learns nothing of the schema: introspection needs a credential, too', async () => {
    expect(await anonymous.send('{ __schema { types { name } } }')).toMatchObject({ status: 401, data: undefined });
  });
});

describe('a credential', () => {
  it.each(['bearer', 'Bearer', 'BEARER'])('is accepted after %s', async (scheme) => {
    expect((await anonymous.with({ authorization: `${scheme} ${rootKey}` }).send(query)).status).toBe(200);
  });

  it('is accepted with space around it', async () => {
    expect((await anonymous.with({ 'x-admin-key': ` ${rootKey} ` }).send(query)).status).toBe(200);
  });

  it('without the scope of a field gets FORBIDDEN for that field, and the answer is no 401', async () => {
    const answer = await withScopes('tenants:read').send('{ tenants { totalCount } auditLog { totalCount } }');
    expect(answer.status).toBe(200);
    expect(answer.errors).toEqual([expect.objectContaining({ extensions: { code: 'FORBIDDEN' }, path: ['auditLog'] })]);
  });
});

describe('a page of another origin', () => {
  const preflight = (url: string, origin: string) =>
    fetch(`${url}/graphql`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
  const corsHeaders = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith('access-control-'));

  it('is told nothing that would let it in, by default', async () => {
    const asked = await preflight(operator.url, 'https://evil.example');
    expect(asked.status).toBe(405);
    expect(corsHeaders(asked.headers)).toEqual([]);
    const answer = await operator.with({ origin: 'https://evil.example' }).send(query);
    expect(corsHeaders(answer.headers)).toEqual([]);
  });

  describe('where origins are allowed', async () => {
    const allowed = await startTestApp({
      environment: { FAIRLEAD_ALLOWED_ORIGINS: 'https://one.example, https://two.example' },
    });

    it.each(['https://one.example', 'https://two.example'])('%s may call the API', async (origin) => {
      const asked = await preflight(allowed.app.url, origin);
      expect(asked.status).toBe(204);
      expect(asked.headers.get('access-control-allow-origin')).toBe(origin);
      expect(asked.headers.get('access-control-allow-methods')).toBe('GET, POST');
      expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
      for (const client of [allowed.operator, allowed.anonymous]) {
        const { headers } = await client.with({ origin }).send(query);
        expect(headers.get('access-control-allow-origin')).toBe(origin);
        expect(headers.get('vary')).toContain('Origin');
        expect(headers.get('access-control-expose-headers')).toBe('X-Request-Id, Retry-After');
        // There are no cookies that a browser could send along.
        expect(headers.get('access-control-allow-credentials')).toBeNull();
      }
    });

    it('no other may', async () => {
      for (const origin of ['https://evil.example', 'http://one.example', 'https://one.example.evil.example']) {
        const asked = await preflight(allowed.app.url, origin);
        expect(asked.headers.get('access-control-allow-origin')).toBe('null');
      }
    });
  });

  it('may call the API whatever it is, where * is allowed', async () => {
    const open = await startTestApp({ environment: { FAIRLEAD_ALLOWED_ORIGINS: '*' } });
    const asked = await preflight(open.app.url, 'https://any.example');
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://any.example');
  });
});
