import { beforeEach } from 'vitest';
import { hashSecret } from '../../../src/access/secrets.ts';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badFlags,
  badIds,
  badLimits,
  badMetadata,
  badNames,
  badRequiredNames,
  badRevisions,
  badTexts,
  badTimes,
  badWeights,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { missingApp, missingEngine, missingProduct, missingUser } from '../../testkit/ids.ts';
import { peppers } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_PEPPERS: peppers(1), FAIRLEAD_COST_CAPACITY: '100000000' } });
const seed = new Seed(app);
const { id: tenantId } = await seed.tenant();
const ofTenant = await seed.key({ tenantId });
const keyId = ofTenant.id;

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const many = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => make(index));

/** In a list the path goes on to the last entry, unless the list as a whole is refused. */
const inList = (field: string, values: readonly BadValue[]): readonly BadValue[] =>
  values.map(([problem, value, rule]) => {
    const entries = Array.isArray(value) ? value.length : 0;
    return [problem, value, rule, entries === 1 && rule !== notOfType ? `${field}.0` : field];
  });

const badOrigin = (origin: string): BadValue => [origin === '' ? 'nothing' : origin, [origin], 'INVALID_FORMAT'];

const badOrigins = inList('allowedOrigins', [
  ['an empty list', [], 'OUT_OF_RANGE'],
  ['null as an entry', [null], notOfType],
  ['101 entries', many(101, (index) => `https://${index}.example.com`), 'OUT_OF_RANGE'],
  ['the same twice', ['https://a.example.com', 'https://a.example.com'], 'DUPLICATE'],
  ['the same in another case', ['https://a.example.com', 'HTTPS://A.example.com'], 'DUPLICATE'],
  ['the same with its port', ['https://a.example.com', 'https://a.example.com:443'], 'DUPLICATE'],
  ['the same with a slash', ['https://a.example.com', 'https://a.example.com/'], 'DUPLICATE'],
  ['the same in punycode', ['https://bücher.example', 'https://xn--bcher-kva.example'], 'DUPLICATE'],
  ...[
    '',
    ' ',
    'null',
    'example.com',
    '//example.com',
    'https:',
    'https://',
    'https:///',
    'https://example.com/path',
    'https://example.com//',
    'https://example.com?query',
    'https://example.com#fragment',
    'https://user@example.com',
    'https://user:password@example.com',
    'https://example.com:99999',
    'https://example.com:port',
    'https://exa mple.com',
    'https://example.com, https://other.example.com',
    'https://*',
    'https://*.',
    'https://*.com',
    'https://*.localhost',
    'https://*.10.0.0.1',
    'https://*.[::1]',
    'https://a.*.example.com',
    'https://*example.com',
    'https://*.*.example.com',
    'https://example.*',
    '*://example.com',
    '*.example.com',
    '**',
    'https://example.com:80:*',
    'http://localhost:80*',
    'https://\u0000.example.com',
    'https://\ud83d.example.com',
    'javascript:alert(1)',
  ].map(badOrigin),
]);

const badIpRanges = inList('allowedIpRanges', [
  ['an empty list', [], 'OUT_OF_RANGE'],
  ['null as an entry', [null], notOfType],
  ['101 entries', many(101, (index) => `10.0.0.${index}`), 'OUT_OF_RANGE'],
  ['the same twice', ['10.0.0.1', '10.0.0.1/32'], 'DUPLICATE'],
  ['the same in another case', ['2001:DB8::1', '2001:db8::1'], 'DUPLICATE'],
  ...[
    '',
    'localhost',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10.0.0.1-10.0.0.9',
    '10.0.0.*',
    '2001:db8::/129',
    '2001:db8',
    '[2001:db8::1]',
    'fe80::1%eth0',
    '10.0.0.0\u0000/8',
  ].map((range): BadValue => [range === '' ? 'nothing' : range, [range], 'INVALID_FORMAT']),
]);

