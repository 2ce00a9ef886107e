import { GraphQLError } from 'graphql';

/** Codes of errors in the request itself, found in `extensions.code` of a top-level error. */
export type RequestErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'BAD_USER_INPUT'
  | 'MALFORMED_ID'
  | 'WRONG_ID_TYPE'
  | 'INVALID_PAGE_SIZE'
  | 'INVALID_CURSOR'
  | 'CONFLICTING_ARGUMENTS'
  | 'OPERATION_TOO_LARGE'
  | 'OPERATION_TOO_EXPENSIVE'
  | 'COST_BUDGET_EXHAUSTED'
  | 'RATE_LIMITED'
  | 'SUBSCRIBER_TOO_SLOW'
  | 'NOT_READY';

/** A request that cannot be carried out as it was sent: a top-level error that the client has to correct. */
export class RequestError extends GraphQLError {
  constructor(code: RequestErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message, { extensions: { code, ...details } });
  }
}

/** What each code means; the graph's enum is made of this. */
export const userErrorCodes = {
  VALIDATION_FAILED: 'The input breaks a rule; `issues` lists every one.',
  NOT_FOUND: 'There is no such row, or it is not yours to see: the two are answered alike.',
  NAME_TAKEN: 'The name is in use; names are compared without regard to case.',
  EXTERNAL_ID_TAKEN: 'Another user of the tenant has the externalId; they are compared as they are written.',
  STALE_REVISION: 'The row was changed since the revision that the caller expects.',
  IDEMPOTENCY_KEY_REUSED: 'The idempotency key was used before, with another command or another input.',
  INVALID_STATE: 'The row is in a state that does not allow the command.',
  HAS_CHILDREN: 'The row has children that would be deleted with it; ask for that with `cascade: true`.',
  PRODUCT_SLUG_EXISTS: 'Another product of the deployment has the slug; slugs are compared in lower case.',
  PRODUCT_HAS_ENGINES: 'The product has engines; ask for them to be drained with `drainEngines: true`.',
  ENGINE_ALREADY_EXISTS: 'The user has an engine of the product already: there is one for each user.',
  QUOTA_EXCEEDED: 'As many engines exist as the policy of the product allows.',
  PRIVILEGE_ESCALATION: 'A key would be able to do more than the credential that asks for it.',
  ROTATION_IN_PROGRESS: 'The key is being rotated already.',
  LAST_ADMIN_KEY: 'Nobody could manage the deployment any more.',
  DEFAULT_GROUP_PROTECTED: 'The group `default` always exists under its name.',
  NOT_READY: 'No server can decide at the moment; the same command may be sent again.',
  KEY_MALFORMED: 'The key has a wrong checksum: it was mistyped or cut.',
  KEY_REVOKED: 'The key, or this secret of it, was revoked.',
  KEY_EXPIRED: 'The key has expired.',
  KEY_SUPERSEDED: 'A rotation replaced this secret, and its overlap is over; use the newer one.',
  KEY_DISABLED: 'The key is disabled.',
  TENANT_REQUIRED: 'The key belongs to no tenant, whom usage would be counted for.',
  TENANT_ARCHIVED: 'The tenant is archived.',
  TENANT_SUSPENDED: 'The tenant is suspended.',
  OUTSIDE_SCHEDULE: 'The tenant is not served at this time.',
  USER_DEACTIVATED: 'The user is deactivated.',
  APP_ARCHIVED: 'The application is archived.',
  PRODUCT_SUSPENDED: 'The product is suspended.',
  PRODUCT_DELETING: 'The product is being deleted.',
  ENGINE_DESTROYING: 'The engine is being destroyed.',
  IP_NOT_ALLOWED: 'The key is not accepted from this address.',
  ORIGIN_NOT_ALLOWED: 'The key is not accepted from pages of this origin.',
  INSUFFICIENT_SCOPE: 'The key does not have the scope cloud:inference.',
  MODEL_NOT_ALLOWED: 'The key, or its tenant, may not use this model.',
  REQUEST_ID_REUSED: 'The request id is that of another request of yours, which waits or runs.',
  MODEL_DISABLED: 'The model is disabled.',
  RATE_LIMITED: 'So many requests a minute are allowed, and no more.',
  TOKENS_PER_MINUTE: 'So many tokens a minute are allowed, and no more.',
  DAILY_TOKENS: 'So many tokens a day are allowed, and no more.',
  BUDGET_EXHAUSTED: 'The budget is used up.',
  IN_FLIGHT_BLOCKED: 'No request may run: somebody whom it is for may have 0 in flight.',
  QUEUE_FULL: 'As many requests wait as may.',
  QUEUE_TIMEOUT: 'It waited as long as it may, and got no slot.',
  CANCELLED: 'It was cancelled while it waited, or whoever asked is gone.',
} as const;

