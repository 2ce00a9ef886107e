import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { traced } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';
import { commandCases } from '../commands.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

type Row = Readonly<Record<string, unknown>>;

/** Carries the command out, and gives the tenant as it is then with the audit row. */
async function change(command: string, input: CommandInput) {
  const { client, auditRows } = traced(app, app.operator);
  const answer = await commands.run(client, command, input);
  expect(answer.code, answer.message).toBeUndefined();
  return { tenant: answer.tenant as Row, audit: (await auditRows()).at(0) };
}

async function fullTenant(): Promise<Row & { id: string }> {
  const input = await commandCases.createTenant?.valid(seed);
  return (await seed.run('createTenant', input ?? {})).tenant as Row & { id: string };
}

describe('updateTenant', () => {
  it('changes the given fields and leaves every other one as it is', async () => {
    const before = await fullTenant();
    app.clock.advance(1_000);
    const patches: Row[] = [
      { name: 'Renamed' },
      { description: '' },
      { organization: 'Other' },
      { contactEmail: '' },
      { timeZone: 'UTC' },
      { activeFrom: '2026-02-01T00:00:00.000Z' },
      { activeUntil: '2028-01-01T00:00:00.000Z' },
      { allowedModels: ['b', 'a'] },
      { tracingEnabled: false },
      { synthetic: false },
      { guardrailsPolicy: { action: 'LOG_ONLY', scanners: [], guardModel: null, banKeywords: [], failOpen: true } },
      { weeklyWindows: [{ day: 'SUNDAY', startMinute: 0, endMinute: 1_440 }] },
    ];
    let expected: Row = { ...before, updatedAt: app.clock.now().toISOString() };
    for (const [index, patch] of patches.entries()) {
      expected = { ...expected, ...patch, revision: index + 2 };
      const { tenant, audit } = await change('updateTenant', { tenantId: before.id, ...patch });
      expect(tenant).toEqual(expected);
      expect(audit?.after).toEqual({ ...patch, revision: index + 2 });
    }
  });

  it('clears with null what may be absent, and the audit log tells what it was', async () => {
    const before = await fullTenant();
    const cleared = {
      activeFrom: null,
      activeUntil: null,
      weeklyWindows: null,
      allowedModels: null,
      guardrailsPolicy: null,
    };
    const { tenant, audit } = await change('updateTenant', { tenantId: before.id, ...cleared });
    expect(tenant).toEqual({ ...before, ...cleared, revision: 2 });
    const names = Object.keys(cleared);
    expect(audit?.before).toEqual({ ...Object.fromEntries(names.map((name) => [name, before[name]])), revision: 1 });
    expect(audit?.after).toEqual({ ...cleared, revision: 2 });
  });

  it('writes nothing when every given value is the one that is stored', async () => {
    const before = await fullTenant();
    const { id, weight, limits, status, fairshareGroup, createdAt, updatedAt, revision, ...same } = before;
    app.clock.advance(1_000);
    const { tenant, audit } = await change('updateTenant', { tenantId: id, ...same });
    expect(tenant).toEqual(before);
    expect(audit).toBeUndefined();
  });

  it('may change the case of a name, and refuses that of another tenant', async () => {
    const { id } = await seed.tenant({ name: 'Case' });
    const { tenant } = await change('updateTenant', { tenantId: id, name: ' CASE ' });
    expect(tenant).toMatchObject({ name: 'CASE', revision: 2 });
    await seed.tenant({ name: 'Taken' });
    const answer = await commands.run(app.operator, 'updateTenant', { tenantId: id, name: 'tAKEN' });
    expect(answer).toMatchObject({ code: 'NAME_TAKEN', path: ['name'] });
  });

  it('keeps windows sorted by day and time, also those that touch', async () => {
    const { id } = await seed.tenant();
    const window = (day: string, startMinute: number, endMinute: number) => ({ day, startMinute, endMinute });
    const weeklyWindows = [
      window('SATURDAY', 0, 1),
      window('MONDAY', 60, 120),
      window('SUNDAY', 9, 10),
      window('MONDAY', 0, 60),
    ];
    const { tenant } = await change('updateTenant', { tenantId: id, weeklyWindows });
    expect(tenant.weeklyWindows).toEqual([2, 3, 1, 0].map((index) => weeklyWindows[index]));
    const again = await change('updateTenant', { tenantId: id, weeklyWindows: weeklyWindows.toReversed() });
    expect(again.tenant.revision).toBe(2);
  });
});