const badModels = inList('allowedModels', [
  ['an empty list', [], 'OUT_OF_RANGE'],
  ['null as an entry', [null], notOfType],
  ['an empty entry', [''], 'OUT_OF_RANGE'],
  ['a blank entry', [' '], 'OUT_OF_RANGE'],
  ['256 characters', ['x'.repeat(256)], 'TOO_LONG'],
  ['NUL', ['a\u0000'], 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', ['\ud83d'], 'MALFORMED_TEXT'],
  ['1,001 entries', many(1_001, (index) => `model-${index}`), 'OUT_OF_RANGE'],
  ['the same twice', ['small', 'small'], 'DUPLICATE'],
  ['the same with spaces', ['small', ' small '], 'DUPLICATE'],
]);

const badScopes = inList('scopes', [
  ['a number', 1, notOfType],
  ['an empty list', [], 'OUT_OF_RANGE'],
  ['null as an entry', [null], notOfType],
  ['an unknown one', ['keys:fly'], 'UNKNOWN_SCOPE'],
  ['the empty one', [''], 'UNKNOWN_SCOPE'],
  ['one in upper case', ['KEYS:READ'], 'UNKNOWN_SCOPE'],
  ['one with a space', ['keys:read '], 'UNKNOWN_SCOPE'],
  ['a wildcard', ['*'], 'UNKNOWN_SCOPE'],
  ['a wildcard of a subject', ['keys:*'], 'UNKNOWN_SCOPE'],
  ['what every object has', ['constructor'], 'UNKNOWN_SCOPE'],
  ['the same twice', ['keys:read', 'keys:read'], 'DUPLICATE'],
]);

const details: BadInputTable = {
  allowedModels: badModels,
  allowedIpRanges: badIpRanges,
  metadata: badMetadata,
  expiresAt: [...badTimes, ['the past', '2026-01-01T00:00:00.000Z', 'IN_THE_PAST']],
  weight: badWeights('NOT_NULLABLE'),
  limits: [['a number', 1, notOfType]],
  ...badLimits,
};

const badSecrets: BadInputTable = {
  existingSecret: [
    ['neither', {}, 'EXACTLY_ONE'],
    ['both', { text: 'x'.repeat(40), sha256: 'a'.repeat(64) }, 'EXACTLY_ONE'],
    ['null for both', { text: null, sha256: null }, 'EXACTLY_ONE'],
    ['one that a key has', { text: ofTenant.secret }, 'SECRET_IN_USE'],
    ['the hash of one that a key has', { sha256: hashSecret(ofTenant.secret).toString('hex') }, 'SECRET_IN_USE'],
  ],
  'existingSecret.text': [
    ['31 characters', 'x'.repeat(31), 'OUT_OF_RANGE'],
    ['513 characters', 'x'.repeat(513), 'OUT_OF_RANGE'],
    ['nothing', '', 'OUT_OF_RANGE'],
    ['a space', `${'x'.repeat(20)} ${'x'.repeat(20)}`, 'INVALID_FORMAT'],
    ['a line break at its end', `${'x'.repeat(40)}\n`, 'INVALID_FORMAT'],
    ['more than ASCII', `${'x'.repeat(40)}ü`, 'INVALID_FORMAT'],
    ['NUL', `${'x'.repeat(40)}\u0000`, 'INVALID_FORMAT'],
  ],
  'existingSecret.sha256': [
    ['63 digits', 'a'.repeat(63), 'INVALID_FORMAT'],
    ['65 digits', 'a'.repeat(65), 'INVALID_FORMAT'],
    ['what is no digit', 'g'.repeat(64), 'INVALID_FORMAT'],
    ['base64', 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=', 'INVALID_FORMAT'],
  ],
};

const never = { name: 'Never stored', limits: { budget: { tokens: 1 } } };

refusesBadInput(app, 'createKey', () => ({ kind: 'TENANT', tenantId, scopes: ['keys:read'], ...never }), {
  kind: [
    ['missing', undefined, notOfType],
    ['null', null, notOfType],
    ['a login, which is no key', 'LOGIN', notOfType],
    ['one in lower case', 'tenant', notOfType],
  ],
  name: [['missing', undefined, notOfType], ...badRequiredNames],
  tenantId: [
    ['missing', undefined, 'TENANT_REQUIRED'],
    ['null', null, 'TENANT_REQUIRED'],
    ...badIds(keyId, { nullable: true }),
  ],
  userId: [...badIds(tenantId, { nullable: true }), ['of a key without user', missingUser, 'NOT_APPLICABLE']],
  appId: [...badIds(tenantId, { nullable: true }), ['of a key without application', missingApp, 'NOT_APPLICABLE']],
  productId: [...badIds(tenantId, { nullable: true }), ['of a key without product', missingProduct, 'NOT_APPLICABLE']],
  engineId: [...badIds(tenantId, { nullable: true }), ['of a key without engine', missingEngine, 'NOT_APPLICABLE']],
  environment: [
    ['of a key without environment', 'LIVE', 'NOT_APPLICABLE'],
    ['an unknown one', 'STAGING', notOfType],
  ],
  template: [
    ['together with scopes', 'READ_ONLY', 'EXACTLY_ONE'],
    ['an unknown one', 'EVERYTHING', notOfType],
  ],
  scopes: [
    ['missing, with no default of the kind', undefined, 'SCOPES_REQUIRED'],
    ['null', null, 'NOT_NULLABLE'],
    ...badScopes,
    ["the deployment's", ['keys:read', 'tenants:write'], 'SCOPE_NOT_ALLOWED_FOR_KIND'],
  ],
  allowedOrigins: [
    ['null', null, 'NOT_NULLABLE'],
    ['of a key that pages do not use', ['https://app.example.com'], 'NOT_APPLICABLE'],
    ...badOrigins,
  ],
  ...details,
  ...badSecrets,
});

refusesBadInput(app, 'updateKey', () => ({ keyId, limits: { budget: { tokens: 1 } } }), {
  keyId: badIds(tenantId),
  expectedRevision: badRevisions,
  name: badNames,
  scopes: [
    ['null', null, 'NOT_NULLABLE'],
    ...badScopes,
    ["the deployment's", ['keys:read', 'tenants:write'], 'SCOPE_NOT_ALLOWED_FOR_KIND'],
  ],
  allowedOrigins: [
    ['null', null, 'NOT_NULLABLE'],
    ['of a key that pages do not use', ['https://app.example.com'], 'NOT_APPLICABLE'],
    ...badOrigins,
  ],
  ...details,
  weight: badWeights('NOT_NULLABLE'),
  limits: [['null', null, 'NOT_NULLABLE']],
});

const reference: BadInputTable = { keyId: badIds(tenantId), expectedRevision: badRevisions };
for (const command of ['disableKey', 'enableKey', 'deleteKey', 'cancelRotation']) {
  refusesBadInput(app, command, () => ({ keyId }), reference);
}

const reasons = badTexts(500).filter(([problem]) => !problem.startsWith('null'));
refusesBadInput(app, 'revokeKey', () => ({ keyId }), { ...reference, reason: reasons });
refusesBadInput(app, 'revokeSecret', () => ({ secretId: 'sec_01h455vb4pex5vsknk084sn02q' }), {
  secretId: badIds(tenantId),
});

const overlaps: BadInputTable = {
  overlapSeconds: [
    ['-1', -1, 'OUT_OF_RANGE'],
    ['more than the deployment allows', 301, 'OUT_OF_RANGE'],
    ['a fraction', 1.5, notOfType],
    ['a text', '60', notOfType],
  ],
  duringOverlap: [
    ['null', null, notOfType],
    ['an unknown answer', 'WAIT', notOfType],
  ],
};
refusesBadInput(app, 'rotateKey', () => ({ keyId }), { ...reference, ...overlaps, ...badSecrets });

const badTextConditions: readonly BadValue[] = [
  ['nothing, which every text has', '', 'EMPTY_FILTER'],
  ['NUL', 'a\u0000', 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', '\ud83d', 'MALFORMED_TEXT'],
  ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
];
const periods = ['createdAt', 'expiresAt', 'lastUsedAt'];

const filters: BadInputTable = {
  filter: [
    ['null', null, notOfType],
    ['without a condition', {}, 'EMPTY_FILTER'],
    ['with null for each condition', { kinds: null, name: null, tenantId: null }, 'EMPTY_FILTER'],
    ['with a name that says nothing', { name: {} }, 'EMPTY_FILTER', 'filter.name'],
    ['with a name of nulls', { name: { equals: null } }, 'EMPTY_FILTER', 'filter.name'],
    ...periods.flatMap((period): BadValue[] => [
      [`with ${period} that says nothing`, { [period]: {} }, 'EMPTY_FILTER', `filter.${period}`],
      [`with ${period} of nulls`, { [period]: { from: null } }, 'EMPTY_FILTER', `filter.${period}`],
    ]),
  ],
  'filter.ids': [
    ['the id of a row of another type', [tenantId], 'WRONG_ID_TYPE', 'filter.ids.0'],
    ['1,001 ids', many(1_001, () => keyId), 'OUT_OF_RANGE'],
  ],
  'filter.kinds': [['an unknown one', ['LOGIN'], notOfType]],
  'filter.states': [['an unknown one', ['LOST'], notOfType]],
  'filter.environment': [['an unknown one', 'STAGING', notOfType]],
  'filter.tenantId': badIds(keyId, { nullable: true }),
  'filter.userId': badIds(keyId, { nullable: true }),
  'filter.appId': badIds(keyId, { nullable: true }),
  'filter.productId': badIds(keyId, { nullable: true }),
  'filter.engineId': badIds(keyId, { nullable: true }),
  'filter.name.equals': badTextConditions,
  'filter.name.startsWith': badTextConditions,
  'filter.startsWith': badTextConditions,
  'filter.scope': [
    ['an unknown one', 'keys:fly', 'UNKNOWN_SCOPE'],
    ['NUL', '\u0000', 'UNKNOWN_SCOPE'],
  ],
  'filter.createdById': badTextConditions,
  ...Object.fromEntries(
    periods.flatMap((period) => [
      [`filter.${period}.from`, badTimes],
      [`filter.${period}.until`, badTimes],
    ]),
  ),
  'filter.neverUsed': [['a text', 'yes', notOfType]],
  dryRun: badFlags(notOfType),
};
const filtered = () => ({ filter: { ids: [keyId] } });
refusesBadInput(app, 'rotateKeysBulk', filtered, { ...filters, ...overlaps });
refusesBadInput(app, 'revokeKeysBulk', filtered, { ...filters, reason: reasons });

const hash = 'a'.repeat(64);
refusesBadInput(app, 'reportLeakedKeys', () => ({ tokens: ['unheard of'] }), {
  tokens: [
    ['null', null, notOfType],
    ['nothing', [''], 'OUT_OF_RANGE', 'tokens.0'],
    ['8,193 characters', ['x'.repeat(8_193)], 'OUT_OF_RANGE', 'tokens.0'],
    ['no tokens and no hashes', [], 'OUT_OF_RANGE', ''],
    ['1,001 tokens', many(1_001, (index) => `token ${index}`), 'OUT_OF_RANGE', ''],
  ],
  sha256s: [
    ['null', null, notOfType],
    ['63 digits', [hash.slice(1)], 'INVALID_FORMAT', 'sha256s.0'],
    ['what is no digit', ['g'.repeat(64)], 'INVALID_FORMAT', 'sha256s.0'],
    ['1,000 hashes and a token', many(1_000, () => hash), 'OUT_OF_RANGE', ''],
  ],
  where: reasons,
});

refusesBadInput(app, 'changePepper', () => ({ version: 1 }), {
  version: [
    ['null', null, notOfType],
    ['0', 0, 'OUT_OF_RANGE'],
    ['-1', -1, 'OUT_OF_RANGE'],
    ['one that is not configured', 2, 'UNKNOWN_PEPPER'],
  ],
});
