import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { WatchFairshareSubscription, WatchStatsSubscription } from '../../examples/generated/graphql.ts';
import { picture, type Watched } from '../../examples/watch/picture.ts';
import { startTestApp } from '../testkit/app.ts';
import { eventually } from '../testkit/eventually.ts';
import { TestSnapshots } from '../testkit/snapshots.ts';
import { startTcpProxy } from '../testkit/tcp-proxy.ts';

type Fairshare = WatchFairshareSubscription['fairshareLive'];

const share = (inFlight: number, weightShare: number, rest: Partial<Fairshare['tenants'][number]> = {}) => ({
  weight: 100,
  inFlight,
  queued: 0,
  weightShare,
  expectedSlots: 8 * weightShare,
  slotCap: 4,
  borrowed: 0,
  oldestWaitMs: null,
  ...rest,
});

const totals = { capacity: 8, inFlight: 8, queued: 3, borrowed: 3, oldestWaitMs: 1_250 };

const fairshare = {
  asOf: '2026-11-21T10:00:00.000Z',
  algorithm: 'HIERARCHICAL' as Fairshare['algorithm'],
  totals,
  groups: [
    { name: 'bronze', ...share(1, 0.5, { queued: 3 }) },
    { name: 'gold', ...share(7, 0.5, { weight: 500, borrowed: 3 }) },
  ],
  tenants: [
    { name: 'zeta', groupName: 'gold', ...share(7, 0.5, { borrowed: 3 }) },
    { name: 'late', groupName: 'bronze', ...share(1, 0.5, { queued: 3, oldestWaitMs: 1_250 }) },
  ],
  pools: [{ model: 'large', totals }],
} satisfies Fairshare;

const stats: WatchStatsSubscription['statsLive'] = {
  totals: {
    gatewaysAlive: 3,
    admittedPerSecond: 20.25,
    refusedPerSecond: 1.5,
    settledPerSecond: 20,
    tokensPerSecond: 12_345.6,
    queueWaitP50Ms: 3,
    queueWaitP99Ms: null,
    refusals: [{ reason: 'RATE_LIMITED', perSecond: 1.5 }],
  },
  tenants: [],
};

const unlimited = { columns: 200, rows: Number.POSITIVE_INFINITY };

function draw(watched: Partial<Watched>, size = unlimited): readonly string[] {
  return picture({ fairshare, stats, isConnected: true, pool: undefined, ...watched }, size).map(
    stripVTControlCharacters,
  );
}

