import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

/** The program that still has a root admin key, as at the beginning of every deployment. */
const first = await startTestApp();
const seed = new Seed(first);
const { clock } = first;

const withoutRootKey = {
  sameDatabaseAs: first,
  clock,
  environment: {
    FAIRLEAD_ROOT_KEY_ENABLED: 'false',
    FAIRLEAD_ADMIN_KEY_HASH: '',
    FAIRLEAD_COST_CAPACITY: '10000000',
  },
};

const inMs = (ms: number) => new Date(clock.now().getTime() + ms).toISOString();
const managing = { kind: 'ADMIN', scopes: ['keys:read', 'keys:write', 'tenants:read'] };

const refusedStart = await startTestApp(withoutRootKey).catch((error: unknown) => error);
const useless = [
  await seed.key({ kind: 'ADMIN', scopes: ['keys:read'] }),
  await seed.key({ ...managing, expiresAt: inMs(1) }),
  await seed.key({ ...managing }),
  await seed.key({ ...managing }),
  await seed.key({ ...managing }),
];
clock.advance(1);
await seed.run('disableKey', { keyId: useless[2]?.id });
await seed.run('revokeKey', { keyId: useless[3]?.id });
await seed.run('revokeSecret', { secretId: await seed.secretIdOf(String(useless[4]?.id)) });
const stillRefused = await startTestApp(withoutRootKey).catch((error: unknown) => error);

let last = await seed.key(managing);
const app = await startTestApp(withoutRootKey);
const other = await startTestApp(withoutRootKey);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const run = async (command: string, input: CommandInput, by = withSecret(app, last.secret)) => {
  const { data } = await commands.send(by, command, input);
  if (!data) throw new Error(`${command} was not carried out.`);
  return data.answer;
};

describe('starting without a root admin key', () => {
  it('is refused while no admin key can manage keys, and says what to do', () => {
    for (const error of [refusedStart, stillRefused]) {
      expect(error).toMatchObject({
        name: 'ConfigError',
        message:
          'FAIRLEAD_ROOT_KEY_ENABLED is false, and the database has no admin key that can manage keys. Start with a root admin key, create an admin key with the scope keys:write, then turn it off.',
      });
    }
  });

  it('leaves the root admin key without effect, and makes none', async () => {
    expect((await app.operator.send('{ viewer { kind } }', {})).status).toBe(401);
    expect(app.app.rootKey).toBeUndefined();
    const { data } = await withSecret(app, last.secret).send('{ viewer { kind } }', {});
    expect(data).toEqual({ viewer: { kind: 'ADMIN' } });
  });
});

