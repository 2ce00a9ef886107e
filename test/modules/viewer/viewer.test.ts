import { describe, expect, it } from 'vitest';
import { principalKinds } from '../../../src/access/principal.ts';
import { type Scope, scopeNames } from '../../../src/access/scopes.ts';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { makeKey, withSecret } from '../../testkit/keys.ts';
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

const viewerObjects = graphql(`
  query ViewerObjects {
    viewer {
      tenant {
        id
      }
      user {
        id
      }
      product {
        id
      }
      engine {
        id
      }
      app {
        id
      }
      key {
        id
      }
    }
  }
`);

const test = await startTestApp();
const { operator, as, anonymous, rootKey } = test;
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

  it('has the objects that the credential belongs to, for who may read them', async () => {
    const user = await seed.user();
    const product = await seed.product({ tenantId: user.tenantId });
    const engine = await seed.engine({ productId: product.id });
    const tenantId = decodeId('Tenant', user.tenantId);
    const productId = decodeId('Product', product.id);
    const ofUser = { kind: 'USER', tenantId, userId: decodeId('User', user.id) } as const;
    const app = await seed.app({ tenantId: user.tenantId });
    const ofApp = { kind: 'APP', tenantId, appId: decodeId('App', app.id) } as const;
    const ofEngine = { kind: 'ENGINE', tenantId, productId, engineId: decodeId('Engine', engine.id) } as const;
    const readScopes = new Set<Scope>(scopeNames.filter((scope) => scope.endsWith(':read')));
    const none = { tenant: null, user: null, product: null, engine: null, app: null, key: null };
    const tenant = { id: user.tenantId };

    const userReads = as({ ...ofUser, scopes: readScopes });
    expect((await userReads.run(viewerObjects)).viewer).toEqual({ ...none, tenant, user: { id: user.id } });
    const engineReads = as({ ...ofEngine, scopes: readScopes });
    expect((await engineReads.run(viewerObjects)).viewer).toEqual({
      ...none,
      tenant,
      product: { id: product.id },
      engine: { id: engine.id },
    });
    const appReads = as({ ...ofApp, scopes: readScopes });
    expect((await appReads.run(viewerObjects)).viewer).toEqual({ ...none, tenant, app: { id: app.id } });
    expect((await operator.run(viewerObjects)).viewer).toEqual(none);
    for (const caller of [ofUser, ofEngine, ofApp]) {
      const { data, errors } = await as({ ...caller, scopes: new Set() }).send(viewerObjects);
      expect(data?.viewer).toEqual(none);
      expect(new Set(errors?.map(({ path, extensions }) => [path?.[1], extensions.code].join()))).toEqual(
        new Set(Object.keys(none).map((field) => `${field},FORBIDDEN`)),
      );
    }
  });

  it('says of a key in the database what it is, and of its older secret until when it is accepted', async () => {
    const { id: userId, tenantId } = await seed.user();
    const expiresAt = '2026-12-31T00:00:00.000Z';
    const scopes = ['cloud:inference', 'users:read'];
    const { key, secret } = await makeKey(operator, { kind: 'USER', name: 'own', tenantId, userId, scopes, expiresAt });
    const said = {
      kind: 'USER',
      name: 'own',
      credentialId: key.id,
      role: null,
      scopes,
      keyId: key.id,
      tenantId,
      userId,
      productId: null,
      engineId: null,
      appId: null,
      expiresAt,
      usesRetiringSecret: false,
      retiringUntil: null,
    };
    const older = withSecret(test, secret);
    expect((await older.run(viewerWithAll)).viewer).toEqual(said);
    const { retiringUntil, secret: newer } = await seed.run('rotateKey', { keyId: key.id, overlapSeconds: 60 });
    expect(retiringUntil).toBe('2026-03-01T12:01:00.000Z');
    expect((await older.run(viewerWithAll)).viewer).toEqual({
      ...said,
      expiresAt: retiringUntil,
      usesRetiringSecret: true,
      retiringUntil,
    });
    const { value } = newer as { value: string };
    expect((await withSecret(test, value).run(viewerWithAll)).viewer).toEqual(said);
  });

  it('has the key itself, for who may read keys', async () => {
    const { id: tenantId } = await seed.tenant();
    const { key, secret } = await makeKey(operator, { kind: 'TENANT', name: 'own', tenantId, scopes: ['keys:read'] });
    const { data } = await withSecret(test, secret).send('{ viewer { key { id name state } } }');
    expect(data).toEqual({ viewer: { key: { id: key.id, name: 'own', state: 'ACTIVE' } } });
  });
});
