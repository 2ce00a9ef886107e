import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../testkit/app.ts';
import type { Client } from '../testkit/client.ts';
import { eventually } from '../testkit/eventually.ts';
import { openConnection, post, type RawAnswer } from '../testkit/raw-http.ts';

// More than a query has to be executed to be compiled, so that both ways to execute are met.
const repetitions = 28;
const maxBodyBytes = 20_000;

const test = await startTestApp({ environment: { FAIRLEAD_MAX_BODY_BYTES: String(maxBodyBytes) } });
const poor = await startTestApp({
  environment: {
    FAIRLEAD_MAX_OPERATION_COST: '60',
    FAIRLEAD_COST_CAPACITY: '100',
    FAIRLEAD_COST_PER_SECOND: '1',
  },
  sameDatabaseAs: test,
});
const { operator, anonymous } = test;

/** How many operations a program carried out on the direct lane. */
const directOperations = async ({ app }: TestApp): Promise<number> =>
  (await app.metrics.directOperations.get()).values[0]?.value ?? 0;

interface Sent {
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

let strangeAccepts = 0;

/** Sends with an Accept header that means the same and was never sent before, so that yoga answers. */
const sendToYoga = (client: Client, { body, headers = {} }: Sent): Promise<RawAnswer> => {
  strangeAccepts += 1;
  const accept = `${headers.accept ?? '*/*'};strange=${strangeAccepts}`;
  return send(client, { body, headers: { ...headers, accept } });
};

const send = (client: Client, { body, headers }: Sent): Promise<RawAnswer> =>
  post(`${client.url}/graphql`, body, {
    headers: { 'content-type': 'application/json', 'x-request-id': 'compared', ...client.headers, ...headers },
  });

/** What a credential has left differs from request to request. */
const comparable = (answer: RawAnswer): RawAnswer => ({
  ...answer,
  body: answer.body.replace(/"remaining":\d+/, '"remaining":0'),
});

const json = (query: string, variables?: object, more: object = {}): Sent => ({
  body: JSON.stringify({ query, variables, ...more }),
});

const accepts = [
  undefined,
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'application/graphql-response+json,application/json;q=0.9',
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
  'text/html,application/xhtml+xml,*/*;q=0.8',
];

let tenantId: string;

beforeAll(async () => {
  const made = await operator.send<{ createTenant: { tenant: { id: string } } }, never>(
    'mutation { createTenant(input: { name: "Acme" }) { ... on CreateTenantPayload { tenant { id } } } }',
  );
  tenantId = made.data?.createTenant.tenant.id ?? '';
  for (const name of ['Ünïcode 🚀', 'Gamma']) {
    await operator.send(`mutation { createTenant(input: { name: "${name}" }) { __typename } }`);
  }
  for (const { operator: caller } of [test, poor]) {
    for (const accept of accepts) {
      await send(caller, { ...json('{ __typename }'), headers: accept === undefined ? {} : { accept } });
    }
  }
});

const page =
  'query Page($first: Int, $filter: TenantFilter) { tenants(first: $first, filter: $filter) { edges { node { id name } } } }';
const skipping =
  'query ($yes: Boolean!) { tenants { totalCount @skip(if: $yes) edges { node { id @include(if: $yes) name } } } }';
const create =
  'mutation ($input: CreateTenantInput!) { createTenant(input: $input) { __typename ... on CreateTenantPayload { tenant { id name } } ... on UserError { code message path } ... on ValidationError { issues { rule } } } }';
const update =
  'mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { __typename ... on UpdateTenantPayload { tenant { name revision description } } ... on UserError { code message path } } }';

interface Case {
  readonly name: string;
  readonly sent: () => Sent;
  readonly caller?: () => Client;
  readonly app?: TestApp;
  /** Default: that the lane carries it out. */
  readonly isDirect?: boolean;
}

const direct: readonly Case[] = [
  { name: 'a query without variables', sent: () => json('{ tenants { totalCount } }') },
  { name: 'a query with variables', sent: () => json(page, { first: 2, filter: { name: { contains: 'a' } } }) },
  { name: 'variables that are null', sent: () => ({ body: JSON.stringify({ query: page, variables: null }) }) },
  { name: 'variables that are not declared', sent: () => json(page, { unknown: 1 }) },
  { name: 'empty and missing extensions', sent: () => json(page, {}, { extensions: {}, operationName: null }) },
  { name: 'a variable of another type', sent: () => json(page, { first: 'many' }) },
  {
    name: 'a required variable that is missing',
    sent: () => json('query ($name: String!) { tenant(name: $name) { id } }', {}),
  },
  {
    name: 'one of several operations',
    sent: () =>
      json('query A { tenants { totalCount } } query B { fairshareGroups { totalCount } }', undefined, {
        operationName: 'B',
      }),
  },
  { name: 'fields that are left out', sent: () => json(skipping, { yes: true }) },
  { name: 'fields that are not left out', sent: () => json(skipping, { yes: false }) },
  {
    name: 'unicode',
    sent: () => json('query ($name: String!) { tenant(name: $name) { name } }', { name: 'ünïcode 🚀' }),
  },
  {
    name: 'variables named as parts of objects are',
    sent: () => ({
      body: `{"query":${JSON.stringify(page)},"variables":{"__proto__":{"first":1},"constructor":1,"filter":{"__proto__":{"x":1}}}}`,
    }),
  },
  {
    name: 'an error of an argument',
    sent: () => json('{ tenants(first: 0) { totalCount } tenant(name: "acme") { id } }'),
  },
  {
    name: 'an error in a field that can be null',
    sent: () => json('{\n tenant(id: "fsg_01j0000000e008000000000001") { id } fairshareGroups { totalCount } }'),
  },
  {
    name: 'a missing scope, which leaves nothing',
    sent: () => json('{ tenants { totalCount } auditLog { totalCount } }'),
    caller: () => test.withScopes('audit:read'),
  },
  {
    name: 'a missing scope below a list',
    sent: () => json('{ tenants { edges { node { name fairshareGroup { name } } } } }'),
    caller: () => test.withScopes('tenants:read'),
  },
  { name: 'introspection', sent: () => json('{ __type(name: "Tenant") { name fields { name } } }') },
  { name: 'a command that is carried out', sent: () => json(update, { input: { tenantId, description: 'same' } }) },
  { name: 'a command that omits what another gives', sent: () => json(update, { input: { tenantId } }) },
  { name: 'a command that is refused', sent: () => json(create, { input: { name: 'acme' } }) },
  { name: 'a command with input that breaks a rule', sent: () => json(create, { input: { name: ' ' } }) },
  {
    name: 'a command that is repeated under its key',
    sent: () => json(create, { input: { name: 'Replayed', idempotencyKey: 'in the input'.replaceAll(' ', '-') } }),
  },
  {
    name: 'a command that is repeated under its header',
    sent: () => ({
      ...json(create, { input: { name: 'Replayed by header' } }),
      headers: { 'idempotency-key': 'in-the-header' },
    }),
  },
  {
    name: 'a command that the scopes do not allow',
    sent: () => json(create, { input: { name: 'Denied' } }),
    caller: () => test.withScopes('tenants:read'),
  },
  {
    name: 'an operation that costs too much',
    sent: () => json(page, { first: 100 }),
    app: poor,
    caller: () => poor.withScopes('tenants:read'),
  },
  ...accepts.map((accept) => ({
    name: `Accept: ${accept}`,
    sent: () => ({ ...json(page), headers: accept === undefined ? {} : { accept } }),
  })),
  ...['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/graphql+json'].map((type) => ({
    name: `Content-Type: ${type}`,
    sent: () => ({ ...json(page), headers: { 'content-type': type } }),
  })),
  {
    name: 'a page of another origin, where none is allowed',
    sent: () => ({ ...json(page), headers: { origin: 'https://a.example' } }),
  },
];

const declined: readonly Case[] = [
  { name: 'a name that no operation has', sent: () => json(page, undefined, { operationName: 'Other' }) },
  { name: 'an empty name', sent: () => json(page, undefined, { operationName: '' }) },
  { name: 'a name that is no text', sent: () => json(page, undefined, { operationName: 1 }) },
  { name: 'several operations without a name', sent: () => json('query A { __typename } query B { __typename }') },
  { name: 'a document that is not valid', sent: () => json('{ nothing }') },
  { name: 'a document that is broken', sent: () => json('{ tenants {') },
  { name: 'a subscription', sent: () => json('subscription { nothing }') },
  { name: 'a body that is broken', sent: () => ({ body: '{"query":' }) },
  { name: 'a body that is empty', sent: () => ({ body: '' }) },
  { name: 'a body that is a list', sent: () => ({ body: `[${json(page).body}]` }) },
  { name: 'a body that is null', sent: () => ({ body: 'null' }) },
  { name: 'no query', sent: () => ({ body: '{}' }) },
  { name: 'a query that is a number', sent: () => ({ body: '{"query":1}' }) },
  { name: 'variables that are a list', sent: () => ({ body: JSON.stringify({ query: page, variables: [] }) }) },
  { name: 'variables that are text', sent: () => ({ body: JSON.stringify({ query: page, variables: '{}' }) }) },
  { name: 'extensions that are a list', sent: () => json(page, undefined, { extensions: [] }) },
  { name: 'a field of no meaning', sent: () => json(page, undefined, { unknown: 1 }) },
  {
    name: 'a field named as the prototype is',
    sent: () => ({ body: `{"__proto__":{"query":"{ __typename }"},"query":${JSON.stringify(page)}}` }),
  },
  { name: 'a query in the prototype alone', sent: () => ({ body: `{"__proto__":{"query":${JSON.stringify(page)}}}` }) },
  { name: 'a body that is too long', sent: () => json(page, { x: 'x'.repeat(maxBodyBytes) }) },
  { name: 'a type that is not JSON', sent: () => ({ ...json(page), headers: { 'content-type': 'text/plain' } }) },
  { name: 'an answer as multipart', sent: () => ({ ...json(page), headers: { accept: 'multipart/mixed' } }) },
  { name: 'an answer of an unknown type', sent: () => ({ ...json(page), headers: { accept: 'image/png' } }) },
  { name: 'no credential', sent: () => json(page), caller: () => anonymous },
  { name: 'a wrong credential', sent: () => json(page), caller: () => anonymous.with({ 'x-admin-key': 'wrong' }) },
  { name: 'two credentials', sent: () => json(page), caller: () => operator.with({ authorization: 'Bearer two' }) },
  { name: 'a malformed credential', sent: () => json(page), caller: () => anonymous.with({ authorization: 'no' }) },
  {
    name: 'no credential, with the newer type',
    sent: () => ({ ...json(page), headers: { accept: 'application/graphql-response+json' } }),
    caller: () => anonymous,
  },
].map((each) => ({ ...each, isDirect: false }));

describe('the direct lane', () => {
  it.each([...direct, ...declined])('answers as yoga does: $name', async (each) => {
    const { sent, app = test, caller = () => app.operator, isDirect = true } = each;
    const client = caller();
    const request = sent();
    // Of commands, the first is the only one that changes something.
    await sendToYoga(client, request);
    const expected = comparable(await sendToYoga(client, request));
    const before = await directOperations(app);
    for (let count = 0; count < repetitions; count += 1) {
      expect(comparable(await send(client, request))).toEqual(expected);
    }
    expect((await directOperations(app)) - before).toBe(isDirect ? repetitions : 0);
    expect(comparable(await sendToYoga(client, request))).toEqual(expected);
  });

  it('gives everyone their own answer, however many ask at once', async () => {
    const query = 'query ($name: String!) { tenant(name: $name) { name } }';
    await sendToYoga(operator, json(query, { name: 'Acme' }));
    await send(operator, json(query, { name: 'Acme' }));
    const before = await directOperations(test);
    const asked = Array.from(
      { length: 100 },
      (_, number) => [`asked-${number}`, number % 2 ? 'Acme' : 'Gamma'] as const,
    );
    const answers = await Promise.all(
      asked.map(([id, name]) => send(operator, { ...json(query, { name }), headers: { 'x-request-id': id } })),
    );
    const given = answers.map(({ headers, body }) => [
      headers.find(([name]) => name === 'x-request-id')?.[1],
      /"name":"(\w+)"/.exec(body)?.[1],
    ]);
    expect(given).toEqual(asked);
    expect((await directOperations(test)) - before).toBe(asked.length);
  });

  it('refuses what the budget does not allow with 429, as yoga does', async () => {
    const client = poor.withScopes('tenants:read');
    for (const first of [50, 40]) await sendToYoga(client, json(page, { first }));
    const expected = await sendToYoga(client, json(page, { first: 24 }));
    expect(expected).toMatchObject({ status: 429, headers: expect.arrayContaining([['retry-after', '17']]) });
    const before = await directOperations(poor);
    expect(await send(client, json(page, { first: 24 }))).toEqual(expected);
    expect((await directOperations(poor)) - before).toBe(1);
  });

  it('spends from the same budget as yoga', async () => {
    const client = poor.withScopes('tenants:read');
    const remaining = async (answer: Promise<RawAnswer>) => /"remaining":(\d+)/.exec((await answer).body)?.[1];
    expect(await remaining(sendToYoga(client, json(page, { first: 9 })))).toBe('90');
    expect(await remaining(send(client, json(page, { first: 9 })))).toBe('80');
    expect(await remaining(sendToYoga(client, json(page, { first: 9 })))).toBe('70');
  });

  it('counts and times what it carries out as yoga does', async () => {
    const counted = async () => {
      const { values } = await test.app.metrics.operationSeconds.get();
      const cost = (await test.app.metrics.operationCost.get()).values[0]?.value ?? 0;
      const of = (outcome: string) =>
        values.find(
          ({ metricName, labels }) =>
            metricName?.endsWith('_count') && labels.type === 'query' && labels.outcome === outcome,
        )?.value ?? 0;
      return { success: of('success'), error: of('error'), cost };
    };
    const grown = async (sender: typeof send) => {
      const before = await counted();
      await sender(operator, json(page, { first: 7 }));
      await sender(operator, json(page, { first: 0 }));
      const after = await counted();
      return [after.success - before.success, after.error - before.error, after.cost - before.cost];
    };
    const byYoga = await grown(sendToYoga);
    expect(byYoga).toEqual([1, 1, expect.any(Number)]);
    expect(await grown(send)).toEqual(byYoga);
  });

  it('reports every attempt without a valid credential once', async () => {
    const rejected = async () =>
      (await test.app.metrics.rejectedRequests.get()).values.find(
        ({ labels }) => labels.reason === 'UNKNOWN_CREDENTIAL',
      )?.value ?? 0;
    const before = await rejected();
    await send(anonymous.with({ 'x-admin-key': 'wrong' }), json(page));
    expect((await rejected()) - before).toBe(1);
  });

  it('leaves pages of other origins to yoga where some are allowed', async () => {
    const open = await startTestApp({
      environment: { FAIRLEAD_ALLOWED_ORIGINS: 'https://one.example' },
      sameDatabaseAs: test,
    });
    const request = { ...json(page), headers: { origin: 'https://one.example' } };
    await send(open.operator, json(page));
    const { headers } = await send(open.operator, request);
    expect(headers).toContainEqual(['access-control-allow-origin', 'https://one.example']);
    expect(await directOperations(open)).toBe(0);
    await send(open.operator, json(page));
    expect(await directOperations(open)).toBe(1);
  });

  it('hides failures of the server, and logs each once by its request', async () => {
    const broken = await startTestApp();
    await send(broken.operator, json(page));
    await broken.app.database.pool.query('ALTER TABLE tenant RENAME TO tenant_away');
    const expected = await sendToYoga(broken.operator, json(page));
    expect(expected.body).toContain('"requestId":"compared"');
    expect(expected.body).not.toContain('tenant_away');
    for (let count = 0; count < repetitions; count += 1) {
      expect(comparable(await send(broken.operator, json(page)))).toEqual(comparable(expected));
    }
    expect(await directOperations(broken)).toBe(repetitions);
    expect(broken.logged.map((line) => JSON.parse(line).requestId)).toEqual(Array(repetitions + 1).fill('compared'));
  });

  it('hides failures of authentication as well, from yoga and from the lane', async () => {
    const broken = await startTestApp();
    const keyed = broken.anonymous.with({ 'x-api-key': 'fl_unknown_key_whose_look_up_fails' });
    await broken.app.database.pool.query('ALTER TABLE api_key_secret RENAME TO api_key_secret_away');
    await send(broken.operator, json('{ __typename }'));
    for (const sender of [send, sendToYoga]) {
      const { status, body } = await sender(keyed, json('{ __typename }'));
      expect(JSON.parse(body)).toEqual({
        errors: [
          {
            message: 'The server failed to carry this out. Tell the operator the request id.',
            extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'compared' },
          },
        ],
      });
      expect(status).toBe(200);
    }
    expect(broken.logged.map((line) => JSON.parse(line).requestId)).toEqual(['compared', 'compared']);
  });

  it('refuses a key from the very next request after it was revoked', async () => {
    const made = await operator.send<{ createKey: { key: { id: string }; secret: { value: string } } }, never>(
      'mutation { createKey(input: { kind: ADMIN, name: "short-lived", scopes: ["tenants:read"] }) { ... on CreateKeyPayload { key { id } secret { value } } } }',
    );
    const { key, secret } = made.data?.createKey ?? { key: { id: '' }, secret: { value: '' } };
    const client = anonymous.with({ 'x-admin-key': secret.value });
    await send(client, json(page));
    const before = await directOperations(test);
    expect((await send(client, json(page))).status).toBe(200);
    expect((await directOperations(test)) - before).toBe(1);
    await operator.send(`mutation { revokeKey(input: { keyId: "${key.id}" }) { __typename } }`);
    const refused = await send(client, json(page));
    expect(refused.status).toBe(401);
    expect(refused).toEqual(await sendToYoga(client, json(page)));
  });
});

