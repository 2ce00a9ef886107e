import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { SecretHasher } from '../../../src/access/secret-hasher.ts';
import { Prisma } from '../../../src/database/generated/client.ts';
import { type KeyRecord, recordsOf } from '../../../src/modules/keys/record.ts';
import { KeyRecordReader } from '../../../src/modules/keys/record-reader.ts';
import { limitColumns } from '../../../src/modules/limits/limits.ts';
import { startTestApp } from '../../testkit/app.ts';

const app = await startTestApp();
const { prisma, reader, statements } = app.app.database;

const uuid = (number: number): string => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
const ids = {
  tenant: uuid(1),
  bareTenant: uuid(2),
  brokenTenant: uuid(8),
  team: uuid(3),
  user: uuid(4),
  product: uuid(5),
  engine: uuid(6),
  app: uuid(7),
};

let times = 0;
/** Each is another, and has milliseconds. */
const nextTime = (): Date => new Date(Date.UTC(2026, 2, 1, 12, 30) + ++times * 86_400_123);

/** What separates texts in SQL, JSON and arrays of Postgres, and what is longer in UTF-8. */
const awkward = (text: string): string => `${text} {"ä",\\'🔑\n\\u00e9}`;

/** Every limit, each with another value; numbers that JSON's own would round. */
const allLimits = (seed: number) => ({
  requestsPerMinute: seed + 1,
  tokensPerMinute: 2n ** 53n + BigInt(2 * seed) + 1n,
  tokensPerDay: 2n ** 60n + BigInt(seed),
  maxInFlight: seed + 2,
  budgetTokens: 2n ** 61n + BigInt(seed),
  budgetCostUsd: new Prisma.Decimal(`999999999${seed}.123456`),
  budgetPeriod: 'TERM' as const,
  budgetStartedAt: nextTime(),
});

async function makeOwners(): Promise<void> {
  const { id: fairshareGroupId } = await prisma.fairshareGroup.findFirstOrThrow();
  const tenants = { fairshareGroupId, updatedAt: nextTime() };
  await prisma.tenant.create({ data: { ...tenants, id: ids.bareTenant, name: 'Bare', nameFolded: 'bare' } });
  await prisma.tenant.create({
    data: {
      ...tenants,
      id: ids.brokenTenant,
      name: 'Broken',
      nameFolded: 'broken',
      weeklyWindows: [{ day: 'SOMEDAY' }],
    },
  });
  await prisma.tenant.create({
    data: {
      ...tenants,
      ...allLimits(10),
      id: ids.tenant,
      name: awkward('Tenant'),
      nameFolded: 'tenant',
      status: 'SUSPENDED',
      timeZone: 'Europe/Berlin',
      activeFrom: nextTime(),
      activeUntil: nextTime(),
      weeklyWindows: [
        { day: 'MONDAY', startMinute: 60, endMinute: 120 },
        { day: 'SUNDAY', startMinute: 0, endMinute: 1_440 },
      ],
      allowedModels: [awkward('of the tenant'), ''],
    },
  });
  const { tenant: tenantId } = ids;
  await prisma.team.create({
    data: { ...allLimits(20), userSharePercent: 35, id: ids.team, tenantId, name: awkward('Team'), nameFolded: 'team' },
  });
  await prisma.user.create({
    data: {
      ...allLimits(30),
      id: ids.user,
      tenantId,
      teamId: ids.team,
      externalId: awkward('ada'),
      status: 'DEACTIVATED',
      deactivatedAt: nextTime(),
    },
  });
  await prisma.product.create({
    data: {
      ...allLimits(40),
      id: ids.product,
      tenantId,
      slug: 'chat',
      displayName: 'Chat',
      displayNameFolded: 'chat',
      status: 'DELETING',
    },
  });
  await prisma.engine.create({
    data: {
      id: ids.engine,
      tenantId,
      productId: ids.product,
      userExternalId: awkward('grace'),
      status: 'DESTROYING',
      statusChangedAt: nextTime(),
    },
  });
  await prisma.app.create({
    data: {
      id: ids.app,
      tenantId,
      name: awkward('App'),
      nameFolded: 'app',
      status: 'ARCHIVED',
      inference: { model: awkward('small'), temperature: 0.25, stop: [null, true, 'x'], nested: { deep: [] } },
    },
  });
}

