import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeId } from '../../../src/graph/ids.ts';
import { firstPreviousHash } from '../../../src/modules/audit/chain.ts';
import type { AuditEntryRow } from '../../../src/modules/audit/entity.ts';
import { type ChainVerification, verifyChain } from '../../../src/modules/audit/verify.ts';
import { startTestApp } from '../../testkit/app.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { undone } from '../../testkit/rollback.ts';
import { attemptOf, insertLongChain, recordChain, rowsOf } from './chains.ts';
import { alterAndHash, alterColumn, anyTampering, auditColumns } from './tampering.ts';

const test = await startTestApp();
const { database, services } = test.app;

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? firstPreviousHash).toString('hex');

const foundIn = ({ firstBreak }: ChainVerification) =>
  firstBreak && {
    kind: firstBreak.kind,
    sequence: firstBreak.sequence,
    entryId: firstBreak.entry?.id ?? null,
  };

const lengths = [2, 3, 7];
const chains: readonly (readonly AuditEntryRow[])[] = await Promise.all(
  lengths.map(async (length) => rowsOf(database, await recordChain(database, services.audit, length))),
);

describe('an intact chain', () => {
  it('holds, and its newest hash is the proof', async () => {
    for (const rows of chains) {
      const last = rows.at(-1);
      expect(await verifyChain(database, String(last?.chainId))).toEqual({
        entriesChecked: rows.length,
        headHash: hex(last?.hash),
        firstBreak: null,
      });
    }
  });

  it('holds over several batches, and a break is found at the end of a batch and after it', async () => {
    const length = 2_300;
    const rows = await rowsOf(database, await insertLongChain(database, length));
    const chainId = String(rows[0]?.chainId);
    expect(await verifyChain(database, chainId)).toMatchObject({ entriesChecked: length, firstBreak: null });
    for (const place of [1_000, 1_001, 2_000, 2_299]) {
      const found = await undone(database, async (transaction) => {
        await alterColumn(place, 'actor_name')(transaction, rows);
        return verifyChain(transaction, chainId);
      });
      expect(found).toMatchObject({
        entriesChecked: place - 1,
        headHash: hex(rows[place - 2]?.hash),
        firstBreak: { kind: 'ALTERED', sequence: place, entry: { id: rows[place - 1]?.id } },
      });
    }
  });

  it('is the same whether or not what it holds has dates, numbers and text beyond ASCII', async () => {
    const chainId = await recordChain(database, services.audit, 1);
    const odd = { 'é \u{1f600} "\\/ \u007f': [0, -0, 1e21, 1e-7, 0.1, 9_007_199_254_740_991, '', ' ', {}, []] };
    await database.transaction((transaction) =>
      services.audit.record(transaction, attemptOf(chainId, { before: odd, after: odd, attempts: 500 })),
    );
    expect(await verifyChain(database, chainId)).toMatchObject({ entriesChecked: 2, firstBreak: null });
  });
});

