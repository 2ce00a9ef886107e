import { hash } from 'node:crypto';
import { resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from './config/error.ts';
import {
  type KeyPrefixes,
  keyPrefixes,
  list,
  type NumberedKey,
  numberedKeys,
  overlapVariables,
  readOverlap,
} from './config/keys.ts';
import { type OidcIssuer, oidcIssuers } from './config/oidc-issuers.ts';

const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');

const count = (fallback: number, minimum = 1) => z.coerce.number().int().min(minimum).default(fallback);

const seconds = z.coerce.number().int().min(1).max(3_600);

const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'must be a SHA-256 hash: 64 hexadecimal digits')
  .transform((value) => value.toLowerCase());

/** Has to travel in a header. */
const adminKey = z
  .string()
  .min(32, 'must have at least 32 characters')
  .regex(/^[\x21-\x7e]*$/, 'must have printable ASCII characters only, without spaces');

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
  ...overlapVariables,
  FAIRLEAD_KEY_CACHE_SECONDS: z.coerce.number().int().min(0).max(300).default(10),
  FAIRLEAD_KEY_CACHE_ENTRIES: count(10_000, 0),
  FAIRLEAD_GATEWAY_HEARTBEAT_SECONDS: seconds.default(5),
  FAIRLEAD_GATEWAY_SILENCE_SECONDS: seconds.default(15),
  FAIRLEAD_INTROSPECTION: flag.optional(),
  FAIRLEAD_PLAYGROUND: flag.optional(),
  FAIRLEAD_ALLOWED_ORIGINS: list,
  FAIRLEAD_TRUST_PROXY: flag.default(false),
  FAIRLEAD_ADVERTISE_URL: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }).optional(),
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
    /** Where the other servers of the deployment reach this one. Absent: where it listens. */
    readonly advertiseUrl: string | undefined;
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
    readonly peppers: readonly NumberedKey[];
    /** Encrypt one-time secrets while they can be repeated. Empty: one is made under `home`. */
    readonly sealingKeys: readonly NumberedKey[];
    readonly prefixes: KeyPrefixes;
    /** How long an older secret may stay valid after a rotation. */
    readonly overlapSeconds: { readonly min: number; readonly max: number };
    /** How long gateways may rely on a verification. */
    readonly cacheSeconds: number;
    /** Keys that are kept in memory; 0 keeps none. */
    readonly cacheEntries: number;
  };
  readonly gateways: {
    /** How often they are to send a heartbeat. */
    readonly heartbeatSeconds: number;
    /** Without one for longer, they count as silent. */
    readonly silenceSeconds: number;
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
  if (env.FAIRLEAD_GATEWAY_HEARTBEAT_SECONDS >= env.FAIRLEAD_GATEWAY_SILENCE_SECONDS) {
    throw new ConfigError(
      'FAIRLEAD_GATEWAY_SILENCE_SECONDS has to be longer than FAIRLEAD_GATEWAY_HEARTBEAT_SECONDS, or gateways count as silent between two heartbeats.',
    );
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
      advertiseUrl: env.FAIRLEAD_ADVERTISE_URL,
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
    gateways: {
      heartbeatSeconds: env.FAIRLEAD_GATEWAY_HEARTBEAT_SECONDS,
      silenceSeconds: env.FAIRLEAD_GATEWAY_SILENCE_SECONDS,
    },
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
