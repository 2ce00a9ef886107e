import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { fetchExchange, subscriptionExchange, Client as UrqlClient } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp } from '../testkit/app.ts';
import { eventually } from '../testkit/eventually.ts';
import { Seed } from '../testkit/seed.ts';

const test = await startTestApp();
const { app, clock, rootKey } = test;
const seed = new Seed(test);
const url = `${app.url}/graphql`;
const headers = { 'x-admin-key': rootKey };

const query = 'query Groups { fairshareGroups { edges { node { name } } } }';
const command = `mutation CreateGroup($name: String!) {
  createFairshareGroup(input: { name: $name }) { ... on CreateFairshareGroupPayload { fairshareGroup { name } } }
}`;
const subscription = 'subscription Tail { auditTail { action after } }';

/** What every client library can do, in the words of none of them. */
interface Library {
  /** The data of a query or command. */
  run(operation: string, variables?: Record<string, unknown>): Promise<unknown>;
  /** The data of the events of a subscription, each given to `onData`; the returned function ends it. */
  follow(operation: string, onData: (data: unknown) => void): () => void;
  close?(): void | Promise<void>;
}

type Credential = () => Record<string, string>;

const newSocketClient = (credential: Credential = () => headers) =>
  createSocketClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: credential,
    retryWait: async () => undefined,
  });

interface Result {
  readonly data?: unknown;
  readonly errors?: readonly unknown[] | undefined;
}

/** graphql-ws and graphql-sse have the same interface. */
function ofEnisden(client: ReturnType<typeof newSocketClient> | ReturnType<typeof createSseClient>): Library {
  const subscribe = (
    request: { query: string; variables?: Record<string, unknown> },
    sink: { next: (result: Result) => void; error: (error: unknown) => void; complete: () => void },
  ): (() => void) => client.subscribe(request, sink);
  return {
    run: (operation, variables) =>
      new Promise((resolve, reject) => {
        let data: unknown;
        const next = (result: Result) => {
          if (result.errors !== undefined) reject(new Error(JSON.stringify(result.errors)));
          data = result.data;
        };
        const request = { query: operation, ...(variables && { variables }) };
        subscribe(request, { next, error: reject, complete: () => resolve(data) });
      }),
    follow: (operation, onData) =>
      subscribe(
        { query: operation },
        { next: ({ data }) => onData(data), error: (error) => onData(error), complete: () => undefined },
      ),
    close: () => client.dispose(),
  };
}

function ofApollo(credential?: Credential): Library {
  const socketClient = newSocketClient(credential);
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ query: document }) => {
        const definition = getMainDefinition(document);
        return definition.kind === 'OperationDefinition' && definition.operation === 'subscription';
      },
      new GraphQLWsLink(socketClient),
      new HttpLink({ uri: url, headers }),
    ),
  });
  return {
    run: async (operation, variables = {}) => {
      const document = gql(operation);
      if (operation.startsWith('mutation')) return (await client.mutate({ mutation: document, variables })).data;
      return (await client.query({ query: document, variables, fetchPolicy: 'network-only' })).data;
    },
    follow: (operation, onData) => {
      const running = client
        .subscribe({ query: gql(operation) })
        .subscribe({ next: ({ data }) => onData(data), error: onData });
      return () => running.unsubscribe();
    },
    close: async () => {
      client.stop();
      await socketClient.dispose();
    },
  };
}

/** @param socketClient carries the subscriptions; without it they are event streams of its own fetch */
function ofUrql(socketClient?: ReturnType<typeof newSocketClient>): Library {
  const exchange = subscriptionExchange({
    forwardSubscription: ({ query: operation = '', variables }) => ({
      subscribe: (sink) => ({
        unsubscribe:
          socketClient?.subscribe(
            { query: operation, variables: { ...variables } },
            { next: ({ data = null }) => sink.next({ data }), error: sink.error, complete: sink.complete },
          ) ?? (() => undefined),
      }),
    }),
  });
  const client = new UrqlClient({
    url,
    preferGetMethod: false,
    fetchOptions: { headers },
    fetchSubscriptions: socketClient === undefined,
    exchanges: socketClient === undefined ? [fetchExchange] : [fetchExchange, exchange],
  });
  return {
    run: async (operation, variables = {}) => {
      const source = operation.startsWith('mutation')
        ? client.mutation(operation, variables)
        : client.query(operation, variables);
      const { data, error } = await source.toPromise();
      if (error !== undefined) throw error;
      return data;
    },
    follow: (operation, onData) => {
      const { unsubscribe } = client.subscription(operation, {}).subscribe(({ data, error }) => onData(error ?? data));
      return unsubscribe;
    },
    close: () => socketClient?.dispose(),
  };
}

