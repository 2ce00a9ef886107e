import { UserError } from '../../graph/errors.ts';
import type { AdmissionReason, LimitView, RefusalView } from './refusals.ts';

/** A request that is not admitted. */
export class AdmissionRefusedError extends UserError {
  override readonly name = 'AdmissionRefusedError';
  override readonly code: AdmissionReason;
  override readonly retryable: boolean;
  override readonly retryAfterMs: number | null;
  readonly limit: LimitView | null;
  readonly permanent: boolean;

  constructor(
    { reason, message, limit, retryAfterMs, retryable, permanent }: RefusalView,
    path: readonly string[] = [],
  ) {
    super(message, path);
    this.code = reason;
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
    this.retryable = retryable;
    this.permanent = permanent;
  }
}

/** Nobody can decide at the moment. */
export class AdmissionUnavailableError extends UserError {
  override readonly name = 'AdmissionUnavailableError';
  override readonly code = 'NOT_READY';
  override readonly retryable = true;
  override readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}
