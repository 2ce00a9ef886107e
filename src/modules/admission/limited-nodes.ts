import type { Database } from '../../database/database.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import type { LimitsRow } from '../limits/limits.ts';
import { hasTenant } from './decision.ts';
import type { LimitTarget } from './owner.ts';
import type { Limited } from './parties.ts';

interface Parts {
  readonly database: Database;
  readonly directory: KeyDirectory;
}

const withLimits = <Row extends LimitsRow & { readonly id: string }>(row: Row) => ({ ...row, limits: row });

/** Somebody with limits and all above; nothing when there is none of that id. */
export async function limitedNode(
  { type, id }: LimitTarget,
  { database, directory }: Parts,
): Promise<Limited | 'WITHOUT_TENANT' | null> {
  const { prisma } = database;
  const where = { id };
  switch (type) {
    case 'KEY': {
      const identity = await directory.findById(id);
      if (identity === undefined) return null;
      return hasTenant(identity) ? identity : 'WITHOUT_TENANT';
    }
    case 'USER': {
      const row = await prisma.user.findUnique({ where, include: { tenant: true, team: true } });
      if (row === null) return null;
      const team = row.team && withLimits(row.team);
      return { user: { ...withLimits(row), team }, tenant: withLimits(row.tenant) };
    }
    case 'TEAM': {
      const row = await prisma.team.findUnique({ where, include: { tenant: true } });
      return row && { team: withLimits(row), tenant: withLimits(row.tenant) };
    }
    case 'PRODUCT': {
      const row = await prisma.product.findUnique({ where, include: { tenant: true } });
      return row && { product: withLimits(row), tenant: withLimits(row.tenant) };
    }
    case 'TENANT': {
      const row = await prisma.tenant.findUnique({ where });
      return row && { tenant: withLimits(row) };
    }
  }
}
