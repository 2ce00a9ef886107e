import { beforeAll, describe, expect, it } from 'vitest';
import { decodeId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';
import { Commands } from '../testkit/commands.ts';
import { whileHeld } from '../testkit/held.ts';
import { makeKey, verify } from '../testkit/keys.ts';
import { Seed } from '../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app });
const { pool, prisma } = app.app.database;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
const { id: tenantId } = await seed.tenant();

/** What all wait for that are to meet, and so go on at the same moment. */
const gate = 4_711;

/** Makes an index that waits at the gate, and comes before the one that keeps names unique. */
const gateBeforeUniqueNames = `
  CREATE FUNCTION gate_of_test(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(${gate}); RETURN $1; END
  $$;
  CREATE INDEX gate_of_test ON tenant (gate_of_test(name_folded));
  DROP INDEX tenant_name_key;
  CREATE UNIQUE INDEX tenant_name_key ON tenant (name_folded);
`;

/** Keys called "circle …" take two locks in opposite orders; "conflicts 2" is undone twice, as the sequence counts. */
const conflictsOfKeys = `
  CREATE SEQUENCE attempts_of_test;
  CREATE FUNCTION conflict_of_test() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.name ~ '^circle' THEN
        PERFORM pg_advisory_xact_lock(CASE NEW.name WHEN 'circle one' THEN 1 ELSE 2 END);
        PERFORM pg_advisory_xact_lock_shared(${gate});
        PERFORM pg_advisory_xact_lock(CASE NEW.name WHEN 'circle one' THEN 2 ELSE 1 END);
      ELSIF NEW.name ~ '^conflicts' AND nextval('attempts_of_test') <= split_part(NEW.name, ' ', 2)::int THEN
        RAISE EXCEPTION 'undone for the test' USING ERRCODE = 'serialization_failure';
      END IF;
      RETURN NEW;
    END
  $$;
  CREATE TRIGGER conflict_of_test BEFORE INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION conflict_of_test();
`;

beforeAll(async () => {
  await pool.query(gateBeforeUniqueNames);
  await pool.query(conflictsOfKeys);
});

const key = (name: string) => ({
  kind: 'TENANT' as const,
  name,
  tenantId,
  scopes: ['models:read'],
  idempotencyKey: name.replace(' ', '-'),
});

/** What the audit log and the outbox have of commands whose rows are these. */
async function recordsOf(name: string, since: Date) {
  const { rows } = await pool.query<{ outcome: string }>(
    'SELECT outcome FROM audit_entry WHERE action = $1 AND occurred_at >= $2 ORDER BY outcome',
    [name, since],
  );
  return rows.map(({ outcome }) => outcome);
}

const eventsOf = async (keyId: string): Promise<number> =>
  (await prisma.outboxEvent.findMany({ where: { topic: 'ApiKey.changed' } })).filter(({ payload }) =>
    JSON.stringify(payload).includes(decodeId('ApiKey', keyId)),
  ).length;

const attempts = async (): Promise<number> => {
  const { rows } = await pool.query<{ count: number }>('SELECT last_value::int AS count FROM attempts_of_test');
  await pool.query('ALTER SEQUENCE attempts_of_test RESTART');
  return rows[0]?.count ?? 0;
};

/** So that what a test records can be told from what was recorded before. */
const begin = (): Date => {
  app.clock.advance(60_000);
  replica.clock.advance(60_000);
  return app.clock.now();
};

describe('commands in each other’s way, in two programs', () => {
  it('that give two rows each other’s name at the same moment are both told that it is taken', async () => {
    const [one, other] = [await seed.tenant(), await seed.tenant()];
    const since = begin();
    const rename = (at: typeof app, row: typeof one, { name }: typeof one) =>
      commands.run(at.operator, 'updateTenant', { tenantId: row.id, name });
    const answers = await whileHeld(
      app,
      ['SELECT pg_advisory_xact_lock($1)', [gate]],
      [
        { start: () => rename(app, one, other), waiting: 1 },
        { start: () => rename(replica, other, one), waiting: 2 },
      ],
    );
    expect(answers).toMatchObject([{ code: 'NAME_TAKEN' }, { code: 'NAME_TAKEN' }]);
    expect(await recordsOf('updateTenant', since)).toEqual(['REFUSED', 'REFUSED']);
  });

  it('are both carried out, once, when they wait for each other in a circle', async () => {
    const since = begin();
    const makers = [
      { at: app, name: 'circle one' },
      { at: replica, name: 'circle two' },
    ];
    const make = ({ at, name }: (typeof makers)[number]) => makeKey(at.operator, key(name));
    const answers = await whileHeld(
      app,
      ['SELECT pg_advisory_xact_lock($1)', [gate]],
      makers.map((maker, index) => ({ start: () => make(maker), waiting: index + 1 })),
    );
    expect(await recordsOf('createKey', since)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    for (const [index, maker] of makers.entries()) {
      const { name } = maker;
      const made = answers[index];
      expect(made).toMatchObject({ key: { name } });
      expect(await prisma.apiKey.count({ where: { name } })).toBe(1);
      expect(await prisma.apiKeySecret.count({ where: { key: { name } } })).toBe(1);
      expect(await eventsOf(String(made?.key.id))).toBe(1);
      // The answer of the attempt that was carried out is the one that is repeated.
      expect(await make(maker)).toEqual(made);
      expect(await verify(app.operator, String(made?.secret))).toMatchObject({ isValid: true });
    }
  });
});

describe('a command that Postgres undoes because of others', () => {
  it('is repeated, and is one command for the log', async () => {
    const since = begin();
    expect(await commands.run(app.operator, 'createKey', key('conflicts 2'))).toMatchObject({
      key: { name: 'conflicts 2' },
    });
    expect(await attempts()).toBe(3);
    expect(await recordsOf('createKey', since)).toEqual(['SUCCEEDED']);
  });

  it('is given up after three attempts, hidden like every failure, and may be sent again', async () => {
    const since = begin();
    const { errors } = await commands.send(app.operator, 'createKey', key('conflicts 3'));
    expect(errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
    expect(await recordsOf('createKey', since)).toEqual(['FAILED']);
    await pool.query('DROP TRIGGER conflict_of_test ON api_key');
    expect(await attempts()).toBe(3);
    expect(await commands.run(app.operator, 'createKey', key('conflicts 3'))).toMatchObject({
      key: { name: 'conflicts 3' },
    });
  });
});
