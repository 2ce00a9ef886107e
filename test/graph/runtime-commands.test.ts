import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runtimeCommand } from '../../src/graph/commands/runtime-command.ts';
import { NotFoundError } from '../../src/graph/errors.ts';
import { storedRows, traced } from '../testkit/rows.ts';

const calls: { readonly text: string; readonly kind: string; readonly now: Date }[] = [];

runtimeCommand({
  name: 'reportForTests',
  description: 'Part of these tests.',
  scopes: [['engines:report']],
  input: z.object({ text: z.string().max(5, 'At most 5 characters.') }),
  fields: (t) => ({ text: t.string({ required: true, description: 'What to report.' }) }),
  errors: [NotFoundError],
  run: (_services, { principal, now }, { text }) => {
    if (text === 'lost') throw new NotFoundError('report', ['text']);
    if (text === 'bug') throw new Error('a secret of the server');
    calls.push({ text, kind: principal.kind, now });
    return { text };
  },
  payload: (t) => ({ text: t.exposeString('text', { description: 'What was reported.' }) }),
});

// The graph is built when the program is imported: what is declared above has to be there before.
const { startTestApp } = await import('../testkit/app.ts');
const app = await startTestApp();
const client = app.withScopes('engines:report');

const report = (text: unknown) => ({
  query: `mutation ($text: String!) { reportForTests(input: { text: $text }) {
    __typename
    ... on ReportForTestsPayload { text }
    ... on UserError { code path }
    ... on ValidationError { issues { rule path } }
  } }`,
  variables: { text },
});

/** Sends a report, and gives the answer when it left nothing behind: no row of any table. */
async function send(text: unknown, caller = client) {
  const { client: known, auditRows } = traced(app, caller);
  const { pool } = app.app.database;
  const events = async () => (await pool.query('SELECT count(*) FROM outbox_event')).rows;
  const before = [await storedRows(app), await events()];
  const { query, variables } = report(text);
  const answer = await known.send(query, variables);
  expect([await storedRows(app), await events()]).toEqual(before);
  expect(await auditRows()).toEqual([]);
  return answer;
}

describe('a command that is part of running', () => {
  it('is handed the caller and the time, answers with its payload, and leaves no row of its own anywhere', async () => {
    const { data } = await send('hello');
    expect(data).toEqual({ reportForTests: { __typename: 'ReportForTestsPayload', text: 'hello' } });
    expect(calls.splice(0)).toEqual([{ text: 'hello', kind: 'ROOT', now: app.clock.now() }]);
  });

  it('sends no statement that its handler does not send', async () => {
    const { query, variables } = report('quiet');
    const { statements } = await app.app.database.statements.during(() => client.send(query, variables));
    // The credential of these tests is looked for among the keys.
    expect(statements.filter((statement) => !statement.includes('api_key_secret'))).toEqual([]);
    calls.splice(0);
  });

  it('is refused by its rules and its errors as data, and the handler is not reached with a bad input', async () => {
    expect((await send('too long')).data).toEqual({
      reportForTests: {
        __typename: 'ValidationError',
        code: 'VALIDATION_FAILED',
        path: ['text'],
        issues: [{ rule: 'OUT_OF_RANGE', path: ['text'] }],
      },
    });
    expect((await send('lost')).data).toEqual({
      reportForTests: { __typename: 'NotFoundError', code: 'NOT_FOUND', path: ['text'] },
    });
    expect(calls).toEqual([]);
  });

  it('is FORBIDDEN without its scopes, 401 without a credential, and neither writes a row of the audit log', async () => {
    const { errors } = await send('hello', app.withScopes('engines:read'));
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
    const { query, variables } = report('hello');
    expect((await app.anonymous.send(query, variables)).status).toBe(401);
    expect(calls).toEqual([]);
  });

  it('masks what nobody expected, and logs it', async () => {
    const { errors } = await send('bug');
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(JSON.stringify(errors)).not.toContain('secret');
    expect(app.logged.join()).toContain('a secret of the server');
  });

  it('takes no idempotency key', async () => {
    const query = 'mutation { reportForTests(input: { text: "a", idempotencyKey: "b" }) { __typename } }';
    const { errors } = await client.send(query);
    expect(errors?.[0]?.message).toContain('idempotencyKey');
  });
});