describe('the direct lane, written to by hand,', () => {
  const { body } = json(page, { first: 1 });
  const head = (version: string, more: readonly string[]) =>
    [
      `POST /graphql HTTP/${version}`,
      'Host: localhost',
      `X-Admin-Key: ${test.rootKey}`,
      'Content-Type: application/json',
      ...more,
      '\r\n',
    ].join('\r\n');
  const withLength = (version = '1.1', ...more: readonly string[]) =>
    `${head(version, [...more, `Content-Length: ${body.length}`])}${body}`;
  let expected: string;
  beforeAll(async () => {
    await send(operator, { body });
    expected = JSON.stringify(JSON.parse((await send(operator, { body })).body).data);
  });
  /** Carries the work out and says how many operations came to the lane. */
  const counting = async (work: () => Promise<void>): Promise<number> => {
    const before = await directOperations(test);
    await work();
    return (await directOperations(test)) - before;
  };
  const answersIn = (received: string): number => received.split(`{"data":${expected}`).length - 1;

  it('answers requests that are sent without waiting, in their order, on one connection', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const ids = ['first', 'second', 'third'];
      // The second goes to yoga, which takes longer.
      socket.write(
        ids
          .map((id) => withLength('1.1', `X-Request-Id: ${id}`, ...(id === 'second' ? ['Accept: */*;x=y'] : [])))
          .join(''),
      );
      await eventually(() => expect(answersIn(received())).toBe(3));
      expect(received().match(/^x-request-id: .*$/gim)).toEqual(ids.map((id) => `x-request-id: ${id}`));
      socket.destroy();
    });
    expect(direct).toBe(2);
  });

  it('leaves a subscription to yoga, with the body that was read', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const subscription = JSON.stringify({ query: 'subscription { auditTail { action } }' });
      socket.write(`${head('1.1', [`Content-Length: ${subscription.length}`])}${subscription}`);
      await eventually(async () => expect((await test.app.metrics.subscriptions.get()).values[0]?.value).toBe(1));
      await operator.send('mutation { createFairshareGroup(input: { name: "followed" }) { __typename } }');
      await eventually(() => expect(received()).toContain('{"data":{"auditTail":{"action":"createFairshareGroup"}}}'));
      expect(received()).toMatch(/^content-type: text\/event-stream\r$/im);
      socket.destroy();
      await eventually(async () => expect((await test.app.metrics.subscriptions.get()).values[0]?.value).toBe(0));
    });
    expect(direct).toBe(0);
  });

  it('answers HTTP/1.0 and closes', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const ended = once(socket, 'end');
      socket.write(withLength('1.0'));
      await ended;
      expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(answersIn(received())).toBe(1);
    });
    expect(direct).toBe(1);
  });

  it('reads a body that comes in chunks, in pieces', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      socket.write(head('1.1', ['Transfer-Encoding: chunked']));
      for (const piece of [body.slice(0, 10), body.slice(10)]) {
        socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      socket.write('0\r\n\r\n');
      await eventually(() => expect(answersIn(received())).toBe(1));
      socket.destroy();
    });
    expect(direct).toBe(1);
  });

  it('tells a client to continue that asks for it', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      socket.write(head('1.1', ['Expect: 100-continue', `Content-Length: ${body.length}`]));
      await eventually(() => expect(received()).toContain('HTTP/1.1 100 Continue'));
      socket.write(body);
      await eventually(() => expect(answersIn(received())).toBe(1));
      socket.destroy();
    });
    expect(direct).toBe(1);
  });

  it('closes the connection where the client asks for it', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const ended = once(socket, 'end');
      socket.write(withLength('1.1', 'Connection: close'));
      await ended;
      expect(received()).toMatch(/^Connection: close\r$/im);
    });
    expect(direct).toBe(1);
  });
});

