import { describe, expect, it } from 'vitest';
import { allScopes } from '../../../src/access/scopes.ts';
import { hashSecret } from '../../../src/access/secrets.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { CreateKeyInput } from '../../testkit/generated/graphql.ts';
import { makeKey, verify } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';
import { tablesWith } from '../../testkit/stored-text.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const { operator } = app;
const seed = new Seed(app);
expectNoFailures(app);

const { id: tenantId } = await seed.tenant();
const { id: userId } = await seed.user({ tenantId });
const { id: appId } = await seed.app({ tenantId });
const { id: productId } = await seed.product({ tenantId });
const { id: engineId } = await seed.engine({ productId });

const everything = graphql(`
  query KeysCreateEverything {
    apiKeys(first: 30) {
      edges {
        node {
          ...KeyOfTests
          metadata
          createdBy {
            credentialId
            name
          }
        }
      }
    }
    auditLog(first: 30) {
      edges {
        node {
          action
          before
          after
          actor {
            credentialId
            name
          }
        }
      }
    }
  }
`);

const name = 'Made by a test';
const tenantKey: CreateKeyInput = { kind: 'TENANT', name, tenantId, scopes: ['keys:read'] };

/** A key of each kind, with its prefix. */
const kinds: readonly (readonly [prefix: string, input: CreateKeyInput, owners: object])[] = [
  ['fl_admin_', { kind: 'ADMIN', name, scopes: ['keys:write', 'tenants:write'] }, { tenantId: null }],
  ['fl_tenant_', { kind: 'TENANT', name, tenantId, scopes: ['keys:write'] }, { tenantId }],
  ['fl_app_live_', { kind: 'APP', name, appId, environment: 'LIVE', scopes: ['cloud:inference'] }, { tenantId, appId }],
  ['fl_app_test_', { kind: 'APP', name, appId, environment: 'TEST', template: 'SERVER_INFERENCE' }, { appId }],
  [
    'fl_pub_live_',
    { kind: 'PUBLISHABLE', name, tenantId, environment: 'LIVE', allowedOrigins: ['*'] },
    { tenantId, appId: null },
  ],
  [
    'fl_pub_test_',
    { kind: 'PUBLISHABLE', name, appId, environment: 'TEST', allowedOrigins: ['*'], scopes: ['models:read'] },
    { tenantId, appId },
  ],
  ['fl_product_', { kind: 'PRODUCT', name, productId }, { tenantId, productId, engineId: null }],
  [
    'fl_user_',
    { kind: 'USER', name, userId, template: 'SELF_SERVICE' },
    { tenantId, userId, userExternalId: 'Seed 2' },
  ],
  ['fl_engine_', { kind: 'ENGINE', name, engineId }, { tenantId, productId, engineId }],
  ['fl_gateway_', { kind: 'GATEWAY', name }, { tenantId: null }],
  ['fl_gateway_', { kind: 'GATEWAY', name, tenantId }, { tenantId }],
];

const owners = graphql(`
  query KeysCreateOwners($key: String!) {
    verifyKey(input: { key: $key, origin: "https://app.example.com" }) {
      isValid
      kind
      environment
      owners {
        tenantId
        userId
        userExternalId
        appId
        productId
        engineId
      }
    }
  }
`);