const libraries: readonly (readonly [name: string, open: () => Library])[] = [
  ['graphql-ws', () => ofEnisden(newSocketClient())],
  ['graphql-sse, a connection for each operation', () => ofEnisden(createSseClient({ url, headers }))],
  ['Apollo Client, with subscriptions over graphql-ws', () => ofApollo()],
  ['urql, with subscriptions over graphql-ws', () => ofUrql(newSocketClient())],
  ['urql, with subscriptions as event streams', () => ofUrql()],
];

const running = (count: number) =>
  vi.waitFor(async () => expect((await app.metrics.subscriptions.get()).values[0]?.value).toBe(count));

describe.each(libraries)('%s', (name, open) => {
  it('queries, gives commands, and follows the audit log until it has enough', async () => {
    const library = open();
    const events: unknown[] = [];
    const stop = library.follow(subscription, (data) => events.push(data));
    await running(1);

    const group = `Made by ${name}`.slice(0, 40);
    expect(await library.run(command, { name: group })).toMatchObject({
      createFairshareGroup: { fairshareGroup: { name: group } },
    });
    expect(JSON.stringify(await library.run(query))).toContain(group);
    await vi.waitFor(() =>
      expect(events).toMatchObject([{ auditTail: { action: 'createFairshareGroup', after: { name: group } } }]),
    );

    stop();
    await running(0);
    await library.close?.();
  });

  it('gets the errors of an operation that cannot be carried out, and goes on', async () => {
    const library = open();
    const failed = await library.run('query Nothing { nothing }').catch((error: unknown) => error);
    expect(JSON.stringify(failed) + String(failed)).toContain('Cannot query field');
    expect(await library.run('query Name { __typename }')).toMatchObject({ __typename: 'Query' });
    await library.close?.();
  });
});

/** Those whose connections are made again by themselves. */
const reconnecting: readonly (readonly [name: string, open: (credential: Credential) => Library])[] = [
  ['graphql-ws', (credential) => ofEnisden(newSocketClient(credential))],
  ['Apollo Client', ofApollo],
  ['urql', (credential) => ofUrql(newSocketClient(credential))],
];

describe.each(reconnecting)('%s, when a credential ends', (_name, open) => {
  const minute = 60_000;
  const newKey = (expiresAt?: Date) =>
    seed.key({ kind: 'ADMIN', scopes: ['audit:read'], ...(expiresAt && { expiresAt: expiresAt.toISOString() }) });
  const actions = (events: unknown[]) => JSON.stringify(events);

  it('goes on with a new one after the old one has expired', async () => {
    const old = await newKey(new Date(clock.now().getTime() + minute));
    const fresh = await newKey();
    let secret = old.secret;
    const library = open(() => ({ authorization: `Bearer ${secret}` }));
    const events: unknown[] = [];
    const stop = library.follow(subscription, (data) => events.push(data));
    await running(1);
    secret = fresh.secret;
    clock.advance(minute);
    await eventually(async () => expect((await app.metrics.sockets.get()).values[0]?.value).toBe(1));
    await eventually(async () => {
      await seed.team();
      expect(actions(events)).toContain('createTeam');
    });
    stop();
    await running(0);
    await library.close?.();
  });

  it('is told of it, and stops, when it was revoked', async () => {
    const key = await newKey();
    const library = open(() => ({ authorization: `Bearer ${key.secret}` }));
    const events: unknown[] = [];
    library.follow(subscription, (data) => events.push(data instanceof Error ? String(data) : data));
    await running(1);
    await seed.run('revokeKey', { keyId: key.id });
    await running(0);
    await eventually(() => expect(events.length).toBeGreaterThan(0));
    await library.close?.();
    expect((await app.metrics.sockets.get()).values[0]?.value).toBe(0);
  });
});
