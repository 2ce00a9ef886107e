import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { describe, expect, inject, it, vi } from 'vitest';
import { startTestApp } from '../testkit/app.ts';
import { Socket } from '../testkit/socket.ts';

const { app, operator, anonymous, databaseUrl, config } = await startTestApp();
const get = (path: string) => fetch(app.url + path);

/** Every sample of /metrics: `name{label="value"}` and its value. */
async function samples(): Promise<ReadonlyMap<string, number>> {
  const lines = (await (await get('/metrics')).text())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

/** How much each of these samples grew while the work was done. */
async function growth(names: readonly string[], work: () => Promise<unknown>): Promise<readonly number[]> {
  const before = await samples();
  await work();
  const after = await samples();
  return names.map((name) => (after.get(name) ?? 0) - (before.get(name) ?? 0));
}

describe('/health', () => {
  it('says that the program runs, to anyone', async () => {
    const response = await get('/health?verbose');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });
});

describe('/ready', () => {
  const ready = async () => {
    const response = await get('/ready');
    return { status: response.status, body: await response.json() };
  };
  const onServer = async (...statements: readonly string[]) => {
    const client = new pg.Client({ connectionString: inject('postgresUrl') });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };

  it('is 200 while the database can be reached, 503 while it cannot, and 200 again', async () => {
    const name = new URL(databaseUrl).pathname.slice(1);
    expect(await ready()).toEqual({ status: 200, body: { status: 'ready' } });
    await onServer(
      `ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
    );
    const unready = { status: 503, body: { status: 'not ready', reason: 'database' } };
    await vi.waitFor(async () => expect(await ready()).toEqual(unready));
    expect((await get('/health')).status).toBe(200);
    await onServer(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    await vi.waitFor(async () => expect(await ready()).toEqual({ status: 200, body: { status: 'ready' } }));
    expect((await operator.send('{ tenants { totalCount } }')).errors).toBeUndefined();
  });

  it('is 503 where a migration is missing', async () => {
    const { pool } = app.database;
    await pool.query('ALTER TABLE _prisma_migrations RENAME TO elsewhere');
    expect(await ready()).toEqual({ status: 503, body: { status: 'not ready', reason: 'database' } });
    await pool.query('ALTER TABLE elsewhere RENAME TO _prisma_migrations');
  });
});

describe('/metrics', () => {
  it('has every metric that README.md lists with its labels, and no other of its own', async () => {
    const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const listed = [...text.matchAll(/^\| `(fairlead_\w+)` \| ([^|]*)\|/gm)].map(([, name, labels]) => [
      name,
      [...(labels ?? '').matchAll(/`([a-z]+)`/g)].map(([, label]) => label).filter((label) => label !== undefined),
    ]);
    const own = app.metrics.registry
      .getMetricsAsArray()
      .filter(({ name }) => name.startsWith('fairlead_'))
      .map((metric) => [metric.name, 'labelNames' in metric ? metric.labelNames : []]);
    expect(listed.map(([name]) => name).sort()).toEqual(own.map(([name]) => name).sort());
    for (const [name, labels] of own) {
      expect(listed).toContainEqual([name, expect.arrayContaining(labels as unknown[])]);
    }
  });

  it('is text for Prometheus, with a description of everything', async () => {
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const name of [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1])) {
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\w`, 'm'));
    }
  });

  it('counts operations by type and outcome, and what they cost', async () => {
    const count = (type: string, outcome: string) =>
      `fairlead_operation_seconds_count{type="${type}",outcome="${outcome}"}`;
    const names = [
      count('query', 'success'),
      count('query', 'error'),
      count('mutation', 'success'),
      'fairlead_operation_cost_total',
    ];
    const grown = await growth(names, async () => {
      await operator.send('{ tenants(first: 10) { edges { node { id } } } }');
      await operator.send('{ tenants(first: 0) { totalCount } }');
      await operator.send('mutation { createFairshareGroup(input: { name: "counted" }) { __typename } }');
    });
    expect(grown.slice(0, 3)).toEqual([1, 1, 1]);
    expect(grown[3]).toBeGreaterThanOrEqual(12);
  });

  it('counts requests without a valid credential by reason', async () => {
    const names = ['MISSING_CREDENTIAL', 'UNKNOWN_CREDENTIAL'].map(
      (reason) => `fairlead_rejected_requests_total{reason="${reason}"}`,
    );
    const grown = await growth(names, async () => {
      await anonymous.send('{ __typename }');
      await anonymous.with({ 'x-admin-key': 'wrong' }).send('{ __typename }');
      await anonymous.with({ 'x-admin-key': 'wrong' }).send('{ __typename }');
    });
    expect(grown).toEqual([1, 2]);
  });

  it('shows open sockets, and running subscriptions over both ways', async () => {
    const names = ['fairlead_sockets', 'fairlead_subscriptions'];
    const now = async () => {
      const found = await samples();
      return names.map((name) => found.get(name));
    };
    expect(await now()).toEqual([0, 0]);
    const socket = await Socket.accepted(app.url, operator.headers);
    socket.subscribe('1', 'subscription { auditTail { id } }');
    const stopped = new AbortController();
    const stream = await fetch(`${app.url}/graphql?query=subscription{auditTail{id}}`, {
      headers: { ...operator.headers, accept: 'text/event-stream' },
      signal: stopped.signal,
    });
    expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
    await vi.waitFor(async () => expect(await now()).toEqual([1, 2]));
    stopped.abort();
    await socket.close();
    await vi.waitFor(async () => expect(await now()).toEqual([0, 0]));
  });

  it.each(['deployment', 'tenants'])('shows the connections to the database: %s', async (pool) => {
    const found = await samples();
    const states = ['busy', 'idle', 'awaited'].map((state) =>
      found.get(`fairlead_database_connections{pool="${pool}",state="${state}"}`),
    );
    expect(states).toEqual([expect.any(Number), expect.any(Number), 0]);
    expect((states[0] ?? 0) + (states[1] ?? 0)).toBeLessThanOrEqual(config.database.poolSize);
  });
});
