import type { Principal, PrincipalKind } from '../access/principal.ts';
import type { Transaction } from '../database/database.ts';
import type { AuditOutcome } from '../database/generated/enums.ts';
import type { OutboxEvent } from '../live/outbox.ts';
import type { NodeType } from './ids.ts';
import type { RequestInfo } from './request-info.ts';

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue };
type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** Who tried something. */
export interface AuditActor {
  readonly kind: PrincipalKind | 'ANONYMOUS';
  /** Null: no valid credential was given. */
  readonly credentialId: string | null;
  readonly name: string;
}

export const actorOf = ({ kind, credentialId, name }: Principal): AuditActor => ({ kind, credentialId, name });

/** What a command did, or was refused to do, for the audit log. */
export interface AuditRecord {
  readonly occurredAt: Date;
  readonly actor: AuditActor;
  readonly info: RequestInfo;
  /** The command's name. */
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly errorCode?: string;
  readonly target?: { readonly type: NodeType; readonly id: string };
  /** The tenant whose chain the row joins; absent: the deployment's. */
  readonly tenantId?: string;
  /** How many attempts the row stands for; absent: one. */
  readonly attempts?: number;
  /** The values that changed, as they were and as they are; never a secret. */
  readonly before?: JsonObject;
  readonly after?: JsonObject;
}

/** Writes audit rows. The audit module implements it; commands use it without knowing that module. */
export interface AuditRecorder {
  /** Adds the row and announces it, with what else the change has to announce, in the transaction of the change. */
  record(transaction: Transaction, entry: AuditRecord, events?: readonly OutboxEvent[]): Promise<void>;
}