describe('the picture', () => {
  it('has the groups by weight with their tenants below them, the share of each beside the expected one', () => {
    const lines = draw({});
    const names = lines.slice(5, 9).map((line) => line.slice(0, 10).trimEnd());
    expect(names).toEqual(['gold', '  zeta', 'bronze', '  late']);
    expect(lines[6]).toMatch(/zeta +100 +7\/4 +0 +– +88 % +50 % +\+3 +█+│█+/);
    expect(lines[8]).toMatch(/late +100 +1\/4 +3 +1\.3 s +13 % +50 % +█+ +│/);
    expect(lines.at(-1)).toMatch(/large +8\/8 +3 +1\.3 s +\+3 +█{24}/);
  });

  it('says what becomes of requests, and why they are refused', () => {
    const [first, second, third] = draw({});
    expect(first).toBe('Fairlead  live  10:00:00  hierarchical  8 of 8 in flight  3 queued');
    expect(second).toContain('20.3 admitted/s  20.0 settled/s  1.5 refused/s  12,346 tokens/s');
    expect(second).toContain('waits p50 3 ms, p99 –  3 gateways alive');
    expect(third).toBe('refused: RATE_LIMITED 1.5/s');
  });

  it('shows a tenant what is its own, without the totals of others', () => {
    const [tenant] = fairshare.tenants;
    if (tenant === undefined) throw new Error('There is no tenant.');
    const own = {
      ...fairshare,
      totals: null,
      groups: null,
      tenants: [tenant],
      pools: [{ model: 'large', totals: null }],
    };
    const lines = draw({ fairshare: own, stats: undefined });
    expect(lines[0]).toContain('7 in flight  0 queued');
    expect(lines[3]).toMatch(/zeta +100 +7\/4 +0 +– +88 % +50 %/);
    expect(lines.filter((line) => line.includes('zeta'))).toHaveLength(1);
    expect(lines.join('\n')).not.toContain('large');
  });

  it('of one pool shows its slots, and what everyone has of them', () => {
    const [, late] = fairshare.tenants;
    if (late === undefined) throw new Error('There is no tenant.');
    const inPool = { ...late, ...share(1, 1, { expectedSlots: 2 }) };
    const pools = [{ model: 'Small', totals: { ...totals, capacity: 2, inFlight: 1, queued: 0 } }];
    const lines = draw({ fairshare: { ...fairshare, groups: [], tenants: [], pools }, pool: 'small' });
    expect(lines[0]).toBe('Fairlead  live  10:00:00  hierarchical  Small  1 of 2 in flight  0 queued');
    const own = draw({ fairshare: { ...fairshare, groups: null, tenants: [inPool], pools }, pool: 'small' });
    expect(own.find((line) => line.includes('late'))).toMatch(/1\/4 +0 +– +50 % +100 %/);
    const unknown = draw({ fairshare: { ...fairshare, groups: [], tenants: [], pools: [] }, pool: 'x' });
    expect(unknown[0]).toContain('nothing of x  0 in flight');
  });

  it('says that the connection is lost, and keeps what it showed', () => {
    const lines = draw({ isConnected: false });
    expect(lines[0]).toContain('reconnecting…');
    expect(lines.length).toBe(draw({}).length);
    expect(draw({ fairshare: undefined, isConnected: false })).toEqual(['Connecting…']);
  });

  it('leaves out of a narrow terminal what matters least', () => {
    const wide = draw({});
    expect(draw({}, { ...unlimited, columns: 110 }).slice(3)).toEqual(wide.slice(3));
    const head = (columns: number) => draw({}, { ...unlimited, columns })[4];
    expect(wide[4]).toMatch(/tenant +weight +in flight +queued +oldest +share +expected +borrowed$/);
    expect(head(90)).toMatch(/tenant +in flight +queued +oldest +share +expected$/);
    expect(head(50)).toMatch(/tenant +in flight +queued +share +expected$/);
    expect(head(40)).toMatch(/tenant +in flight +queued +share$/);
  });

  it.each([
    { columns: 40, rows: 6 },
    { columns: 1, rows: 1 },
    { columns: 80, rows: 24 },
  ])('fits into a terminal of $columns x $rows', (size) => {
    const lines = draw({}, size);
    expect(lines.length).toBeLessThanOrEqual(size.rows);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(size.columns);
  });
});

describe('the program', async () => {
  const snapshots = new TestSnapshots();
  const { app, rootKey } = await startTestApp({ snapshotSource: snapshots });
  const row = { groupId: '019a0000-0000-7000-8000-000000000001', model: 'large', keyIds: [] };
  snapshots.tenants = [{ ...row, id: '019a0000-0000-7000-8000-000000000002', name: 'Acme', inFlight: 7 }];

  const started: ChildProcess[] = [];
  afterAll(() => {
    for (const child of started) child.kill();
  });

  function watch(url: string, ...args: readonly string[]) {
    const program = fileURLToPath(new URL('../../examples/watch.ts', import.meta.url));
    const env = { PATH: process.env.PATH, FAIRLEAD_URL: url.replace(/\/$/, ''), FAIRLEAD_KEY: rootKey };
    const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    started.push(child);
    const output = { text: '' };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output.text += text;
      });
    }
    return { output, exitCode: once(child, 'close').then(([code]) => code as number | null) };
  }

  it('prints one picture with --once, and ends', async () => {
    const { output, exitCode } = watch(app.url, '--once');
    expect(await exitCode, output.text).toBe(0);
    expect(output.text).toMatch(/Acme +100 +7\/12/);
    expect(output.text).toContain('RATE_LIMITED');
    expect(output.text.match(/Fairlead/g)).toHaveLength(1);
    expect(output.text).toMatch(/^Fairlead {2}live/);
  });

  it('says why there is no picture', async () => {
    const { output, exitCode } = watch(app.url, '--once', '--interval', '1');
    expect(await exitCode).toBe(1);
    expect(output.text).toContain('minIntervalMs');
    const nobody = watch('http://127.0.0.1:1', '--once');
    expect(await nobody.exitCode).toBe(1);
    expect(nobody.output.text).toBe('ws://127.0.0.1:1/graphql cannot be reached.\n');
  });

  it('goes on by itself after a lost connection', async () => {
    const proxy = await startTcpProxy(app.url);
    const { output } = watch(proxy.url);
    await eventually(() => expect(output.text).toContain('Acme'));
    proxy.cut();
    await eventually(() => expect(output.text).toContain('reconnecting…'));
    const before = output.text.length;
    await eventually(() => expect(output.text.slice(before)).toMatch(/Fairlead {2}live/));
    await proxy.close();
  });
});
