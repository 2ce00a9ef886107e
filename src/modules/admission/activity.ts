import type { AdmissionReason } from './refusals.ts';

/** A tenant, and what people call it. */
export interface NamedTenant {
  readonly id: string;
  readonly name: string;
}

/** Told what becomes of requests, by whoever decides about them. Every call returns at once. */
export interface Activity {
  admitted(tenant: NamedTenant, waitedMs: number): void;
  /** @param tenant nothing where it is not known */
  refused(tenant: NamedTenant | undefined, reason: AdmissionReason): void;
  settled(tenantId: string, tokens: number): void;
  /** Something runs, waits or may run that did not, or the other way round. */
  changed(): void;
}
