import { z } from 'zod';
import { externalId, idOf, plainText, rule } from '../../graph/commands/validation.ts';
import { isGiven } from '../../graph/given.ts';
import { priorities } from './owner.ts';

const tokensMax = 10_000_000;
const unitsMax = 1_000_000;
const millisecondsMax = 2_147_483_647;

export const bounds = {
  tokens: `0 to ${tokensMax.toLocaleString('en')}`,
  units: `0 to ${unitsMax.toLocaleString('en')}`,
  leaseSeconds: '5 to 3,600',
} as const;

const tokenMessage = `A request has ${bounds.tokens} tokens of each kind.`;
const tokens = z.int().min(0, tokenMessage).max(tokensMax, tokenMessage);

const leaseMessage = `A lease lasts ${bounds.leaseSeconds} seconds from each renewal.`;
const leaseSeconds = z.int().min(5, leaseMessage).max(3_600, leaseMessage);

/** What callers call something of theirs, on one line. */
const reference = (what: string) => plainText(255).min(1, `${what} has 1 to 255 characters.`);

/** What is wrong with a value says more than that there are two. */
const hasNoIssues = ({ issues }: { readonly issues: readonly unknown[] }): boolean => issues.length === 0;

/** What a request is, whether it is made or only asked about. */
const wishFields = {
  key: z.string().min(1, 'A key has more characters.').max(1_000, 'A key has fewer characters.').nullish(),
  keyId: idOf('ApiKey').nullish(),
  model: reference('The name of a model'),
  estimatedInputTokens: tokens,
  estimatedOutputTokens: tokens,
  userExternalId: externalId.nullish(),
  deadline: z.date().nullish(),
  priority: z.enum(priorities).default('NORMAL'),
  gatewayId: idOf('Gateway').nullish(),
  origin: plainText(2_000).nullish(),
  ipAddress: plainText(64).nullish(),
};

const admitFields = {
  ...wishFields,
  requestId: reference('A request id').nullish(),
  sessionId: reference('A session id').nullish(),
  requestType: reference('A type of requests').default('chat'),
  leaseSeconds: leaseSeconds.default(60),
};

type NamedKey = Readonly<Partial<Record<'key' | 'keyId', string | null | undefined>>>;

const isOneKey = ({ key, keyId }: NamedKey): boolean => isGiven(key) !== isGiven(keyId);

const oneKeyRule = () => ({
  ...rule('EXACTLY_ONE', 'Give the key itself or its id, and not both.'),
  when: hasNoIssues,
  path: ['key'],
});

/** The rules of `AdmitRequestInput`. */
export const admitRequestRules = z.object(admitFields).refine(isOneKey, oneKeyRule());

/** The rules of `ExplainAdmissionInput`. */
export const explainAdmissionRules = z.object(wishFields).refine(isOneKey, oneKeyRule());

const gatewayOfLease = { gatewayId: idOf('Gateway').nullish() };

export const renewLeaseRules = z.object({
  leaseId: idOf('Lease'),
  leaseSeconds: leaseSeconds.nullish(),
  ...gatewayOfLease,
});

const unitMessage = `It is ${bounds.units}.`;
const units = z.int().min(0, unitMessage).max(unitsMax, unitMessage).default(0);
const durationMessage = 'A duration is 0 to 2,147,483,647 milliseconds.';
const milliseconds = z.int().min(0, durationMessage).max(millisecondsMax, durationMessage).nullish();
const statusMessage = 'An HTTP status is 100 to 599.';

export const settleRequestRules = z.object({
  leaseId: idOf('Lease'),
  statusCode: z.int().min(100, statusMessage).max(599, statusMessage).default(200),
  inputTokens: tokens,
  outputTokens: tokens,
  images: units,
  audioSeconds: z.number().min(0, unitMessage).max(unitsMax, unitMessage).default(0),
  characters: z.int().min(0, tokenMessage).max(tokensMax, tokenMessage).default(0),
  ttftMs: milliseconds,
  totalMs: milliseconds,
  cacheStatus: z.enum(['HIT', 'MISS', 'OFF']).default('OFF'),
  ...gatewayOfLease,
});

export const cancelRequestRules = z
  .object({ leaseId: idOf('Lease').nullish(), requestId: reference('A request id').nullish(), ...gatewayOfLease })
  .refine(({ leaseId, requestId }) => isGiven(leaseId) !== isGiven(requestId), {
    ...rule('EXACTLY_ONE', 'Give the lease or the request id, and not both.'),
    when: hasNoIssues,
    path: ['leaseId'],
  });

export type AdmitRequest = z.infer<typeof admitRequestRules>;
export type ExplainAdmission = z.infer<typeof explainAdmissionRules>;
export type RenewLease = z.infer<typeof renewLeaseRules>;
export type SettleRequest = z.infer<typeof settleRequestRules>;
export type CancelRequest = z.infer<typeof cancelRequestRules>;

/** How many items a batch has at most. */
export const batchMax = 100;

/** The rules of a list whose items are checked one by one, so that a bad one does not stop the others. */
export const itemsRule = z
  .array(z.unknown())
  .min(1, 'A batch has at least one item.')
  .max(batchMax, `A batch has at most ${batchMax} items.`);
