import type { Principal } from '../access/principal.ts';
import type { Sealer } from '../access/sealing.ts';
import type { Database } from '../database/database.ts';
import type { AuditRecorder } from './audit.ts';
import type { RequestInfo } from './request-info.ts';

/**
 * The services of all modules. Each module adds its own in its `service.ts`:
 *
 * @example declare module '../../graph/context.ts' { interface Services { tenants: TenantService } }
 */
// biome-ignore lint/suspicious/noEmptyInterface: the modules fill it
export interface Services {}

/** What every resolver gets. */
export interface GraphContext {
  readonly principal: Principal;
  readonly info: RequestInfo;
  readonly services: Services;
  readonly database: Database;
  readonly audit: AuditRecorder;
  readonly clock: Clock;
  /** Encrypts what may be kept for a short time only. */
  readonly sealer: Sealer;
  /** Absent: whoever asks cannot go away. */
  readonly connection?: ClientConnection;
}

/** What an operation came over. */
export interface ClientConnection {
  /** Aborted when the caller is gone before it has its answer. */
  readonly closed: AbortSignal;
}

/** Where time comes from; tests set their own. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
