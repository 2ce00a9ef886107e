import { defineEntity, type EntityRow } from '../../database/entity.ts';
import { type FairshareGroup, Prisma } from '../../database/generated/client.ts';

const { sql } = Prisma;

export const fairshareGroups = defineEntity<FairshareGroup>()({
  name: 'FairshareGroup',
  table: 'fairshare_group',
  columns: ['id', 'name', 'nameFolded', 'weight', 'isDefault', 'revision', 'createdAt', 'updatedAt'],
  sorts: { nameFolded: 'text', weight: 'integer', createdAt: 'time' },
  unique: ['nameFolded'],
  owners: {
    // A tenant sees the group that it is in.
    tenant: (id) =>
      sql`EXISTS (SELECT FROM tenant AS own WHERE own.fairshare_group_id = t.id AND own.id = ${id}::uuid)`,
  },
  fields: { tenants: ['id'] },
});

export type FairshareGroupRow = EntityRow<typeof fairshareGroups>;