export type UserErrorCode = keyof typeof userErrorCodes;

export type UserErrorClass = new (...parameters: never[]) => UserError;

/** A failure that callers expect and handle: a member of a command's result union, thrown by services. */
export abstract class UserError extends Error {
  abstract readonly code: UserErrorCode;
  /** Where in the input the reason lies: `["limits", "budget", "tokens"]`; empty when it lies elsewhere. */
  readonly path: readonly string[];
  /** Whether the same command may succeed later without a change. */
  readonly retryable: boolean = false;
  readonly retryAfterMs: number | null = null;

  constructor(message: string, path: readonly string[] = []) {
    super(message);
    this.path = path;
  }
}

/** What is kept of an error in an answer that can be repeated. */
export interface KeptError {
  readonly name: string;
  readonly message: string;
}

/** All that an error says, as plain data. */
export const keptError = (error: UserError): KeptError => ({ ...error, name: error.name, message: error.message });

/** The error that was kept, of whichever of these classes it was. */
export function revivedError(kept: KeptError, classes: readonly UserErrorClass[]): UserError {
  const errorClass = classes.find(({ name }) => name === kept.name);
  if (errorClass === undefined) throw new Error(`An error was kept as ${kept.name}, which is none that is expected.`);
  return Object.assign(Object.create(errorClass.prototype), kept);
}

/** One rule that an input breaks. */
export interface ValidationIssue {
  /** The rule, upper snake case. */
  readonly rule: string;
  readonly message: string;
  readonly path: readonly string[];
}

export class ValidationError extends UserError {
  override readonly name = 'ValidationError';
  override readonly code = 'VALIDATION_FAILED';
  readonly issues: readonly ValidationIssue[];

  constructor(issues: readonly [ValidationIssue, ...ValidationIssue[]]) {
    const [first] = issues;
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more, see issues)` : '';
    super(`${first.path.join('.') || 'input'}: ${first.message}${more}`, first.path);
    this.issues = issues;
  }
}

/** One broken rule, found by a service. */
export const invalid = (path: readonly string[], rule: string, message: string): ValidationError =>
  new ValidationError([{ rule, message, path }]);

export class NotFoundError extends UserError {
  override readonly name = 'NotFoundError';
  override readonly code = 'NOT_FOUND';

  /** @param type what was looked for; nothing else is said, whether the row is missing or another tenant's */
  constructor(type: string, path: readonly string[]) {
    super(`There is no such ${type}.`, path);
  }
}

export class NameTakenError extends UserError {
  override readonly name = 'NameTakenError';
  override readonly code = 'NAME_TAKEN';

  constructor(type: string, path: readonly string[] = ['name']) {
    super(`Another ${type} has this name; names are compared without regard to case.`, path);
  }
}

export class StaleRevisionError extends UserError {
  override readonly name = 'StaleRevisionError';
  override readonly code = 'STALE_REVISION';
  readonly currentRevision: number;

  constructor(currentRevision: number) {
    super(`The row is at revision ${currentRevision}; read it again and repeat the change.`, ['expectedRevision']);
    this.currentRevision = currentRevision;
  }
}

/** @throws {StaleRevisionError} when the caller expects another revision than the row has */
export function expectRevision(row: { readonly revision: number }, expected: number | null | undefined): void {
  if (expected !== undefined && expected !== null && expected !== row.revision) {
    throw new StaleRevisionError(row.revision);
  }
}

export class IdempotencyKeyReusedError extends UserError {
  override readonly name = 'IdempotencyKeyReusedError';
  override readonly code = 'IDEMPOTENCY_KEY_REUSED';

  constructor() {
    super('This idempotency key was used with another command or another input; use a new one.', ['idempotencyKey']);
  }
}

export class InvalidStateError extends UserError {
  override readonly name = 'InvalidStateError';
  override readonly code = 'INVALID_STATE';
  readonly currentState: string;

  constructor(message: string, currentState: string, path: readonly string[]) {
    super(message, path);
    this.currentState = currentState;
  }
}

/** How many rows of a type belong to another row. */
export interface RowCount {
  readonly type: string;
  readonly count: number;
}

export class HasChildrenError extends UserError {
  override readonly name = 'HasChildrenError';
  override readonly code = 'HAS_CHILDREN';
  readonly children: readonly RowCount[];

  /** @param type what was to be deleted */
  constructor(children: readonly RowCount[], type: string) {
    const list = children.map(({ type, count }) => `${count} ${type}`).join(', ');
    super(`The ${type} has live children (${list}). Delete them first, or give cascade: true.`, ['cascade']);
    this.children = children;
  }
}
