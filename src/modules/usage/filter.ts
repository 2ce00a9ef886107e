import { Prisma } from '../../database/generated/client.ts';
import type { UsageSettlement } from '../../database/generated/enums.ts';
import { Conditions, type TimeConditions } from '../../graph/conditions.ts';
import { usageRecords } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** How requests end, as far as their status code says it. */
export const usageOutcomes = {
  SUCCESS: 'It was answered: the status code is below 400.',
  ERROR: 'It failed: the status code is 400 or above.',
} as const;

/** Which records are wanted: those that meet every condition given. Ids are UUIDs. */
export interface UsageRecordFilter {
  readonly tenantId?: Optional<string>;
  readonly keyId?: Optional<string>;
  readonly userId?: Optional<string>;
  readonly productId?: Optional<string>;
  readonly modelId?: Optional<string>;
  readonly gatewayId?: Optional<string>;
  readonly settlements?: Optional<readonly UsageSettlement[]>;
  readonly outcome?: Optional<keyof typeof usageOutcomes>;
  readonly requestId?: Optional<string>;
  readonly sessionId?: Optional<string>;
  readonly requestTypes?: Optional<readonly string[]>;
  readonly completedAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

const ofOutcome = {
  // The same words as in the index of failed requests.
  ERROR: sql`t.status_code >= 400`,
  SUCCESS: sql`t.status_code < 400`,
} as const satisfies Record<keyof typeof usageOutcomes, Prisma.Sql>;

/** The conditions in SQL. */
export const usageConditions = (filter: UsageRecordFilter): Prisma.Sql[] =>
  new Conditions()
    .add(filter.tenantId, (id) => sql`t.tenant_id = ${id}::uuid`)
    .add(filter.keyId, (id) => sql`t.key_id = ${id}::uuid`)
    .add(filter.userId, (id) => sql`t.user_id = ${id}::uuid`)
    .add(filter.productId, (id) => sql`t.product_id = ${id}::uuid`)
    .add(filter.modelId, (id) => sql`t.model_id = ${id}::uuid`)
    .add(filter.gatewayId, (id) => sql`t.gateway_id = ${id}::uuid`)
    .add(filter.settlements, (list) => sql`t.settlement = ANY(${[...list]}::usage_settlement[])`)
    .add(filter.outcome, (outcome) => ofOutcome[outcome])
    .text(usageRecords.column('requestId'), { startsWith: filter.requestId })
    .text(usageRecords.column('sessionId'), { equals: filter.sessionId })
    .add(filter.requestTypes, (types) => sql`t.request_type = ANY(${[...types]}::text[])`)
    .time(usageRecords.column('completedAt'), filter.completedAt).all;
