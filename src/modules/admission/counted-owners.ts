import type { Database } from '../../database/database.ts';
import type { Layer } from '../limits/ledger/layers.ts';

/** Whose use is counted. */
export type CountedOwner = Layer['owner'];

/** Whose counters have this name. */
export function countedOwner(key: string): CountedOwner | undefined {
  const [type, id, userId] = key.split(':');
  if (id === undefined) return undefined;
  switch (type) {
    case 'KEY':
    case 'USER':
    case 'TEAM':
    case 'PRODUCT':
    case 'TENANT':
      return { type, id };
    case 'TEAM_USER_SHARE':
      return userId === undefined ? undefined : { type, teamId: id, userId };
    default:
      return undefined;
  }
}

/** Of these counters, those whose owner was deleted, or one of both: each is looked up by its id. */
export async function withoutOwner({ prisma }: Database, keys: readonly string[]): Promise<string[]> {
  const owners = keys.flatMap((key) => {
    const owner = countedOwner(key);
    if (owner === undefined) return [];
    const ids = owner.type === 'TEAM_USER_SHARE' ? [owner.teamId, owner.userId] : [owner.id, null];
    return [{ key, type: owner.type, id: ids[0], user_id: ids[1] }];
  });
  if (owners.length === 0) return [];
  const rows = await prisma.$queryRaw<{ key: string }[]>`
    SELECT owner.key FROM jsonb_to_recordset(${JSON.stringify(owners)}::jsonb)
      AS owner (key text, type text, id uuid, user_id uuid)
    WHERE NOT CASE owner.type
      WHEN 'KEY' THEN EXISTS (SELECT FROM api_key AS t WHERE t.id = owner.id)
      WHEN 'USER' THEN EXISTS (SELECT FROM tenant_user AS t WHERE t.id = owner.id)
      WHEN 'TEAM' THEN EXISTS (SELECT FROM team AS t WHERE t.id = owner.id)
      WHEN 'PRODUCT' THEN EXISTS (SELECT FROM product AS t WHERE t.id = owner.id)
      WHEN 'TENANT' THEN EXISTS (SELECT FROM tenant AS t WHERE t.id = owner.id)
      ELSE EXISTS (SELECT FROM team AS t WHERE t.id = owner.id)
        AND EXISTS (SELECT FROM tenant_user AS t WHERE t.id = owner.user_id)
    END
  `;
  return rows.map(({ key }) => key);
}
