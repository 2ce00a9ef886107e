import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { FairshareGroup } from '../../database/generated/client.ts';

export const fairshareGroups = defineEntity<FairshareGroup>()({
  name: 'FairshareGroup',
  table: 'fairshare_group',
  columns: ['id', 'name', 'nameFolded', 'weight', 'isDefault', 'revision', 'createdAt', 'updatedAt'],
  sorts: { nameFolded: 'text', weight: 'integer', createdAt: 'time' },
  unique: ['nameFolded'],
  fields: { tenants: ['id'] },
});

export type FairshareGroupRow = EntityRow<typeof fairshareGroups>;
