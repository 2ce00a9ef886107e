import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Authenticator } from '../../src/access/authenticator.ts';
import { type Credential, findCredential, type RejectionReason } from '../../src/access/credentials.ts';
import type { Principal } from '../../src/access/principal.ts';

const find = (headers: Readonly<Record<string, unknown>>) => findCredential((name) => headers[name]);

const found: readonly [string, Readonly<Record<string, unknown>>, Credential | RejectionReason][] = [
  ['a bearer', { authorization: 'Bearer secret' }, { place: 'bearer', secret: 'secret' }],
  ['a bearer in lower case', { authorization: 'bearer secret' }, { place: 'bearer', secret: 'secret' }],
  ['a bearer in upper case', { authorization: 'BEARER secret' }, { place: 'bearer', secret: 'secret' }],
  ['spaces around a bearer', { authorization: '  Bearer   secret  ' }, { place: 'bearer', secret: 'secret' }],
  ['an admin key', { 'x-admin-key': 'secret' }, { place: 'x-admin-key', secret: 'secret' }],
  ['a platform key', { 'x-platform-key': 'secret' }, { place: 'x-platform-key', secret: 'secret' }],
  ['an engine key', { 'x-engine-key': 'secret' }, { place: 'x-engine-key', secret: 'secret' }],
  ['an API key', { 'x-api-key': ' secret\t' }, { place: 'x-api-key', secret: 'secret' }],
  ['nothing', {}, 'MISSING_CREDENTIAL'],
  ['empty headers', { authorization: '', 'x-admin-key': '' }, 'MISSING_CREDENTIAL'],
  ['fields that are null', { authorization: null, 'x-api-key': null }, 'MISSING_CREDENTIAL'],
  ['an empty header beside a credential', { authorization: '', 'x-api-key': 's' }, { place: 'x-api-key', secret: 's' }],
  ['another scheme', { authorization: 'Basic c2VjcmV0' }, 'MALFORMED_CREDENTIAL'],
  ['no scheme', { authorization: 'secret' }, 'MALFORMED_CREDENTIAL'],
  ['a scheme alone', { authorization: 'Bearer ' }, 'MALFORMED_CREDENTIAL'],
  ['no space after the scheme', { authorization: 'Bearersecret' }, 'MALFORMED_CREDENTIAL'],
  ['a secret of two words', { authorization: 'Bearer one two' }, 'MALFORMED_CREDENTIAL'],
  ['two bearers in one header', { authorization: 'Bearer one, Bearer two' }, 'MALFORMED_CREDENTIAL'],
  ['a list of bearers', { authorization: ['Bearer one', 'Bearer two'] }, 'MALFORMED_CREDENTIAL'],
  ['a list of keys', { 'x-api-key': ['one'] }, 'MALFORMED_CREDENTIAL'],
  ['a number', { 'x-api-key': 7 }, 'MALFORMED_CREDENTIAL'],
  ['an object', { authorization: { Bearer: 'secret' } }, 'MALFORMED_CREDENTIAL'],
  ['two places', { authorization: 'Bearer secret', 'x-api-key': 'secret' }, 'AMBIGUOUS_CREDENTIAL'],
  ['the same key twice', { 'x-admin-key': 'secret', 'x-api-key': 'secret' }, 'AMBIGUOUS_CREDENTIAL'],
  ['the longest secret', { 'x-api-key': 'x'.repeat(8_192) }, { place: 'x-api-key', secret: 'x'.repeat(8_192) }],
  ['a longer one', { 'x-api-key': 'x'.repeat(8_193) }, 'MALFORMED_CREDENTIAL'],
  ['a longer bearer', { authorization: `Bearer ${'x'.repeat(8_193)}` }, 'MALFORMED_CREDENTIAL'],
];

describe('the credential of a request', () => {
  it.each(found)('is found, or the reason why there is none: %s', (_name, headers, expected) => {
    expect(find(headers)).toEqual(expected);
  });

  it('is any visible text after the scheme, as it stands', () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    });
    fc.assert(
      fc.property(visible, (secret) => {
        expect(find({ authorization: `Bearer ${secret}` })).toEqual({ place: 'bearer', secret });
      }),
    );
  });
});

describe('authentication', () => {
  const principal: Principal = {
    kind: 'TENANT',
    credentialId: 'test:1',
    name: 'test',
    tenantId: '01900000-0000-7000-8000-000000000009',
    scopes: new Set(['tenants:read', 'tenants:write']),
  };
  const source = {
    accepts: ['x-api-key'] as const,
    find: (secret: string) => (secret === 'known' ? principal : undefined),
  };
  const authenticate = (headers: Readonly<Record<string, string>>) =>
    new Authenticator([source]).present((name) => headers[name]).authenticate();

  it('asks only the sources that read the place of the credential', async () => {
    expect(await authenticate({ 'x-api-key': 'known' })).toHaveProperty('principal');
    expect(await authenticate({ authorization: 'Bearer known' })).toEqual({ rejected: 'UNKNOWN_CREDENTIAL' });
    expect(await authenticate({ 'x-api-key': 'other' })).toEqual({ rejected: 'UNKNOWN_CREDENTIAL' });
  });

  it('leaves a principal of a tenant none of the scopes that are for the deployment', async () => {
    expect(await authenticate({ 'x-api-key': 'known' })).toEqual({
      principal: { ...principal, scopes: new Set(['tenants:read']) },
    });
  });
});
