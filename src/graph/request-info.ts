/** What is known of a request besides who sent it: for the audit log and for idempotency. */
export interface RequestInfo {
  readonly id: string;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** The Idempotency-Key header, which stands for the field of the same name in a request with one command. */
  readonly idempotencyKey: string | null;
}
