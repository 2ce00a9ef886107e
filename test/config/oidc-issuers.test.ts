import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/error.ts';
import { readConfig } from '../../src/config.ts';

const read = (value: unknown) =>
  readConfig({ FAIRLEAD_OIDC_ISSUERS: typeof value === 'string' ? value : JSON.stringify(value) }).oidcIssuers;

/** The lines that say what is wrong, without the variable's name. */
function problems(value: unknown): string[] {
  try {
    read(value);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.replace('  FAIRLEAD_OIDC_ISSUERS', '').replace(/^\./, ''));
  }
  return [];
}

const minimal = { issuer: 'https://login.example.com/', audience: 'fairlead', tenantClaim: 'tenant' };
const { issuer, audience, tenantClaim } = minimal;

/** Every field, apart from the audience and the place. */
const everything = {
  issuer: 'http://127.0.0.1:8080/realms/acme',
  algorithms: ['ES512', 'Ed25519'],
  jwksUri: 'http://localhost:8080/keys?realm=acme',
  userClaim: 'employee.id',
  nameClaim: 'preferred_username',
  roleClaim: 'realm_access.roles',
  roles: { 'platform-admin': 'admin', support: 'viewer' },
  defaultRole: 'member',
  scopeClaim: 'scp',
  clockToleranceSeconds: 0,
} as const;

