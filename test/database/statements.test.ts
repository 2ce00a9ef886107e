import { describe, expect, it } from 'vitest';
import { inBackground, repeatInBackground } from '../../src/database/background.ts';
import { startTestApp } from '../testkit/app.ts';
import { Seed } from '../testkit/seed.ts';

const app = await startTestApp();
const { database, rejections } = app.app;

describe('the statements that are recorded of an operation', () => {
  it('are not those of what runs in the background meanwhile', async () => {
    await new Seed(app).tenant();
    const turn = Promise.withResolvers<void>();
    const { statements } = await database.statements.during(async () => {
      const stop = repeatInBackground(1, async () => {
        stop();
        await database.prisma.$queryRaw`SELECT 'of every second'`;
        // A transaction, which is another way through the pool.
        await rejections.flush();
        turn.resolve();
      });
      await Promise.all([
        turn.promise,
        inBackground(() => database.prisma.$queryRaw`SELECT 'now'`),
        app.operator.send('{ tenants { edges { node { name } } } }', {}),
      ]);
    });
    expect(statements).toEqual([expect.stringContaining('FROM "tenant" AS t')]);
  });

  it('are all of its own, inside of transactions and outside', async () => {
    const { statements } = await database.statements.during(async () => {
      await database.prisma.$queryRaw`SELECT 'outside'`;
      await database.transaction(({ prisma }) => prisma.$queryRaw`SELECT 'inside'`);
    });
    expect(statements).toEqual(["SELECT 'outside'", 'BEGIN', "SELECT 'inside'", 'COMMIT']);
  });
});