describe('a new key', () => {
  it.each(kinds)('begins with %s, is accepted, and belongs to whom it says: %j', async (prefix, input, expected) => {
    const { key, secret } = await makeKey(operator, input);
    expect(secret).toMatch(new RegExp(`^${prefix}[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$`));
    expect(key.start).toBe(secret.slice(0, prefix.length + 4));
    expect(key).toMatchObject({ kind: input.kind, state: 'ACTIVE', environment: input.environment ?? null });
    const { verifyKey } = await operator.run(owners, { key: secret });
    expect(verifyKey).toMatchObject({
      isValid: true,
      kind: input.kind,
      environment: input.environment ?? null,
      owners: expected,
    });
    const last = secret.at(-1) === '0' ? '1' : '0';
    expect((await verify(operator, `${secret.slice(0, -1)}${last}`)).reason).toBe('MALFORMED');
    expect((await verify(operator, secret.slice(0, -1))).reason).toBe('NOT_FOUND');
  });

  it('shows its secret once: it is in no table, no list, no audit row and no line of the log', async () => {
    const input: CreateKeyInput = { ...tenantKey, idempotencyKey: 'create-once' };
    const { key, secret } = await makeKey(operator, input);
    const { secret: rotated } = (await seed.run('rotateKey', {
      keyId: key.id,
      idempotencyKey: 'rotate-once',
    })) as unknown as {
      secret: { value: string };
    };
    await verify(operator, secret);
    await app.app.keyUsage.flush();
    const lists = JSON.stringify(await operator.run(everything));
    expect(lists).toContain(key.id);
    for (const plain of [secret, rotated.value]) {
      // What is stored of it is a hash, and even that is nowhere as text.
      for (const text of [plain, plain.slice(-50), plain.slice(10, 40), hashSecret(plain).toString('base64')]) {
        expect(await tablesWith(app.app.database, text)).toEqual([]);
        expect(lists).not.toContain(text);
        expect(app.logged.join('\n')).not.toContain(text);
      }
    }
  });

  it('takes the scopes of the template of its kind, as far as its maker has them', async () => {
    const maker = app.withScopes('keys:write', 'keys:verify', 'tenants:read', 'keys:read', 'products:read');
    const { key } = await makeKey(maker, { kind: 'GATEWAY', name });
    expect(key.scopes).toEqual(['keys:verify', 'tenants:read']);
  });

  it('of DEPLOYMENT_ADMIN makes an admin key that may do all that a root admin key may', async () => {
    const { key } = await makeKey(operator, { kind: 'ADMIN', name, template: 'DEPLOYMENT_ADMIN' });
    expect(new Set(key.scopes)).toEqual(allScopes);
  });

  it("leaves the deployment's own scopes out of a template for a tenant's key", async () => {
    const readOnly = async (input: Pick<CreateKeyInput, 'kind' | 'tenantId'>) =>
      (await makeKey(operator, { ...input, name, template: 'READ_ONLY' })).key.scopes;
    const [ofAdmin, ofTenant] = [await readOnly({ kind: 'ADMIN' }), await readOnly({ kind: 'TENANT', tenantId })];
    const ofDeployment = ['capacity:read', 'peppers:read'];
    expect(ofAdmin).toEqual(expect.arrayContaining(ofDeployment));
    expect(ofTenant).toEqual(ofAdmin.filter((scope) => !ofDeployment.includes(scope)));
  });
});

describe('a secret that exists already', () => {
  it('is taken over as text, and shown by its beginning only', async () => {
    const text = `llmp_${'a1B2-'.repeat(8)}`;
    const made = await makeKey(operator, { ...tenantKey, existingSecret: { text } });
    expect(made.secret).toBe('');
    expect(made.key.start).toBe('llmp');
    expect(made.key.secrets.edges[0]?.node.origin).toBe('PROVIDED');
    expect(await verify(operator, text)).toMatchObject({ isValid: true, keyId: made.key.id });
    expect(await tablesWith(app.app.database, text.slice(5))).toEqual([]);
  });

  it('is taken over by its SHA-256 alone, in either case', async () => {
    const text = `engine-key-${'x7'.repeat(20)}`;
    const sha256 = hashSecret(text).toString('hex').toUpperCase();
    const made = await makeKey(operator, { ...tenantKey, existingSecret: { sha256 } });
    expect(made.key.start).toBe('');
    expect(made.key.secrets.edges[0]?.node.origin).toBe('HASH_ONLY');
    expect(await verify(operator, text)).toMatchObject({ isValid: true, keyId: made.key.id });
  });
});

describe('prefixes that the deployment chose', async () => {
  const other = await startTestApp({
    sameDatabaseAs: app,
    clock: app.clock,
    environment: {
      FAIRLEAD_KEY_PREFIXES: 'PRODUCT=pk-sept-,ENGINE=sk-sept-,TENANT=sk_,PUBLISHABLE_LIVE=oct_pub_live_,USER=llmp_',
    },
  });

  const chosen: readonly (readonly [string, CreateKeyInput])[] = [
    ['pk-sept-', { kind: 'PRODUCT', name, productId }],
    ['sk-sept-', { kind: 'ENGINE', name, engineId }],
    ['sk_', tenantKey],
    ['oct_pub_live_', { kind: 'PUBLISHABLE', name, tenantId, environment: 'LIVE', allowedOrigins: ['*'] }],
    ['llmp_', { kind: 'USER', name, userId, scopes: ['keys:read'] }],
  ];

  it.each(chosen)('are those of new keys: %s', async (prefix, input) => {
    const { key, secret } = await makeKey(other.operator, input);
    expect(secret).toMatch(new RegExp(`^${prefix}[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$`));
    expect(key.start).toBe(secret.slice(0, prefix.length + 4));
    expect((await verify(other.operator, secret)).isValid).toBe(true);
    const wrong = secret.at(-1) === '0' ? '1' : '0';
    expect((await verify(other.operator, `${secret.slice(0, -1)}${wrong}`)).reason).toBe('MALFORMED');
  });

  it('leave keys with earlier ones as they are', async () => {
    const { secret } = await makeKey(operator, { kind: 'PRODUCT', name, productId });
    expect((await verify(other.operator, secret)).isValid).toBe(true);
  });
});
