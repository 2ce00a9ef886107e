import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig, variableNames } from '../src/config.ts';

const key = 'a-key-that-is-long-enough-to-be-taken';
const sha256 = 'a'.repeat(64);

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

const flags = ['FAIRLEAD_INTROSPECTION', 'FAIRLEAD_PLAYGROUND', 'FAIRLEAD_TRUST_PROXY'];
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
      rootKeys: { sha256: [] },
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
    const numbered = Object.fromEntries(counts.map((name, index) => [name, String(index + 1)]));
    const config = readConfig({
      ...numbered,
      PORT: '0',
      HOST: '::',
      LOG_LEVEL: 'debug',
      DATABASE_URL: 'postgres://localhost/x',
      FAIRLEAD_HOME: '/var/lib/fairlead',
      FAIRLEAD_TRUST_PROXY: 'true',
    });
    expect(config).toMatchObject({
      logLevel: 'debug',
      home: '/var/lib/fairlead',
      database: { url: 'postgres://localhost/x', poolSize: 1 },
      http: { host: '::', port: 0, trustProxy: true, maxBodyBytes: 2, drainTimeoutMs: 13 },
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
    expect(message.split('\n').slice(1).join('\n')).toMatch(new RegExp(`^  ${name}: .*${rule.source}`, 'i'));
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

describe('README.md', () => {
  it('lists every variable in its table, and no other', async () => {
    const text = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const listed = [...text.matchAll(/^\| *`([A-Z][A-Z0-9_]*)` *\|/gm)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual([...variableNames].sort());
  });
});
