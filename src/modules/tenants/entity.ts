import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { Tenant } from '../../database/generated/client.ts';
import { fairshareGroups } from '../fairshare-groups/entity.ts';
import { limitColumns } from '../limits/limits.ts';

export const tenants = defineEntity<Tenant>()({
  name: 'Tenant',
  table: 'tenant',
  columns: [
    'id',
    'name',
    'nameFolded',
    'description',
    'organization',
    'contactEmail',
    'status',
    'weight',
    'fairshareGroupId',
    'timeZone',
    'activeFrom',
    'activeUntil',
    'weeklyWindows',
    'allowedModels',
    'tracingEnabled',
    'guardrailsPolicy',
    'synthetic',
    'revision',
    'createdAt',
    'updatedAt',
    ...limitColumns,
  ],
  sorts: { nameFolded: 'text', weight: 'integer', createdAt: 'time' },
  unique: ['nameFolded'],
  owners: { tenant: 'id', product: 'shared', engine: 'shared', user: 'shared', app: 'shared' },
  fields: { limits: limitColumns, teams: ['id'], users: ['id'], apps: ['id'], products: ['id'] },
  joins: { fairshareGroup: { entity: fairshareGroups, by: 'fairshareGroupId' } },
});

export type TenantRow = EntityRow<typeof tenants>;
