import { beforeAll, describe, expect, it } from 'vitest';
import { type Scope, scopeNames, scopesOfKind, scopeTemplates } from '../../../src/access/scopes.ts';
import type { LoginRole } from '../../../src/config/oidc-issuers.ts';
import { encodeId, newId } from '../../../src/graph/ids.ts';
import { Client } from '../../testkit/client.ts';
import { eventually } from '../../testkit/eventually.ts';
import { Seed, type Seeded } from '../../testkit/seed.ts';
import { Socket } from '../../testkit/socket.ts';
import { loginViewer, startLogins, tenantClaim } from './logins.ts';

const byPath = 'https://fairlead.example/by-path';
const fixed = 'https://fairlead.example/fixed';
const operators = 'https://fairlead.example/operators';

const { test, replica, login, refusal } = await startLogins([
  {
    audience: byPath,
    tenantClaim: 'org.id',
    userClaim: 'employee.number',
    nameClaim: 'preferred_username',
    roleClaim: 'realm_access.roles',
    roles: { boss: 'owner', staff: 'member', auditor: 'viewer' },
    defaultRole: 'viewer',
    scopeClaim: 'scp',
  },
  { audience: fixed, tenant: 'The One' },
  { audience: operators, deployment: true },
]);
const seed = new Seed(test);

let acme: Seeded;
let theOne: Seeded;
let archived: Seeded;
let suspended: Seeded;
let ada = '';

beforeAll(async () => {
  acme = await seed.tenant({ name: 'Acme' });
  theOne = await seed.tenant({ name: 'The One' });
  archived = await seed.tenantAfter('archiveTenant');
  suspended = await seed.tenantAfter('suspendTenant');
  ada = (await seed.user({ tenantId: acme.id, externalId: 'ada' })).id;
});

type Claims = Readonly<Record<string, unknown>>;
const ofAcme = (more: Claims = {}): Claims => ({ sub: 'ada', [tenantClaim]: acme.id, role: 'owner', ...more });
const viewerOf = async (claims: Claims, options: { audience?: string; scope?: string } = {}) =>
  (await (await login({ claims, ...options })).run(loginViewer)).viewer;
const refusalOf = async (claims: Claims, options: { audience?: string } = {}) =>
  refusal(await login({ claims, ...options }));
const sorted = (scopes: Iterable<Scope>) => [...scopes].sort();

