import type { Prisma } from '../../database/generated/client.ts';
import { foldName } from '../../graph/commands/validation.ts';
import { limitColumns, limitsData } from '../limits/limits.ts';
import type { ApiKeyRow } from './entity.ts';
import type { UpdateKey } from './input.ts';

/** Columns of a key to write. */
export type KeyData = Omit<Partial<ApiKeyRow>, 'metadata'> & {
  readonly metadata?: Prisma.InputJsonObject & Prisma.JsonObject;
};

type Patch = Omit<UpdateKey, 'keyId' | 'expectedRevision'>;

/** The columns that a patch sets: an omitted field stays, null clears a list or the expiry. */
export function keyData(patch: Patch, row: ApiKeyRow, now: Date): KeyData {
  const { name, scopes, allowedOrigins, allowedIpRanges, allowedModels, limits, expiresAt, metadata, weight } = patch;
  return {
    ...(name === undefined ? {} : { name, nameFolded: foldName(name) }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    ...(allowedIpRanges === undefined ? {} : { allowedIpRanges: allowedIpRanges ?? [] }),
    ...(allowedModels === undefined ? {} : { allowedModels: allowedModels ?? [] }),
    ...(weight === undefined ? {} : { weight }),
    ...(limits === undefined ? {} : limitsData(limits, row, now)),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(metadata === undefined ? {} : { metadata: metadata as Prisma.InputJsonObject & Prisma.JsonObject }),
  };
}

const powers: ReadonlySet<string> = new Set([
  'scopes',
  'allowedOrigins',
  'allowedIpRanges',
  'allowedModels',
  'weight',
  'expiresAt',
  ...limitColumns,
]);

/** Whether the data touches what a key can do; a new name does not. */
export const widens = (data: KeyData): boolean => Object.keys(data).some((field) => powers.has(field));
