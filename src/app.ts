import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { type Logger, pino } from 'pino';
import { Authenticator, type CredentialSource } from './access/authenticator.ts';
import { type RootKeyFile, readOrMakeRootKey, rootKeySource } from './access/root-keys.ts';
import { readOrMakeSealingKey, Sealer } from './access/sealing.ts';
import { hashSecret } from './access/secrets.ts';
import type { Config } from './config.ts';
import { type Database, openDatabase } from './database/database.ts';
import { startEmbeddedPostgres } from './database/embedded.ts';
import { startHousekeeping } from './database/housekeeping.ts';
import { applyMigrations, migrationsAreApplied } from './database/migrations.ts';
import { type Clock, type Services, systemClock } from './graph/context.ts';
import { LocalCostBudget } from './graph/cost.ts';
import { CredentialWatch } from './live/credential-watch.ts';
import { EventBus } from './live/event-bus.ts';
import { systemTimers, type Timers } from './live/timers.ts';
import { ActivityMeter } from './modules/admission/activity-meter.ts';
import { AdmissionPicture } from './modules/admission/picture.ts';
import { ownerPath } from './modules/admission/replicas/methods.ts';
import { readOrMakeReplicaSecret } from './modules/admission/replicas/proof.ts';
import { AdmissionService } from './modules/admission/service.ts';
import type { AdmissionStore } from './modules/admission/store.ts';
import { AdmissionWriter } from './modules/admission/writer.ts';
import { AppService } from './modules/apps/service.ts';
import { RejectionLog } from './modules/audit/rejections.ts';
import { AuditService } from './modules/audit/service.ts';
import { CapacityService } from './modules/capacity/service.ts';
import { EngineAdmissionService } from './modules/engines/admission.ts';
import { ProductMeter } from './modules/engines/meter.ts';
import { EngineService } from './modules/engines/service.ts';
import { FairshareGroupService } from './modules/fairshare-groups/service.ts';
import { forgetGateways } from './modules/gateways/forgetting.ts';
import { GatewayHeartbeats } from './modules/gateways/heartbeats.ts';
import { GatewayService } from './modules/gateways/service.ts';
import { keysOf } from './modules/keys/children.ts';
import { startKeys } from './modules/keys/module.ts';
import type { UsageRecorder } from './modules/keys/usage.ts';
import { LoginDirectory } from './modules/logins/directory.ts';
import { LoginSource } from './modules/logins/login-source.ts';
import { ModelService } from './modules/models/service.ts';
import { PolicyService } from './modules/products/policies.ts';
import { ProductService } from './modules/products/service.ts';
import { SnapshotService } from './modules/snapshots/service.ts';
import type { SnapshotSource } from './modules/snapshots/snapshot.ts';
import { TeamService } from './modules/teams/service.ts';
import { TenantService } from './modules/tenants/service.ts';
import { UsageService } from './modules/usage/service.ts';
import { UserService } from './modules/users/service.ts';
import { schema } from './schema.ts';
import { listen } from './server/http.ts';
import { Metrics } from './server/metrics.ts';
import { ErrorPresenter } from './server/plugins/errors.ts';

/** One running program. A process can have any number of them. */
export interface App {
  /** Where it listens: `http://127.0.0.1:4000`. */
  readonly url: string;
  readonly schema: GraphQLSchema;
  readonly database: Database;
  readonly events: EventBus;
  readonly services: Services;
  readonly keyUsage: UsageRecorder;
  readonly rejections: RejectionLog;
  readonly metrics: Metrics;
  /** The root admin key kept under the home folder, unless the configuration gives one. */
  readonly rootKey: RootKeyFile | undefined;
  /** Ends subscriptions, lets requests in flight finish, then gives the database up. May be called again. */
  close(): Promise<void>;
}

export interface AppOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: the system's. */
  readonly timers?: Timers;
  /** Credentials that are accepted besides the root admin keys. */
  readonly credentialSources?: readonly CredentialSource[];
  /** Where admission keeps leases, usage and counters. Default: the database. */
  readonly admissionStore?: AdmissionStore;
  /** What live fairshare and statistics show. Default: what admission does. */
  readonly snapshotSource?: SnapshotSource;
  /** Default: JSON lines on standard output, at the level of the configuration. */
  readonly log?: Logger;
}

