import { builder } from '../../graph/builder.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { UserError } from '../../graph/errors.ts';

/** One way in which a key would go beyond the credential that asks for it. */
export interface Excess {
  /** What: `scopes`, `limits.tokensPerDay`, `expiresAt`, … */
  readonly path: readonly string[];
  readonly message: string;
}

export class PrivilegeEscalationError extends UserError {
  override readonly name = 'PrivilegeEscalationError';
  override readonly code = 'PRIVILEGE_ESCALATION';

  constructor(excesses: readonly [Excess, ...Excess[]]) {
    const [first] = excesses;
    super(
      `The key would go beyond your own credential: ${excesses.map(({ message }) => message).join(' ')}`,
      first.path,
    );
  }
}

builder.objectType(PrivilegeEscalationError, {
  name: 'PrivilegeEscalationError',
  description: 'The key could do more than the credential that asks for it: scopes, limits, models, addresses or time.',
  interfaces: [UserErrorInterface],
});

export class RotationInProgressError extends UserError {
  override readonly name = 'RotationInProgressError';
  override readonly code = 'ROTATION_IN_PROGRESS';
  override readonly retryable = true;
  override readonly retryAfterMs: number | null;

  constructor(retryAfterMs: number | null) {
    super(
      'The key is being rotated: an older secret is still accepted. Wait for its end, cancel the rotation, or ask for duringOverlap: RETIRE_OLDEST.',
      ['keyId'],
    );
    this.retryAfterMs = retryAfterMs;
  }
}

builder.objectType(RotationInProgressError, {
  name: 'RotationInProgressError',
  description: 'Another rotation of the key is not over, or was carried out at the same moment.',
  interfaces: [UserErrorInterface],
});

export class LastAdminKeyError extends UserError {
  override readonly name = 'LastAdminKeyError';
  override readonly code = 'LAST_ADMIN_KEY';

  constructor() {
    super(
      'No other admin key can manage keys for as long as this one, and there is no root admin key. Create another one first, or start the program with a root admin key.',
      ['keyId'],
    );
  }
}

builder.objectType(LastAdminKeyError, {
  name: 'LastAdminKeyError',
  description: 'Without this admin key nobody could manage the deployment any more, or not for as long.',
  interfaces: [UserErrorInterface],
});