type NewKey = Omit<
  Prisma.ApiKeyUncheckedCreateInput,
  'id' | 'name' | 'nameFolded' | 'start' | 'createdById' | 'createdByName'
>;

let keys = 0;

async function makeKey(key: NewKey, secret: Partial<Prisma.ApiKeySecretUncheckedCreateInput> = {}) {
  const number = ++keys;
  const keyId = uuid(100 + number);
  const hash = Uint8Array.from(randomBytes(32));
  const made = { start: 'fl_', createdById: 'test', createdByName: 'test' };
  await prisma.apiKey.create({
    data: { id: keyId, name: awkward(`Key ${number}`), nameFolded: 'key', ...made, ...key },
  });
  await prisma.apiKeySecret.create({
    data: { id: uuid(200 + number), keyId, hash, hashScheme: '1.2', origin: 'GENERATED', start: 'fl_', ...secret },
  });
  return hash;
}

const everythingOfAKey = (): Omit<NewKey, 'kind'> => ({
  ...allLimits(50),
  tenantId: ids.tenant,
  scopes: ['models:read', 'keys:verify'],
  allowedOrigins: ['https://one.example.com', awkward('origin')],
  allowedIpRanges: ['192.0.2.0/24', '2001:db8::/32'],
  allowedModels: ['small', awkward('large')],
  weight: 250,
  expiresAt: nextTime(),
  disabledAt: nextTime(),
  revokedAt: nextTime(),
  revokedReason: 'a test',
});

const everythingOfASecret = () => ({ validUntil: nextTime(), supersededAt: nextTime(), revokedAt: nextTime() });

const records = new KeyRecordReader(reader, new SecretHasher([{ version: 1, key: randomBytes(32) }]));

async function recordOf(hash: Uint8Array): Promise<KeyRecord> {
  const record = await records.read(Buffer.from(hash));
  if (record === undefined) throw new Error('There is no record.');
  return record;
}

/** Of a row that Prisma read, the columns that a part of the record has, and its limits. */
function partOf(part: object | null, row: Readonly<Record<string, unknown>> | null): object | null {
  if (part === null || row === null) return row;
  const given = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, row[name]]));
  const own = given(Object.keys(part).filter((name) => name !== 'limits' && name !== 'team'));
  return 'limits' in part ? { ...own, limits: given(limitColumns) } : own;
}

/** What Prisma reads in place of the record. */
async function recordByPrisma(
  hash: Uint8Array<ArrayBuffer>,
  { secret, key, tenant, user, product, engine, app: application }: KeyRecord,
) {
  const { key: row, ...secretRow } = await prisma.apiKeySecret.findUniqueOrThrow({
    where: { hash },
    include: {
      key: { include: { tenant: true, user: { include: { team: true } }, product: true, engine: true, app: true } },
    },
  });
  return {
    hashScheme: secretRow.hashScheme,
    secret: partOf(secret, secretRow),
    key: { ...partOf(key, row), scopes: new Set(row.scopes) },
    tenant: partOf(tenant, row.tenant),
    user: row.user && { ...partOf(user, row.user), team: partOf(user?.team ?? null, row.user.team) },
    product: partOf(product, row.product),
    engine: partOf(engine, row.engine),
    app: partOf(application, row.app),
  };
}

/** The names of all values, of nested ones as well, that are null. */
const nullsIn = (value: object, path = ''): string[] =>
  Object.entries(value).flatMap(([name, each]: [string, unknown]) => {
    if (each === null) return [`${path}${name}`];
    const isRow = typeof each === 'object' && Object.getPrototypeOf(each) === Object.prototype;
    return isRow ? nullsIn(each, `${path}${name}.`) : [];
  });

beforeAll(makeOwners);

