import type { Logger } from 'pino';
import { SecretHasher } from '../../access/secret-hasher.ts';
import type { Config } from '../../config.ts';
import type { Database } from '../../database/database.ts';
import type { Clock, Services } from '../../graph/context.ts';
import type { EventBus } from '../../live/event-bus.ts';
import type { TenantService } from '../tenants/service.ts';
import { KeyBulk } from './bulk.ts';
import { KeyCredentials } from './credentials.ts';
import { KeyDirectory } from './directory.ts';
import { LeakReports } from './leaks.ts';
import { PepperService } from './peppers.ts';
import { KeyRotation } from './rotation.ts';
import { KeyService } from './service.ts';
import { UsageRecorder } from './usage.ts';
import type { Refusal } from './verification.ts';
import { KeyVerifier } from './verifier.ts';

declare module '../../graph/context.ts' {
  interface Services {
    keyRotation: KeyRotation;
    keyBulk: KeyBulk;
    leakReports: LeakReports;
  }
}

interface Parts {
  readonly config: Config;
  readonly database: Database;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tenants: TenantService;
  readonly onVerified: (refusal: Refusal | undefined) => void;
}

/** Everything that has to do with keys, put together. */
export interface KeyModule {
  readonly services: Pick<Services, 'keys' | 'keyRotation' | 'keyBulk' | 'keyVerifier' | 'leakReports' | 'peppers'>;
  /** The keys as credentials for the graph. */
  readonly credentials: KeyCredentials;
  readonly usage: UsageRecorder;
  readonly directory: KeyDirectory;
  close(): Promise<void>;
}

const usageFlushMs = 1_000;

/** @throws {ConfigError} when secrets are hashed under a pepper that the configuration lacks */
export async function startKeys(parts: Parts): Promise<KeyModule> {
  const { config, database, events, clock, log, tenants, onVerified } = parts;
  const { cacheEntries, cacheSeconds, overlapSeconds, prefixes } = config.keys;
  const hasher = new SecretHasher(config.keys.peppers);
  const peppers = new PepperService({ database, events, hasher, log });
  await peppers.start();
  const pepperVersion = () => peppers.version;
  const directory = new KeyDirectory({
    database,
    events,
    hasher,
    prefixes: new Set(Object.values(prefixes)),
    cacheEntries,
  });
  const usage = new UsageRecorder({ database, hasher, pepperVersion, log });
  usage.start(usageFlushMs);
  const hasRootKey = config.rootKeys.enabled;
  const keys = new KeyService({ database, tenants, hasher, pepperVersion, prefixes, hasRootKey });
  const keyRotation = new KeyRotation(keys, overlapSeconds);
  const keyBulk = new KeyBulk(keys, keyRotation);
  const cacheMs = cacheSeconds * 1_000;
  return {
    services: {
      keys,
      keyRotation,
      keyBulk,
      peppers,
      keyVerifier: new KeyVerifier({ directory, usage, clock, cacheMs, onVerified }),
      leakReports: new LeakReports(directory, keyBulk),
    },
    credentials: new KeyCredentials({ directory, usage, clock }),
    usage,
    directory,
    close: async () => {
      await peppers.close();
      await usage.close();
      directory.close();
    },
  };
}
