import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, importJWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KeysUnavailableError, ProviderKeys } from '../../../src/modules/logins/provider-keys.ts';
import { afterFile } from '../../testkit/after-file.ts';
import { TestClock } from '../../testkit/clock.ts';
import { eventually } from '../../testkit/eventually.ts';
import { OpenIdProvider, type SigningKey, signingKey } from '../../testkit/openid-provider.ts';
import { Seed } from '../../testkit/seed.ts';
import { audience, type Logins, startLogins, tenantClaim } from './logins.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

describe('the keys of a provider', () => {
  let logins: Logins;
  let tenantId = '';
  let claims: Readonly<Record<string, unknown>>;
  let first: SigningKey;
  let next: SigningKey;

  beforeAll(async () => {
    [first, next] = await Promise.all([signingKey('first'), signingKey('next')]);
    logins = await startLogins([], [first]);
    tenantId = (await new Seed(logins.test).tenant()).id;
  });

  /** Each test begins with a provider whose keys have to be read. */
  beforeEach(() => {
    const { test, provider } = logins;
    provider.replaceKeys(first);
    test.clock.advance(2 * hour);
    const exp = Math.floor((test.clock.now().getTime() + 2 * hour) / second);
    claims = { sub: 'ada', [tenantClaim]: tenantId, role: 'owner', exp };
  });

  it('are read once for all requests that need them at the same time, and kept', async () => {
    const { provider, login, refusal } = logins;
    const caller = await login({ claims });
    const before = provider.requests.length;
    const refusals = await Promise.all(Array.from({ length: 20 }, () => refusal(caller)));
    expect(new Set(refusals)).toEqual(new Set([undefined]));
    expect(await refusal(caller)).toBeUndefined();
    expect(provider.requests.slice(before)).toEqual(['/.well-known/openid-configuration', '/jwks']);
  });

  it('are read again for a token that names another, at most every ten seconds', async () => {
    const { test, provider, bearer, refusal, login } = logins;
    const payload = decodeJwt(await provider.token({ audience, claims }));
    const key = await importJWK(await signingKey('x'));
    const forged = (kid: string) => new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
    expect(await refusal(await login({ claims }))).toBeUndefined();
    const before = provider.keyReads;
    test.clock.advance(10 * second);
    for (let count = 0; count < 20; count += 1) {
      expect(await refusal(bearer(await forged(`unheard of ${count}`)))).toBe('INVALID_TOKEN');
    }
    expect(provider.keyReads).toBe(before + 1);
    // Meanwhile everybody else is let in.
    expect(await refusal(await login({ claims }))).toBeUndefined();
    test.clock.advance(10 * second);
    await refusal(bearer(await forged('another')));
    expect(provider.keyReads).toBe(before + 2);
  });

  it('may be several: during a rollover, tokens of both are accepted', async () => {
    const { test, provider, login, refusal } = logins;
    const older = await login({ claims });
    expect(await refusal(older)).toBeUndefined();
    provider.replaceKeys(next, first);
    test.clock.advance(10 * second);
    expect(await refusal(await login({ claims }))).toBeUndefined();
    expect(await refusal(older)).toBeUndefined();
  });

  it('are replaced by those of a provider that was restarted with others: tokens of the old ones are refused', async () => {
    const { test, provider, login, refusal } = logins;
    const older = await login({ claims });
    expect(await refusal(older)).toBeUndefined();
    await provider.stop();
    provider.replaceKeys(next);
    await provider.startAgain();
    const newer = await login({ claims });
    // Nothing needed them yet.
    expect(await refusal(older)).toBeUndefined();
    test.clock.advance(10 * second);
    expect(await refusal(newer)).toBeUndefined();
    expect(await refusal(older)).toBe('INVALID_TOKEN');
  });

  it('are read again after five minutes, while the known ones are used: a removed key is noticed', async () => {
    const { test, provider, login, refusal } = logins;
    const older = await login({ claims });
    expect(await refusal(older)).toBeUndefined();
    provider.replaceKeys(next);
    test.clock.advance(5 * minute - 1);
    expect(await refusal(older)).toBeUndefined();
    const before = provider.keyReads;
    test.clock.advance(1);
    expect(await refusal(older)).toBeUndefined();
    await eventually(() => expect(provider.keyReads).toBe(before + 1));
    await eventually(async () => expect(await refusal(older)).toBe('INVALID_TOKEN'));
  });

  it('are used for an hour while the provider is down, and not longer', async () => {
    const { test, provider, login, refusal } = logins;
    const caller = await login({ claims });
    expect(await refusal(caller)).toBeUndefined();
    const known = test.clock.now().getTime();
    await provider.stop();
    for (const after of [6, 30, 59]) {
      test.clock.advance(known + after * minute - test.clock.now().getTime());
      expect(await refusal(caller)).toBeUndefined();
    }
    test.clock.advance(2 * minute);
    const answer = await caller.send('{ __typename }');
    expect(answer.status).toBe(401);
    expect(answer.errors).toEqual([
      {
        message: "The access token cannot be checked: its issuer's keys cannot be read now. Try again in a while.",
        extensions: { code: 'UNAUTHENTICATED', reason: 'ISSUER_UNAVAILABLE', requestId: expect.any(String) },
      },
    ]);
    expect(test.logged.some((line) => line.includes('the keys of an OpenID provider cannot be read'))).toBe(true);
    expect(test.logged.some((line) => line.includes('"level":50'))).toBe(false);

    await provider.startAgain();
    // It is not asked all the time.
    expect(await refusal(caller)).toBe('ISSUER_UNAVAILABLE');
    test.clock.advance(10 * second);
    expect(await refusal(caller)).toBeUndefined();
  });
});