describe('the direct lane, when clients go away or the program ends,', () => {
  const query = 'query Held { tenants { totalCount } }';

  /** Holds what reads tenants until it is released. */
  async function holdTenants({ app }: TestApp) {
    const client = await app.database.pool.connect();
    await client.query('BEGIN; LOCK TABLE tenant IN ACCESS EXCLUSIVE MODE');
    return {
      held: (count: number) =>
        eventually(async () => {
          const { rows } = await client.query<{ waiting: number }>(
            "SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted AND relation = 'tenant'::regclass",
          );
          expect(rows[0]?.waiting).toBe(count);
        }),
      release: async () => {
        await client.query('ROLLBACK');
        client.release();
      },
    };
  }

  it('logs nothing and goes on', async () => {
    const program = await startTestApp();
    const { app, logged, operator: caller } = program;
    await send(caller, json(query));
    const { body } = json(query);
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nX-Admin-Key: ${program.rootKey}\r\nContent-Type: application/json\r\n`;
    const whole = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;

    const inBody = await openConnection(app.url);
    inBody.socket.write(`${head}Expect: 100-continue\r\nContent-Length: 500\r\n\r\n`);
    await eventually(() => expect(inBody.received()).toContain('100 Continue'));
    inBody.socket.write('{"query":');
    inBody.socket.resetAndDestroy();

    const tenants = await holdTenants(program);
    const inOperation = await openConnection(app.url);
    inOperation.socket.write(whole);
    await tenants.held(1);
    inOperation.socket.resetAndDestroy();
    await tenants.release();

    expect((await send(caller, json(query))).status).toBe(200);
    expect(await directOperations(program)).toBe(2);
    await program.close();
    expect(logged).toEqual([]);
  });

  it('finishes what is in flight with its whole answer', async () => {
    const program = await startTestApp();
    await send(program.operator, json(query));
    const tenants = await holdTenants(program);
    const answer = send(program.operator, json(query));
    await tenants.held(1);
    const closed = program.app.close();
    await tenants.release();
    expect(await answer).toMatchObject({ status: 200, body: expect.stringContaining('"totalCount":0') });
    expect(await directOperations(program)).toBe(1);
    await closed;
  });
});