describe('setTenantLimits', () => {
  const nothing = {
    requestsPerMinute: null,
    tokensPerMinute: null,
    tokensPerDay: null,
    maxInFlight: null,
    budget: null,
  };

  it('sets the given limits and leaves the others; 0 blocks and null inherits', async () => {
    const { id } = await seed.tenant();
    const set = async (limits: CommandInput) =>
      (await change('setTenantLimits', { tenantId: id, limits })).tenant.limits;
    expect(await set({ requestsPerMinute: 0 })).toEqual({ ...nothing, requestsPerMinute: 0 });
    const large = { tokensPerMinute: 2 ** 40, tokensPerDay: Number.MAX_SAFE_INTEGER, maxInFlight: 2 ** 31 - 1 };
    expect(await set(large)).toEqual({ ...nothing, requestsPerMinute: 0, ...large });
    expect(await set({ requestsPerMinute: null, tokensPerMinute: 0 })).toEqual({
      ...nothing,
      ...large,
      tokensPerMinute: 0,
    });
    expect(await set({ tokensPerMinute: null, tokensPerDay: null, maxInFlight: null })).toEqual(nothing);
  });

  it('replaces a budget as a whole, and its count goes on while the period stays the same', async () => {
    const { id } = await seed.tenant();
    const set = async (budget: CommandInput | null) =>
      ((await change('setTenantLimits', { tenantId: id, limits: { budget } })).tenant.limits as Row).budget;
    const start = app.clock.now().toISOString();
    expect(await set({ tokens: 5, costUsd: '0.1' })).toEqual({
      tokens: 5,
      costUsd: '0.1',
      period: 'LIFETIME',
      startedAt: start,
    });
    app.clock.advance(5_000);
    expect(await set({ costUsd: '999999999999.999999' })).toEqual({
      tokens: null,
      costUsd: '999999999999.999999',
      period: 'LIFETIME',
      startedAt: start,
    });
    expect(await set({ tokens: 0, period: 'MONTHLY' })).toEqual({
      tokens: 0,
      costUsd: null,
      period: 'MONTHLY',
      startedAt: null,
    });
    const later = app.clock.now().toISOString();
    expect(await set({ costUsd: '0', period: 'TERM' })).toEqual({
      tokens: null,
      costUsd: '0',
      period: 'TERM',
      startedAt: later,
    });
    const startedAt = '2026-01-01T00:00:00.000Z';
    expect(await set({ costUsd: '0', period: 'TERM', startedAt })).toMatchObject({ startedAt });
    expect(await set(null)).toBeNull();
  });

  it('writes nothing when an amount is the same in other digits', async () => {
    const { id } = await seed.tenant({ limits: { budget: { costUsd: '12.5' } } });
    const { tenant, audit } = await change('setTenantLimits', {
      tenantId: id,
      limits: { budget: { costUsd: '12.500000' } },
    });
    expect(tenant.revision).toBe(1);
    expect(audit).toBeUndefined();
  });
});

describe('the status of a tenant', () => {
  it('goes from active over suspended to archived and back, one revision a step', async () => {
    const { id } = await seed.tenant();
    const steps = [
      ['suspendTenant', 'SUSPENDED', 2],
      ['suspendTenant', 'SUSPENDED', 2],
      ['resumeTenant', 'ACTIVE', 3],
      ['archiveTenant', 'ARCHIVED', 4],
      ['resumeTenant', 'ACTIVE', 5],
      ['suspendTenant', 'SUSPENDED', 6],
      ['archiveTenant', 'ARCHIVED', 7],
      ['archiveTenant', 'ARCHIVED', 7],
      ['resumeTenant', 'ACTIVE', 8],
    ] as const;
    for (const [command, status, revision] of steps) {
      expect((await change(command, { tenantId: id })).tenant).toMatchObject({ status, revision });
    }
  });

  it('archived refuses every change but resuming and deleting, and says so', async () => {
    const { id } = await seed.tenantAfter('archiveTenant');
    for (const [command, input] of [
      ['updateTenant', { description: 'Changed' }],
      ['setTenantWeight', { weight: 5 }],
      ['setTenantLimits', { limits: { maxInFlight: 5 } }],
      ['setTenantGroup', { fairshareGroupId: (await seed.group()).id }],
      ['suspendTenant', {}],
    ] as const) {
      const answer = await commands.run(app.operator, command, { tenantId: id, ...input });
      expect(answer).toMatchObject({
        __typename: 'InvalidStateError',
        code: 'INVALID_STATE',
        currentState: 'ARCHIVED',
        path: ['tenantId'],
      });
      expect(answer.message).toContain('resume');
    }
    expect((await commands.run(app.operator, 'deleteTenant', { tenantId: id })).__typename).toBe('DeleteTenantPayload');
  });
});

describe('setTenantGroup', () => {
  it('moves a tenant, and answers with the new group', async () => {
    const { id } = await seed.tenant();
    const group = await seed.group({ weight: 17 });
    const { tenant, audit } = await change('setTenantGroup', { tenantId: id, fairshareGroupId: group.id });
    expect(tenant).toMatchObject({ revision: 2, fairshareGroup: { id: group.id, name: group.name, weight: 17 } });
    expect(audit?.after).toEqual({ fairshareGroupId: group.id, revision: 2 });
  });
});
