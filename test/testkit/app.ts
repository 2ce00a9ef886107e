import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { inject } from 'vitest';
import type { CredentialSource } from '../../src/access/authenticator.ts';
import type { Principal } from '../../src/access/principal.ts';
import type { Scope } from '../../src/access/scopes.ts';
import { hashSecret } from '../../src/access/secrets.ts';
import { type App, startApp } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config.ts';
import type { SnapshotSource } from '../../src/modules/snapshots/snapshot.ts';
import { afterFile } from './after-file.ts';
import { Client } from './client.ts';
import { TestClock } from './clock.ts';
import { createDatabase, dropDatabase } from './databases.ts';

interface TestAppOptions {
  /** Environment variables, as an operator would set them. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly clock?: TestClock;
  /** What live fairshare and statistics show. Default: what admission does. */
  readonly snapshotSource?: SnapshotSource;
  /** Another program on the same database, as a second replica. */
  readonly sameDatabaseAs?: TestApp;
}

/** A program of its own on a database of its own, and clients for it. */
export interface TestApp {
  readonly app: App;
  readonly config: Config;
  readonly clock: TestClock;
  readonly databaseUrl: string;
  readonly rootKey: string;
  /** Every line that was logged, at level warn and above. */
  readonly logged: readonly string[];
  /** With the root admin key. */
  readonly operator: Client;
  /** Without any credential. */
  readonly anonymous: Client;
  /** A caller of the deployment with these scopes and no others. */
  withScopes(...scopes: readonly Scope[]): Client;
  /** A caller who belongs to a tenant, given by the UUID of its row. */
  ofTenant(tenantId: string, ...scopes: readonly Scope[]): Client;
  /** Any other principal. */
  as(principal: Omit<Principal, 'credentialId' | 'name'>): Client;
  close(): Promise<void>;
}

/** Credentials that a test makes up. They pass through the same authenticator as every other. */
class TestCredentials implements CredentialSource {
  readonly accepts = ['bearer', 'x-api-key'] as const;
  readonly #principals = new Map<string, Principal>();

  add(principal: Omit<Principal, 'credentialId' | 'name'>): string {
    const secret = `test_${randomUUID()}`;
    this.#principals.set(secret, {
      ...principal,
      credentialId: `test:${secret.slice(5, 13)}`,
      name: 'test credential',
    });
    return secret;
  }

  find(secret: string): Principal | undefined {
    return this.#principals.get(secret);
  }
}

/** Starts a program for the tests of one file; it is closed after them. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { environment = {}, clock = new TestClock(), sameDatabaseAs, snapshotSource } = options;
  const serverUrl = inject('postgresUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const databaseUrl = sameDatabaseAs?.databaseUrl ?? (await createDatabase(serverUrl, name, inject('templateName')));
  const home = await mkdtemp(join(tmpdir(), 'fairlead-home-'));
  // Replicas are configured alike.
  const rootKey = sameDatabaseAs?.rootKey ?? `root-key-of-tests-${randomUUID()}`;
  const config = readConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: '5',
    FAIRLEAD_HOME: home,
    FAIRLEAD_ADMIN_KEY_HASH: hashSecret(rootKey).toString('hex'),
    ...environment,
  });
  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
  const credentials = new TestCredentials();
  const app = await startApp(config, {
    clock,
    timers: clock,
    log,
    credentialSources: [credentials],
    ...(snapshotSource && { snapshotSource }),
  });
  const client = (headers: Record<string, string>) => new Client(app.url, headers);

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await app.close();
    if (sameDatabaseAs === undefined) await dropDatabase(serverUrl, name);
    await rm(home, { recursive: true, force: true });
  };
  const closeOnce = () => (closed ??= close());
  afterFile(closeOnce);

  return {
    app,
    config,
    clock,
    databaseUrl,
    rootKey,
    logged,
    operator: client({ 'x-admin-key': rootKey }),
    anonymous: client({}),
    withScopes: (...scopes) =>
      client({ authorization: `Bearer ${credentials.add({ kind: 'ROOT', scopes: new Set(scopes) })}` }),
    ofTenant: (tenantId, ...scopes) =>
      client({ authorization: `Bearer ${credentials.add({ kind: 'TENANT', tenantId, scopes: new Set(scopes) })}` }),
    as: (principal) => client({ authorization: `Bearer ${credentials.add(principal)}` }),
    close: closeOnce,
  };
}