describe('a provider', () => {
  const log = pino({ level: 'silent' });
  let key: SigningKey;
  let provider: OpenIdProvider;

  beforeAll(async () => {
    key = await signingKey('only');
    provider = await OpenIdProvider.start([key]);
  });

  const keysOf = (issuer: string, jwksUri?: string) =>
    new ProviderKeys({ issuer: { issuer, jwksUri }, clock: new TestClock(), log, timeoutMs: 100 });
  const find = (keys: ProviderKeys) => keys.find({ alg: 'ES256', kid: 'only' }, { payload: '', signature: '' });

  /** A server that answers in its own way, stopped after the tests. */
  async function server(answer: RequestListener): Promise<string> {
    const made = createServer(answer);
    made.listen(0, '127.0.0.1');
    await once(made, 'listening');
    afterFile(() => {
      made.closeAllConnections();
      made.close();
    });
    // A server that listens on a port has such an address.
    return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
  }

  it('can have its keys where the configuration says, without a discovery document', async () => {
    await expect(find(keysOf('https://nowhere.example', `${provider.issuer}/jwks`))).resolves.toBeDefined();
  });

  it('that does not answer is given up, for all who wait and for those who come soon after', async () => {
    const keys = keysOf(await server(() => undefined));
    const waiting = Promise.allSettled([find(keys), find(keys), find(keys)]);
    for (const result of await waiting) {
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(KeysUnavailableError) });
    }
    await expect(find(keys)).rejects.toBeInstanceOf(KeysUnavailableError);
  });

  it('that stops in the middle of its answer is given up as well', async () => {
    const keys = keysOf(await server((_request, response) => void response.writeHead(200).write('{"issuer":')));
    await expect(find(keys)).rejects.toBeInstanceOf(KeysUnavailableError);
  });

  const json =
    (value: unknown): RequestListener =>
    (_request, response) =>
      void response.end(JSON.stringify(value));
  it.each<readonly [string, RequestListener]>([
    ['is out of order', (_request, response) => void response.writeHead(500).end('{}')],
    ['answers with no JSON', (_request, response) => void response.end('<html>')],
    ['answers with something else', json(['x'])],
    ['redirects', (_request, response) => void response.writeHead(302, { location: `${provider.issuer}/jwks` }).end()],
    ['has no list of keys', json({ keys: 'none' })],
    ['has a key without a type', json({ keys: [{ kid: 'only' }] })],
  ])('that %s has no keys', async (_what, answer) => {
    const url = await server(answer);
    await expect(find(keysOf(url))).rejects.toBeInstanceOf(KeysUnavailableError);
    await expect(find(keysOf('https://nowhere.example', url))).rejects.toBeInstanceOf(KeysUnavailableError);
  });

  it('whose document names another issuer has no keys', async () => {
    const url = await server(json({ issuer: provider.issuer, jwks_uri: `${provider.issuer}/jwks` }));
    await expect(find(keysOf(url))).rejects.toBeInstanceOf(KeysUnavailableError);
  });

  it('whose document names an address that anyone in between can answer for has no keys', async () => {
    // This machine by an address that is not one of its own only.
    const jwksUri = `${provider.issuer.replace('127.0.0.1', '0.0.0.0')}/jwks`;
    const url: string = await server((_request, response) => {
      response.end(JSON.stringify({ issuer: url, jwks_uri: jwksUri }));
    });
    await expect(find(keysOf(url))).rejects.toBeInstanceOf(KeysUnavailableError);
  });

  it('may have an issuer that ends with a slash', async () => {
    const requested: string[] = [];
    const url: string = await server((request, response) => {
      requested.push(request.url ?? '');
      response.end(JSON.stringify({ issuer: `${url}/`, jwks_uri: `${provider.issuer}/jwks` }));
    });
    await expect(find(keysOf(`${url}/`))).resolves.toBeDefined();
    expect(requested).toEqual(['/.well-known/openid-configuration']);
  });
});
