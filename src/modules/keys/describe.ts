import type { JsonObject } from '../../graph/audit.ts';
import { encodeId, type NodeType } from '../../graph/ids.ts';
import { describeLimits } from '../limits/limits.ts';
import type { ApiKeyRow } from './entity.ts';

const idOrNull = (type: NodeType, id: string | null): string | null => (id === null ? null : encodeId(type, id));
const anyOr = (list: readonly string[]): readonly string[] | null => (list.length === 0 ? null : list);

/** A key in the words of the graph, for the audit log. */
export const describeKey = (row: ApiKeyRow): JsonObject => ({
  kind: row.kind,
  name: row.name,
  tenantId: idOrNull('Tenant', row.tenantId),
  userId: idOrNull('User', row.userId),
  appId: idOrNull('App', row.appId),
  productId: idOrNull('Product', row.productId),
  engineId: idOrNull('Engine', row.engineId),
  environment: row.environment,
  scopes: row.scopes,
  allowedOrigins: anyOr(row.allowedOrigins),
  allowedIpRanges: anyOr(row.allowedIpRanges),
  allowedModels: anyOr(row.allowedModels),
  weight: row.weight,
  limits: describeLimits(row),
  // Prisma's JSON type is wider than what the rules let in.
  metadata: row.metadata as JsonObject,
  expiresAt: row.expiresAt?.toISOString() ?? null,
  disabledAt: row.disabledAt?.toISOString() ?? null,
  revokedAt: row.revokedAt?.toISOString() ?? null,
  revokedReason: row.revokedReason,
  start: row.start,
  retiringUntil: row.retiringUntil?.toISOString() ?? null,
  rotatedAt: row.rotatedAt?.toISOString() ?? null,
  revision: row.revision,
});

/** What the audit log and the announcement of a change say of where the key belongs. */
export const aboutKey = ({ id, tenantId }: Pick<ApiKeyRow, 'id' | 'tenantId'>) => ({
  target: { type: 'ApiKey', id } as const,
  ...(tenantId === null ? {} : { tenantId }),
});
