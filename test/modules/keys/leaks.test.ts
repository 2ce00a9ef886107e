import { describe, expect, it } from 'vitest';
import { hashSecret } from '../../../src/access/secrets.ts';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { verify } from '../../testkit/keys.ts';
import { traced } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const { operator } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const report = (input: object, caller = operator) => commands.run(caller, 'reportLeakedKeys', { ...input });
const reasonOf = async (secret: string) => (await verify(operator, secret)).reason;

describe('a report of leaked keys', () => {
  it('revokes those that exist, by text and by hash, and answers as if none did', async () => {
    const [byText, byHash, untouched] = [await seed.key(), await seed.key(), await seed.key()];
    const found = await report({
      tokens: [byText.secret],
      sha256s: [hashSecret(byHash.secret).toString('hex').toUpperCase()],
    });
    const nothing = await report({ tokens: ['unheard of'], sha256s: ['a'.repeat(64)] });
    expect(JSON.stringify(found)).toBe(JSON.stringify(nothing));
    expect([await reasonOf(byText.secret), await reasonOf(byHash.secret), await reasonOf(untouched.secret)]).toEqual([
      'REVOKED',
      'REVOKED',
      null,
    ]);
    expect(JSON.stringify(await report({ tokens: [byText.secret], sha256s: ['a'.repeat(64)] }))).toBe(
      JSON.stringify(nothing),
    );
  });

  it('revokes a key whose older secret leaked as long as that is accepted, and not for a secret that is over', async () => {
    const retiring = await seed.key();
    await seed.run('rotateKey', { keyId: retiring.id, overlapSeconds: 100 });
    const retired = await seed.key();
    const { secret } = await seed.run('rotateKey', { keyId: retired.id, overlapSeconds: 0 });
    await report({ tokens: [retiring.secret, retired.secret] });
    expect(await reasonOf(retiring.secret)).toBe('REVOKED');
    expect(await reasonOf((secret as { value: string }).value)).toBeNull();
  });

  it('is on record for whoever reported, and for each tenant that lost a key, never with what was found', async () => {
    const [one, two] = [await seed.key(), await seed.key()];
    const { client, auditRows } = traced(app, operator);
    await report({ tokens: [one.secret, two.secret], where: 'a public repository' }, client);
    const rows = await auditRows();
    const chains = [one, two].map(({ tenantId }) => decodeId('Tenant', String(tenantId)));
    expect(rows).toHaveLength(3);
    expect(rows.map(({ after }) => after)).toEqual(
      expect.arrayContaining([
        { reportedCount: 2, where: 'a public repository' },
        ...[one, two].map(({ id }) => ({ keyIds: [id], revokedReason: 'reported as leaked: a public repository' })),
      ]),
    );
    expect(rows.map(({ chainId }) => chainId)).toEqual(expect.arrayContaining(chains));
    for (const { secret } of [one, two])
      expect(JSON.stringify(rows, (_key, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
        secret,
      );
  });

  it('of one tenant leaves the keys of others alone, with the same answer', async () => {
    const own = await seed.key();
    const foreign = await seed.key();
    const tenant = app.ofTenant(decodeId('Tenant', String(own.tenantId)), 'keys:report');
    const answers = [
      await report({ tokens: [foreign.secret] }, tenant),
      await report({ tokens: [own.secret] }, tenant),
    ];
    expect(JSON.stringify(answers[0])).toBe(JSON.stringify(answers[1]));
    expect([await reasonOf(own.secret), await reasonOf(foreign.secret)]).toEqual(['REVOKED', null]);
  });
});

describe('bulk commands over the same tenants at the same time', () => {
  it('do not wait for each other in a circle', async () => {
    const [one, two] = [(await seed.tenant()).id, (await seed.tenant()).id];
    const batches: string[][] = [];
    for (let count = 0; count < 10; count += 1) {
      const order = count % 2 === 0 ? [one, two] : [two, one];
      const keys = [await seed.key({ tenantId: order[0] }), await seed.key({ tenantId: order[1] })];
      batches.push(keys.map(({ id }) => id));
    }
    const answers = await Promise.all(batches.map((ids) => seed.run('revokeKeysBulk', { filter: { ids } })));
    expect(answers.map(({ revokedCount }) => revokedCount)).toEqual(batches.map(() => 2));
  });

  it('with a dry run say what they would do, and do nothing', async () => {
    const [live, gone] = [await seed.key(), await seed.key()];
    await seed.run('revokeKey', { keyId: gone.id });
    const filter = { ids: [live.id, gone.id] };
    expect(await seed.run('revokeKeysBulk', { filter, dryRun: true })).toMatchObject({ dryRun: true, revokedCount: 1 });
    const rotation = await seed.run('rotateKeysBulk', { filter, dryRun: true });
    expect(rotation).toMatchObject({ dryRun: true, matchedCount: 2, rotatedCount: 0 });
    expect(rotation.results).toMatchObject([
      { key: { id: live.id }, secret: null, error: null },
      { key: { id: gone.id }, secret: null, error: { code: 'INVALID_STATE' } },
    ]);
    expect(await reasonOf(live.secret)).toBeNull();
  });
});
