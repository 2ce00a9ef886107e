import { hash } from 'node:crypto';
import { resolve } from 'node:path';
import { z } from 'zod';
import { defaultKeyPrefixes, isPrefixName, type KeyPrefixes, type PrefixName } from './access/key-prefixes.ts';
import type { SealingKey } from './access/sealing.ts';
import type { Pepper } from './access/secret-hasher.ts';
import { type OidcIssuer, oidcIssuers } from './config/oidc-issuers.ts';

const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');

const count = (fallback: number, minimum = 1) => z.coerce.number().int().min(minimum).default(fallback);

const list = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );

const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'must be a SHA-256 hash: 64 hexadecimal digits')
  .transform((value) => value.toLowerCase());

/** Has to travel in a header. */
const adminKey = z
  .string()
  .min(32, 'must have at least 32 characters')
  .regex(/^[\x21-\x7e]*$/, 'must have printable ASCII characters only, without spaces');

/** Numbered keys, as in `1:<64 hexadecimal digits>,2:<…>`, so that they can be replaced one after the other. */
const numberedKeys = (maximum: number) =>
  list
    .pipe(
      z
        .array(
          z
            .string()
            .regex(
              /^[1-9]\d{0,8}:[0-9a-f]{64}$/i,
              'must be a list of <number>:<64 hexadecimal digits>, separated by commas',
            ),
        )
        .max(maximum, `must have at most ${maximum} keys`),
    )
    .transform((items) =>
      items.map((item) => {
        const [version, key = ''] = item.split(':');
        return { version: Number(version), key: Buffer.from(key, 'hex') };
      }),
    )
    .refine(
      (keys) => new Set(keys.map(({ version }) => version)).size === keys.length,
      'must number each key differently',
    );

const keyPrefixes = list
  .pipe(
    z.array(
      z.string().regex(/^[A-Z_]+=[A-Za-z][A-Za-z0-9_-]{0,30}[_-]$/, {
        error:
          'must be a list of <KIND>=<prefix>, such as USER=sk_: a prefix has 2 to 32 letters, digits, - or _, begins with a letter and ends with - or _',
      }),
    ),
  )
  .transform((items, context): KeyPrefixes => {
    const prefixes: Record<PrefixName, string> = { ...defaultKeyPrefixes };
    for (const item of items) {
      const [name = '', prefix = ''] = item.split('=');
      if (isPrefixName(name)) prefixes[name] = prefix;
      else {
        const known = Object.keys(defaultKeyPrefixes).join(', ');
        context.addIssue({ code: 'custom', message: `has no kind ${name}; there are ${known}` });
      }
    }
    if (new Set(Object.values(prefixes)).size < Object.keys(prefixes).length) {
      context.addIssue({ code: 'custom', message: 'must give every kind a prefix of its own' });
    }
    return prefixes;
  });

const seconds = z.coerce.number().int().min(0).max(31_536_000).optional();

const sha256 = (text: string): string => hash('sha256', text, 'hex');

/** The environment variables that the program reads, all of them. README.md lists them for its readers. */
const environmentSchema = z.object({
  NODE_ENV: z.string().default('development'),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4000),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// or postgresql:// URL' }).optional(),
  DATABASE_POOL_SIZE: count(10),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  FAIRLEAD_HOME: z.string().min(1).default('.fairlead'),
  FAIRLEAD_ADMIN_KEY: adminKey.optional(),
  FAIRLEAD_ADMIN_KEY_HASH: sha256Hex.optional(),
  FAIRLEAD_SECOND_ADMIN_KEY: adminKey.optional(),
  FAIRLEAD_SECOND_ADMIN_KEY_HASH: sha256Hex.optional(),
  FAIRLEAD_OIDC_ISSUERS: oidcIssuers.default([]),
  FAIRLEAD_ROOT_KEY_ENABLED: flag.default(true),
  FAIRLEAD_PEPPERS: numberedKeys(4),
  FAIRLEAD_SEALING_KEYS: numberedKeys(16),
  FAIRLEAD_KEY_PREFIXES: keyPrefixes,
  FAIRLEAD_KEY_ROTATION_MIN_OVERLAP_SECONDS: seconds,
  FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: seconds,
  BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS: seconds,
  BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS: seconds,
  FAIRLEAD_KEY_CACHE_SECONDS: z.coerce.number().int().min(0).max(300).default(10),
  FAIRLEAD_KEY_CACHE_ENTRIES: count(10_000, 0),
  FAIRLEAD_INTROSPECTION: flag.optional(),
  FAIRLEAD_PLAYGROUND: flag.optional(),
  FAIRLEAD_ALLOWED_ORIGINS: list,
  FAIRLEAD_TRUST_PROXY: flag.default(false),
  FAIRLEAD_MAX_BODY_BYTES: count(1_048_576),
  FAIRLEAD_MAX_TOKENS: count(2_000),
  FAIRLEAD_MAX_DEPTH: count(15),
  FAIRLEAD_MAX_ALIASES: count(30),
  FAIRLEAD_MAX_DIRECTIVES: count(50),
  FAIRLEAD_MAX_OPERATION_COST: count(5_000),
  FAIRLEAD_COST_CAPACITY: count(100_000),
  FAIRLEAD_COST_PER_SECOND: count(10_000),
  FAIRLEAD_SOCKET_INIT_TIMEOUT_MS: count(5_000),
  FAIRLEAD_SOCKET_PING_INTERVAL_MS: count(12_000),
  FAIRLEAD_SOCKET_MAX_PAYLOAD_BYTES: count(1_048_576),
  FAIRLEAD_DRAIN_TIMEOUT_MS: count(10_000),
});

