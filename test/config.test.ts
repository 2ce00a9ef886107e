import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../src/config/error.ts';
import { defaultKeyPrefixes } from '../src/config/keys.ts';
import { readConfig, variableNames } from '../src/config.ts';

const key = 'a-key-that-is-long-enough-to-be-taken';
const sha256 = 'a'.repeat(64);
const hex = '0123456789abcdef'.repeat(4);
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}:${hex}`).join(',');

const messageOf = (environment: Record<string, string>): string => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
};

const counts = [
  'DATABASE_POOL_SIZE',
  'FAIRLEAD_MAX_BODY_BYTES',
  'FAIRLEAD_MAX_TOKENS',
  'FAIRLEAD_MAX_DEPTH',
  'FAIRLEAD_MAX_ALIASES',
  'FAIRLEAD_MAX_DIRECTIVES',
  'FAIRLEAD_MAX_OPERATION_COST',
  'FAIRLEAD_COST_CAPACITY',
  'FAIRLEAD_COST_PER_SECOND',
  'FAIRLEAD_SOCKET_INIT_TIMEOUT_MS',
  'FAIRLEAD_SOCKET_PING_INTERVAL_MS',
  'FAIRLEAD_SOCKET_MAX_PAYLOAD_BYTES',
  'FAIRLEAD_DRAIN_TIMEOUT_MS',
];

const flags = ['FAIRLEAD_INTROSPECTION', 'FAIRLEAD_PLAYGROUND', 'FAIRLEAD_TRUST_PROXY', 'FAIRLEAD_ROOT_KEY_ENABLED'];
const overlaps = ['MIN', 'MAX'].flatMap((bound) =>
  ['FAIRLEAD', 'BAP'].map((owner) => `${owner}_KEY_ROTATION_${bound}_OVERLAP_SECONDS`),
);
const numberedKeys = ['FAIRLEAD_PEPPERS', 'FAIRLEAD_SEALING_KEYS'];
const keys = ['FAIRLEAD_ADMIN_KEY', 'FAIRLEAD_SECOND_ADMIN_KEY'];
const hashes = keys.map((name) => `${name}_HASH`);

describe('the configuration', () => {
  it('needs nothing to be set', () => {
    expect(readConfig({})).toEqual({
      production: false,
      logLevel: 'info',
      home: resolve('.fairlead'),
      http: {
        host: '127.0.0.1',
        port: 4000,
        maxBodyBytes: 1_048_576,
        trustProxy: false,
        allowedOrigins: [],
        drainTimeoutMs: 10_000,
      },
      database: { url: undefined, poolSize: 10 },
      rootKeys: { sha256: [], enabled: true },
      keys: {
        peppers: [],
        sealingKeys: [],
        prefixes: defaultKeyPrefixes,
        overlapSeconds: { min: 0, max: 300 },
        cacheSeconds: 10,
        cacheEntries: 10_000,
      },
      gateways: { heartbeatSeconds: 5, silenceSeconds: 15 },
      oidcIssuers: [],
      graph: {
        introspection: true,
        playground: true,
        suggestions: true,
        maxTokens: 2_000,
        maxDepth: 15,
        maxAliases: 30,
        maxDirectives: 50,
        cost: { maxPerOperation: 5_000, capacity: 100_000, perSecond: 10_000 },
      },
      socket: { initTimeoutMs: 5_000, pingIntervalMs: 12_000, maxPayloadBytes: 1_048_576 },
    });
  });

  it('takes an empty variable for one that is not set', () => {
    const empty = Object.fromEntries(variableNames.map((name) => [name, '']));
    expect(readConfig(empty)).toEqual(readConfig({}));
  });

  it('leaves variables of other programs alone', () => {
    expect(readConfig({ PATH: '/bin', FAIRLEADER: 'x' })).toEqual(readConfig({}));
  });

  it('shows less of itself in production, unless it is told to', () => {
    const { graph, production } = readConfig({ NODE_ENV: 'production' });
    expect({ production, ...graph }).toMatchObject({
      production: true,
      introspection: false,
      playground: false,
      suggestions: false,
    });
    const told = readConfig({ NODE_ENV: 'production', FAIRLEAD_INTROSPECTION: 'true', FAIRLEAD_PLAYGROUND: '1' });
    expect(told.graph).toMatchObject({ introspection: true, playground: true, suggestions: false });
    expect(readConfig({ FAIRLEAD_PLAYGROUND: '0' }).graph.playground).toBe(false);
  });

  it('has lists between commas', () => {
    const { http } = readConfig({ FAIRLEAD_ALLOWED_ORIGINS: ' https://one.example ,,https://two.example, ' });
    expect(http.allowedOrigins).toEqual(['https://one.example', 'https://two.example']);
  });

  it('takes each variable where it belongs', () => {
    const values = Object.fromEntries(counts.map((name, index) => [name, String(index + 1)]));
    const config = readConfig({
      ...values,
      PORT: '0',
      HOST: '::',
      LOG_LEVEL: 'debug',
      DATABASE_URL: 'postgres://localhost/x',
      FAIRLEAD_HOME: '/var/lib/fairlead',
      FAIRLEAD_TRUST_PROXY: 'true',
      FAIRLEAD_ADVERTISE_URL: 'https://fairlead-2.internal:8443',
    });
    expect(config).toMatchObject({
      logLevel: 'debug',
      home: '/var/lib/fairlead',
      database: { url: 'postgres://localhost/x', poolSize: 1 },
      http: {
        host: '::',
        port: 0,
        advertiseUrl: 'https://fairlead-2.internal:8443',
        trustProxy: true,
        maxBodyBytes: 2,
        drainTimeoutMs: 13,
      },
      graph: {
        maxTokens: 3,
        maxDepth: 4,
        maxAliases: 5,
        maxDirectives: 6,
        cost: { maxPerOperation: 7, capacity: 8, perSecond: 9 },
      },
      socket: { initTimeoutMs: 10, pingIntervalMs: 11, maxPayloadBytes: 12 },
    });
  });
});

describe('a variable that breaks its rule', () => {
  const broken: readonly (readonly [name: string, value: string, rule: RegExp])[] = [
    ...counts.flatMap((name) => [
      [name, '0', />=1/] as const,
      [name, '-1', />=1/] as const,
      [name, '1.5', /int/] as const,
      [name, 'many', /number/] as const,
    ]),
    ...flags.map((name) => [name, 'yes', /expected one of .*"true"/] as const),
    ...keys.map((name) => [name, 'x'.repeat(31), /must have at least 32 characters/] as const),
    ...keys.map((name) => [name, `${key} ${key}`, /printable ASCII characters only, without spaces/] as const),
    ...keys.map((name) => [name, `${key}é`, /printable ASCII/] as const),
    ...keys.map((name) => [name, `${key}\n`, /printable ASCII/] as const),
    ...hashes.map((name) => [name, 'a'.repeat(63), /must be a SHA-256 hash: 64 hexadecimal digits/] as const),
    ...hashes.map((name) => [name, 'g'.repeat(64), /64 hexadecimal digits/] as const),
    ...overlaps.flatMap((name) => [
      [name, '-1', />=0/] as const,
      [name, '31536001', /<=31536000/] as const,
      [name, '1.5', /int/] as const,
      [name, 'long', /number/] as const,
    ]),
    ...numberedKeys.flatMap((name) => [
      [name, hex, /must be a list of <number>:<64 hexadecimal digits>/] as const,
      [name, `0:${hex}`, /must be a list of/] as const,
      [name, `-1:${hex}`, /must be a list of/] as const,
      [name, `1:${hex.slice(1)}`, /must be a list of/] as const,
      [name, `1:${hex}f`, /must be a list of/] as const,
      [name, `1:${'g'.repeat(64)}`, /must be a list of/] as const,
      [name, `1:${hex},1:${'e'.repeat(64)}`, /must number each key differently/] as const,
    ]),
    ['FAIRLEAD_PEPPERS', numbered(5), /must have at most 4 keys/],
    ['FAIRLEAD_SEALING_KEYS', numbered(17), /must have at most 16 keys/],
    ['FAIRLEAD_KEY_PREFIXES', 'sk_', /must be a list of <KIND>=<prefix>/],
    ['FAIRLEAD_KEY_PREFIXES', 'USER=sk', /ends with - or _/],
    ['FAIRLEAD_KEY_PREFIXES', 'USER=_', /begins with a letter/],
    ['FAIRLEAD_KEY_PREFIXES', 'USER=1k_', /begins with a letter/],
    ['FAIRLEAD_KEY_PREFIXES', 'USER=s k_', /letters, digits/],
    ['FAIRLEAD_KEY_PREFIXES', `USER=${'a'.repeat(32)}_`, /2 to 32/],
    ['FAIRLEAD_KEY_PREFIXES', 'APP=sk_', /has no kind APP; there are ADMIN, TENANT, APP_LIVE/],
    ['FAIRLEAD_KEY_PREFIXES', 'USER=fl_tenant_', /must give every kind a prefix of its own/],
    ['FAIRLEAD_KEY_PREFIXES', 'USER=a_,TENANT=a_', /must give every kind a prefix of its own/],
    ['FAIRLEAD_KEY_CACHE_SECONDS', '301', /<=300/],
    ['FAIRLEAD_KEY_CACHE_SECONDS', '-1', />=0/],
    ['FAIRLEAD_KEY_CACHE_ENTRIES', '-1', />=0/],
    ['PORT', '65536', /<=65535/],
    ['PORT', '-1', />=0/],
    ['PORT', 'http', /number/],
    ['DATABASE_URL', 'mysql://localhost/x', /must be a postgres:\/\/ or postgresql:\/\/ URL/],
    ['DATABASE_URL', 'localhost:5432', /must be a postgres:\/\//],
    ['LOG_LEVEL', 'verbose', /"trace"\|"debug"/],
  ];

  it.each(broken)('is named with its rule, without its value: %s=%j', (name, value, rule) => {
    const message = messageOf({ [name]: value });
    expect(message).toMatch(/^The environment has variables that cannot be used:\n/);
    expect(message.split('\n').slice(1).join('\n')).toMatch(new RegExp(`^  ${name}(\\.\\d+)?: .*${rule.source}`, 'i'));
    if (value.length > 10) expect(message).not.toContain(value.trim());
  });

  it('is named together with all others', () => {
    const message = messageOf({ PORT: 'x', FAIRLEAD_ADMIN_KEY: 'short', LOG_LEVEL: 'loud' });
    for (const name of ['PORT', 'FAIRLEAD_ADMIN_KEY', 'LOG_LEVEL']) expect(message).toContain(`  ${name}: `);
  });
});

describe('root admin keys', () => {
  it.each(keys)('are given as a key or as its hash, not as both: %s', (name) => {
    expect(messageOf({ [name]: key, [`${name}_HASH`]: sha256 })).toBe(
      `${name} and ${name}_HASH are both set; give the key or its hash, not both.`,
    );
  });

  it('may be a hash in upper case', () => {
    expect(readConfig({ FAIRLEAD_ADMIN_KEY_HASH: sha256.toUpperCase() }).rootKeys.sha256).toEqual([sha256]);
  });

  it('are not kept, only their hashes', () => {
    const config = readConfig({ FAIRLEAD_ADMIN_KEY: key, FAIRLEAD_SECOND_ADMIN_KEY: `${key}2` });
    expect(config.rootKeys.sha256).toHaveLength(2);
    expect(JSON.stringify(config)).not.toContain(key);
  });
});

describe('doing without a root admin key', () => {
  it('is turned on by itself', () => {
    expect(readConfig({ FAIRLEAD_ROOT_KEY_ENABLED: 'false' }).rootKeys).toEqual({ enabled: false, sha256: [] });
  });

  it.each([...keys.map((name) => [name, key]), ...hashes.map((name) => [name, sha256])])(
    'is refused while one is set: %s',
    (name, value) => {
      expect(messageOf({ FAIRLEAD_ROOT_KEY_ENABLED: 'false', [String(name)]: String(value) })).toBe(
        'FAIRLEAD_ROOT_KEY_ENABLED is false, yet a root admin key is set; leave one of the two out.',
      );
    },
  );
});

describe('peppers and keys for sealing', () => {
  it.each([
    ['FAIRLEAD_PEPPERS', 'peppers'],
    ['FAIRLEAD_SEALING_KEYS', 'sealingKeys'],
  ] as const)('are numbered keys of 32 bytes: %s', (name, field) => {
    const other = 'E'.repeat(64);
    expect(readConfig({ [name]: ` 3:${hex}, 1:${other} ` }).keys[field]).toEqual([
      { version: 3, key: Buffer.from(hex, 'hex') },
      { version: 1, key: Buffer.from(other, 'hex') },
    ]);
  });
});

describe('prefixes of keys', () => {
  it('are those that users know already, where they are given', () => {
    const { prefixes } = readConfig({
      FAIRLEAD_KEY_PREFIXES:
        'PRODUCT=pk-sept-, ENGINE=sk-sept- ,USER=llmp_,PUBLISHABLE_LIVE=oct_pub_live_,APP_LIVE=sk_',
    }).keys;
    expect(prefixes).toEqual({
      ...defaultKeyPrefixes,
      PRODUCT: 'pk-sept-',
      ENGINE: 'sk-sept-',
      USER: 'llmp_',
      PUBLISHABLE_LIVE: 'oct_pub_live_',
      APP_LIVE: 'sk_',
    });
  });
});

describe('the pace of gateways', () => {
  it('leaves room for a heartbeat before a gateway counts as silent', () => {
    const pace = (heartbeat: string, silence: string) =>
      readConfig({
        NODE_ENV: 'test',
        FAIRLEAD_GATEWAY_HEARTBEAT_SECONDS: heartbeat,
        FAIRLEAD_GATEWAY_SILENCE_SECONDS: silence,
      }).gateways;
    expect(pace('1', '2')).toEqual({ heartbeatSeconds: 1, silenceSeconds: 2 });
    for (const silence of ['4', '5']) {
      expect(() => pace('5', silence)).toThrow('FAIRLEAD_GATEWAY_SILENCE_SECONDS has to be longer');
    }
    for (const [heartbeat, silence] of [
      ['0', '15'],
      ['5', '3601'],
      ['a', '15'],
    ] as const) {
      expect(() => pace(heartbeat, silence)).toThrow('variables that cannot be used');
    }
  });
});

describe('the overlap of rotations', () => {
  it.each([
    [{}, { min: 0, max: 300 }],
    [{ BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS: '5' }, { min: 5, max: 300 }],
    [{ BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: '60' }, { min: 0, max: 60 }],
    [{ FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: '0' }, { min: 0, max: 0 }],
    [
      { FAIRLEAD_KEY_ROTATION_MIN_OVERLAP_SECONDS: '600', BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: '600' },
      { min: 600, max: 600 },
    ],
    [
      { FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: '7', BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: '7' },
      { min: 0, max: 7 },
    ],
  ])('is read under both names: %j', (environment, bounds) => {
    expect(readConfig(environment).keys.overlapSeconds).toEqual(bounds);
  });

  it('is not two things under two names', () => {
    expect(
      messageOf({ FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: '7', BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: '8' }),
    ).toBe(
      'FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS and BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS say different things; leave one of the two out.',
    );
  });

  it.each([
    [{ FAIRLEAD_KEY_ROTATION_MIN_OVERLAP_SECONDS: '301' }, /\(301 s\) is longer than the longest \(300 s\)/],
    [{ BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS: '2', BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: '1' }, /\(2 s\).*\(1 s\)/],
    [{ BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS: '2', FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: '1' }, /\(2 s\).*\(1 s\)/],
  ])('whose shortest is longer than its longest is refused: %j', (environment, message) => {
    expect(messageOf(environment)).toMatch(message);
  });
});

describe('README.md', () => {
  it('lists every variable in its table, and no other', async () => {
    const text = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const listed = [...text.matchAll(/^\| *`([A-Z][A-Z0-9_]*)` *\|/gm)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual([...variableNames].sort());
  });
});
