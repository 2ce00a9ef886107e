import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';
import { Socket } from '../testkit/socket.ts';

const development = await startTestApp();
const production = await startTestApp({ environment: { NODE_ENV: 'production' }, sameDatabaseAs: development });
const introspection = '{ __schema { queryType { name } } }';

describe('introspection', () => {
  const isOff = expect.objectContaining({ message: expect.stringMatching(/introspection/i) });

  it('is on by default', async () => {
    expect((await development.operator.send(introspection)).data).toEqual({
      __schema: { queryType: { name: 'Query' } },
    });
  });

  it('is off in production, and can be turned on', async () => {
    expect(await production.operator.fail(introspection)).toContainEqual(isOff);
    expect(await production.operator.fail('{ __type(name: "Query") { name } }')).toContainEqual(isOff);
    const { operator } = await startTestApp({
      environment: { NODE_ENV: 'production', FAIRLEAD_INTROSPECTION: 'true' },
      sameDatabaseAs: development,
    });
    expect((await operator.send(introspection)).errors).toBeUndefined();
  });

  it('can be turned off, also for sockets and for the documentation of the playground', async () => {
    const { operator, app } = await startTestApp({
      environment: { FAIRLEAD_INTROSPECTION: 'false' },
      sameDatabaseAs: development,
    });
    expect(await operator.fail(introspection)).toContainEqual(isOff);
    const socket = await Socket.accepted(app.url, operator.headers);
    expect((await socket.run('1', introspection)).errors).toContainEqual(isOff);
    await socket.close();
    expect(await (await fetch(app.url)).text()).toContain('"schemaUrl":null');
  });

  it('leaves __typename alone where it is off', async () => {
    expect((await production.operator.send('{ __typename }')).data).toEqual({ __typename: 'Query' });
  });
});

describe('the playground', () => {
  it('is there by default, and not in production', async () => {
    const here = await fetch(development.app.url);
    expect([here.status, here.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect((await fetch(production.app.url)).status).toBe(404);
  });

  it('can be turned off', async () => {
    const { app } = await startTestApp({ environment: { FAIRLEAD_PLAYGROUND: 'false' }, sameDatabaseAs: development });
    expect((await fetch(app.url)).status).toBe(404);
  });
});

describe('a mistyped name', () => {
  const mistyped: readonly [what: string, operation: string, variables?: object][] = [
    ['a field', '{ tenan { id } }'],
    ['a field of a type', '{ tenants { totalCoun } }'],
    ['an argument', '{ tenants(firs: 1) { totalCount } }'],
    ['a type', 'query ($input: CreateTenantInpu!) { __typename }'],
    ['a value of an enum', '{ tenants(orderBy: { field: NAM }) { totalCount } }'],
    ['a field of an input', 'mutation { createTenant(input: { name: "a", weigh: 1 }) { __typename } }'],
    [
      'a field of an input in a variable',
      'mutation ($input: CreateTenantInput!) { createTenant(input: $input) { __typename } }',
      { input: { name: 'a', weigh: 1 } },
    ],
    [
      'a value of an enum in a variable',
      'query ($order: TenantOrder) { tenants(orderBy: $order) { totalCount } }',
      { order: { field: 'NAM', direction: 'ASC' } },
    ],
  ];

  it.each(mistyped)('of %s is answered with a suggestion, but for production', async (_what, operation, variables) => {
    const suggested = await development.operator.fail(operation, variables);
    const silent = await production.operator.fail(operation, variables);
    expect(suggested.map(({ message }) => message).join()).toContain('Did you mean');
    expect(silent.map(({ message }) => message).join()).not.toContain('Did you mean');
    expect(silent.map(({ extensions }) => extensions.code)).toEqual(suggested.map(({ extensions }) => extensions.code));
    const socket = await Socket.accepted(production.app.url, production.operator.headers);
    expect(JSON.stringify(await socket.run('1', operation, variables))).not.toContain('Did you mean');
    await socket.close();
  });
});

describe('a failure of the database', () => {
  const { app, operator, logged } = development;
  const masked = (requestId: unknown) => ({
    message: 'The server failed to carry this out. Tell the operator the request id.',
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
  });
  let loggedBefore: number;
  beforeEach(async () => {
    loggedBefore = logged.length;
    await app.database.pool.query('ALTER TABLE fairshare_group RENAME TO taken_away');
  });
  afterEach(() => app.database.pool.query('ALTER TABLE taken_away RENAME TO fairshare_group'));
  const loggedSince = () => logged.slice(loggedBefore).map((line) => JSON.parse(line));
  const query = '{ fairshareGroup(name: "default") { name } }';
  const command = 'mutation { createFairshareGroup(input: { name: "new" }) { __typename } }';

  it.each([query, command])(
    'hides its cause from the caller of %s and is logged once, by the same id',
    async (operation) => {
      const answer = await operator.with({ 'x-request-id': 'of-the-failure' }).send(operation);
      expect(answer.errors).toEqual([expect.objectContaining(masked('of-the-failure'))]);
      expect(JSON.stringify(answer)).not.toMatch(/fairshare_group|relation|prisma|stack|node_modules|\.ts/i);
      expect(loggedSince()).toEqual([
        expect.objectContaining({
          requestId: 'of-the-failure',
          err: expect.objectContaining({ message: expect.stringContaining('fairshare_group') }),
        }),
      ]);
    },
  );

  it('hides its cause as well when the query is one that was executed often', async () => {
    const often = '{ fairshareGroup(name: "default") { id } }';
    const answers = [];
    for (let turn = 0; turn < 40; turn += 1) answers.push(await operator.with({ 'x-request-id': 'often' }).send(often));
    for (const { errors, data } of answers) {
      expect(data).toEqual(answers[0]?.data);
      expect(errors).toEqual([expect.objectContaining(masked('often'))]);
    }
    expect(loggedSince()).toHaveLength(40);
  });

  it('hides its cause over a socket, which stays usable', async () => {
    const socket = await Socket.accepted(app.url, operator.headers);
    const { errors } = await socket.run('1', query);
    expect(errors).toEqual([expect.objectContaining(masked(expect.stringMatching(/^[0-9a-f-]{36}$/)))]);
    expect(loggedSince().map(({ requestId }) => requestId)).toEqual([errors?.[0]?.extensions.requestId]);
    expect((await socket.run('2', '{ __typename }')).errors).toBeUndefined();
    await socket.close();
  });
});
