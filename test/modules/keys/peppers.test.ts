import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { peppers, verify } from '../../testkit/keys.ts';
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
