import { afterEach, describe, expect, it } from 'vitest';
import type { App } from '../../../src/app.ts';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import type { EventBus } from '../../../src/live/event-bus.ts';
import { outboxChannel } from '../../../src/live/outbox.ts';
import { AuditTail, entryTopic } from '../../../src/modules/audit/tail.ts';
import { startTestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type Following, follow, runningSubscriptions, type Transport } from '../../testkit/follow.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type {
  AuditTailFollowSubscription,
  AuditTailFollowSubscriptionVariables,
} from '../../testkit/generated/graphql.ts';
import { attemptOf } from './chains.ts';

const test = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: test });
const { database, services } = test.app;

const auditTailFollow = graphql(`
  subscription AuditTailFollow($filter: AuditLogFilter) {
    auditTail(filter: $filter) {
      id
      action
      outcome
      errorCode
      sequence
      tenantId
      actor {
        credentialId
      }
      target {
        id
      }
      after
    }
  }
`);

const auditTailCreateTenant = graphql(`
  mutation AuditTailCreateTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      __typename
      ... on CreateTenantPayload {
        tenant {
          id
        }
      }
    }
  }
`);

const auditTailSetWeight = graphql(`
  mutation AuditTailSetWeight($input: SetTenantWeightInput!) {
    setTenantWeight(input: $input) {
      __typename
    }
  }
`);

const auditTailDenied = graphql(`
  mutation AuditTailDenied($input: CreateFairshareGroupInput!) {
    createFairshareGroup(input: $input) {
      __typename
    }
  }
`);

type Filter = AuditTailFollowSubscriptionVariables['filter'];

const running: Following<unknown>[] = [];
afterEach(() => Promise.all(running.splice(0).map((following) => following.stop())));

/** Lets a program hear of every row that was committed before, which a reader who begins now would get as well. */
async function settle(app: App, operator: Client): Promise<void> {
  const witness = await follow(app, operator, auditTailFollow, { filter: null });
  const action = newId();
  await database.transaction((transaction) => services.audit.record(transaction, attemptOf(newId(), { action })));
  let heard = '';
  while (heard !== action) heard = (await witness.next()).auditTail.action;
  await witness.stop();
}

async function tail(
  caller: Client,
  filter: Filter = null,
  transport: Transport = 'WebSocket',
): Promise<Following<AuditTailFollowSubscription>> {
  const { app, operator } = caller.url === replica.app.url ? replica : test;
  await settle(app, operator);
  const following = await follow(app, caller, auditTailFollow, { filter }, transport);
  running.push(following);
  return following;
}

async function createTenant(name: string, as = test.operator): Promise<string> {
  const { createTenant: answer } = await as.run(auditTailCreateTenant, { input: { name } });
  if (answer.__typename !== 'CreateTenantPayload') throw new Error(`${name} was not made: ${answer.__typename}`);
  return answer.tenant.id;
}

const setWeight = (tenantId: string, weight: number, as = test.operator) =>
  as.run(auditTailSetWeight, { input: { tenantId, weight } });

const weights = (rows: readonly AuditTailFollowSubscription[]) => rows.map(({ auditTail }) => auditTail.after?.weight);