describe('the record that a key is verified by', () => {
  it.each([
    ['USER', { userId: ids.user }, ['key.environment', 'product', 'engine', 'app']],
    ['ENGINE', { productId: ids.product, engineId: ids.engine }, ['key.environment', 'user', 'app']],
    ['PUBLISHABLE', { appId: ids.app, environment: 'TEST' }, ['user', 'product', 'engine']],
  ] as const)('has what Prisma reads, of a key of kind %s with everything set', async (kind, owner, absent) => {
    const hash = await makeKey({ ...everythingOfAKey(), kind, ...owner }, everythingOfASecret());
    const record = await recordOf(hash);
    expect(nullsIn(record)).toEqual(absent);
    expect(record).toEqual(await recordByPrisma(hash, record));
  });

  it('has what Prisma reads, of a key with nothing set', async () => {
    const hash = await makeKey({ kind: 'GATEWAY', scopes: [] });
    const record = await recordOf(hash);
    expect(record).toEqual(await recordByPrisma(hash, record));
    expect(record).toMatchObject({ tenant: null, user: null, product: null, engine: null, app: null });
  });

  it('has what Prisma reads, of a tenant with nothing set', async () => {
    const hash = await makeKey({ kind: 'TENANT', tenantId: ids.bareTenant, scopes: ['tenants:read'] });
    const record = await recordOf(hash);
    expect(record).toEqual(await recordByPrisma(hash, record));
    expect(record.tenant).toMatchObject({ name: 'Bare', weeklyWindows: null, allowedModels: [] });
  });

  it('has one limit where only one is set', async () => {
    const hash = await makeKey({ kind: 'GATEWAY', scopes: [], maxInFlight: 0 });
    const record = await recordOf(hash);
    expect(record).toEqual(await recordByPrisma(hash, record));
    expect(record.key.limits.maxInFlight).toBe(0);
  });

  it('leaves out a scope that there is no more', async () => {
    const { key } = await recordOf(await makeKey({ kind: 'GATEWAY', scopes: ['keys:verify', 'fax:send'] }));
    expect(key.scopes).toEqual(new Set(['keys:verify']));
  });

  it('is not read when the stored windows of its tenant are none, rather than as something else', async () => {
    const hash = await makeKey({ kind: 'TENANT', tenantId: ids.brokenTenant, scopes: [] });
    await expect(recordOf(hash)).rejects.toThrow('SUNDAY');
  });
});

describe('records that are asked for at the same moment', () => {
  const make = (count: number) =>
    Promise.all(Array.from({ length: count }, () => makeKey({ kind: 'GATEWAY', scopes: [] })));

  it('are read by one statement, and each is given to who asked for it', async () => {
    const hashes = await make(20);
    const asked = [...hashes, randomBytes(32), ...hashes.toReversed()];
    const { result, statements: sent } = await statements.during(() =>
      Promise.all(asked.map((hash) => records.read(Buffer.from(hash)))),
    );
    expect(sent).toHaveLength(1);
    const secrets = await prisma.apiKeySecret.findMany({ where: { hash: { in: hashes } } });
    const idsByHash = new Map(secrets.map(({ id, hash }) => [Buffer.from(hash).toString('hex'), id]));
    expect(result.map((record) => record?.secret.id)).toEqual(
      asked.map((hash) => idsByHash.get(Buffer.from(hash).toString('hex'))),
    );
  });

  it('are read by one statement for each hundred', async () => {
    const { result, statements: sent } = await statements.during(() =>
      Promise.all(Array.from({ length: 250 }, () => records.read(randomBytes(32)))),
    );
    expect(sent).toHaveLength(3);
    expect(new Set(result)).toEqual(new Set([undefined]));
  });

  it('are read by a statement that Postgres plans once, however many there are', async () => {
    const connection = new pg.Client({ connectionString: app.databaseUrl });
    await connection.connect();
    try {
      for (let count = 1; count <= 20; count += 1) {
        const { text, values } = recordsOf(Array.from({ length: count }, () => randomBytes(32)));
        await connection.query({ name: 'records', text, values });
      }
      const { rows } = await connection.query(
        'SELECT custom_plans::int AS custom, generic_plans::int AS once FROM pg_prepared_statements',
      );
      // The first five calls are always planned for their values.
      expect(rows).toEqual([{ custom: 5, once: 15 }]);
    } finally {
      await connection.end();
    }
  });

  it('are given though another one of them cannot be read', async () => {
    const broken = await makeKey({ kind: 'TENANT', tenantId: ids.brokenTenant, scopes: [] });
    const [whole] = await make(1);
    const given = await Promise.allSettled([broken, whole ?? broken, broken].map(recordOf));
    expect(given.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
  });
});
