import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { invalid } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { definedOf } from '../../graph/patches.ts';
import { describeLimits } from '../limits/limits.ts';
import type { TenantRow } from './entity.ts';
import { guardrailsPolicy, type TenantDetails } from './input.ts';
import { storedWindows } from './schedule.ts';

/**
 * The columns that a patch of details changes.
 *
 * @throws {ValidationError} when the tenant would be active until before it is active from
 */
export function detailsData(patch: TenantDetails, row: Partial<TenantRow>) {
  const { weeklyWindows, allowedModels, guardrailsPolicy: policy, ...plain } = patch;
  const activeFrom = patch.activeFrom === undefined ? row.activeFrom : patch.activeFrom;
  const activeUntil = patch.activeUntil === undefined ? row.activeUntil : patch.activeUntil;
  if (activeFrom && activeUntil && activeUntil <= activeFrom) {
    throw invalid(['activeUntil'], 'ENDS_BEFORE_START', 'activeUntil is after activeFrom.');
  }
  return {
    ...definedOf(plain),
    ...(weeklyWindows === undefined ? {} : { weeklyWindows: weeklyWindows ?? Prisma.DbNull }),
    ...(allowedModels === undefined ? {} : { allowedModels: allowedModels ?? [] }),
    ...(policy === undefined ? {} : { guardrailsPolicy: policy ?? Prisma.DbNull }),
  };
}

/** A tenant in the words of the graph, for the audit log. */
export const describeTenant = (row: TenantRow): JsonObject => ({
  name: row.name,
  description: row.description,
  organization: row.organization,
  contactEmail: row.contactEmail,
  status: row.status,
  weight: row.weight,
  fairshareGroupId: encodeId('FairshareGroup', row.fairshareGroup.id),
  timeZone: row.timeZone,
  activeFrom: row.activeFrom?.toISOString() ?? null,
  activeUntil: row.activeUntil?.toISOString() ?? null,
  weeklyWindows: storedWindows.parse(row.weeklyWindows),
  allowedModels: row.allowedModels.length === 0 ? null : row.allowedModels,
  limits: describeLimits(row),
  tracingEnabled: row.tracingEnabled,
  guardrailsPolicy: guardrailsPolicy.nullable().parse(row.guardrailsPolicy),
  synthetic: row.synthetic,
  revision: row.revision,
});
