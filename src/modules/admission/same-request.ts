import { foldName } from '../../graph/commands/validation.ts';
import type { Held } from './leases.ts';
import type { AdmitCall } from './owner.ts';

/** What of a request does not change when it is asked for again; how long it may wait and be held does. */
interface Asked
  extends Pick<
    AdmitCall,
    'keyId' | 'model' | 'estimatedInputTokens' | 'estimatedOutputTokens' | 'gatewayId' | 'sessionId' | 'requestType'
  > {
  /** Undefined: not known any more. */
  readonly userExternalId: string | null | undefined;
}

/** What was asked for by the one who holds a lease. */
export const askedFor = ({ row, userExternalId }: Held): Asked => ({
  keyId: row.keyId,
  model: row.modelName,
  estimatedInputTokens: Number(row.estimatedInputTokens),
  estimatedOutputTokens: Number(row.estimatedOutputTokens),
  gatewayId: row.gatewayId,
  sessionId: row.sessionId,
  requestType: row.requestType,
  userExternalId,
});

const exactly = [
  'keyId',
  'estimatedInputTokens',
  'estimatedOutputTokens',
  'gatewayId',
  'sessionId',
  'requestType',
] as const;

const foldedModel = ({ model }: Pick<Asked, 'model'>): string => foldName(model.trim());

/**
 * Whether a request is asked for that was asked for before, and not another one under the same id: gateways may take
 * ids over from their callers, of whom none is to have another's slot, at another's expense.
 */
export const isSameRequest = (call: AdmitCall, before: Asked): boolean =>
  exactly.every((field) => call[field] === before[field]) &&
  foldedModel(call) === foldedModel(before) &&
  (before.userExternalId === undefined || before.userExternalId === call.userExternalId);
