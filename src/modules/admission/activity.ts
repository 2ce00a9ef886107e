import type { AdmissionReason } from './refusals.ts';

/** Told what becomes of requests, by whoever decides about them. Every call returns at once. */
export interface Activity {
  admitted(tenantId: string, waitedMs: number): void;
  /** @param tenantId nothing where it is not known */
  refused(tenantId: string | undefined, reason: AdmissionReason): void;
  settled(tenantId: string, tokens: number): void;
  /** Something runs, waits or may run that did not, or the other way round. */
  changed(): void;
}