/** The names of those variables. */
export const variableNames: readonly string[] = Object.keys(environmentSchema.shape);

/** Everything the program can be told from outside. Made from the environment by `readConfig`, or by hand in tests. */
export interface Config {
  readonly production: boolean;
  readonly logLevel: z.infer<typeof environmentSchema>['LOG_LEVEL'];
  /** Folder for the state of an installation without its own Postgres: database files and the root admin key. */
  readonly home: string;
  readonly http: {
    readonly host: string;
    /** 0 takes any free port. */
    readonly port: number;
    readonly maxBodyBytes: number;
    /** Whether X-Forwarded-For names the client; only behind a proxy that sets it. */
    readonly trustProxy: boolean;
    /** Origins, besides the server's own, whose pages may call the API and open sockets. `*` allows every one. */
    readonly allowedOrigins: readonly string[];
    /** How long requests in flight may take to finish after SIGTERM. */
    readonly drainTimeoutMs: number;
  };
  readonly database: {
    /** Absent: an embedded server under `home` is started. */
    readonly url: string | undefined;
    readonly poolSize: number;
  };
  readonly rootKeys: {
    /** SHA-256 of the accepted root admin keys, hexadecimal. Empty: one is made under `home` at the first start. */
    readonly sha256: readonly string[];
    /** False: none is accepted or made; admin keys in the database do what it did. */
    readonly enabled: boolean;
  };
  readonly keys: {
    /** Go into the hashes of secrets. Empty: plain SHA-256. */
    readonly peppers: readonly Pepper[];
    /** Encrypt one-time secrets while they can be repeated. Empty: one is made under `home`. */
    readonly sealingKeys: readonly SealingKey[];
    readonly prefixes: KeyPrefixes;
    /** How long an older secret may stay valid after a rotation. */
    readonly overlapSeconds: { readonly min: number; readonly max: number };
    /** How long gateways may rely on a verification. */
    readonly cacheSeconds: number;
    /** Keys that are kept in memory; 0 keeps none. */
    readonly cacheEntries: number;
  };
  /** The OpenID providers whose access tokens are accepted. */
  readonly oidcIssuers: readonly OidcIssuer[];
  readonly graph: {
    readonly introspection: boolean;
    readonly playground: boolean;
    /** Whether error messages may suggest names of the schema. */
    readonly suggestions: boolean;
    readonly maxTokens: number;
    readonly maxDepth: number;
    readonly maxAliases: number;
    readonly maxDirectives: number;
    readonly cost: {
      readonly maxPerOperation: number;
      /** What a credential can spend at once. */
      readonly capacity: number;
      /** How fast it refills. */
      readonly perSecond: number;
    };
  };
  readonly socket: {
    readonly initTimeoutMs: number;
    readonly pingIntervalMs: number;
    readonly maxPayloadBytes: number;
  };
}

