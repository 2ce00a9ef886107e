import { type UserErrorCode, userErrorCodes } from '../../graph/errors.ts';
import type { CountLimitName } from '../limits/ledger/kinds.ts';
import type { LimitOwner } from '../limits/ledger/layers.ts';
import type { Refusal as LedgerRefusal } from '../limits/ledger/ledger.ts';
import { priceText } from '../models/prices.ts';
import { usdOfNanoCost } from './costs.ts';

/** Why a request is not admitted, in the order in which the reasons are looked for. */
export const admissionReasons = [
  'REQUEST_ID_REUSED',
  'KEY_MALFORMED',
  'KEY_REVOKED',
  'KEY_EXPIRED',
  'KEY_SUPERSEDED',
  'KEY_DISABLED',
  'TENANT_REQUIRED',
  'TENANT_ARCHIVED',
  'TENANT_SUSPENDED',
  'OUTSIDE_SCHEDULE',
  'USER_DEACTIVATED',
  'APP_ARCHIVED',
  'PRODUCT_SUSPENDED',
  'PRODUCT_DELETING',
  'ENGINE_DESTROYING',
  'IP_NOT_ALLOWED',
  'ORIGIN_NOT_ALLOWED',
  'INSUFFICIENT_SCOPE',
  'MODEL_NOT_ALLOWED',
  'MODEL_DISABLED',
  'RATE_LIMITED',
  'TOKENS_PER_MINUTE',
  'DAILY_TOKENS',
  'BUDGET_EXHAUSTED',
  'IN_FLIGHT_BLOCKED',
  'QUEUE_FULL',
  'QUEUE_TIMEOUT',
  'CANCELLED',
] as const satisfies readonly UserErrorCode[];

export type AdmissionReason = (typeof admissionReasons)[number];

const known: ReadonlySet<string> = new Set(admissionReasons);

export const isAdmissionReason = (text: string): text is AdmissionReason => known.has(text);

/** Whose limit it is. */
export const limitOwnerTypes = {
  KEY: 'The key.',
  USER: 'The user that the request is for.',
  TEAM_USER_SHARE: "What one user can take of the team's limits.",
  TEAM: "The user's team.",
  PRODUCT: 'The product.',
  TENANT: 'The tenant.',
  MODEL: 'The model: how many requests for it run and wait.',
  GATEWAY: 'The gateway: how many requests it runs.',
  DEPLOYMENT: 'All of the deployment.',
} as const;

export type LimitOwnerType = keyof typeof limitOwnerTypes;

export const limitNames = {
  REQUESTS_PER_MINUTE: 'Requests in any 60 seconds.',
  TOKENS_PER_MINUTE: 'Input and output tokens in any 60 seconds.',
  TOKENS_PER_DAY: "Input and output tokens in a calendar day of the tenant's time zone.",
  BUDGET_TOKENS: 'Input and output tokens in the period of the budget.',
  BUDGET_COST_USD: 'US dollars in the period of the budget.',
  MAX_IN_FLIGHT: 'Requests that run at the same time.',
  QUEUE_LENGTH: 'Requests that wait at the same time.',
} as const;

export type LimitName = keyof typeof limitNames;

/** How far a limit is used up. Amounts are texts: tokens, requests or dollars. Times are milliseconds since 1970. */
export interface LimitView {
  readonly owner: {
    readonly type: LimitOwnerType;
    /** Null: the deployment, or a model that the registry does not have. */
    readonly id: string | null;
    /** Of the part of one user of a team's limits: that user. */
    readonly userId: string | null;
  };
  readonly name: LimitName;
  readonly limit: string;
  readonly used: string;
  readonly remaining: string;
  readonly resetAt: number | null;
}

export interface RefusalView {
  readonly reason: AdmissionReason;
  readonly message: string;
  readonly limit: LimitView | null;
  readonly retryAfterMs: number | null;
  readonly retryable: boolean;
  readonly permanent: boolean;
}

/** A refusal that no limit is the reason of. */
export const refusalFor = (reason: AdmissionReason, rest: Partial<RefusalView> = {}): RefusalView => ({
  reason,
  message: userErrorCodes[reason],
  limit: null,
  retryAfterMs: null,
  retryable: false,
  permanent: false,
  ...rest,
});

/** The largest that an Int of the graph has: a little less than 25 days. */
export const intMax = 2_147_483_647;

const reasonByLimit = {
  REQUESTS_PER_MINUTE: 'RATE_LIMITED',
  TOKENS_PER_MINUTE: 'TOKENS_PER_MINUTE',
  TOKENS_PER_DAY: 'DAILY_TOKENS',
  BUDGET_TOKENS: 'BUDGET_EXHAUSTED',
  BUDGET_COST_USD: 'BUDGET_EXHAUSTED',
} as const satisfies Record<CountLimitName | 'BUDGET_COST_USD', AdmissionReason>;

/** An amount of a limit as text: counts as they are, money in dollars. */
export const amountText = (amount: number | bigint): string =>
  typeof amount === 'bigint' ? priceText(usdOfNanoCost(amount)) : String(amount);

export const ownerView = (owner: LimitOwner): LimitView['owner'] =>
  owner.type === 'TEAM_USER_SHARE'
    ? { type: owner.type, id: owner.teamId, userId: owner.userId }
    : { type: owner.type, id: owner.id, userId: null };

const ownerNames: Readonly<Record<LimitOwnerType, string>> = {
  KEY: 'the key',
  USER: 'the user',
  TEAM_USER_SHARE: "what one user can take of the team's limit",
  TEAM: 'the team',
  PRODUCT: 'the product',
  TENANT: 'the tenant',
  MODEL: 'the model',
  GATEWAY: 'the gateway',
  DEPLOYMENT: 'the deployment',
};

/** The refusal of the ledger in the words of the graph. */
export function refusalOfLimit(refusal: LedgerRefusal): RefusalView {
  const { name, owner, permanent, passesAfterMs } = refusal;
  const limit: LimitView = {
    owner: ownerView(owner),
    name,
    limit: amountText(refusal.limit),
    used: amountText(refusal.used),
    remaining: amountText(refusal.remaining),
    resetAt: refusal.resetAt,
  };
  const what = `${userErrorCodes[reasonByLimit[name]].replace(/\.$/, '')}: ${limit.used} of ${limit.limit} of ${ownerNames[owner.type]} are used`;
  return {
    reason: reasonByLimit[name],
    message: permanent
      ? `${what}, and the request asks for ${amountText(refusal.requested)}: more than it can ever have.`
      : `${what}, and the request asks for ${amountText(refusal.requested)}.`,
    limit,
    // One that is further away than an Int can say is asked again too soon, and told again.
    retryAfterMs: passesAfterMs === null ? null : Math.min(passesAfterMs, intMax),
    retryable: passesAfterMs !== null,
    permanent,
  };
}
