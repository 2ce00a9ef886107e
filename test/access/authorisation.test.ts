import { buildSchema, getDirectiveValues, getNamedType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { type Scope, scopesOfKind } from '../../src/access/scopes.ts';
import { makeSecret } from '../../src/access/secrets.ts';
import { decodeId, isNodeType } from '../../src/graph/ids.ts';
import { printGraph } from '../../src/graph/print.ts';
import { startTestApp } from '../testkit/app.ts';
import { expectNoFailures } from '../testkit/bad-input.ts';
import { follow } from '../testkit/follow.ts';
import { graphql } from '../testkit/generated/gql.ts';
import type { CreateKeyInput } from '../testkit/generated/graphql.ts';
import { makeKey } from '../testkit/keys.ts';
import { TestSnapshots } from '../testkit/snapshots.ts';
import { Socket } from '../testkit/socket.ts';
import { type Caller, makeCallers, sees } from './authorisation/callers.ts';
import { type FieldOf, fieldsOf, idPathsOf, nameOf, rowTypeOf } from './authorisation/calls.ts';
import { rules, scopesOfNodes, shownWithTheirParent } from './authorisation/cases.ts';
import { batches, Checks } from './authorisation/checks.ts';
import { allows, examples, type Named, nameRow, type Required, type Way, waysOf } from './authorisation/expected.ts';
import { foreignMarker, isRelated, makeWorld, type Row } from './authorisation/world.ts';

const snapshotSource = new TestSnapshots();
const app = await startTestApp({
  snapshotSource,
  environment: {
    FAIRLEAD_COST_CAPACITY: '1000000000',
    FAIRLEAD_MAX_OPERATION_COST: '100000000',
    FAIRLEAD_MAX_ALIASES: '10000',
    FAIRLEAD_MAX_TOKENS: '1000000',
  },
});
expectNoFailures(app);
const world = await makeWorld(app);
const callers = await makeCallers(world);
// Every tenant has something in flight, of each of its keys.
snapshotSource.tenants = [world.own, world.foreign].map(({ tenant, group, model }) => ({
  id: decodeId('Tenant', tenant.id),
  name: tenant.text,
  groupId: decodeId('FairshareGroup', group.id),
  model: model.text,
  keyIds: world.rows
    .filter(({ type, of }) => type === 'ApiKey' && of.Tenant?.includes(tenant.id))
    .map(({ id }) => decodeId('ApiKey', id)),
  inFlight: 1,
}));

// As readers of schema.graphql see it.
const graph = buildSchema(printGraph(app.app.schema));
const requiresScopes = graph.getDirective('requiresScopes');
if (!requiresScopes) throw new Error('The printed schema has no directive @requiresScopes.');

const requiredBy = ({ field }: FieldOf): Required => {
  const values = field.astNode && getDirectiveValues(requiresScopes, field.astNode);
  // The directive's argument has this type.
  return values ? (values.scopes as Scope[][]) : [];
};

const checks = new Checks(world, (field) => requiredBy(field).length > 0);

const fields = fieldsOf(graph);
const rootTypes = [graph.getQueryType(), graph.getMutationType(), graph.getSubscriptionType()];
const rootFields = fields.filter(({ type }) => rootTypes.includes(type));
/** Those that answer once; the subscriptions have tests of their own. */
const answered = rootFields.filter(({ type }) => type !== graph.getSubscriptionType());
const rootLists = answered.filter(({ field }) => rowTypeOf(getNamedType(field.type)) !== undefined);

/** The type of the rows that a field gives, one or a page of them. */
const givenBy = ({ field }: FieldOf) => {
  const named = getNamedType(field.type);
  const name = rowTypeOf(named)?.name ?? named.name;
  return isNodeType(name) ? name : undefined;
};

/** Fields of rows that lead to other rows. */
const leading = fields.filter((field) => isNodeType(field.type.name) && givenBy(field) !== undefined);

describe('the rules of this test', () => {
  it('are there for every field of a root type', () => {
    expect(rootFields.map(nameOf).filter((name) => rules[name] === undefined)).toEqual([]);
  });

  it('say of every argument and field of an input that takes an id which rows it names', () => {
    const unnamed = fields.flatMap((field) =>
      idPathsOf(field)
        .filter((path) => rules[nameOf(field)]?.rows?.[path] === undefined)
        .map((path) => `${nameOf(field)}: ${path}`),
    );
    expect(unnamed).toEqual([]);
  });

  it('are of fields that exist', () => {
    const names = new Set(fields.map(nameOf));
    expect([...Object.keys(rules), ...shownWithTheirParent].filter((name) => !names.has(name))).toEqual([]);
  });
});

describe('a field that leads to rows', () => {
  it('needs the scope for their type, unless they are shown with the object that has it', () => {
    const open = fields.filter((field) => {
      const given = givenBy(field);
      if (given === undefined || /(Payload|Edge)$/.test(field.type.name)) return false;
      return !requiredBy(field).some((all) => all.includes(scopesOfNodes[given]));
    });
    expect(new Set(open.map(nameOf))).toEqual(shownWithTheirParent);
  });
});

describe('the scopes of this graph', () => {
  it('are held by these kinds of callers and no others', () => {
    const used = new Set(fields.flatMap((field) => requiredBy(field).flat()));
    const held = callers
      .filter(({ kind }) => kind !== 'ROOT')
      .map(({ name, scopes }) => [
        name,
        [...scopes]
          .filter((scope) => used.has(scope))
          .sort()
          .join(' '),
      ]);
    expect(Object.fromEntries(held)).toMatchInlineSnapshot(`
      {
        "a key of kind ADMIN": "apps:read apps:write audit:read capacity:read capacity:write engines:admit engines:read engines:report engines:write fairshare:read fairshare:write gateways:read gateways:report gateways:write keys:read keys:report keys:verify keys:write limits:read peppers:read peppers:write products:read products:register products:write registry:read registry:write requests:admit stats:read teams:read teams:write tenants:read tenants:write usage:read users:read users:write",
        "a key of kind APP": "apps:read registry:read",
        "a key of kind ENGINE": "engines:read engines:report keys:verify limits:read registry:read requests:admit usage:read",
        "a key of kind GATEWAY of a tenant": "engines:read engines:report gateways:report keys:report keys:verify registry:read requests:admit tenants:read",
        "a key of kind GATEWAY of the deployment": "engines:read engines:report gateways:report keys:report keys:verify registry:read requests:admit tenants:read",
        "a key of kind PRODUCT": "engines:admit engines:read engines:report engines:write keys:read keys:verify keys:write limits:read products:read registry:read requests:admit usage:read",
        "a key of kind PUBLISHABLE": "",
        "a key of kind TENANT": "apps:read apps:write audit:read engines:admit engines:read engines:report engines:write fairshare:read gateways:read gateways:report gateways:write keys:read keys:report keys:verify keys:write limits:read products:read products:write registry:read requests:admit stats:read teams:read teams:write tenants:read usage:read users:read users:write",
        "a key of kind USER": "keys:read keys:write limits:read registry:read teams:read usage:read users:read",
        "a login as admin": "apps:read apps:write audit:read engines:admit engines:read engines:report engines:write fairshare:read gateways:read gateways:report gateways:write keys:read keys:report keys:verify keys:write limits:read products:read products:write registry:read requests:admit stats:read teams:read teams:write tenants:read usage:read users:read users:write",
        "a login as member": "keys:read keys:write limits:read registry:read teams:read tenants:read usage:read users:read",
        "a login as viewer": "apps:read audit:read engines:read fairshare:read gateways:read keys:read limits:read products:read registry:read stats:read teams:read tenants:read usage:read users:read",
      }
    `);
  });
});

/** A row that the caller may know of, one of another tenant, and one that is missing. */
function rowsAlike(caller: Caller, way: Way): readonly Named[] {
  const { naming } = way;
  if (naming === undefined) return [nameRow(world, way)];
  const all = world.rows.filter(({ type, secret }) => type === naming.type && (naming.by !== 'secret' || secret));
  const known = all.find((row) => sees(caller, row)) ?? all[0];
  const foreign = all.find(({ of }) => of.Tenant?.includes(world.foreign.tenant.id));
  return [nameRow(world, way, known), nameRow(world, way, foreign), nameRow(world, way)];
}

/** The first way of each field; of `node`, whose scopes are those of the object, every one. */
const firstOrNode = (way: Way, index: number, ways: readonly Way[]): boolean =>
  nameOf(way.field).startsWith('Query.node') || ways.findIndex(({ field }) => field === way.field) === index;

describe.each(callers)('$name', (caller) => {
  it('is FORBIDDEN where the printed scopes say so, whatever row it names', async () => {
    const ways = answered.flatMap((field) => waysOf(field, requiredBy(field)));
    const refusals = ways
      .filter(firstOrNode)
      .filter(({ required }) => required.length > 0)
      .map((way) => async () => {
        const [lacking, bare] = checks.withoutScopesOf(caller, way);
        const answers = await Promise.all([
          ...rowsAlike(caller, way).map((named) => checks.refused(lacking, named)),
          ...(bare === undefined ? [] : [checks.refused(bare, nameRow(world, way))]),
        ]);
        expect(new Set(answers)).toEqual(new Set(answers.slice(0, 1)));
      });
    for (const batch of batches(refusals, 4)) await Promise.all(batch.map((refusal) => refusal()));
  });

  it('finds the rows that are its own, and gets the same bytes for all others and for those that do not exist', async () => {
    const ways = answered.flatMap((field) => waysOf(field, requiredBy(field)));
    const calls = ways
      .filter(({ required }) => allows(caller.scopes, required))
      .flatMap((way) =>
        way.naming === undefined ? [] : examples(world, caller, way.naming).map((row) => nameRow(world, way, row)),
      );
    await checks.expectAnswers(caller, calls);
  });

  it('has exactly the rows that are its own in every list', async () => {
    for (const field of rootLists) {
      const type = givenBy(field);
      if (type === undefined || !allows(caller.scopes, requiredBy(field))) continue;
      const { codes, values } = await checks.send(caller, [{ field, args: { first: 100 } }]);
      expect(codes).toEqual([]);
      const own = world.rows.filter((row) => row.type === type && sees(caller, row));
      if (type === 'AuditEntry') {
        const { edges } = values[0] as { edges: { node: { tenantId: string | null } }[] };
        if (caller.bound.Tenant === undefined) continue;
        expect(new Set(edges.map(({ node }) => node.tenantId))).toEqual(new Set([caller.bound.Tenant]));
      } else if (caller.bound.Tenant === undefined) {
        expect(checks.rowsIn(values[0])).toEqual(expect.arrayContaining(own));
      } else {
        checks.expectPage(values[0], own, nameOf(field));
      }
    }
  });

  it('comes from its rows to those alone that are its own', async () => {
    const visits = leading
      .filter(({ type }) => isNodeType(type.name) && allows(caller.scopes, [[scopesOfNodes[type.name]]]))
      .flatMap((field) => {
        const parents = world.rows.filter((row) => row.type === field.type.name && sees(caller, row));
        const isList = rowTypeOf(getNamedType(field.field.type)) !== undefined;
        return parents.map((parent) => ({
          parent,
          call: { field, args: isList ? { first: 100 } : {}, parentId: parent.id },
          isList,
        }));
      });
    const isAllowed = (field: FieldOf): boolean => allows(caller.scopes, requiredBy(field));
    for (const batch of batches(
      visits.filter(({ call }) => isAllowed(call.field)),
      100,
    )) {
      const { codes, values } = await checks.send(
        caller,
        batch.map(({ call }) => call),
      );
      expect(codes).toEqual([]);
      for (const [index, { call, isList, parent }] of batch.entries()) {
        const type = givenBy(call.field);
        const own = world.rows.filter((row) => row.type === type && isRelated(row, parent) && sees(caller, row));
        const described = `${nameOf(call.field)} of ${parent.text}`;
        if (isList) checks.expectPage(values[index], own, described);
        else expect([described, (values[index] as Row | null)?.id]).toEqual([described, own[0]?.id]);
      }
    }
    const forbidden = visits.filter(({ call }) => !isAllowed(call.field));
    for (const { call } of forbidden.filter(
      ({ call }, index) => forbidden.findIndex((each) => each.call.field === call.field) === index,
    )) {
      const { codes, values } = await checks.send(caller, [call]);
      expect([nameOf(call.field), ...codes, ...values]).toEqual([nameOf(call.field), 'FORBIDDEN', null]);
    }
  });

  it('gets the same bytes for conditions on rows that are not its own below its rows as well', async () => {
    const calls = fields
      .filter((field) => !rootTypes.includes(field.type) && idPathsOf(field).length > 0)
      .flatMap((field) => waysOf(field, requiredBy(field)))
      .filter(({ field: { type }, required }) => {
        const scope = isNodeType(type.name) ? [[scopesOfNodes[type.name]]] : [];
        return allows(caller.scopes, required) && allows(caller.scopes, scope);
      })
      .flatMap((way) => {
        const parent = world.rows.find((row) => row.type === way.field.type.name && sees(caller, row));
        if (way.naming === undefined || parent === undefined) return [];
        return examples(world, caller, way.naming).map((row) => nameRow(world, way, row, parent));
      });
    await checks.expectAnswers(caller, calls);
  });
});

describe('a cursor of another tenant', () => {
  it('gives no row that is not its own, whichever list it is of', async () => {
    const tenantId = decodeId('Tenant', world.foreign.tenant.id);
    const scopes = scopesOfKind('TENANT');
    const stranger: Caller = {
      name: 'a stranger',
      kind: 'TENANT',
      bound: {},
      scopes,
      client: app.as({ kind: 'TENANT', tenantId, scopes }),
    };
    const own = callers.find(({ kind }) => kind === 'TENANT');
    if (own === undefined) throw new Error('There is no caller who belongs to a tenant.');
    for (const field of rootLists) {
      const type = givenBy(field);
      const { values } = await checks.send(stranger, [{ field, args: { first: 1 } }]);
      const { endCursor } = (values[0] as { pageInfo: { endCursor: string } }).pageInfo;
      for (const args of [
        { first: 100, after: endCursor },
        { last: 100, before: endCursor },
      ]) {
        const reply = await checks.send(own, [{ field, args }]);
        expect(reply.codes).toEqual([]);
        const rows = checks.rowsIn((reply.values[0] as { edges: unknown }).edges).filter((row) => row.type === type);
        expect(rows.filter((row) => !sees(own, row))).toEqual([]);
      }
    }
  });
});

describe('reportLeakedKeys', () => {
  it('answers the same for keys of the own tenant, of another one, and for those that do not exist', async () => {
    const secretOf = async ({ id }: { id: string }): Promise<string> => {
      const input: CreateKeyInput = { kind: 'TENANT', name: 'leaked', scopes: ['models:read'], tenantId: id };
      return (await makeKey(app.operator, input)).secret;
    };
    const own = await world.seed.tenant();
    const client = app.ofTenant(decodeId('Tenant', own.id), 'keys:report');
    const tokens = [await secretOf(own), await secretOf(await world.seed.tenant()), makeSecret('fl_tenant_')];
    const report = 'mutation ($t: [String!]!) { reportLeakedKeys(input: { tokens: $t }) { __typename } }';
    const answers: string[] = [];
    for (const token of tokens) {
      const { status, data, errors } = await client.send(report, { t: [token] });
      answers.push(JSON.stringify({ status, data, errors }));
    }
    expect(answers[0]).toContain('ReportLeakedKeysPayload');
    expect(new Set(answers)).toEqual(new Set([answers[0]]));
  });
});

const AuthorisationTail = graphql(`
  subscription AuthorisationTail($filter: AuditLogFilter) {
    auditTail(filter: $filter) {
      action
      tenantId
    }
  }
`);

/** How each subscription is followed. */
const following: Readonly<Record<string, string>> = {
  'Subscription.auditTail': AuthorisationTail.toString(),
  'Subscription.fairshareLive':
    'subscription { fairshareLive { totals { inFlight } groups { name } tenants { name groupName } keys { name } pools { model } } }',
  'Subscription.statsLive': 'subscription { statsLive { totals { inFlight } tenants { name } } }',
};

const subscriptions = rootFields.filter(({ type }) => type === graph.getSubscriptionType());

describe('a subscription', () => {
  it('is one that the tests below follow', () => {
    expect(subscriptions.map(nameOf).sort()).toEqual(Object.keys(following).sort());
  });

  it.each(
    subscriptions.flatMap((field) =>
      callers.map((caller) => ({ name: `${nameOf(field)} by ${caller.name}`, caller, field })),
    ),
  )('is FORBIDDEN without its scopes, and gives nothing of others: $name', async ({ caller, field }) => {
    const [way] = waysOf(field, requiredBy(field));
    if (way === undefined) throw new Error('The field has no rule.');
    for (const lacking of checks.withoutScopesOf(caller, way)) {
      if (lacking === undefined) continue;
      const response = await fetch(`${app.app.url}/graphql`, {
        method: 'POST',
        headers: { ...lacking.client.headers, 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({ query: following[nameOf(field)] }),
      });
      expect(await response.text()).toContain('"code":"FORBIDDEN"');
    }
    const { Tenant: tenantId } = caller.bound;
    if (!allows(caller.scopes, way.required) || tenantId === undefined) return;
    if (nameOf(field) !== 'Subscription.auditTail') {
      const socket = await Socket.accepted(app.app.url, caller.client.headers);
      socket.subscribe('1', following[nameOf(field)] ?? '');
      const { type, payload } = await socket.message();
      expect(type).toBe('next');
      expect(JSON.stringify(payload)).toContain(world.own.tenant.text);
      expect(JSON.stringify(payload)).not.toContain(foreignMarker);
      await socket.close();
      return;
    }
    const tail = await follow(app.app, caller.client, AuthorisationTail, {});
    const weigh = (id: string) => world.seed.run('setTenantWeight', { tenantId: id, weight: nextWeight() });
    await weigh(world.foreign.tenant.id);
    await weigh(tenantId);
    expect(await tail.next()).toEqual({ auditTail: { action: 'setTenantWeight', tenantId } });
    await tail.stop();
  });
});

/** A weight that no tenant had before. */
const nextWeight = (() => {
  let weight = 100;
  return () => ++weight;
})();
