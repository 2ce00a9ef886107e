import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { verify, withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const other = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { clock, operator } = app;
const seed = new Seed(app);
expectNoFailures(other);

const secretOf = (keyId: string) =>
  app.app.database.prisma.apiKeySecret.findFirstOrThrow({ where: { keyId: decodeId('ApiKey', keyId) } });

describe('two programs', () => {
  it('agree on what becomes of a key that both have in memory: the one that changes it at once, the other soon', async () => {
    const { id: keyId, secret } = await seed.key();
    const { id: ownerId, secret: owned } = await seed.key();
    for (const { operator: caller } of [app, other]) {
      expect((await verify(caller, secret)).isValid).toBe(true);
      expect((await verify(caller, owned)).isValid).toBe(true);
    }
    await seed.run('revokeKey', { keyId });
    expect((await verify(operator, secret)).reason).toBe('REVOKED');
    expect((await withSecret(app, secret).send('{ viewer { kind } }', {})).status).toBe(401);
    await expect.poll(async () => (await verify(other.operator, secret)).reason).toBe('REVOKED');
    await expect.poll(async () => (await withSecret(other, secret).send('{ viewer { kind } }', {})).status).toBe(401);
    await seed.run('revokeKeysBulk', { filter: { ids: [ownerId] } });
    expect((await verify(operator, owned)).reason).toBe('REVOKED');
    await expect.poll(async () => (await verify(other.operator, owned)).reason).toBe('REVOKED');
  });

  it('refuse a key at its deadline to the millisecond, whatever they have in memory', async () => {
    const { secret } = await seed.key({ expiresAt: new Date(clock.now().getTime() + 1_000).toISOString() });
    for (const ms of [0, 999]) {
      clock.advance(ms);
      for (const { operator: caller } of [app, other]) expect((await verify(caller, secret)).isValid).toBe(true);
    }
    clock.advance(1);
    for (const { operator: caller } of [app, other]) expect((await verify(caller, secret)).reason).toBe('EXPIRED');
  });

  it('count every use of a key once, though both write', async () => {
    const { id, secret } = await seed.key();
    await Promise.all(
      [app, other].flatMap(({ operator: caller }) => Array.from({ length: 25 }, () => verify(caller, secret))),
    );
    await withSecret(other, secret).send('{ viewer { kind } }', {});
    await Promise.all([app, other, app, other].map(({ app: program }) => program.keyUsage.flush()));
    expect(await secretOf(id)).toMatchObject({ useCount: 51n, lastUsedAt: clock.now() });
  });
});

describe('the use of a key', () => {
  it('is not counted when it is refused', async () => {
    const { id, secret } = await seed.key();
    await verify(operator, { key: secret, requiredScopes: ['keys:write'] });
    await seed.run('disableKey', { keyId: id });
    await verify(operator, secret);
    await app.app.keyUsage.flush();
    expect(await secretOf(id)).toMatchObject({ useCount: 0n, lastUsedAt: null });
  });

  it('never goes back in time, and changes neither the revision of the key nor the audit log', async () => {
    const { id, secret } = await seed.key();
    await verify(operator, secret);
    clock.advance(1_000);
    await verify(other.operator, secret);
    await other.app.keyUsage.flush();
    await app.app.keyUsage.flush();
    const key = await app.app.database.prisma.apiKey.findUniqueOrThrow({ where: { id: decodeId('ApiKey', id) } });
    expect(key).toMatchObject({ lastUsedAt: clock.now(), revision: 1, updatedAt: key.createdAt });
  });

  it('waits for the next turn when the database refuses one, and is counted once', async () => {
    const { id, secret } = await seed.key();
    await verify(operator, secret);
    const { pool } = app.app.database;
    await pool.query(`
      CREATE FUNCTION refuse_use() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
      CREATE TRIGGER refuse_use BEFORE UPDATE ON api_key_secret EXECUTE FUNCTION refuse_use();
    `);
    await expect(app.app.keyUsage.flush()).rejects.toThrow();
    await verify(operator, secret);
    await pool.query('DROP TRIGGER refuse_use ON api_key_secret; DROP FUNCTION refuse_use');
    await app.app.keyUsage.flush();
    expect((await secretOf(id)).useCount).toBe(2n);
  });

  it('is forgotten with its key when that is deleted meanwhile', async () => {
    const { id, secret } = await seed.key();
    const { id: staying, secret: used } = await seed.key();
    await verify(operator, secret);
    await verify(operator, used);
    await seed.run('deleteKey', { keyId: id });
    await app.app.keyUsage.flush();
    expect((await secretOf(staying)).useCount).toBe(1n);
  });

  it('is written when the program ends', async () => {
    const { id, secret } = await seed.key();
    const third = await startTestApp({ sameDatabaseAs: app, clock });
    await verify(third.operator, secret);
    await third.close();
    expect((await secretOf(id)).useCount).toBe(1n);
  });
});

describe('reports of leaked keys', () => {
  it('that come all at once do not wait for each other', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => seed.key()));
    await Promise.all(keys.map(({ secret }) => seed.run('reportLeakedKeys', { tokens: [secret] })));
    for (const { secret } of keys) expect((await verify(operator, secret)).reason).toBe('REVOKED');
  });
});
