import { defineEntity, type EntityRow } from '../../database/entity.ts';
import type { AuditEntry } from '../../database/generated/client.ts';

export const auditEntries = defineEntity<AuditEntry>()({
  name: 'AuditEntry',
  table: 'audit_entry',
  columns: [
    'id',
    'chainId',
    'sequence',
    'previousHash',
    'hash',
    'occurredAt',
    'actorKind',
    'actorId',
    'actorName',
    'action',
    'targetType',
    'targetId',
    'outcome',
    'errorCode',
    'attempts',
    'before',
    'after',
    'requestId',
    'ipAddress',
    'userAgent',
  ],
  sorts: { occurredAt: 'time', sequence: 'integer' },
  owners: { tenant: 'chainId' },
  fields: {
    actor: ['actorKind', 'actorId', 'actorName'],
    target: ['targetType', 'targetId'],
    tenantId: ['chainId'],
  },
});

export type AuditEntryRow = EntityRow<typeof auditEntries>;