describe.each(['WebSocket', 'SSE'] as const)('auditTail over %s', (transport) => {
  it('delivers each new row in the order of commits, whatever its outcome', async () => {
    const tenantId = await createTenant(`order ${transport}`);
    const following = await tail(test.operator, null, transport);
    for (let weight = 1; weight <= 5; weight += 1) await setWeight(tenantId, weight);
    await setWeight(tenantId, 0);
    await test.withScopes('audit:read').fail(auditTailDenied, { input: { name: 'x', weight: 1 } });
    const rows = await following.take(7);
    expect(weights(rows.slice(0, 5))).toEqual([1, 2, 3, 4, 5]);
    expect(rows.map(({ auditTail }) => auditTail.outcome).slice(5)).toEqual(['REFUSED', 'DENIED']);
    expect(rows[5]?.auditTail).toMatchObject({ errorCode: 'VALIDATION_FAILED', target: { id: tenantId } });
  });

  it('applies every condition of its filter', async () => {
    const [tenantId, otherId] = [await createTenant(`filter ${transport}`), await createTenant(`other ${transport}`)];
    const following = await tail(
      test.operator,
      {
        tenantId,
        targetId: tenantId,
        actions: ['setTenantWeight'],
        outcomes: ['SUCCEEDED'],
        actorId: `root:${test.config.rootKeys.sha256[0]?.slice(0, 12)}`,
        occurredAt: { from: '2026-03-01T00:00:00Z', until: '2026-04-01T00:00:00Z' },
      },
      transport,
    );
    await setWeight(otherId, 7);
    await setWeight(tenantId, 0);
    await setWeight(tenantId, 8, test.withScopes('tenants:write'));
    await setWeight(tenantId, 9);
    expect((await following.next()).auditTail.after).toMatchObject({ weight: 9 });
  });

  it('delivers what another replica has committed', async () => {
    const tenantId = await createTenant(`replica ${transport}`);
    const following = await tail(replica.operator, { tenantId }, transport);
    await setWeight(tenantId, 3);
    expect((await following.next()).auditTail).toMatchObject({ tenantId, after: { weight: 3 } });
  });

  it('ends on the server when the reader stops', async () => {
    const following = await follow(test.app, test.operator, auditTailFollow, { filter: null }, transport);
    const another = await tail(test.operator, null, transport);
    await another.stop();
    running.splice(running.indexOf(another), 1);
    await following.stop();
    expect(await runningSubscriptions(test.app)).toBe(0);
  });

  it('tells every reader when rows could not be read, and keeps serving', async () => {
    const following = await tail(test.operator, null, transport);
    await database.pool.query('ALTER TABLE audit_entry RENAME COLUMN request_id TO renamed');
    await database.pool.query('SELECT pg_notify($1, $2)', [
      outboxChannel,
      JSON.stringify({ id: newId(), topic: entryTopic, tenantId: null, payload: { id: newId() } }),
    ]);
    expect(await following.failure()).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
    await database.pool.query('ALTER TABLE audit_entry RENAME COLUMN renamed TO request_id');
    const again = await tail(test.operator, null, transport);
    await createTenant(`after a failure ${transport}`);
    expect((await again.next()).auditTail.action).toBe('createTenant');
  });
});