const rejectionFlushMs = 1_000;
const heartbeatFlushMs = 1_000;
const admissionPoolSize = 2;

/** Gives up a part of the program that was started; a promise is waited for. */
type Closer = () => unknown;

/**
 * Starts the whole program: database, migrations, services, graph, HTTP.
 *
 * @throws {EmbeddedPostgresError | MigrationError | KeptFileError | ConfigError | ListenError} when a part of it cannot start; those that had started
 * are stopped again
 */
export async function startApp(config: Config, options: AppOptions = {}): Promise<App> {
  const clock = options.clock ?? systemClock;
  const timers = options.timers ?? systemTimers;
  const log = options.log ?? pino({ level: config.logLevel });
  const closers: Closer[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        log.error({ err: error }, 'a part of the program did not stop well; the others are stopped as well');
      }
    }
  };
  try {
    const url = config.database.url ?? (await startOwnPostgres(config, log, closers));
    const { applied } = await applyMigrations({ url });
    if (applied.length > 0) log.info({ applied }, 'applied migrations');

    const onConnectionError = (error: Error) => log.warn({ err: error }, 'a connection to the database broke');
    const database = openDatabase({ url, poolSize: config.database.poolSize, onConnectionError });
    closers.push(() => database.close());
    const events = new EventBus(database, log);
    await events.start();
    closers.push(() => events.close());
    closers.push(startHousekeeping(database, () => clock.now(), log, [forgetGateways]));

    const fairshareGroups = new FairshareGroupService(database);
    const tenants = new TenantService(database, fairshareGroups);
    const metrics = new Metrics(database);
    const keys = await startKeys({
      config,
      database,
      events,
      clock,
      log,
      tenants,
      onVerified: (refusal) => metrics.keyVerifications.inc({ result: refusal ?? 'VALID' }),
    });
    closers.push(() => keys.close());
    // First, and so the last to be deleted with a tenant: owners before their keys, as when an owner is deleted by itself.
    tenants.addChildren(keysOf('tenantId'));
    const teams = new TeamService(database, tenants);
    const users = new UserService(database, tenants, teams);
    const apps = new AppService(database, tenants);
    const models = new ModelService(database);
    const gateways = new GatewayService(database, config.gateways);
    const gatewayHeartbeats = new GatewayHeartbeats({ database, events, pace: config.gateways, log });
    gatewayHeartbeats.start(heartbeatFlushMs);
    closers.push(() => gatewayHeartbeats.close());
    const audit = new AuditService(database, events);
    const products = new ProductService(database, tenants, keys.services.keys);
    const productPolicies = new PolicyService(database, products);
    const meter = new ProductMeter(database, products, clock);
    const engines = new EngineService({ database, tenants, products, keys: keys.services.keys, meter });
    const engineAdmission = new EngineAdmissionService(tenants, products, meter);
    users.addChildren(keysOf('userId'));
    apps.addChildren(keysOf('appId'));
    // Connections of its own: whoever decides is not to wait behind those whom it decides about.
    const admissionDatabase = openDatabase({ url, poolSize: admissionPoolSize, onConnectionError });
    closers.push(() => admissionDatabase.close());
    const instanceId = randomUUID();
    const activity = new ActivityMeter(timers);
    const admission = new AdmissionService({
      instanceId,
      database: admissionDatabase,
      events,
      capacity: new CapacityService(admissionDatabase, models, gateways),
      directory: keys.directory,
      keyUsage: keys.usage,
      heartbeats: gatewayHeartbeats,
      pace: config.gateways,
      // Not before the server listens, and so when they are there.
      feed: { next: (call, signal) => snapshots.next(call, signal), sample: () => snapshots.sample() },
      commits: database,
      replicaSecret: await readOrMakeReplicaSecret(admissionDatabase),
      openStore: (epoch) => options.admissionStore ?? new AdmissionWriter({ url, log, ...epoch }),
      clock,
      timers,
      log,
      activity,
    });
    closers.push(() => admission.close());
    await admission.start();
    const picture = new AdmissionPicture({
      meter: activity,
      deciding: () => admission.deciding,
      elsewhere: admission.elsewhere,
      silenceMs: config.gateways.silenceSeconds * 1_000,
      clock,
    });
    const snapshots = new SnapshotService({
      source: options.snapshotSource ?? picture,
      instanceId,
      clock,
      timers,
      log,
    });
    closers.push(() => snapshots.close());
    const services: Services = {
      admission,
      apps,
      audit,
      capacity: new CapacityService(database, models, gateways),
      engineAdmission,
      engines,
      fairshareGroups,
      gatewayHeartbeats,
      gateways,
      models,
      productPolicies,
      products,
      snapshots,
      teams,
      tenants,
      usage: new UsageService(database),
      users,
      ...keys.services,
    };

    const rejections = new RejectionLog({ database, audit, clock, log });
    rejections.start(rejectionFlushMs);
    closers.push(() => rejections.close());

    const needsRootKey = config.rootKeys.enabled && config.rootKeys.sha256.length === 0;
    if (!config.rootKeys.enabled && !(await keys.services.keys.expectAdminKey(clock.now()))) {
      log.warn('every admin key that can manage keys expires, and there is no root admin key: make one that lasts');
    }
    const rootKey = needsRootKey ? await readOrMakeRootKey(config.home) : undefined;
    const rootKeys = rootKey === undefined ? config.rootKeys.sha256 : [hashSecret(rootKey.key).toString('hex')];
    const directory = new LoginDirectory({ tenants, users }, events);
    closers.push(() => directory.close());
    const logins = new LoginSource(config.oidcIssuers, { directory, clock, log });
    const [sealingKey, ...olderSealingKeys] = config.keys.sealingKeys;
    const sealer = new Sealer([sealingKey ?? (await readOrMakeSealingKey(config.home)), ...olderSealingKeys]);
    const credentialWatch = new CredentialWatch({ events, clock, timers, log });
    closers.push(() => credentialWatch.close());
    const server = await listen({
      config,
      schema,
      log,
      metrics,
      authenticator: new Authenticator([
        rootKeySource(rootKeys),
        logins,
        keys.credentials,
        ...(options.credentialSources ?? []),
      ]),
      credentialWatch,
      budget: new LocalCostBudget(config.graph.cost, clock),
      presenter: new ErrorPresenter({ log, suggestions: config.graph.suggestions }),
      program: { services, database, audit, clock, sealer },
      internal: {
        [ownerPath]: (request, socket, head) => admission.connectReplica(request, socket, head),
      },
      isReady: () => migrationsAreApplied(database.pool).catch(() => false),
      onRejected: (reason, info) => {
        metrics.rejectedRequests.inc({ reason });
        rejections.note(reason, info);
      },
    });
    closers.push(() => server.drain());
    // Before the server: what waits for a slot would hold it up.
    closers.push(() => admission.drain());
    await admission.publish(advertisedUrl(config.http, server.port));

    let closing: Promise<void> | undefined;
    return {
      url: `http://${hostInUrl(config.http.host)}:${server.port}`,
      schema,
      database,
      events,
      services,
      keyUsage: keys.usage,
      rejections,
      metrics,
      rootKey,
      close: () => (closing ??= closeAll()),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function startOwnPostgres(config: Config, log: Logger, closers: Closer[]): Promise<string> {
  const postgres = await startEmbeddedPostgres({
    folder: join(config.home, 'postgres'),
    log: (message) => log.info(message),
  });
  closers.push(() => postgres.stop());
  return postgres.url;
}

/** Where other servers reach this one: where it listens, or by its name where that is every address. */
function advertisedUrl({ advertiseUrl, host }: Config['http'], port: number): string {
  if (advertiseUrl !== undefined) return advertiseUrl;
  return `http://${isEveryAddress(host) ? hostname() : hostInUrl(host)}:${port}`;
}

const isEveryAddress = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** A server that listens on every address is reached at this machine's own. */
function hostInUrl(host: string): string {
  if (isEveryAddress(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
