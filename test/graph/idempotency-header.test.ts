import { expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';

const { operator } = await startTestApp();

const create = (alias: string, name: string, key = '') =>
  `${alias}: createTenant(input: { name: "${name}"${key} }) { __typename ... on ValidationError { issues { rule path } } }`;

it('refuses an Idempotency-Key header on a request with several commands, and carries none of them out', async () => {
  const caller = operator.with({ 'idempotency-key': 'once' });
  const refusal = {
    __typename: 'ValidationError',
    issues: [{ rule: 'AMBIGUOUS_IDEMPOTENCY_KEY', path: ['idempotencyKey'] }],
  };
  const { data } = await caller.send(`mutation { ${create('a', 'Acme')} ${create('b', 'Beta')} }`);
  expect(data).toEqual({ a: refusal, b: refusal });
  const inFragment = await caller.send(`mutation { ...both } fragment both on Mutation { ${create('a', 'Acme')} }`);
  expect(inFragment.data).toEqual({ a: refusal });
  const { data: count } = await operator.send('{ tenants { totalCount } }');
  expect(count).toEqual({ tenants: { totalCount: 0 } });
});

it('takes the fields of several commands, whatever the header says', async () => {
  const caller = operator.with({ 'idempotency-key': 'once' });
  const both = `mutation { ${create('a', 'Gamma', ', idempotencyKey: "a"')} ${create('b', 'Delta', ', idempotencyKey: "b"')} }`;
  const made = { a: { __typename: 'CreateTenantPayload' }, b: { __typename: 'CreateTenantPayload' } };
  expect((await caller.send(both)).data).toEqual(made);
  expect((await caller.send(both)).data).toEqual(made);
});