describe('a principal of one tenant', () => {
  it('follows its own chain and no other, whatever filter it gives', async () => {
    const [own, foreign] = [await createTenant('tail own'), await createTenant('tail foreign')];
    const caller = test.ofTenant(decodeId('Tenant', own), 'audit:read');
    const [all, ofForeign] = [await tail(caller), await tail(caller, { tenantId: foreign, targetId: foreign })];
    await setWeight(foreign, 1);
    await test.operator.run(auditTailDenied, { input: { name: 'a group', weight: 1 } });
    await setWeight(own, 2);
    expect((await all.next()).auditTail).toMatchObject({ tenantId: own, after: { weight: 2 } });
    const nothing = ofForeign.next().catch((error: Error) => error.message);
    await ofForeign.stop();
    running.splice(running.indexOf(ofForeign), 1);
    expect(await nothing).toBe('The subscription has ended.');
  });

  it('needs the scope audit:read', async () => {
    const tenantId = await createTenant('tail without scope');
    const caller = test.ofTenant(decodeId('Tenant', tenantId), 'tenants:read');
    const answer = await caller.send('subscription { auditTail { id } }');
    expect(answer.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
  });
});

describe('a lost connection for events', () => {
  it('leaves no row out and delivers none twice', async () => {
    const tenantId = await createTenant('lost connection');
    const following = await tail(test.operator, { tenantId });
    await setWeight(tenantId, 1);
    expect(weights([await following.next()])).toEqual([1]);
    await database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'fairlead events' AND datname = current_database()`,
    );
    for (const weight of [2, 3, 4]) await setWeight(tenantId, weight);
    expect(weights(await following.take(3))).toEqual([2, 3, 4]);
    await setWeight(tenantId, 5);
    expect(weights([await following.next()])).toEqual([5]);
  });
});

describe('a reader that does not keep up', () => {
  /** The part of the bus that the tail uses, with announcements made by hand. */
  class Announcements implements Pick<EventBus, 'on'> {
    readonly #listeners = new Set<Parameters<EventBus['on']>[1]>();

    get listenerCount(): number {
      return this.#listeners.size;
    }

    on(_topic: string, listener: Parameters<EventBus['on']>[1]): () => void {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    }

    announce(id: string): void {
      for (const listener of this.#listeners) {
        listener({ id: newId(), topic: entryTopic, tenantId: null, payload: { id } });
      }
    }
  }

  /** Rows of a chain of their own, stored and not yet announced. */
  async function storeRows(count: number): Promise<readonly string[]> {
    const { rows } = await database.pool.query<{ id: string }>(
      `INSERT INTO audit_entry (id, chain_id, sequence, previous_hash, hash, occurred_at, actor_kind, actor_name, action, outcome)
       SELECT gen_random_uuid(), $1::uuid, n, '', '', now(), 'ROOT', 'test', 'action ' || n, 'SUCCEEDED'
       FROM generate_series(1, $2::int) AS n RETURNING id`,
      [newId(), count],
    );
    return rows.map(({ id }) => id);
  }

  it('gets the thousand rows that wait and then SUBSCRIBER_TOO_SLOW, and another reader gets all of them', async () => {
    const announcements = new Announcements();
    const auditTail = new AuditTail(database.reader, announcements);
    const slow = auditTail.follow(() => true)[Symbol.asyncIterator]();
    const quick = auditTail.follow(() => true)[Symbol.asyncIterator]();
    const first = slow.next();
    const seen: string[] = [];
    const reading = (async () => {
      while (seen.length < 1_500) {
        const { value } = await quick.next();
        seen.push(value.id);
      }
    })();
    const ids = await storeRows(1_500);
    for (let start = 0; start < ids.length; start += 100) {
      for (const id of ids.slice(start, start + 100)) announcements.announce(id);
      await eventually(() => expect(seen.length).toBe(start + 100));
    }
    await reading;
    expect(seen).toEqual(ids);
    const got = [(await first).value.id];
    const failure = await (async () => {
      while (true) {
        const { value, done } = await slow.next();
        if (done) throw new Error('It ended without an error.');
        got.push(value.id);
      }
    })().catch((error: unknown) => error);
    expect(failure).toMatchObject({ extensions: { code: 'SUBSCRIBER_TOO_SLOW' } });
    expect(got).toEqual(ids.slice(0, got.length));
    expect(got.length).toBeGreaterThanOrEqual(1_000);
    expect(await slow.next()).toEqual({ done: true, value: undefined });
    await quick.return?.();
  });

  it('listens to nothing any more once the last reader has gone, also one that failed', async () => {
    const announcements = new Announcements();
    const auditTail = new AuditTail(database.reader, announcements);
    const [one, other] = [0, 1].map(() => auditTail.follow(() => true)[Symbol.asyncIterator]());
    const pending = [one?.next(), other?.next()];
    await eventually(() => expect(announcements.listenerCount).toBe(1));
    await one?.return?.();
    expect(announcements.listenerCount).toBe(1);
    announcements.announce('no id');
    await expect(pending[1]).rejects.toThrow();
    await eventually(() => expect(announcements.listenerCount).toBe(0));
    expect(await pending[0]).toEqual({ done: true, value: undefined });
  });
});

describe('rows of the tail', () => {
  it('are those of the log', async () => {
    const tenantId = newId();
    const following = await tail(test.operator, { tenantId: encodeId('Tenant', tenantId) });
    await database.transaction((transaction) => services.audit.record(transaction, attemptOf(tenantId)));
    const { auditTail } = await following.next();
    const { data } = await test.operator.send<{ node: unknown }, { id: string }>(
      `query ($id: ID!) { node(id: $id) { ... on AuditEntry {
        id action outcome errorCode sequence tenantId actor { credentialId } target { id } after
      } } }`,
      { id: auditTail.id },
    );
    expect(data?.node).toEqual(auditTail);
  });
});
