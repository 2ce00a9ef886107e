import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../src/graph/audit.ts';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { AuditLogListQueryVariables } from '../../testkit/generated/graphql.ts';
import { tablesWith } from '../../testkit/stored-text.ts';
import { attemptOf } from './chains.ts';

const test = await startTestApp();
const { database, services } = test.app;

const auditLogList = graphql(`
  query AuditLogList($first: Int, $after: String, $last: Int, $filter: AuditLogFilter, $orderBy: AuditEntryOrder) {
    auditLog(first: $first, after: $after, last: $last, filter: $filter, orderBy: $orderBy) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      edges {
        node {
          id
          sequence
          tenantId
          occurredAt
          actor {
            kind
            credentialId
            name
          }
          action
          target {
            type
            id
          }
          outcome
          errorCode
          attempts
          before
          after
          requestId
          ipAddress
          userAgent
          previousHash
          hash
        }
      }
    }
  }
`);

const auditLogCreateTenant = graphql(`
  mutation AuditLogCreateTenant($input: CreateTenantInput!) {
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

const auditLogUpdateTenant = graphql(`
  mutation AuditLogUpdateTenant($input: UpdateTenantInput!) {
    updateTenant(input: $input) {
      __typename
    }
  }
`);

type Variables = AuditLogListQueryVariables;

const list = async (variables: Variables, as: Client = test.operator) =>
  (await as.run(auditLogList, { filter: null, ...variables })).auditLog;

const rowsWhere = async (filter: Variables['filter'], as?: Client) =>
  (await list({ filter, first: 100 }, as)).edges.map(({ node }) => node);

/** The newest row with this request id. */
async function rowOf(requestId: string) {
  const row = (await rowsWhere({})).find((candidate) => candidate.requestId === requestId);
  if (row === undefined) throw new Error(`No row has the request id ${requestId}.`);
  return row;
}

async function createTenant(name: string, as = test.operator): Promise<string> {
  const { createTenant: answer } = await as.run(auditLogCreateTenant, { input: { name } });
  if (answer.__typename !== 'CreateTenantPayload') throw new Error(`${name} was not made: ${answer.__typename}`);
  return answer.tenant.id;
}

describe('auditLog', async () => {
  // Twelve rows of two tenants, one second apart, with every combination of actor, action and outcome among them.
  const tenantIds = [newId(), newId()] as const;
  const startedAt = Date.parse('2025-01-01T00:00:00.000Z');
  const actors = ['audit:one', 'audit:two', 'audit:three'];
  const actions = ['setTenantWeight', 'updateTenant'];
  const outcomes = ['SUCCEEDED', 'REFUSED', 'DENIED', 'FAILED'] as const;
  const records = Array.from({ length: 12 }, (_, index): AuditRecord => {
    const tenantId = tenantIds[index % 2] ?? tenantIds[0];
    return attemptOf(tenantId, {
      occurredAt: new Date(startedAt + index * 1_000),
      actor: { kind: 'ROOT', credentialId: actors[index % 3] ?? null, name: 'an actor' },
      action: actions[index % 2] ?? '',
      outcome: outcomes[index % 4] ?? 'SUCCEEDED',
      target: { type: 'Tenant', id: tenantIds[Math.floor(index / 2) % 2] ?? tenantIds[0] },
    });
  });
  for (const record of records) {
    await database.transaction((transaction) => services.audit.record(transaction, record));
  }
  const within = { from: '2025-01-01T00:00:00Z', until: '2025-01-02T00:00:00Z' };
  const [one, other] = tenantIds.map((id) => encodeId('Tenant', id));

  const filters: readonly [string, Variables['filter'], (record: AuditRecord, index: number) => boolean][] = [
    ['nothing but the time', {}, () => true],
    ['the actor', { actorId: 'audit:two' }, ({ actor }) => actor.credentialId === 'audit:two'],
    ['one action', { actions: ['updateTenant'] }, ({ action }) => action === 'updateTenant'],
    ['several actions', { actions }, () => true],
    ['an action that there is none of', { actions: ['UPDATETENANT'] }, () => false],
    ['no action at all', { actions: [] }, () => false],
    ['the target', { targetId: one ?? '' }, ({ target }) => target?.id === tenantIds[0]],
    ['a target that is gone', { targetId: encodeId('Tenant', newId()) }, () => false],
    ['the tenant', { tenantId: other ?? '' }, ({ tenantId }) => tenantId === tenantIds[1]],
    ['one outcome', { outcomes: ['FAILED'] }, ({ outcome }) => outcome === 'FAILED'],
    ['several outcomes', { outcomes: ['REFUSED', 'DENIED'] }, ({ outcome }) => /REFUSED|DENIED/.test(outcome)],
    ['the time from', { occurredAt: { ...within, from: '2025-01-01T00:00:03Z' } }, (_record, index) => index >= 3],
    ['the time until', { occurredAt: { ...within, until: '2025-01-01T00:00:03Z' } }, (_record, index) => index < 3],
    [
      'both ends of the time',
      { occurredAt: { from: '2025-01-01T00:00:03Z', until: '2025-01-01T00:00:05Z' } },
      (_record, index) => index === 3 || index === 4,
    ],
    [
      'everything at once',
      {
        actorId: 'audit:one',
        actions: ['updateTenant'],
        outcomes: ['REFUSED', 'FAILED'],
        tenantId: other ?? '',
        targetId: other ?? '',
        occurredAt: within,
      },
      (_record, index) => index === 3,
    ],
    ['conditions that are null', { actorId: null, actions: null, targetId: null, outcomes: null }, () => true],
  ];

  it.each(filters)('finds and counts by %s', async (_name, filter, holds) => {
    const { totalCount, edges } = await list({ filter: { occurredAt: within, ...filter }, first: 100 });
    const expected = records.filter(holds).map(({ info }) => info.id);
    expect(edges.map(({ node }) => node.requestId)).toEqual(expected.reverse());
    expect(totalCount).toBe(expected.length);
  });

  it('is sorted by time, the newest first unless asked otherwise, and pages meet without gaps', async () => {
    const expected = records.map(({ info }) => info.id);
    for (const direction of ['ASC', 'DESC'] as const) {
      const found: (string | null | undefined)[] = [];
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof list>> = await list({
          first: 5,
          after,
          filter: { occurredAt: within },
          orderBy: { field: 'OCCURRED_AT', direction },
        });
        expect(page.totalCount).toBe(12);
        found.push(...page.edges.map(({ node }) => node.requestId));
        after = page.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null;
      } while (after !== null);
      expect(found).toEqual(direction === 'ASC' ? expected : expected.toReversed());
    }
    const { edges } = await list({ last: 2, filter: { occurredAt: within } });
    expect(edges.map(({ node }) => node.requestId)).toEqual([expected[1], expected[0]]);
  });

  it.each([
    ['filter.actorId', { actorId: 'a\u0000' }],
    ['filter.actions', { actions: ['createTenant', '\u0000'] }],
    ['filter.targetId', { targetId: '\u0000' }],
  ])('refuses NUL in %s, which no entry can have', async (argument, filter) => {
    const errors = await test.operator.fail(auditLogList, { filter });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', argument } }]);
  });

  it('refuses the id of another type in its filter', async () => {
    const errors = await test.operator.fail(auditLogList, {
      filter: { tenantId: encodeId('FairshareGroup', newId()) },
    });
    expect(errors).toMatchObject([{ extensions: { code: 'WRONG_ID_TYPE', argument: 'filter.tenantId' } }]);
  });

  it("shows a tenant its own chain alone, whatever it asks for, as if there were no other's", async () => {
    const caller = test.ofTenant(tenantIds[0], 'audit:read');
    const own = records.filter(({ tenantId }) => tenantId === tenantIds[0]).length;
    expect(await list({ first: 1 }, caller)).toMatchObject({ totalCount: own });
    const seen = await rowsWhere({}, caller);
    expect(new Set(seen.map(({ tenantId }) => tenantId))).toEqual(new Set([one]));
    for (const foreign of [other, encodeId('Tenant', newId())]) {
      expect(await list({ filter: { tenantId: foreign ?? '' } }, caller)).toEqual({
        totalCount: 0,
        edges: [],
        pageInfo: { hasNextPage: false, endCursor: null },
      });
    }
  });

  it("shows a tenant no foreign row by its id either, nor a row of the deployment's chain", async () => {
    const caller = test.ofTenant(tenantIds[0], 'audit:read');
    await test.operator.send('mutation { createFairshareGroup(input: { name: "audited group" }) { __typename } }');
    const rows = await rowsWhere({});
    const idWhere = (tenantId: string | null) => rows.find((row) => row.tenantId === tenantId)?.id ?? '';
    const ids = [idWhere(one ?? ''), idWhere(other ?? ''), idWhere(null), encodeId('AuditEntry', newId())];
    const { data } = await caller.send<{ nodes: unknown }, { ids: string[] }>(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids },
    );
    expect(data?.nodes).toEqual([{ id: ids[0] }, null, null, null]);
    for (const id of ids.slice(1)) {
      const answer = await caller.send('query ($id: ID!) { node(id: $id) { id } }', { id });
      expect(answer).toMatchObject({ status: 200, data: { node: null }, errors: undefined });
    }
  });
});

describe('a row', () => {
  it('says who did what to whom, when, with what and from where, and what changed', async () => {
    const tenantId = await createTenant('a row', test.operator.with({ 'x-request-id': 'create-a-row' }));
    const agent = 'a script';
    await test.operator
      .with({ 'x-request-id': 'update-a-row', 'user-agent': agent })
      .run(auditLogUpdateTenant, { input: { tenantId, description: 'new', weeklyWindows: null } });
    const made = await rowOf('create-a-row');
    expect(made).toMatchObject({
      sequence: 1,
      tenantId,
      occurredAt: test.clock.now().toISOString(),
      actor: { kind: 'ROOT', name: 'root admin key', credentialId: expect.stringMatching(/^root:[0-9a-f]{12}$/) },
      action: 'createTenant',
      target: { type: 'Tenant', id: tenantId },
      outcome: 'SUCCEEDED',
      errorCode: null,
      attempts: 1,
      before: null,
      after: { name: 'a row', weight: 100 },
      ipAddress: expect.stringMatching(/127\.0\.0\.1$/),
      previousHash: '0'.repeat(64),
    });
    expect(await rowOf('update-a-row')).toMatchObject({
      sequence: 2,
      action: 'updateTenant',
      before: { description: '', revision: 1 },
      after: { description: 'new', revision: 2 },
      userAgent: agent,
      previousHash: made.hash,
    });
  });

  it('keeps 512 characters of the user agent', async () => {
    const agent = Array.from({ length: 600 }, (_, index) => String(index % 10)).join('');
    await createTenant('long agent', test.operator.with({ 'user-agent': agent, 'x-request-id': 'long-agent' }));
    expect((await rowOf('long-agent')).userAgent).toBe(agent.slice(0, 512));
  });

  it('is written for a refused command, with the code and what it was aimed at', async () => {
    const tenantId = await createTenant('refused');
    const client = test.operator.with({ 'x-request-id': 'refused' });
    await client.run(auditLogUpdateTenant, { input: { tenantId, expectedRevision: 7, description: 'x' } });
    expect(await rowOf('refused')).toMatchObject({
      tenantId: null,
      action: 'updateTenant',
      outcome: 'REFUSED',
      errorCode: 'STALE_REVISION',
      target: { type: 'Tenant', id: tenantId },
      before: null,
      after: null,
    });
  });

  it('is written for a command that the credential does not allow, in the chain of whoever tried', async () => {
    const tenantId = await createTenant('denied');
    const client = test
      .ofTenant(decodeId('Tenant', tenantId), 'tenants:read')
      .with({ 'x-request-id': 'denied', 'user-agent': 'denied agent' });
    expect(await client.fail(auditLogUpdateTenant, { input: { tenantId, description: 'x' } })).toMatchObject([
      { extensions: { code: 'FORBIDDEN' } },
    ]);
    expect(await rowOf('denied')).toMatchObject({
      tenantId,
      actor: { kind: 'TENANT' },
      outcome: 'DENIED',
      errorCode: 'FORBIDDEN',
      target: { type: 'Tenant', id: tenantId },
      userAgent: 'denied agent',
    });
  });

  it('is written for a command that failed, which the caller is told without its reason', async () => {
    const tenantId = await createTenant('failed');
    await database.pool.query(`
      CREATE FUNCTION fail_on_purpose() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the disk has a scratch'; END $$;
      CREATE TRIGGER fail_on_purpose BEFORE UPDATE ON tenant FOR EACH ROW EXECUTE FUNCTION fail_on_purpose();
    `);
    try {
      const client = test.operator.with({ 'x-request-id': 'failed' });
      const errors = await client.fail(auditLogUpdateTenant, { input: { tenantId, description: 'x' } });
      expect(errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'failed' } }]);
      expect(JSON.stringify(errors)).not.toContain('scratch');
    } finally {
      await database.pool.query('DROP FUNCTION fail_on_purpose CASCADE');
    }
    expect(await rowOf('failed')).toMatchObject({
      outcome: 'FAILED',
      errorCode: 'INTERNAL_SERVER_ERROR',
      target: { type: 'Tenant', id: tenantId },
      before: null,
      after: null,
    });
    expect(test.logged.join()).toContain('the disk has a scratch');
  });

  it('is part of the change: where it cannot be written, nothing is changed', async () => {
    await database.pool.query('ALTER TABLE audit_entry RENAME COLUMN attempts TO renamed');
    let errors: unknown;
    try {
      errors = await test.operator.fail(auditLogCreateTenant, { input: { name: 'never audited' } });
    } finally {
      await database.pool.query('ALTER TABLE audit_entry RENAME COLUMN renamed TO attempts');
    }
    expect(errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
    expect(await tablesWith(database, 'never audited')).toEqual([]);
  });

  it('never has a secret', async () => {
    await createTenant('secret bearer', test.operator);
    expect(await tablesWith(database, test.rootKey)).toEqual([]);
    const client = test.withScopes('tenants:write');
    const secret = String(client.headers.authorization).replace('Bearer ', '');
    await createTenant('secret scoped', client);
    expect(await tablesWith(database, secret)).toEqual([]);
  });
});
