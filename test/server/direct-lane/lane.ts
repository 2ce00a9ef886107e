import { randomUUID } from 'node:crypto';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { post, type RawAnswer } from '../../testkit/raw-http.ts';

/** More than a query has to be executed to be compiled, so that both ways to execute are met. */
export const repetitions = 28;

export const page =
  'query Page($first: Int, $filter: TenantFilter) { tenants(first: $first, filter: $filter) { edges { node { id name } } } }';

export interface Sent {
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const json = (query: string, variables?: object, more: object = {}): Sent => ({
  body: JSON.stringify({ query, variables, ...more }),
});

export const send = (client: Client, { body, headers }: Sent): Promise<RawAnswer> =>
  post(`${client.url}/graphql`, body, {
    headers: { 'content-type': 'application/json', 'x-request-id': 'compared', ...client.headers, ...headers },
  });

/** Sends with an Accept header that means the same and was never sent before, so that yoga answers. */
export const sendToYoga = (client: Client, { body, headers = {} }: Sent): Promise<RawAnswer> =>
  send(client, { body, headers: { ...headers, accept: `${headers.accept ?? '*/*'};strange=${randomUUID()}` } });

/** What a credential has left differs from request to request. */
export const comparable = (answer: RawAnswer): RawAnswer => ({
  ...answer,
  body: answer.body.replace(/"remaining":\d+/, '"remaining":0'),
});

/** How many operations a program carried out on the direct lane. */
export const directOperations = async ({ app }: TestApp): Promise<number> =>
  (await app.metrics.directOperations.get()).values[0]?.value ?? 0;

/** A program whose lane knows what requests of tests accept: that of the first is left to yoga. */
export async function warmedUp(program: TestApp): Promise<TestApp> {
  await send(program.operator, json('{ __typename }'));
  return program;
}

/** Another program on the same database, whose callers may not spend much. */
export const startPoor = async (test: TestApp): Promise<TestApp> =>
  warmedUp(
    await startTestApp({
      environment: {
        FAIRLEAD_MAX_OPERATION_COST: '60',
        FAIRLEAD_COST_CAPACITY: '100',
        FAIRLEAD_COST_PER_SECOND: '1',
      },
      sameDatabaseAs: test,
    }),
  );

/** Adds tenants for operations to find, and gives the id of the first. */
export async function addTenants({ operator }: TestApp): Promise<string> {
  const made = await operator.send<{ createTenant: { tenant: { id: string } } }, never>(
    'mutation { createTenant(input: { name: "Acme" }) { ... on CreateTenantPayload { tenant { id } } } }',
  );
  for (const name of ['Ünïcode 🚀', 'Gamma']) {
    await operator.send(`mutation { createTenant(input: { name: "${name}" }) { __typename } }`);
  }
  return made.data?.createTenant.tenant.id ?? '';
}
