import { visibleTo } from '../../access/visibility.ts';
import type { Entity } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { CommandScope } from '../../graph/commands/definition.ts';
import { InvalidStateError, NotFoundError } from '../../graph/errors.ts';
import { apps } from '../apps/entity.ts';
import { engines } from '../engines/entity.ts';
import { products } from '../products/entity.ts';
import { users } from '../users/entity.ts';
import type { OwnerField } from './kinds.ts';

/** What a key has to know of whom it belongs to. */
interface OwnerRow {
  readonly id: string;
  readonly tenantId: string;
  readonly productId?: string;
  readonly status: string;
}

/** A kind of rows that keys can belong to. */
interface KeyOwner {
  /** The row as it is, without a lock: its tenant is locked before it. */
  find(scope: CommandScope, id: string, path: readonly string[]): Promise<OwnerRow>;
  /** The row, kept from being deleted until the transaction ends. */
  hold(scope: CommandScope, id: string, path: readonly string[]): Promise<OwnerRow>;
}

/** Owners in these states are refused with all of their keys. */
const endedStates: ReadonlySet<string> = new Set(['ARCHIVED', 'DEACTIVATED', 'DELETING', 'DESTROYING']);

const { sql } = Prisma;

/**
 * @throws {NotFoundError} when there is none that the caller sees
 * @throws {InvalidStateError} from `hold`, when its keys would be refused
 */
function ownerOf<Row extends OwnerRow>(type: string, entity: Entity<Row>): KeyOwner {
  const read = async (
    { principal, transaction }: CommandScope,
    id: string,
    path: readonly string[],
    options: { lock?: 'KEY SHARE' },
  ): Promise<Row> => {
    const where = [sql`t.id = ${id}::uuid`, ...visibleTo(entity, principal)];
    const row = await transaction.reader.find(entity, where, options);
    if (row === undefined) throw new NotFoundError(type, path);
    if (options.lock !== undefined && endedStates.has(row.status)) {
      throw new InvalidStateError(
        `The ${type} is ${row.status.toLowerCase()}, so it gets no new keys.`,
        row.status,
        path,
      );
    }
    return row;
  };
  return {
    find: (scope, id, path) => read(scope, id, path, {}),
    hold: (scope, id, path) => read(scope, id, path, { lock: 'KEY SHARE' }),
  };
}

export const keyOwners: Readonly<Record<OwnerField, KeyOwner>> = {
  appId: ownerOf('application', apps),
  userId: ownerOf('user', users),
  productId: ownerOf('product', products),
  engineId: ownerOf('engine', engines),
};
