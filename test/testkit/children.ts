import type { Transaction } from '../../src/database/database.ts';
import type { Children } from '../../src/graph/children.ts';
import type { TestApp } from './app.ts';

/** Rows of a made-up module that belong to tenants, some of them in use. */
export class ScratchChildren implements Children {
  readonly type = 'Scratch';
  readonly #table = 'scratch_child';
  readonly #app: TestApp;

  private constructor(app: TestApp) {
    this.#app = app;
  }

  /** Makes the table and has its rows counted and deleted with their tenants. */
  static async register(app: TestApp): Promise<ScratchChildren> {
    const children = new ScratchChildren(app);
    await app.app.database.pool.query(
      `CREATE TABLE ${children.#table} (tenant_id uuid NOT NULL REFERENCES tenant (id), live boolean NOT NULL)`,
    );
    app.app.services.tenants.addChildren(children);
    return children;
  }

  /** @param tenantId the UUID of the tenant's row */
  async add(tenantId: string, live: boolean): Promise<void> {
    await this.#app.app.database.pool.query(`INSERT INTO ${this.#table} VALUES ($1, $2)`, [tenantId, live]);
  }

  /** All of a tenant's, in use or not. */
  async count(tenantId: string): Promise<number> {
    const { rows } = await this.#app.app.database.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${this.#table} WHERE tenant_id = $1`,
      [tenantId],
    );
    return rows[0]?.count ?? 0;
  }

  async countLive({ prisma }: Transaction, tenantId: string): Promise<number> {
    const [row] = await prisma.$queryRawUnsafe<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM ${this.#table} WHERE live AND tenant_id = $1::uuid`,
      tenantId,
    );
    return row?.count ?? 0;
  }

  async deleteAll({ prisma }: Transaction, tenantId: string): Promise<void> {
    await prisma.$executeRawUnsafe(`DELETE FROM ${this.#table} WHERE tenant_id = $1::uuid`, tenantId);
  }
}
