import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { Gateway } from '../../database/generated/client.ts';

export const gateways = defineEntity<Gateway>()({
  name: 'Gateway',
  table: 'gateway',
  columns: [
    'id',
    'tenantId',
    'name',
    'nameFolded',
    'version',
    'address',
    'maxInFlight',
    'inFlight',
    'registeredById',
    'registeredByName',
    'keyId',
    'registeredAt',
    'lastHeartbeatAt',
    'leftAt',
    'revision',
    'createdAt',
    'updatedAt',
  ],
  sorts: { nameFolded: 'text', registeredAt: 'time' },
  owners: { tenant: 'tenantId' },
  fields: {
    tenant: ['tenantId'],
    status: ['lastHeartbeatAt', 'leftAt'],
    registeredBy: ['registeredById', 'registeredByName'],
    key: ['keyId'],
    capacity: ['id', 'maxInFlight'],
  },
});

export type GatewayRow = EntityRow<typeof gateways>;
