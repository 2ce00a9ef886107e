import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { Product, ProductPolicyVersion } from '../../database/generated/client.ts';
import { limitColumns } from '../limits/limits.ts';
import { policyColumns } from './policy.ts';

export const products = defineEntity<Product>()({
  name: 'Product',
  table: 'product',
  columns: [
    'id',
    'tenantId',
    'slug',
    'displayName',
    'displayNameFolded',
    'status',
    'policyVersion',
    ...policyColumns,
    ...limitColumns,
    'revision',
    'createdAt',
    'updatedAt',
  ],
  sorts: { slug: 'text', displayNameFolded: 'text', createdAt: 'time' },
  unique: ['slug'],
  owners: { tenant: 'tenantId', product: 'id', engine: 'shared' },
  fields: {
    tenant: ['tenantId'],
    limits: limitColumns,
    policy: ['policyVersion', ...policyColumns],
    policyVersion: ['id'],
    policyVersions: ['id'],
    engines: ['id'],
    engineSummary: ['id'],
    apiKeys: ['id'],
  },
});

export type ProductRow = EntityRow<typeof products>;

export const policyVersions = defineEntity<ProductPolicyVersion>()({
  name: 'ProductPolicyVersion',
  table: 'product_policy_version',
  columns: [
    'id',
    'tenantId',
    'productId',
    'version',
    ...policyColumns,
    'revertedFrom',
    'createdAt',
    'createdById',
    'createdByName',
  ],
  sorts: { version: 'integer' },
  // Within one product, and no list has those of several.
  unique: ['version'],
  owners: { tenant: 'tenantId', product: 'productId', engine: 'shared' },
  fields: { policy: ['version', ...policyColumns], createdBy: ['createdById', 'createdByName'] },
  joins: { product: { entity: products, by: 'productId' } },
});

export type PolicyVersionRow = EntityRow<typeof policyVersions>;
