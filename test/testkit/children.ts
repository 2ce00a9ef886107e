import type { Transaction } from '../../src/database/database.ts';
import type { Children } from '../../src/graph/children.ts';
import type { TestApp } from './app.ts';

/** What can have children of a made-up kind: the table of its rows, and the service that deletes them. */
const parents = {
  Tenant: { table: 'tenant', service: 'tenants' },
  App: { table: 'app', service: 'apps' },
  User: { table: 'tenant_user', service: 'users' },
} as const;

export type ParentType = keyof typeof parents;

export const isParentType = (type: string): type is ParentType => Object.hasOwn(parents, type);

/** Rows of a made-up module that belong to rows of a type, some of them in use. */
export class ScratchChildren implements Children {
  readonly type = 'Scratch';
  readonly #table: string;
  readonly #app: TestApp;

  private constructor(app: TestApp, table: string) {
    this.#app = app;
    this.#table = table;
  }

  /** Makes the table and has its rows counted and deleted with their parents. */
  static async register(app: TestApp, parent: ParentType): Promise<ScratchChildren> {
    const { table, service } = parents[parent];
    const children = new ScratchChildren(app, `scratch_child_of_${table}`);
    await app.app.database.pool.query(
      `CREATE TABLE ${children.#table} (parent_id uuid NOT NULL REFERENCES ${table} (id), live boolean NOT NULL)`,
    );
    app.app.services[service].addChildren(children);
    return children;
  }

  /** @param parentId the UUID of the parent's row */
  async add(parentId: string, live: boolean): Promise<void> {
    await this.#app.app.database.pool.query(`INSERT INTO ${this.#table} VALUES ($1, $2)`, [parentId, live]);
  }

  /** All of a parent's, in use or not. */
  async count(parentId: string): Promise<number> {
    const { rows } = await this.#app.app.database.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${this.#table} WHERE parent_id = $1`,
      [parentId],
    );
    return rows[0]?.count ?? 0;
  }

  async countLive({ prisma }: Transaction, parentId: string): Promise<number> {
    const [row] = await prisma.$queryRawUnsafe<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM ${this.#table} WHERE live AND parent_id = $1::uuid`,
      parentId,
    );
    return row?.count ?? 0;
  }

  async deleteAll({ prisma }: Transaction, parentId: string): Promise<void> {
    await prisma.$executeRawUnsafe(`DELETE FROM ${this.#table} WHERE parent_id = $1::uuid`, parentId);
  }
}
