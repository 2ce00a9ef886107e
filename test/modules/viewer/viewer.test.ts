import { describe, expect, it } from 'vitest';
import { principalKinds } from '../../../src/access/principal.ts';
import { scopeNames } from '../../../src/access/scopes.ts';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Seed } from '../../testkit/seed.ts';

const viewerWithAll = graphql(`
  query ViewerWithAll {
    viewer {
      kind
      name
      credentialId
      role
      scopes
      keyId
      tenantId
      userId
      productId
      engineId
      appId
      expiresAt
      usesRetiringSecret
      retiringUntil
    }
  }
`);

const viewerTenant = graphql(`
  query ViewerTenant {
    viewer {
      tenantId
      tenant {
        id
        name
      }
    }
  }
`);

const viewerUser = graphql(`
  query ViewerUser {
    viewer {
      userId
      user {
        id
      }
    }
  }
`);

const test = await startTestApp();
const { operator, ofTenant, as, anonymous, rootKey } = test;
const seed = new Seed(test);

describe('viewer', () => {
  it('says of a root admin key that it belongs to the deployment and may do everything, for ever', async () => {
    expect(await operator.run(viewerWithAll)).toEqual({
      viewer: {
        kind: 'ROOT',
        name: 'root admin key',
        credentialId: expect.stringMatching(/^root:[0-9a-f]{12}$/),
        role: null,
        scopes: [...scopeNames].sort(),
        keyId: null,
        tenantId: null,
        userId: null,
        productId: null,
        engineId: null,
        appId: null,
        expiresAt: null,
        usesRetiringSecret: false,
        retiringUntil: null,
      },
    });
  });

  it('needs no scope, and a credential', async () => {
    expect((await test.withScopes().run(viewerWithAll)).viewer.scopes).toEqual([]);
    expect((await anonymous.send(viewerWithAll)).status).toBe(401);
  });

  it('never says the secret', async () => {
    expect(JSON.stringify(await operator.run(viewerWithAll))).not.toContain(rootKey);
  });

  it('names everything that the credential is bound to', async () => {
    const ids = {
      keyId: newId(),
      tenantId: newId(),
      productId: newId(),
      engineId: newId(),
      userId: newId(),
      appId: newId(),
    };
    const caller = as({ kind: 'ENGINE', scopes: new Set(['engines:report', 'engines:read']), ...ids });
    expect((await caller.run(viewerWithAll)).viewer).toMatchObject({
      kind: 'ENGINE',
      scopes: ['engines:read', 'engines:report'],
      keyId: encodeId('ApiKey', ids.keyId),
      tenantId: encodeId('Tenant', ids.tenantId),
      productId: encodeId('Product', ids.productId),
      engineId: encodeId('Engine', ids.engineId),
      userId: encodeId('User', ids.userId),
      appId: encodeId('App', ids.appId),
    });
  });

  it('says of a login which user it is, also when it is not bound to it', async () => {
    const loginUserId = newId();
    const caller = as({ kind: 'LOGIN', role: 'admin', tenantId: newId(), loginUserId, scopes: new Set() });
    expect((await caller.run(viewerWithAll)).viewer).toMatchObject({
      kind: 'LOGIN',
      role: 'ADMIN',
      userId: encodeId('User', loginUserId),
    });
  });

  it('says until when the credential lasts, and that an older secret of a rotated key was used', async () => {
    const expiresAt = new Date('2026-05-01T00:00:00.000Z');
    const retiringUntil = new Date('2026-03-01T12:05:00.000Z');
    const base = { kind: 'TENANT', tenantId: newId(), scopes: new Set([]) } as const;
    expect((await as({ ...base, expiresAt }).run(viewerWithAll)).viewer).toMatchObject({
      expiresAt: expiresAt.toISOString(),
      usesRetiringSecret: false,
      retiringUntil: null,
    });
    expect((await as({ ...base, expiresAt, retiringUntil }).run(viewerWithAll)).viewer).toMatchObject({
      expiresAt: expiresAt.toISOString(),
      usesRetiringSecret: true,
      retiringUntil: retiringUntil.toISOString(),
    });
  });

  it.each(Object.keys(principalKinds))('knows the kind %s', async (kind) => {
    const known = Object.keys(principalKinds).find((each): each is keyof typeof principalKinds => each === kind);
    if (known === undefined) throw new Error(`${kind} is no kind.`);
    expect((await as({ kind: known, scopes: new Set() }).run(viewerWithAll)).viewer.kind).toBe(kind);
  });

  it('gives the tenant to those who may read tenants, and its id to everybody of it', async () => {
    const tenant = await seed.tenant();
    const tenantId = decodeId('Tenant', tenant.id);
    expect((await ofTenant(tenantId, 'tenants:read').run(viewerTenant)).viewer).toEqual({
      tenantId: tenant.id,
      tenant: { id: tenant.id, name: tenant.name },
    });
    const { data, errors } = await ofTenant(tenantId).send(viewerTenant);
    expect(data?.viewer).toEqual({ tenantId: tenant.id, tenant: null });
    expect(errors).toEqual([
      expect.objectContaining({ path: ['viewer', 'tenant'], extensions: { code: 'FORBIDDEN' } }),
    ]);
    expect((await operator.run(viewerTenant)).viewer).toEqual({ tenantId: null, tenant: null });
  });

  it('gives the user to those who may read users', async () => {
    const { id, tenantId } = await seed.user();
    const bound = { tenantId: decodeId('Tenant', tenantId), userId: decodeId('User', id) };
    const reader = as({ kind: 'USER', ...bound, scopes: new Set(['users:read']) });
    expect((await reader.run(viewerUser)).viewer).toEqual({ userId: id, user: { id } });
    const { data, errors } = await as({ kind: 'USER', ...bound, scopes: new Set() }).send(viewerUser);
    expect(data?.viewer).toEqual({ userId: id, user: null });
    expect(errors).toEqual([expect.objectContaining({ path: ['viewer', 'user'], extensions: { code: 'FORBIDDEN' } })]);
    expect((await operator.run(viewerUser)).viewer).toEqual({ userId: null, user: null });
  });
});
