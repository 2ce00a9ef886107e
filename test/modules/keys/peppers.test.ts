import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { whileHeld } from '../../testkit/held.ts';
import { makeKey, peppers, verify } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const environment = (count: number, first = 1) => ({
  FAIRLEAD_PEPPERS: peppers(count, first),
  FAIRLEAD_COST_CAPACITY: '100000000',
});
const plain = await startTestApp();
const seed = new Seed(plain);
const { clock } = plain;
const on = (count: number, first = 1) =>
  startTestApp({ sameDatabaseAs: plain, clock, environment: environment(count, first) });

const { id: tenantId } = await seed.tenant();
const schemeOf = async (keyId: string) =>
  (await plain.app.database.prisma.apiKeySecret.findFirstOrThrow({ where: { keyId: decodeId('ApiKey', keyId) } }))
    .hashScheme;

interface Status {
  readonly currentVersion: number;
  readonly configuredVersions: readonly number[];
  readonly totalSecretCount: number;
  readonly remainingSecretCount: number;
  readonly schemes: readonly { readonly scheme: string; readonly secretCount: number }[];
}
const statusOf = async (app: typeof plain) => {
  const { data } = await app.operator.send<{ pepperStatus: Status }, object>(
    '{ pepperStatus { currentVersion configuredVersions totalSecretCount remainingSecretCount schemes { scheme secretCount } } }',
    {},
  );
  if (!data) throw new Error('There is no status.');
  return data.pepperStatus;
};

const commands = new Commands(plain.app.schema);
const everySecret = { isValid: true };

describe('the pepper of secrets', () => {
  it('is changed while two programs verify without a pause, and no key is ever refused', async () => {
    const keys = await Promise.all(Array.from({ length: 30 }, () => seed.key({ tenantId })));
    const unused = await seed.key({ tenantId });
    expect(await schemeOf(unused.id)).toBe('sha256');
    expect(await statusOf(plain)).toMatchObject({ currentVersion: 0, configuredVersions: [], remainingSecretCount: 0 });

    const [one, two] = [await on(3), await on(3)];
    expectNoFailures(one);
    expectNoFailures(two);
    let verified = 0;
    let isOver = false;
    const refused: unknown[] = [];
    const verifying = [one, two].map(async ({ operator }) => {
      for (let index = 0; !isOver; index = (index + 1) % keys.length) {
        const answer = await verify(operator, String(keys[index]?.secret));
        if (!answer.isValid) refused.push(answer);
        verified += 1;
      }
    });
    for (const version of [1, 2]) {
      const answer = await commands.run(one.operator, 'changePepper', { version });
      expect(answer).toMatchObject({ status: { currentVersion: version, configuredVersions: [1, 2, 3] } });
      await expect
        .poll(() => statusOf(two), { timeout: 20_000 })
        .toMatchObject({ currentVersion: version, totalSecretCount: 31, remainingSecretCount: 0 });
      const before = verified;
      await expect.poll(() => verified, { timeout: 20_000 }).toBeGreaterThan(before + 2 * keys.length);
    }
    isOver = true;
    await Promise.all(verifying);
    expect(refused).toEqual([]);

    // Keys that were used are under the newest alone, new ones too, and the one that was not is under both.
    for (const app of [one, two]) {
      for (const { secret } of keys) expect(await verify(app.operator, secret)).toMatchObject(everySecret);
      await app.app.keyUsage.flush();
    }
    expect(await statusOf(one)).toMatchObject({
      schemes: expect.arrayContaining([
        { scheme: '2', secretCount: 30 },
        { scheme: '1.2', secretCount: 1 },
      ]),
    });
    const made = await new Seed(one).key({ tenantId });
    expect(await schemeOf(made.id)).toBe('2');
    expect(await verify(two.operator, made.secret)).toMatchObject(everySecret);

    // A use that was counted before a change does not put its secret back under the older pepper.
    expect(await verify(one.operator, unused.secret)).toMatchObject(everySecret);
    await commands.run(one.operator, 'changePepper', { version: 3 });
    await expect.poll(() => statusOf(one), { timeout: 20_000 }).toMatchObject({ remainingSecretCount: 0 });
    await one.app.keyUsage.flush();
    expect((await statusOf(one)).remainingSecretCount).toBe(0);
    expect(await verify(two.operator, unused.secret)).toMatchObject(everySecret);

    // It does not go back, and not to one that nobody gave.
    expect(await commands.run(one.operator, 'changePepper', { version: 2 })).toMatchObject({ code: 'INVALID_STATE' });
    expect(await commands.run(one.operator, 'changePepper', { version: 4 })).toMatchObject({
      issues: [{ rule: 'UNKNOWN_PEPPER' }],
    });

    // Nobody starts without a pepper that is needed, and everybody without one that no scheme names.
    await expect(on(0)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/lacks a pepper/),
    });
    await expect(on(2)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/lacks a pepper/),
    });
    await one.app.database.prisma.apiKeySecret.deleteMany({ where: { hashScheme: { not: '3' } } });
    const late = await new Seed(one).key({ tenantId });
    const alone = await on(1, 3);
    expect(await verify(alone.operator, late.secret)).toMatchObject(everySecret);
  }, 60_000);
});

