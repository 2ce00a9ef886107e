import { hash } from 'node:crypto';
import type { ProductRow } from '../products/entity.ts';

type Versions = Pick<ProductRow, 'engineVersion' | 'rolloutEngineVersion' | 'rolloutPercent'>;

/**
 * Where an engine stands in the rollout of a version: 0 to 99, always the same. Engines below the percentage take part,
 * so those that do stay in while it grows; another version orders them anew, so that not the same ones go first always.
 */
export const bucketOf = (engineId: string, version: string): number =>
  hash('sha256', `${version}\n${engineId}`, 'buffer').readUInt32BE() % 100;

/** The version that an engine should run; null: any. */
export function targetVersion(
  engineId: string,
  { engineVersion, rolloutEngineVersion, rolloutPercent }: Versions,
): string | null {
  if (rolloutEngineVersion === null || rolloutPercent === null) return engineVersion;
  return bucketOf(engineId, rolloutEngineVersion) < rolloutPercent ? rolloutEngineVersion : engineVersion;
}
