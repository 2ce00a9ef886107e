import { createPublicKey } from 'node:crypto';
import { base64url, decodeJwt, decodeProtectedHeader, importJWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { beforeAll, describe, expect, it } from 'vitest';
import { LoginDirectory } from '../../../src/modules/logins/directory.ts';
import { LoginSource } from '../../../src/modules/logins/login-source.ts';
import { startTestApp } from '../../testkit/app.ts';
import { follow } from '../../testkit/follow.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { OpenIdProvider, signingKey } from '../../testkit/openid-provider.ts';
import { Seed } from '../../testkit/seed.ts';
import { Socket } from '../../testkit/socket.ts';
import { audience, loginViewer, startLogins, tenantClaim } from './logins.ts';

const loginAuditTail = graphql(`
  subscription LoginAuditTail {
    auditTail {
      action
    }
  }
`);

/** Of an entry that takes other signatures than the provider makes. */
const strict = 'https://fairlead.example/strict';
const rsa = await signingKey('rsa', 'RS256');
const { test, provider, bearer, login, refusal } = await startLogins(
  [{ audience: strict, tenantClaim, algorithms: ['PS256'] }],
  [rsa],
);
const otherProvider = await OpenIdProvider.start([await signingKey('rsa', 'RS256')]);
const seed = new Seed(test);

const now = Math.floor(test.clock.now().getTime() / 1_000);
let tenantId = '';
beforeAll(async () => {
  tenantId = (await seed.tenant()).id;
});
const claims = (more: Readonly<Record<string, unknown>> = {}) => ({
  sub: 'ada',
  [tenantClaim]: tenantId,
  role: 'owner',
  ...more,
});

/** A token as the provider makes it, taken apart so that a forger can put it together otherwise. */
async function genuine() {
  const token = await provider.token({ audience, claims: claims() });
  const [header = '', payload = '', signature = ''] = token.split('.');
  return { token, header, payload, signature, claims: decodeJwt(token), headerFields: decodeProtectedHeader(token) };
}

const encoded = (value: object): string => base64url.encode(JSON.stringify(value));

describe('an access token of a configured provider', () => {
  it('is a credential over HTTP', async () => {
    const caller = await login({ claims: claims({ name: 'Ada Lovelace' }) });
    const { viewer } = await caller.run(loginViewer);
    expect(viewer).toMatchObject({
      kind: 'LOGIN',
      name: 'Ada Lovelace',
      credentialId: expect.stringMatching(/^oidc:[0-9a-f]{16}$/),
      role: 'OWNER',
      keyId: null,
      tenantId,
      userId: null,
      usesRetiringSecret: false,
      retiringUntil: null,
    });
  });

  it('says until when it is valid', async () => {
    const caller = await login({ claims: claims({ exp: now + 600 }) });
    const { viewer } = await caller.run(loginViewer);
    expect(viewer.expiresAt).toBe(new Date((now + 600) * 1_000).toISOString());
  });

  it('is a credential of a WebSocket, in connection_init and in the header of the handshake', async () => {
    const token = await provider.token({ audience, claims: claims() });
    const authorization = `Bearer ${token}`;
    for (const [fields, headers] of [
      [{ authorization }, {}],
      [{}, { authorization }],
    ] as const) {
      const socket = await Socket.accepted(test.app.url, fields, { headers });
      expect(await socket.run('1', '{ viewer { kind tenantId } }')).toMatchObject({
        data: { viewer: { kind: 'LOGIN', tenantId } },
      });
      await socket.close();
    }
  });

  it.each(['WebSocket', 'SSE'] as const)(
    'can follow changes of its own tenant, and of no other, over %s',
    async (transport) => {
      const other = await seed.tenant();
      const tail = await follow(test.app, await login({ claims: claims() }), loginAuditTail, {}, transport);
      await seed.run('suspendTenant', { tenantId: other.id });
      await seed.run('setTenantWeight', { tenantId, weight: transport === 'SSE' ? 7 : 8 });
      expect(await tail.next()).toEqual({ auditTail: { action: 'setTenantWeight' } });
      await tail.stop();
    },
  );

  it.each(['at+jwt', 'AT+JWT', 'JWT', 'application/at+jwt', undefined])('may be of the type %s', async (typ) => {
    const { claims: payload, headerFields } = await genuine();
    const token = await new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: headerFields.kid ?? '', ...(typ === undefined ? {} : { typ }) })
      .sign(await importJWK(rsa));
    expect(await refusal(bearer(token))).toBeUndefined();
  });

  it('has one credential id for a person at a tenant, and another for another person and at another tenant', async () => {
    const idWith = async (more: Readonly<Record<string, unknown>>) => {
      const { viewer } = await (await login({ claims: claims(more) })).run(loginViewer);
      return viewer.credentialId;
    };
    const id = await idWith({});
    expect(await idWith({ role: 'viewer', name: 'Ada King', jti: 'another' })).toBe(id);
    expect(await idWith({ sub: 'bob' })).not.toBe(id);
    expect(await idWith({ [tenantClaim]: (await seed.tenant()).id })).not.toBe(id);
  });

  it('is named in the audit log by what it calls the person', async () => {
    const caller = await login({ claims: claims({ name: 'Ada\u0000\u202e \nLovelace' }) });
    const answer = await caller.send(
      `mutation { setTenantWeight(input: { tenantId: "${tenantId}", weight: 8 }) { __typename } }`,
    );
    expect(answer.errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    const { viewer } = await caller.run(loginViewer);
    const row = await test.app.database.prisma.auditEntry.findFirstOrThrow({
      where: { actorId: viewer.credentialId, outcome: 'DENIED' },
    });
    // A claim that no text can be is passed over for the next one.
    expect({ name: row.actorName, kind: row.actorKind }).toEqual({ name: 'ada', kind: 'LOGIN' });
  });
});