describe('a new installation', () => {
  it('begins with the newest pepper that it is given', async () => {
    const app = await startTestApp({ environment: environment(2) });
    const { id, secret } = await new Seed(app).key();
    expect(await verify(app.operator, secret)).toMatchObject(everySecret);
    const { hashScheme } = await app.app.database.prisma.apiKeySecret.findFirstOrThrow({
      where: { keyId: decodeId('ApiKey', id) },
    });
    expect(hashScheme).toBe('2');
  });
});

describe('a secret that is brought along', () => {
  const sharedSecret = 'a-secret-of-another-system-0123456789abcdef';
  const inUse = { issues: [{ rule: 'SECRET_IN_USE', path: ['existingSecret'] }] };

  /** A new installation under pepper 1, and a second program on it that knows pepper 2 as well. */
  async function twoPrograms() {
    const older = await startTestApp({ environment: environment(1) });
    const newer = await startTestApp({ sameDatabaseAs: older, clock: older.clock, environment: environment(2) });
    const seedOfBoth = new Seed(older);
    const { id } = await seedOfBoth.tenant();
    const take = ({ operator, ofTenant }: TestApp, existingSecret: object, ownTenantId?: string) =>
      commands.run(
        ownTenantId === undefined ? operator : ofTenant(decodeId('Tenant', ownTenantId), 'keys:write', 'models:read'),
        'createKey',
        { kind: 'TENANT', name: 'taken over', tenantId: ownTenantId ?? id, scopes: ['models:read'], existingSecret },
      );
    const changePepper = async () => {
      expect(await commands.run(newer.operator, 'changePepper', { version: 2 })).toMatchObject({
        status: { currentVersion: 2 },
      });
    };
    const schemes = async () => (await statusOf(newer)).schemes;
    return { older, newer, seed: seedOfBoth, take, changePepper, schemes };
  }

  it('is refused a second time whatever pepper it is under, as text or as hash, also from another tenant', async () => {
    const { older, newer, seed, take, changePepper, schemes } = await twoPrograms();
    const other = await seed.tenant();
    expect(await take(older, { text: sharedSecret })).toMatchObject({ key: { kind: 'TENANT' } });
    await changePepper();
    await expect.poll(schemes).toEqual([{ scheme: '1.2', secretCount: 1 }]);
    const hashed = { sha256: hash('sha256', sharedSecret) };
    for (const existing of [{ text: sharedSecret }, hashed]) {
      expect(await take(newer, existing)).toMatchObject(inUse);
      expect(await take(newer, existing, other.id)).toMatchObject(inUse);
    }
    const { key } = await makeKey(newer.operator, {
      kind: 'TENANT',
      name: 'own',
      tenantId: other.id,
      scopes: ['models:read'],
    });
    const rotated = await commands.run(newer.operator, 'rotateKey', { keyId: key.id, existingSecret: hashed });
    expect(rotated).toMatchObject(inUse);
  });

  it('goes to one of two keys that take it at the same moment, in programs of different peppers', async () => {
    const { older, newer, take, changePepper, schemes } = await twoPrograms();
    // Nobody can write a secret yet, so the program of the older pepper looks before the pepper is changed, and writes
    // after the other has looked.
    const answers = await whileHeld(
      older,
      ['LOCK TABLE api_key_secret IN SHARE MODE', []],
      [
        { start: () => take(older, { text: sharedSecret }), waiting: 1 },
        {
          start: async () => {
            await changePepper();
            return take(newer, { text: sharedSecret });
          },
          waiting: 2,
        },
      ],
    );
    expect(answers).toMatchObject([{ key: { kind: 'TENANT' } }, inUse]);
    expect(await schemes()).toEqual([{ scheme: '1', secretCount: 1 }]);
  });

  it('is not taken by a program that lacks the current pepper, and so cannot know whether it is in use', async () => {
    const { older, newer, take, changePepper, schemes } = await twoPrograms();
    await changePepper();
    expect(await take(newer, { text: sharedSecret })).toMatchObject({ key: { kind: 'TENANT' } });
    await expect(take(older, { text: sharedSecret })).rejects.toThrow();
    expect(older.logged.join()).toContain('There is no pepper of version 2');
    expect(await schemes()).toEqual([{ scheme: '2', secretCount: 1 }]);
  });
});
