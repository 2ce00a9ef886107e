import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { User } from '../../database/generated/client.ts';
import { limitColumns } from '../limits/limits.ts';

export const users = defineEntity<User>()({
  name: 'User',
  table: 'tenant_user',
  columns: [
    'id',
    'tenantId',
    'teamId',
    'externalId',
    'displayName',
    'email',
    'status',
    'deactivatedAt',
    'metadata',
    'revision',
    'createdAt',
    'updatedAt',
    ...limitColumns,
  ],
  sorts: { externalId: 'text', createdAt: 'time' },
  owners: { tenant: 'tenantId', user: 'id' },
  fields: { limits: limitColumns, tenant: ['tenantId'], team: ['teamId'] },
});

export type UserRow = EntityRow<typeof users>;
