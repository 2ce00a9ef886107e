import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { Engine } from '../../database/generated/client.ts';
import { products } from '../products/entity.ts';

export const engines = defineEntity<Engine>()({
  name: 'Engine',
  table: 'engine',
  columns: [
    'id',
    'tenantId',
    'productId',
    'userExternalId',
    'status',
    'statusChangedAt',
    'health',
    'message',
    'url',
    'version',
    'bootDurationMs',
    'lastReportAt',
    'revision',
    'createdAt',
    'updatedAt',
  ],
  sorts: { createdAt: 'time', userExternalId: 'text' },
  owners: { tenant: 'tenantId', product: 'productId', engine: 'id' },
  joins: { product: { entity: products, by: 'productId' } },
  fields: {
    targetVersion: ['id', 'product.engineVersion', 'product.rolloutEngineVersion', 'product.rolloutPercent'],
    isOutdated: ['id', 'version', 'product.engineVersion', 'product.rolloutEngineVersion', 'product.rolloutPercent'],
    apiKeys: ['id'],
  },
});

export type EngineRow = EntityRow<typeof engines>;
