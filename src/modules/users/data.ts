import type { JsonObject } from '../../graph/audit.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { definedOf } from '../../graph/patches.ts';
import { describeLimits, limitsData } from '../limits/limits.ts';
import type { UserRow } from './entity.ts';
import type { NewUser } from './input.ts';

/** The row of a new user. */
export const newUserData = ({ externalId, teamId, limits, ...details }: NewUser, tenantId: string, now: Date) => ({
  ...definedOf(details),
  ...limitsData(limits ?? {}, {}, now),
  id: newId(),
  tenantId,
  teamId: teamId ?? null,
  externalId,
  createdAt: now,
  updatedAt: now,
});

/** The metadata of a row: the rules let objects in only. */
export const metadataOf = ({ metadata }: Pick<UserRow, 'metadata'>): JsonObject => metadata as JsonObject;

/** A user in the words of the graph, for the audit log. */
export const describeUser = (row: UserRow): JsonObject => ({
  tenantId: encodeId('Tenant', row.tenantId),
  teamId: row.teamId === null ? null : encodeId('Team', row.teamId),
  externalId: row.externalId,
  displayName: row.displayName,
  email: row.email,
  status: row.status,
  deactivatedAt: row.deactivatedAt?.toISOString() ?? null,
  metadata: metadataOf(row),
  limits: describeLimits(row),
  revision: row.revision,
});