describe('the name of a login', () => {
  it.each([
    ['name', { name: 'Ada', email: 'ada@acme.example' }, 'Ada'],
    ['e-mail address without a name', { email: 'ada@acme.example' }, 'ada@acme.example'],
    ['subject without either', {}, 'ada'],
    ['e-mail address when the name is blank', { name: '  ', email: 'ada@acme.example' }, 'ada@acme.example'],
    ['subject when the others are no texts', { name: { first: 'Ada' }, email: ['x'] }, 'ada'],
    ['name, without control characters', { name: 'Ada\u202e\nLovelace' }, 'Ada Lovelace'],
    ['name, cut', { name: 'x'.repeat(500) }, 'x'.repeat(200)],
  ])('is its %s', async (_what, more, name) => {
    expect((await (await login({ claims: claims(more) })).run(loginViewer)).viewer.name).toBe(name);
  });
});

describe('a token is refused', () => {
  const invalid: readonly (readonly [string, () => Promise<string>])[] = [
    ['of a provider that is not configured', () => otherProvider.token({ audience, claims: claims() })],
    [
      'of another provider that calls itself by the name of ours',
      () => otherProvider.token({ audience, claims: claims({ iss: provider.issuer }) }),
    ],
    ['for another audience', () => provider.token({ audience: 'https://other.example', claims: claims() })],
    ['without an audience that is a text', () => provider.token({ audience, claims: claims({ aud: [] }) })],
    [
      'for a client, as ID tokens are',
      () => provider.token({ audience, claims: claims({ aud: 'console', nonce: 'n' }) }),
    ],
    [
      'for two audiences that mean different things',
      () => provider.token({ audience, claims: claims({ aud: [audience, strict] }) }),
    ],
    ['without an issuer', () => provider.token({ audience, claims: claims({ iss: undefined }) })],
    [
      'whose issuer differs by a slash',
      () => provider.token({ audience, claims: claims({ iss: `${provider.issuer}/` }) }),
    ],
    ['without a subject', () => provider.token({ audience, claims: claims({ sub: undefined }) })],
    ['without an expiry', () => provider.token({ audience, claims: claims({ exp: undefined }) })],
    ['that expires later than there are times', () => provider.token({ audience, claims: claims({ exp: 1e15 }) })],
    ['before it is valid', () => provider.token({ audience, claims: claims({ nbf: now + 60 }) })],
    ['that is a logout token', () => provider.token({ audience, claims: claims(), header: { typ: 'logout+jwt' } })],
    [
      'that asks for an extension nobody knows',
      async () => {
        const { claims: payload } = await genuine();
        return new SignJWT(payload)
          .setProtectedHeader({ alg: 'RS256', kid: 'rsa', crit: ['exotic'], exotic: true })
          .sign(await importJWK(rsa), { crit: { exotic: true } });
      },
    ],
    [
      'without a signature',
      async () => {
        const { payload } = await genuine();
        return `${encoded({ alg: 'none', typ: 'at+jwt' })}.${payload}.`;
      },
    ],
    [
      'that says alg none and keeps the signature',
      async () => {
        const { payload, signature } = await genuine();
        return `${encoded({ alg: 'none', kid: 'rsa' })}.${payload}.${signature}`;
      },
    ],
    ...(['spki', 'pkcs1'] as const).map(
      (type) =>
        [
          `signed by HS256 with the public key (${type})`,
          async () => {
            const { claims: payload } = await genuine();
            const pem = createPublicKey({ key: { kty: 'RSA', n: `${rsa.n}`, e: `${rsa.e}` }, format: 'jwk' });
            return new SignJWT(payload)
              .setProtectedHeader({ alg: 'HS256', kid: 'rsa' })
              .sign(Buffer.from(pem.export({ type, format: 'pem' })));
          },
        ] as const,
    ),
    [
      'signed by an algorithm that is not allowed',
      async () => {
        const { claims: payload } = await genuine();
        const { alg: _alg, ...key } = rsa;
        return new SignJWT(payload)
          .setProtectedHeader({ alg: 'RS512', kid: 'rsa' })
          .sign(await importJWK(key, 'RS512'));
      },
    ],
    [
      'signed by an algorithm that is only allowed for another audience',
      () => provider.token({ audience: strict, claims: claims() }),
    ],
    [
      'signed by a key that the provider does not have',
      async () => {
        const { claims: payload } = await genuine();
        const key = await signingKey('unheard-of', 'RS256');
        return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: key.kid }).sign(await importJWK(key));
      },
    ],
    [
      'that brings its own key',
      async () => {
        const { claims: payload } = await genuine();
        const key = await signingKey('own', 'RS256');
        return new SignJWT(payload)
          .setProtectedHeader({ alg: 'RS256', kid: 'rsa', jwk: { kty: 'RSA', n: `${key.n}`, e: `${key.e}` } })
          .sign(await importJWK(key));
      },
    ],
    [
      'whose claims were changed',
      async () => {
        const { header, claims: payload, signature } = await genuine();
        return `${header}.${encoded({ ...payload, role: 'owner', sub: 'mallory' })}.${signature}`;
      },
    ],
    [
      'whose claims are no object',
      async () => {
        const { header, signature } = await genuine();
        return `${header}.${base64url.encode('["a"]')}.${signature}`;
      },
    ],
  ];

  it.each(invalid)('%s, as INVALID_TOKEN and nothing more', async (_what, make) => {
    const answer = await bearer(await make()).send('{ __typename }');
    expect(answer.status).toBe(401);
    expect(answer.errors).toEqual([
      {
        message: 'The access token is not accepted: check its issuer, audience, algorithm and claims.',
        extensions: { code: 'UNAUTHENTICATED', reason: 'INVALID_TOKEN', requestId: expect.any(String) },
      },
    ]);
    // So it was the fault above, and nothing else.
    expect(await refusal(bearer((await genuine()).token))).toBeUndefined();
  });

  it.each([
    ['just within the tolerance', -4, undefined],
    ['as soon as it is past', -5, 'EXPIRED_CREDENTIAL'],
    ['long after', -86_400, 'EXPIRED_CREDENTIAL'],
  ])('after its expiry and the tolerance of five seconds: %s', async (_when, seconds, reason) => {
    expect(await refusal(await login({ claims: claims({ exp: now + seconds }) }))).toBe(reason);
  });

  it('that is not valid yet, apart from the same tolerance', async () => {
    expect(await refusal(await login({ claims: claims({ nbf: now + 5 }) }))).toBeUndefined();
    expect(await refusal(await login({ claims: claims({ nbf: now + 6 }) }))).toBe('INVALID_TOKEN');
  });

  it('as invalid and not as expired when its signature is wrong as well', async () => {
    expect(
      await refusal(
        bearer(
          await otherProvider.token({
            audience,
            claims: claims({ iss: provider.issuer, exp: now - 60 }),
          }),
        ),
      ),
    ).toBe('INVALID_TOKEN');
  });

  it('by a WebSocket as by HTTP: it is closed with 4401', async () => {
    const socket = await Socket.open(test.app.url);
    const token = await provider.token({ audience: 'https://other.example', claims: claims() });
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  it('in any other header', async () => {
    const { token } = await genuine();
    for (const header of ['x-admin-key', 'x-api-key', 'x-platform-key', 'x-engine-key']) {
      expect(await refusal(test.anonymous.with({ [header]: token }))).toBe('UNKNOWN_CREDENTIAL');
    }
  });
});