describe('a chain that somebody worked on in the database', () => {
  it('breaks at the first bad place, with what was done there', async () => {
    const cases = fc
      .constantFrom(...chains)
      .chain((rows) => anyTampering(rows.length).map(({ name, tamper }) => ({ name, rows, tamper })));
    await fc.assert(
      fc.asyncProperty(cases, async ({ name, rows, tamper }) => {
        const { expected, found } = await undone(database, async (transaction) => ({
          expected: await tamper(transaction, rows),
          found: await verifyChain(transaction, String(rows[0]?.chainId)),
        }));
        expect({ name, ...foundIn(found) }).toEqual({ name, ...expected });
        expect(found.entriesChecked).toBe(expected.sequence - 1);
        expect(found.headHash).toBe(hex(rows[expected.sequence - 2]?.hash));
      }),
      { numRuns: 200 },
    );
  });

  it('breaks whichever column was altered', async () => {
    const { rows: columns } = await database.pool.query<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'audit_entry'`,
    );
    expect(columns.map(({ name }) => name).sort()).toEqual([...auditColumns].sort());
    const rows = chains[1] ?? [];
    for (const column of auditColumns) {
      const { expected, found } = await undone(database, async (transaction) => ({
        expected: await alterColumn(2, column)(transaction, rows),
        found: await verifyChain(transaction, String(rows[0]?.chainId)),
      }));
      expect({ column, ...foundIn(found) }).toEqual({ column, ...expected });
    }
  });

  it('holds when it was written anew to its head, but then its newest hash is another one', async () => {
    const rows = chains[2] ?? [];
    const chainId = String(rows[0]?.chainId);
    const found = await undone(database, async (transaction) => {
      await alterAndHash(rows.length)(transaction, rows);
      const [forged] = (await rowsOf(transaction, chainId)).slice(-1);
      await transaction.prisma.auditChain.update({
        where: { id: chainId },
        data: { hash: Uint8Array.from(forged?.hash ?? []) },
      });
      return verifyChain(transaction, chainId);
    });
    expect(found.firstBreak).toBeNull();
    expect(found.headHash).not.toBe(hex(rows.at(-1)?.hash));
  });
});

const auditVerifySetWeight = graphql(`
  mutation AuditVerifySetWeight($input: SetTenantWeightInput!) {
    setTenantWeight(input: $input) {
      __typename
    }
  }
`);

const auditVerifyCreateTenant = graphql(`
  mutation AuditVerifyCreateTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      ... on CreateTenantPayload {
        tenant {
          id
        }
      }
    }
  }
`);

const auditVerify = graphql(`
  query AuditVerify($tenantId: ID) {
    verifyAuditChain(tenantId: $tenantId) {
      intact
      entriesChecked
      headHash
      firstBreak {
        kind
        sequence
        entry {
          id
        }
      }
    }
  }
`);

describe('fifty commands on one tenant at a time', () => {
  it('leave a chain without gaps, and no check meanwhile sees a break', async () => {
    const { createTenant } = await test.operator.run(auditVerifyCreateTenant, { input: { name: 'busy' } });
    const tenantId = 'tenant' in createTenant ? createTenant.tenant.id : '';
    const work = { ended: false };
    const commands = Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        test.operator.run(auditVerifySetWeight, { input: { tenantId, weight: 1_000 + index } }),
      ),
    ).finally(() => {
      work.ended = true;
    });
    let checks = 0;
    while (!work.ended) {
      const { verifyAuditChain } = await test.operator.run(auditVerify, { tenantId });
      expect(verifyAuditChain).toMatchObject({ intact: true, firstBreak: null });
      checks += 1;
    }
    expect(new Set((await commands).map((answer) => answer.setTenantWeight.__typename))).toEqual(
      new Set(['SetTenantWeightPayload']),
    );
    expect(checks).toBeGreaterThan(0);
    const { verifyAuditChain } = await test.operator.run(auditVerify, { tenantId });
    expect(verifyAuditChain).toMatchObject({ intact: true, entriesChecked: 51 });
  });
});

describe('verifyAuditChain', () => {
  const emptyAnswer = { intact: true, entriesChecked: 0, headHash: '0'.repeat(64), firstBreak: null };

  it('shows the break with its entry', async () => {
    const chainId = await recordChain(database, services.audit, 3);
    const rows = await rowsOf(database, chainId);
    await database.transaction((transaction) => alterColumn(2, 'action')(transaction, rows));
    const { verifyAuditChain } = await test.operator.run(auditVerify, { tenantId: encodeId('Tenant', chainId) });
    expect(verifyAuditChain).toEqual({
      intact: false,
      entriesChecked: 1,
      headHash: hex(rows[0]?.hash),
      firstBreak: { kind: 'ALTERED', sequence: 2, entry: { id: encodeId('AuditEntry', String(rows[1]?.id)) } },
    });
  });

  it('checks the chain of the deployment when it is asked for no other', async () => {
    await database.transaction((transaction) => {
      const { tenantId: _tenantId, ...ofDeployment } = attemptOf('01900000-0000-7000-8000-000000000001');
      return services.audit.record(transaction, ofDeployment);
    });
    const { verifyAuditChain } = await test.operator.run(auditVerify, { tenantId: null });
    expect(verifyAuditChain).toMatchObject({ intact: true, firstBreak: null });
    expect(verifyAuditChain.entriesChecked).toBeGreaterThan(0);
  });

  it("checks a tenant's own chain for it, and tells it of others what it tells of those that do not exist", async () => {
    const own = String(chains[0]?.[0]?.chainId);
    const foreign = String(chains[1]?.[0]?.chainId);
    const tenant = test.ofTenant(own, 'audit:read');
    const verify = async (tenantId?: string) =>
      (await tenant.run(auditVerify, { tenantId: tenantId === undefined ? null : encodeId('Tenant', tenantId) }))
        .verifyAuditChain;
    expect(await verify()).toMatchObject({ intact: true, entriesChecked: 2 });
    expect(await verify(own)).toEqual(await verify());
    expect(await verify(foreign)).toEqual(emptyAnswer);
    expect(await verify('01900000-0000-7000-8000-00000000dddd')).toEqual(emptyAnswer);
    expect(await verify('00000000-0000-0000-0000-000000000000')).toEqual(emptyAnswer);
  });
});