describe('FAIRLEAD_OIDC_ISSUERS', () => {
  it('is empty when it is not set', () => {
    expect(readConfig({}).oidcIssuers).toEqual([]);
    expect(read([])).toEqual([]);
  });

  it('needs an issuer, its audience and a place, and has defaults for the rest', () => {
    expect(read([minimal])).toEqual([
      {
        issuer: 'https://login.example.com/',
        audiences: ['fairlead'],
        algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
        jwksUri: undefined,
        place: { kind: 'claimed tenant', claim: 'tenant' },
        userClaim: 'sub',
        nameClaim: 'name',
        roleClaim: 'role',
        roles: undefined,
        defaultRole: undefined,
        scopeClaim: 'scope',
        clockToleranceSeconds: 5,
      },
    ]);
  });

  it('takes everything that can be said', () => {
    expect(read([{ ...everything, audience: ['one', 'two'], tenant: 'Acme' }])).toEqual([
      { ...everything, audiences: ['one', 'two'], place: { kind: 'tenant', tenant: 'Acme' } },
    ]);
  });

  it('may have a provider for the deployment', () => {
    expect(read([{ issuer, audience, deployment: true }])[0]?.place).toEqual({ kind: 'deployment' });
  });

  it('may have an issuer twice, for audiences that mean different things', () => {
    const entries = read([minimal, { issuer, audience: ['ops'], deployment: true }]);
    expect(entries.map(({ place }) => place.kind)).toEqual(['claimed tenant', 'deployment']);
  });

  const url = 'must be an https:// URL; http:// is for loopback addresses only';
  const onePlace = 'must have exactly one of tenantClaim, tenant and deployment';
  const noMembers = 'there are no members of the deployment; use owner, admin or viewer';
  const algorithms =
    'must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519: signatures that only the provider can make';
  const changed = (more: object) => [{ ...minimal, ...more }];
  const wrong: readonly (readonly [what: string, value: unknown, problems: readonly (string | RegExp)[]])[] = [
    ['is no JSON', '[', [': must be JSON']],
    ['is no list', minimal, [/^: .*expected array/]],
    ['has an entry that is no object', ['https://login.example.com'], [/^0: .*expected object/]],
    ['has a field nobody knows', changed({ jwksURL: 'https://x.example' }), [/^0: Unrecognized key: "jwksURL"/]],
    ['has no issuer', [{ audience, tenantClaim }], [/^0\.issuer: /]],
    ['has an issuer that is no URL', changed({ issuer: 'login.example.com' }), [`0.issuer: ${url}`]],
    ['has an issuer over http', changed({ issuer: 'http://login.example.com' }), [`0.issuer: ${url}`]],
    ['has an issuer like loopback', changed({ issuer: 'http://127.0.0.1.example.com' }), [`0.issuer: ${url}`]],
    ['has an issuer with a password', changed({ issuer: 'https://a:secret@login.example' }), [`0.issuer: ${url}`]],
    ['has an issuer with a fragment', changed({ issuer: 'https://login.example.com/#x' }), [`0.issuer: ${url}`]],
    [
      'has an issuer with a query',
      changed({ issuer: 'https://login.example.com/?a=1' }),
      ['0.issuer: must have no query'],
    ],
    ['has no audience', [{ issuer, tenantClaim }], [/^0\.audience: must be a text or a list of texts, not empty/]],
    ['has an empty audience', changed({ audience: '' }), [/^0\.audience: .*>=1 characters/]],
    ['has an empty list of audiences', changed({ audience: [] }), [/^0\.audience: .*>=1 items/]],
    ['allows HS256', changed({ algorithms: ['HS256'] }), [`0.algorithms.0: ${algorithms}`]],
    ['allows HS512 among others', changed({ algorithms: ['ES256', 'HS512'] }), [`0.algorithms.1: ${algorithms}`]],
    ['allows none', changed({ algorithms: ['none'] }), [`0.algorithms.0: ${algorithms}`]],
    ['allows no algorithm', changed({ algorithms: [] }), [/^0\.algorithms: .*>=1/]],
    ['has keys over http', changed({ jwksUri: 'http://login.example.com/jwks' }), [`0.jwksUri: ${url}`]],
    ['has keys in a file', changed({ jwksUri: 'file:///etc/keys' }), [`0.jwksUri: ${url}`]],
    ['says nothing of tenants', [{ issuer, audience }], [`0: ${onePlace}`]],
    ['has a claim and a tenant', changed({ tenant: 'Acme' }), [`0: ${onePlace}`]],
    ['has a claim and the deployment', changed({ deployment: true }), [`0: ${onePlace}`]],
    ['has a tenant and the deployment', [{ issuer, audience, tenant: 'Acme', deployment: true }], [`0: ${onePlace}`]],
    ['says that it is not the deployment', changed({ deployment: false }), [/^0\.deployment: .*expected true/]],
    ['has an empty claim of the tenant', changed({ tenantClaim: '' }), [/^0\.tenantClaim: .*>=1/]],
    ...['userClaim', 'nameClaim', 'roleClaim', 'scopeClaim'].map(
      (name) => [`has an empty ${name}`, changed({ [name]: '' }), [new RegExp(`^0\\.${name}: .*>=1`)]] as const,
    ),
    [
      'has a role nobody knows',
      changed({ roles: { boss: 'king' } }),
      [/^0\.roles\.boss: .*"owner"\|"admin"\|"member"/],
    ],
    ['has a default role nobody knows', changed({ defaultRole: 'king' }), [/^0\.defaultRole: .*"owner"/]],
    [
      'has users of the deployment',
      [{ issuer, audience, deployment: true, userClaim: 'sub' }],
      ['0.userClaim: users belong to tenants; leave it out with deployment'],
    ],
    [
      'has members of the deployment',
      [{ issuer, audience, deployment: true, defaultRole: 'member', roles: { a: 'owner', b: 'member' } }],
      [`0.defaultRole: ${noMembers}`, `0.roles.b: ${noMembers}`],
    ],
    ['tolerates less than nothing', changed({ clockToleranceSeconds: -1 }), [/^0\.clockToleranceSeconds: .*>=0/]],
    ['tolerates over a minute', changed({ clockToleranceSeconds: 61 }), [/^0\.clockToleranceSeconds: .*<=60/]],
    ['tolerates parts of a second', changed({ clockToleranceSeconds: 0.5 }), [/^0\.clockToleranceSeconds: .*int/]],
    [
      'has an issuer twice with one audience',
      [minimal, { issuer, audience: ['ops', 'fairlead'], deployment: true }],
      ['1.audience: the issuer has this audience already, so what its tokens mean would not be clear'],
    ],
    [
      'has several mistakes',
      [
        { issuer: 'x', audience, tenantClaim },
        { issuer, audience },
      ],
      [`0.issuer: ${url}`, `1: ${onePlace}`],
    ],
  ];

  it.each(wrong)('is refused with the place and the rule when it %s', (_what, value, expected) => {
    const found = problems(value);
    expect(found).toEqual(expected.map((each) => (typeof each === 'string' ? each : expect.stringMatching(each))));
  });

  it('never shows a value in what it says', () => {
    const secret = 'a-secret-that-was-put-in-the-wrong-place';
    const entries = Object.keys(minimal).map((name) => ({ ...minimal, [name]: { [secret]: secret } }));
    for (const entry of [...entries, { ...minimal, algorithms: [secret], jwksUri: secret, defaultRole: secret }]) {
      const found = problems([entry]);
      expect(found.length).toBeGreaterThan(0);
      expect(found.join()).not.toContain(secret);
    }
  });

  it('is shown in docs/access.md by an example that is accepted, with every field in a table', async () => {
    const text = await readFile(new URL('../../docs/access.md', import.meta.url), 'utf8');
    const section = text.slice(text.indexOf('## Logging in with OpenID Connect'));
    const example = /FAIRLEAD_OIDC_ISSUERS='([^']*)'/.exec(section)?.[1] ?? '';
    expect(read(example).map(({ place }) => place.kind)).toEqual(['claimed tenant', 'deployment']);
    const fields = section
      .slice(section.indexOf('| Field |'), section.indexOf('| Role |'))
      .split('\n')
      .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)/g)].map(([, name]) => name));
    const places = ['tenantClaim', 'tenant', 'deployment'];
    expect(fields.toSorted()).toEqual([...Object.keys(everything), 'audience', ...places].sort());
  });
});