describe('the last admin key that can manage keys', () => {
  /** Its row with its secrets; that it is used does not matter. */
  const lastRow = () =>
    app.app.database.prisma.apiKey.findUniqueOrThrow({
      where: { id: decodeId('ApiKey', last.id) },
      omit: { lastUsedAt: true, lastUsedOrder: true },
      include: { secrets: { select: { id: true, revokedAt: true, validUntil: true } } },
    });

  it.each<readonly [string, string, () => Promise<CommandInput> | CommandInput]>([
    ['revoked', 'revokeKey', () => ({ keyId: last.id })],
    ['disabled', 'disableKey', () => ({ keyId: last.id })],
    ['deleted', 'deleteKey', () => ({ keyId: last.id })],
    ['narrowed', 'updateKey', () => ({ keyId: last.id, scopes: ['keys:read', 'tenants:read'] })],
    ['given an end', 'updateKey', () => ({ keyId: last.id, expiresAt: inMs(1_000_000) })],
    ['left without a secret', 'revokeSecret', async () => ({ secretId: await seed.secretIdOf(last.id) })],
    ['revoked among many', 'revokeKeysBulk', () => ({ filter: { kinds: ['ADMIN'] } })],
    ['revoked among many as a dry run says', 'revokeKeysBulk', () => ({ filter: { kinds: ['ADMIN'] }, dryRun: true })],
  ])('cannot be %s', async (_what, command, makeInput) => {
    const input = await makeInput();
    const before = await lastRow();
    const answer = await run(command, input);
    expect(answer).toMatchObject({ __typename: 'LastAdminKeyError', code: 'LAST_ADMIN_KEY' });
    expect(await lastRow()).toEqual(before);
  });

  it('cannot be left with a secret that is soon over', async () => {
    const rotated = await run('rotateKey', { keyId: last.id, overlapSeconds: 60 });
    expect(rotated.__typename).toBe('RotateKeyPayload');
    const newest = await seed.secretIdOf(last.id);
    expect((await run('revokeSecret', { secretId: newest })).code).toBe('LAST_ADMIN_KEY');
    expect((await run('cancelRotation', { keyId: last.id })).__typename).toBe('CancelRotationPayload');
  });

  it('can be renamed, and rotated', async () => {
    expect((await run('updateKey', { keyId: last.id, name: 'Renamed' })).__typename).toBe('UpdateKeyPayload');
    const rotated = await run('rotateKey', { keyId: last.id, overlapSeconds: 60 });
    expect(rotated.__typename).toBe('RotateKeyPayload');
    await run('cancelRotation', { keyId: last.id });
  });

  it('cannot be left to others that end sooner, each in its own way', async () => {
    const end = inMs(1_000_000);
    const short = await seed.key({ ...managing, expiresAt: end });
    for (const [command, input] of [
      ['revokeKey', {}],
      ['disableKey', {}],
      ['deleteKey', {}],
      ['updateKey', { scopes: ['keys:read'] }],
      ['updateKey', { expiresAt: end }],
    ] as const) {
      expect((await run(command, { keyId: last.id, ...input })).code).toBe('LAST_ADMIN_KEY');
    }
    expect((await run('revokeKeysBulk', { filter: { ids: [last.id] } })).code).toBe('LAST_ADMIN_KEY');
    // The other way round nothing is lost, nor between two that end alike.
    const alike = await seed.key({ ...managing, expiresAt: end });
    for (const { id } of [alike, short]) {
      expect((await run('revokeKey', { keyId: id })).__typename).toBe('RevokeKeyPayload');
    }
  });

  it('can be one that ends, which then goes only to one that lasts as long', async () => {
    const ending = await seed.key({ ...managing, expiresAt: inMs(2_000_000) });
    const sooner = await seed.key({ ...managing, expiresAt: inMs(1_000_000) });
    const others = { kinds: ['ADMIN'], expiresAt: { from: inMs(3_000_000) } };
    await seed.run('revokeKeysBulk', { filter: { ids: [last.id] } });
    expect((await seed.run('revokeKeysBulk', { filter: others })).revokedCount).toBe(0);
    const by = withSecret(app, ending.secret);
    expect((await run('revokeKey', { keyId: ending.id }, by)).code).toBe('LAST_ADMIN_KEY');
    expect((await run('updateKey', { keyId: ending.id, expiresAt: inMs(1_500_000) }, by)).code).toBe('LAST_ADMIN_KEY');
    await seed.run('updateKey', { keyId: sooner.id, expiresAt: inMs(2_000_000) });
    expect((await run('revokeKey', { keyId: ending.id }, by)).__typename).toBe('RevokeKeyPayload');
    const warned = await startTestApp(withoutRootKey);
    expect(warned.logged.join()).toContain('every admin key that can manage keys expires');
    last = await seed.key(managing);
    const quiet = await startTestApp(withoutRootKey);
    expect(quiet.logged).toEqual([]);
  });

  it('can be removed once there is another', async () => {
    const one = await seed.key(managing);
    expect((await run('revokeKey', { keyId: one.id })).__typename).toBe('RevokeKeyPayload');
  });

  it('stays, of two that are removed at the same time through two programs', async () => {
    for (const command of ['revokeKey', 'disableKey', 'deleteKey']) {
      const another = await seed.key(managing);
      // Each removes itself, so that neither needs the other to be accepted.
      const answers = await Promise.all([
        run(command, { keyId: last.id }, withSecret(app, last.secret)),
        run(command, { keyId: another.id }, withSecret(other, another.secret)),
      ]);
      expect(answers.map(({ code }) => code ?? 'REMOVED').toSorted()).toEqual(['LAST_ADMIN_KEY', 'REMOVED']);
      if (answers[0]?.code === undefined) last = another;
    }
  });
});

describe('the last admin key that leaked', () => {
  it('is revoked all the same, since whoever found it can do all that it can', async () => {
    const reporter = await seed.key({ kind: 'GATEWAY', scopes: ['keys:report'] });
    const report = { tokens: [last.secret] };
    expect(await run('reportLeakedKeys', report, withSecret(app, reporter.secret))).toEqual({
      __typename: 'ReportLeakedKeysPayload',
      reportedCount: 1,
    });
    expect((await withSecret(app, last.secret).send('{ viewer { kind } }', {})).status).toBe(401);
    last = await seed.key(managing);
  });
});

describe('with a root admin key', () => {
  it('no admin key has to stay', async () => {
    expect((await seed.run('revokeKey', { keyId: last.id })).__typename).toBe('RevokeKeyPayload');
  });
});
