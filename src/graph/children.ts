import type { Transaction } from '../database/database.ts';
import type { RowCount, UserError } from './errors.ts';

/** Rows of another module that belong to a row and go with it. */
export interface Children {
  /** The type's name in the graph. */
  readonly type: string;
  /** How many of them are in use; those that are not do not stop the row from being deleted. */
  countLive(transaction: Transaction, parentId: string): Promise<number>;
  /** Deletes all of them. */
  deleteAll(transaction: Transaction, parentId: string): Promise<void>;
}

/** How a row is to be deleted that others belong to. */
interface Deletion {
  readonly cascade: boolean;
  readonly dryRun: boolean;
}

/** What is deleted with a row, and the row itself. */
export interface Removal {
  /** True: nothing was deleted. */
  readonly dryRun: boolean;
  readonly removed: readonly RowCount[];
}

/** Every kind of children that the rows of a module have: the modules of the children add them. */
export class ChildKinds {
  readonly #kinds: Children[] = [];

  add(children: Children): void {
    this.#kinds.push(children);
  }

  /** Those in use, of each kind that has any. */
  async countLive(transaction: Transaction, parentId: string): Promise<readonly RowCount[]> {
    const counts: RowCount[] = [];
    for (const kind of this.#kinds) {
      const count = await kind.countLive(transaction, parentId);
      if (count > 0) counts.push({ type: kind.type, count });
    }
    return counts;
  }

  /**
   * Deletes what belongs to a row that is about to be deleted; in a dry run, only counts it.
   *
   * @param refusal what is thrown when children are in use and shall not be deleted
   */
  async remove(
    transaction: Transaction,
    { type, id }: { readonly type: string; readonly id: string },
    { cascade, dryRun }: Deletion,
    refusal: (children: readonly RowCount[]) => UserError,
  ): Promise<Removal> {
    const children = await this.countLive(transaction, id);
    const removal = { dryRun, removed: [...children, { type, count: 1 }] };
    if (dryRun) return removal;
    if (children.length > 0 && !cascade) throw refusal(children);
    await this.deleteAll(transaction, id);
    return removal;
  }

  /**
   * The kind that was added last goes first: its rows may refer to those of the others. Rows that refer to several kinds
   * and go with each of them are added first, so that they are locked after what they belong to, here as everywhere.
   */
  async deleteAll(transaction: Transaction, parentId: string): Promise<void> {
    for (const kind of this.#kinds.toReversed()) await kind.deleteAll(transaction, parentId);
  }
}
