import { defineEntity, type EntityRow } from '../../database/entity.ts';
import { type Model, Prisma } from '../../database/generated/client.ts';
import { priceColumns } from './prices.ts';

const { sql } = Prisma;

export const models = defineEntity<Model>()({
  name: 'Model',
  table: 'model',
  columns: [
    'id',
    'name',
    'nameFolded',
    'description',
    'type',
    'admissionWeightPercent',
    'isEnabled',
    'revision',
    'createdAt',
    'updatedAt',
    ...priceColumns,
  ],
  sorts: { nameFolded: 'text', createdAt: 'time' },
  unique: ['nameFolded'],
  owners: {
    // A tenant sees what it may use: the models of its allow-list, or every one when it has none.
    tenant: (id) =>
      sql`EXISTS (
        SELECT FROM tenant AS own
        WHERE own.id = ${id}::uuid AND (cardinality(own.allowed_models) = 0 OR t.name = ANY(own.allowed_models))
      )`,
    product: 'shared',
    engine: 'shared',
    user: 'shared',
    app: 'shared',
  },
  fields: { prices: priceColumns, capacity: ['id'] },
});

export type ModelRow = EntityRow<typeof models>;