describe('the tenant of a login', () => {
  it.each([
    ['its id', () => acme.id],
    ['its name', () => 'Acme'],
    ['its name, without regard to case', () => ' aCME '],
  ])('is named by a claim: %s', async (_what, value) => {
    expect((await viewerOf(ofAcme({ [tenantClaim]: value() }))).tenantId).toBe(acme.id);
  });

  it('can be found by a path of claims', async () => {
    expect((await viewerOf({ sub: 'x', org: { id: acme.id } }, { audience: byPath })).tenantId).toBe(acme.id);
  });

  it('is the claim with the name of the path, if there is one', async () => {
    const claims = { sub: 'x', 'org.id': theOne.id, org: { id: acme.id } };
    expect((await viewerOf(claims, { audience: byPath })).tenantId).toBe(theOne.id);
  });

  it('can be fixed, whatever the token says', async () => {
    expect((await viewerOf(ofAcme(), { audience: fixed })).tenantId).toBe(theOne.id);
  });

  it.each<readonly [string, unknown]>([
    ['is missing', undefined],
    ['is null', null],
    ['is empty', ''],
    ['is blank', ' '],
    ['is a number', 7],
    ['is a list', ['Acme']],
    ['is an object', { id: 'Acme' }],
    ['has NUL in it', 'Ac\0me'],
    ['names no tenant', 'Nobody'],
    ['is the id of no tenant', encodeId('Tenant', newId())],
    ['is an id of another type', encodeId('Team', newId())],
    ['is a pattern', 'Acm%'],
  ])('has to be there: a claim that %s is refused', async (_what, value) => {
    expect(await refusalOf(ofAcme({ [tenantClaim]: value }))).toBe('INVALID_TOKEN');
  });

  it.each([
    ['an inherited property', { org: {} }],
    ['below a text', { org: 'Acme' }],
    ['below nothing', {}],
  ])('is not looked for where it cannot be: %s', async (_what, more) => {
    expect(await refusalOf({ sub: 'x', ...more }, { audience: byPath })).toBe('INVALID_TOKEN');
  });

  it('may be suspended, and not archived', async () => {
    expect((await viewerOf(ofAcme({ [tenantClaim]: suspended.id }))).tenantId).toBe(suspended.id);
    expect(await refusalOf(ofAcme({ [tenantClaim]: archived.id }))).toBe('OWNER_NOT_ACTIVE');
  });

  it('is all that the login sees', async () => {
    const caller = await login({ claims: ofAcme() });
    const answer = await caller.send(`{
      viewer { tenant { id } }
      tenants { totalCount edges { node { id } } }
      foreign: tenant(id: "${theOne.id}") { id }
    }`);
    expect(answer.data).toEqual({
      viewer: { tenant: { id: acme.id } },
      tenants: { totalCount: 1, edges: [{ node: { id: acme.id } }] },
      foreign: null,
    });
  });

  it('closes open sockets of its logins at their next operation when it is archived', async () => {
    const tenant = await seed.tenant();
    const { headers } = await login({ claims: ofAcme({ [tenantClaim]: tenant.id }) });
    const socket = await Socket.accepted(test.app.url, headers);
    expect(await socket.run('1', '{ viewer { tenantId } }')).toMatchObject({
      data: { viewer: { tenantId: tenant.id } },
    });
    await seed.run('archiveTenant', { tenantId: tenant.id });
    socket.subscribe('2', '{ viewer { tenantId } }');
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  it('stops its logins as soon as it is archived, and lets them in again when it is resumed', async () => {
    const tenant = await seed.tenant();
    const caller = await login({ claims: ofAcme({ [tenantClaim]: tenant.id }) });
    expect(await refusal(caller)).toBeUndefined();
    await seed.run('archiveTenant', { tenantId: tenant.id });
    expect(await refusal(caller)).toBe('OWNER_NOT_ACTIVE');
    await seed.run('resumeTenant', { tenantId: tenant.id });
    expect(await refusal(caller)).toBeUndefined();
  });
});

describe('the role of a login', () => {
  it.each(['owner', 'admin', 'member', 'viewer'] as const)('says what it may do in its tenant: %s', async (role) => {
    const viewer = await viewerOf(ofAcme({ role }));
    expect(viewer).toMatchObject({ role: role.toUpperCase(), tenantId: acme.id });
    expect(viewer.scopes).toEqual(sorted(scopeTemplates[role].scopes));
  });

  it('never gives a login of a tenant a scope that is for the deployment', async () => {
    const { scopes } = await viewerOf(ofAcme({ role: 'owner' }));
    const allowed: ReadonlySet<string> = scopesOfKind('TENANT');
    expect(scopes.filter((scope) => !allowed.has(scope))).toEqual([]);
    expect(scopes).not.toContain('tenants:write');
  });

  it.each<readonly [string, unknown, LoginRole]>([
    ['of a list', ['viewer', 'admin', 'member'], 'admin'],
    ['of a list with others', ['offline_access', 7, 'viewer'], 'viewer'],
  ])('is the highest %s', async (_what, role, expected) => {
    expect((await viewerOf(ofAcme({ role }))).role).toBe(expected.toUpperCase());
  });

  it.each<readonly [string, unknown]>([
    ['is missing', undefined],
    ['is unknown', 'king'],
    ['is in upper case', 'OWNER'],
    ['is no text', { name: 'owner' }],
    ['is an empty list', []],
    ['is several in one text', 'owner viewer'],
  ])('has to be there: a claim that %s is refused', async (_what, role) => {
    expect(await refusalOf(ofAcme({ role }))).toBe('INVALID_TOKEN');
  });

  it('is what the configuration makes of the claim', async () => {
    const roleFor = async (roles: unknown) => {
      const claims = { sub: 'x', org: { id: acme.id }, realm_access: { roles } };
      return (await viewerOf(claims, { audience: byPath })).role;
    };
    expect(await roleFor(['boss', 'auditor'])).toBe('OWNER');
    expect(await roleFor('auditor')).toBe('VIEWER');
    // Not what it means by itself, where the configuration says what is meant.
    expect(await roleFor(['owner'])).toBe('VIEWER');
    expect(await roleFor(['constructor', '__proto__'])).toBe('VIEWER');
    expect(await roleFor(undefined)).toBe('VIEWER');
  });

  it.each([
    ['owner', scopesOfKind('ADMIN')],
    ['admin', scopesOfKind('ADMIN')],
    ['viewer', scopeNames.filter((scope) => scope.endsWith(':read'))],
  ] as const)('of the deployment gives all that is for it: %s', async (role, scopes) => {
    const viewer = await viewerOf({ sub: 'op', role }, { audience: operators });
    expect(viewer).toMatchObject({ kind: 'LOGIN', role: role.toUpperCase(), tenantId: null, userId: null });
    expect(viewer.scopes).toEqual(sorted(scopes));
  });

  it('member does not exist in the deployment', async () => {
    expect(await refusalOf({ sub: 'op', role: 'member' }, { audience: operators })).toBe('INVALID_TOKEN');
  });

  it('of the deployment lets operators act in it, and see every tenant', async () => {
    const caller = await login({ claims: { sub: 'op', role: 'admin' }, audience: operators });
    const { data } = await caller.send<{ setTenantWeight: { __typename: string } }, unknown>(
      `mutation { setTenantWeight(input: { tenantId: "${theOne.id}", weight: 12 }) { __typename } }`,
    );
    expect(data?.setTenantWeight.__typename).toBe('SetTenantWeightPayload');
    const reader = await login({ claims: { sub: 'op', role: 'viewer' }, audience: operators });
    const answer = await reader.send<{ tenants: { totalCount: number } }, unknown>('{ tenants { totalCount } }');
    expect(answer.data?.tenants.totalCount).toBeGreaterThanOrEqual(4);
  });
});

describe('the scopes that a token names', () => {
  it('are all that the login has of its role', async () => {
    const { scopes } = await viewerOf(ofAcme(), { scope: 'openid tenants:read shop:buy users:write' });
    expect(scopes).toEqual(['tenants:read', 'users:write']);
  });

  it('give nothing that the role does not', async () => {
    const { scopes } = await viewerOf(ofAcme({ role: 'viewer' }), { scope: 'tenants:write users:write users:read' });
    expect(scopes).toEqual(['users:read']);
    expect((await viewerOf(ofAcme({ role: 'viewer' }), { scope: 'users:write' })).scopes).toEqual([]);
  });

  it('mean nothing when none of them is one of the graph', async () => {
    const { scopes } = await viewerOf(ofAcme(), { scope: 'openid shop:buy' });
    expect(scopes).toEqual(sorted(scopeTemplates.owner.scopes));
  });

  it('may be a list, in another claim', async () => {
    const claims = { sub: 'x', org: { id: acme.id }, scp: ['audit:read', 'other'], scope: 'users:read' };
    expect((await viewerOf(claims, { audience: byPath })).scopes).toEqual(['audit:read']);
  });

  it('narrow a login of the deployment, too', async () => {
    const options = { audience: operators, scope: 'tenants:write' };
    expect((await viewerOf({ sub: 'op', role: 'owner' }, options)).scopes).toEqual(['tenants:write']);
  });
});

describe('the user of a login', () => {
  it.each(['owner', 'admin', 'member', 'viewer'])('is told to a %s', async (role) => {
    expect((await viewerOf(ofAcme({ role }))).userId).toBe(ada);
  });

  it('is found by the claim that is configured', async () => {
    const { id } = await seed.user({ tenantId: acme.id, externalId: '4711' });
    const claims = { sub: 'ada', org: { id: acme.id }, employee: { number: '4711' } };
    expect((await viewerOf(claims, { audience: byPath })).userId).toBe(id);
  });

  it('is one of the tenant: the same name elsewhere is another person', async () => {
    const elsewhere = await seed.user({ tenantId: theOne.id, externalId: 'bob' });
    expect((await viewerOf(ofAcme({ sub: 'bob' }))).userId).toBeNull();
    expect(await refusalOf(ofAcme({ sub: 'bob', role: 'member' }))).toBe('INVALID_TOKEN');
    expect((await viewerOf(ofAcme({ sub: 'bob', role: 'member' }), { audience: fixed })).userId).toBe(elsewhere.id);
  });

  it('is compared with regard to case, as external ids are', async () => {
    expect((await viewerOf(ofAcme({ sub: 'Ada' }))).userId).toBeNull();
  });

  it('has to exist for a member, and for nobody else', async () => {
    for (const role of ['owner', 'admin', 'viewer']) {
      expect((await viewerOf(ofAcme({ sub: 'stranger', role }))).userId).toBeNull();
    }
    expect(await refusalOf(ofAcme({ sub: 'stranger', role: 'member' }))).toBe('INVALID_TOKEN');
    expect(
      await refusalOf({ sub: 'ada', org: { id: acme.id }, realm_access: { roles: 'staff' } }, { audience: byPath }),
    ).toBe('INVALID_TOKEN');
  });

  it.each(['owner', 'admin', 'member', 'viewer'])('that is deactivated is refused as %s', async (role) => {
    const { id, externalId } = await seed.user({ tenantId: acme.id });
    const caller = await login({ claims: ofAcme({ sub: externalId, role }) });
    expect(await refusal(caller)).toBeUndefined();
    await seed.run('deactivateUser', { userId: id });
    expect(await refusal(caller)).toBe('OWNER_NOT_ACTIVE');
    await seed.run('reactivateUser', { userId: id });
    expect(await refusal(caller)).toBeUndefined();
  });

  it('is all that a member sees of the users, and the others see all of the tenant', async () => {
    const tenant = await seed.tenant();
    const self = await seed.user({ tenantId: tenant.id });
    const other = await seed.user({ tenantId: tenant.id });
    await seed.user();
    const seen = async (role: string) => {
      const caller = await login({ claims: ofAcme({ [tenantClaim]: tenant.id, sub: self.externalId, role }) });
      const { data } = await caller.send<Record<string, unknown>, unknown>(
        `{ viewer { user { id } } users { totalCount } other: user(id: "${other.id}") { id } }`,
      );
      return data;
    };
    const viewer = { user: { id: self.id } };
    expect(await seen('member')).toEqual({ viewer, users: { totalCount: 1 }, other: null });
    for (const role of ['owner', 'admin', 'viewer']) {
      expect(await seen(role)).toEqual({ viewer, users: { totalCount: 2 }, other: { id: other.id } });
    }
  });
});

describe('whom a login belongs to', () => {
  it('is read once and remembered until it changes', async () => {
    const tenant = await seed.tenant();
    const { externalId } = await seed.user({ tenantId: tenant.id });
    const caller = await login({ claims: ofAcme({ [tenantClaim]: tenant.id, sub: externalId, role: 'member' }) });
    const statements = () => test.app.database.statements.during(() => caller.run(loginViewer));
    expect((await statements()).statements).toHaveLength(2);
    expect((await statements()).statements).toEqual([]);
    await seed.run('setTenantWeight', { tenantId: tenant.id, weight: 5 });
    expect((await statements()).statements).toHaveLength(1);
  });

  it('is what the name means now, when a tenant takes the name of another', async () => {
    const before = await seed.tenant({ name: 'Named' });
    const claims = ofAcme({ [tenantClaim]: 'named' });
    expect((await viewerOf(claims)).tenantId).toBe(before.id);
    await seed.run('updateTenant', { tenantId: before.id, name: 'No Longer Named' });
    expect(await refusalOf(claims)).toBe('INVALID_TOKEN');
    const after = await seed.tenant({ name: 'NAMED' });
    expect((await viewerOf(claims)).tenantId).toBe(after.id);
  });

  it('changes on every replica', async () => {
    const other = await replica();
    const tenant = await seed.tenant();
    const { headers } = await login({ claims: ofAcme({ [tenantClaim]: tenant.id }) });
    const there = new Client(other.app.url, headers);
    expect(await refusal(there)).toBeUndefined();
    await seed.run('archiveTenant', { tenantId: tenant.id });
    await eventually(async () => expect(await refusal(there)).toBe('OWNER_NOT_ACTIVE'));
  });
});
