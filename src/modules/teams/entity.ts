import { defineEntity, type EntityRow } from '../../database/entity.ts';
import { Prisma, type Team } from '../../database/generated/client.ts';
import { limitColumns } from '../limits/limits.ts';

const { sql } = Prisma;

export const teams = defineEntity<Team>()({
  name: 'Team',
  table: 'team',
  columns: [
    'id',
    'tenantId',
    'name',
    'nameFolded',
    'description',
    'revision',
    'createdAt',
    'updatedAt',
    'userSharePercent',
    ...limitColumns,
  ],
  sorts: { nameFolded: 'text', createdAt: 'time' },
  owners: {
    tenant: 'tenantId',
    // A user sees the team that it is in.
    user: (id) => sql`t.id = (SELECT own.team_id FROM tenant_user AS own WHERE own.id = ${id}::uuid)`,
  },
  fields: { limits: limitColumns, tenant: ['tenantId'], users: ['id'] },
});

export type TeamRow = EntityRow<typeof teams>;