/** Names each variable that is wrong and the rule it breaks; never a value, which may be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads and checks the configuration.
 *
 * @throws {ConfigError} when a variable breaks its rule
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  // An empty variable means "not set": that is what shells and compose files produce for a blank.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    const rules = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`The environment has variables that cannot be used:\n${rules.join('\n')}`);
  }
  const env = parsed.data;
  for (const name of ['FAIRLEAD_ADMIN_KEY', 'FAIRLEAD_SECOND_ADMIN_KEY'] as const) {
    if (env[name] !== undefined && env[`${name}_HASH`] !== undefined) {
      throw new ConfigError(`${name} and ${name}_HASH are both set; give the key or its hash, not both.`);
    }
  }
  const rootKeys = [
    env.FAIRLEAD_ADMIN_KEY_HASH ?? (env.FAIRLEAD_ADMIN_KEY && sha256(env.FAIRLEAD_ADMIN_KEY)),
    env.FAIRLEAD_SECOND_ADMIN_KEY_HASH ?? (env.FAIRLEAD_SECOND_ADMIN_KEY && sha256(env.FAIRLEAD_SECOND_ADMIN_KEY)),
  ].filter((key) => key !== undefined);
  if (!env.FAIRLEAD_ROOT_KEY_ENABLED && rootKeys.length > 0) {
    throw new ConfigError('FAIRLEAD_ROOT_KEY_ENABLED is false, yet a root admin key is set; leave one of the two out.');
  }
  const production = env.NODE_ENV === 'production';
  return {
    production,
    logLevel: env.LOG_LEVEL,
    home: resolve(env.FAIRLEAD_HOME),
    http: {
      host: env.HOST,
      port: env.PORT,
      maxBodyBytes: env.FAIRLEAD_MAX_BODY_BYTES,
      trustProxy: env.FAIRLEAD_TRUST_PROXY,
      allowedOrigins: env.FAIRLEAD_ALLOWED_ORIGINS,
      drainTimeoutMs: env.FAIRLEAD_DRAIN_TIMEOUT_MS,
    },
    database: { url: env.DATABASE_URL, poolSize: env.DATABASE_POOL_SIZE },
    keys: {
      peppers: env.FAIRLEAD_PEPPERS,
      sealingKeys: env.FAIRLEAD_SEALING_KEYS,
      prefixes: env.FAIRLEAD_KEY_PREFIXES,
      overlapSeconds: readOverlap(env),
      cacheSeconds: env.FAIRLEAD_KEY_CACHE_SECONDS,
      cacheEntries: env.FAIRLEAD_KEY_CACHE_ENTRIES,
    },
    rootKeys: { enabled: env.FAIRLEAD_ROOT_KEY_ENABLED, sha256: rootKeys },
    oidcIssuers: env.FAIRLEAD_OIDC_ISSUERS,
    graph: {
      introspection: env.FAIRLEAD_INTROSPECTION ?? !production,
      playground: env.FAIRLEAD_PLAYGROUND ?? !production,
      suggestions: !production,
      maxTokens: env.FAIRLEAD_MAX_TOKENS,
      maxDepth: env.FAIRLEAD_MAX_DEPTH,
      maxAliases: env.FAIRLEAD_MAX_ALIASES,
      maxDirectives: env.FAIRLEAD_MAX_DIRECTIVES,
      cost: {
        maxPerOperation: env.FAIRLEAD_MAX_OPERATION_COST,
        capacity: env.FAIRLEAD_COST_CAPACITY,
        perSecond: env.FAIRLEAD_COST_PER_SECOND,
      },
    },
    socket: {
      initTimeoutMs: env.FAIRLEAD_SOCKET_INIT_TIMEOUT_MS,
      pingIntervalMs: env.FAIRLEAD_SOCKET_PING_INTERVAL_MS,
      maxPayloadBytes: env.FAIRLEAD_SOCKET_MAX_PAYLOAD_BYTES,
    },
  };
}

const overlapDefaults = { MIN: 0, MAX: 300 } as const;

/** The bounds of overlaps, under our names or under those that September's engines have for them. */
function readOverlap(env: z.infer<typeof environmentSchema>): { min: number; max: number } {
  const read = (bound: 'MIN' | 'MAX'): number => {
    const own = `FAIRLEAD_KEY_ROTATION_${bound}_OVERLAP_SECONDS` as const;
    const other = `BAP_KEY_ROTATION_${bound}_OVERLAP_SECONDS` as const;
    const [ownValue, otherValue] = [env[own], env[other]];
    if (ownValue !== undefined && otherValue !== undefined && ownValue !== otherValue) {
      throw new ConfigError(`${own} and ${other} say different things; leave one of the two out.`);
    }
    return ownValue ?? otherValue ?? overlapDefaults[bound];
  };
  const [min, max] = [read('MIN'), read('MAX')];
  if (min > max) {
    throw new ConfigError(
      `The shortest overlap of key rotations (${min} s) is longer than the longest (${max} s): check FAIRLEAD_KEY_ROTATION_MIN_OVERLAP_SECONDS and FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS, or BAP_KEY_ROTATION_MIN_OVERLAP_SECONDS and BAP_KEY_ROTATION_MAX_OVERLAP_SECONDS.`,
    );
  }
  return { min, max };
}
