import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { App } from '../../database/generated/client.ts';

export const apps = defineEntity<App>()({
  name: 'App',
  table: 'app',
  columns: [
    'id',
    'tenantId',
    'name',
    'nameFolded',
    'description',
    'status',
    'inference',
    'revision',
    'createdAt',
    'updatedAt',
  ],
  sorts: { nameFolded: 'text', createdAt: 'time' },
  owners: { tenant: 'tenantId', app: 'id' },
  fields: { tenant: ['tenantId'] },
});

export type AppRow = EntityRow<typeof apps>;