describe('the log', () => {
  it('says at level debug why a token was refused, and never the token', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
    const directory = new LoginDirectory(test.app.services, test.app.events);
    const source = new LoginSource(test.config.oidcIssuers, { directory, clock: test.clock, log });
    const token = await provider.token({ audience, claims: claims({ [tenantClaim]: 'Nobody' }) });
    expect(await source.find(token)).toBe('INVALID_TOKEN');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 20, reason: 'INVALID_TOKEN', why: 'there is no tenant Nobody' }),
    ]);
    for (const part of token.split('.')) expect(lines.join()).not.toContain(part);
    directory.close();
  });
});

describe('what is no token', () => {
  it.each(['one', 'one.two', 'one.two.three', 'a.b.c.d.e', 'eyJ9.e30.x', `${encoded({ typ: 'JWT' })}.e30.x`])(
    'is left to the other sources of credentials: %s',
    async (secret) => {
      expect(await refusal(bearer(secret))).toBe('UNKNOWN_CREDENTIAL');
    },
  );

  it('is not looked at where no provider is configured', async () => {
    const without = await startTestApp();
    const { token } = await genuine();
    expect(await refusal(without.anonymous.with({ authorization: `Bearer ${token}` }))).toBe('UNKNOWN_CREDENTIAL');
  });
});
