import { createClient } from 'graphql-ws';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import type { RejectionReason } from '../../../src/access/credentials.ts';
import type { Database } from '../../../src/database/database.ts';
import { RejectionLog } from '../../../src/modules/audit/rejections.ts';
import { startTestApp } from '../../testkit/app.ts';
import { Client } from '../../testkit/client.ts';
import { TestClock } from '../../testkit/clock.ts';
import { eventually } from '../../testkit/eventually.ts';
import { tablesWith } from '../../testkit/stored-text.ts';

const clockOfBoth = new TestClock();
const environment = { FAIRLEAD_TRUST_PROXY: 'true' };
const first = await startTestApp({ environment, clock: clockOfBoth });
const second = await startTestApp({ environment, clock: clockOfBoth, sameDatabaseAs: first });
const { database, services } = first.app;

const query = '{ __typename }';
const minuteMs = 60_000;

interface Row {
  readonly ipAddress: string;
  readonly errorCode: RejectionReason;
  readonly attempts: number;
  readonly occurredAt: Date;
}

/** The rows of the audit log for attempts without a valid credential from these addresses. */
async function rowsOf(...addresses: readonly string[]): Promise<readonly Row[]> {
  const { rows } = await database.pool.query<Row>(
    `SELECT ip_address AS "ipAddress", error_code AS "errorCode", attempts, occurred_at AS "occurredAt"
     FROM audit_entry WHERE action = 'authenticate' AND ip_address = ANY($1) ORDER BY occurred_at, error_code`,
    [addresses],
  );
  return rows;
}

/** Lets the minute of both replicas end and their counts be moved to the audit log. */
async function endMinute(): Promise<void> {
  for (const { app } of [first, second]) await app.rejections.flush();
  clockOfBoth.advance(2 * minuteMs);
  for (const { app } of [first, second]) await app.rejections.flush();
}

const from = (address: string, headers: Readonly<Record<string, string>> = {}, url = first.app.url) =>
  new Client(url, { 'x-forwarded-for': address, ...headers });

/** Tries to open a socket, and waits until it is refused. */
async function refuseSocket(url: string, address: string, key: string): Promise<void> {
  class SocketFrom extends WebSocket {
    constructor(target: string, protocols: string[]) {
      // Node's WebSocket takes headers as well, which its types do not say.
      super(target, { protocols, headers: { 'x-forwarded-for': address } } as unknown as string[]);
    }
  }
  const client = createClient({
    url: url.replace('http', 'ws').concat('/graphql'),
    webSocketImpl: SocketFrom,
    connectionParams: { 'X-Admin-Key': key },
    retryAttempts: 0,
  });
  await expect(client.iterate({ query }).next()).rejects.toMatchObject({ code: 4401 });
}

describe('attempts without a valid credential', () => {
  it('are one row of the audit log for each minute, however many they are', async () => {
    const client = from('192.0.2.1', { 'user-agent': 'flood' });
    const startedAt = clockOfBoth.now();
    for (let batch = 0; batch < 10; batch += 1) {
      await Promise.all(Array.from({ length: 50 }, () => client.fail(query)));
      await first.app.rejections.flush();
    }
    expect(await rowsOf('192.0.2.1')).toEqual([]);
    await endMinute();
    expect(await rowsOf('192.0.2.1')).toEqual([
      {
        ipAddress: '192.0.2.1',
        errorCode: 'MISSING_CREDENTIAL',
        attempts: 500,
        occurredAt: new Date(startedAt.getTime() - (startedAt.getTime() % minuteMs)),
      },
    ]);
  });

  it('are rows of the same minute no longer than that, and of different minutes apart', async () => {
    await from('192.0.2.2').fail(query);
    clockOfBoth.advance(minuteMs);
    await from('192.0.2.2').fail(query);
    await endMinute();
    const rows = await rowsOf('192.0.2.2');
    expect(rows.map(({ attempts }) => attempts)).toEqual([1, 1]);
    const [one, other] = rows.map(({ occurredAt }) => occurredAt.getTime());
    expect(Number(other) - Number(one)).toBe(minuteMs);
  });

  it('are told apart by address and by reason', async () => {
    await from('192.0.2.3').fail(query);
    await from('192.0.2.3', { authorization: 'Basic xyz' }).fail(query);
    await from('192.0.2.3', { 'x-admin-key': 'wrong' }).fail(query);
    await from('192.0.2.3', { 'x-admin-key': 'wrong', 'x-api-key': 'wrong' }).fail(query);
    await from('192.0.2.4', { 'x-admin-key': 'wrong' }).fail(query);
    await endMinute();
    const found = (await rowsOf('192.0.2.3', '192.0.2.4')).map(
      ({ ipAddress, errorCode }) => `${ipAddress} ${errorCode}`,
    );
    expect(found.sort()).toEqual([
      '192.0.2.3 AMBIGUOUS_CREDENTIAL',
      '192.0.2.3 MALFORMED_CREDENTIAL',
      '192.0.2.3 MISSING_CREDENTIAL',
      '192.0.2.3 UNKNOWN_CREDENTIAL',
      '192.0.2.4 UNKNOWN_CREDENTIAL',
    ]);
  });

  it('are counted together over HTTP and WebSocket, and over all replicas', async () => {
    const key = 'a key that nobody has';
    for (const { app } of [first, second]) {
      await from('192.0.2.5', { 'x-admin-key': key }, app.url).fail(query);
      await refuseSocket(app.url, '192.0.2.5', key);
    }
    await endMinute();
    expect(await rowsOf('192.0.2.5')).toMatchObject([{ errorCode: 'UNKNOWN_CREDENTIAL', attempts: 4 }]);
  });

  it('are rows with who, what and where, in the chain of the deployment, which holds', async () => {
    await from('192.0.2.6', { 'user-agent': `agent ${'x'.repeat(1_000)}`, 'x-request-id': 'the-first' }).fail(query);
    await endMinute();
    const [row] = await database.prisma.auditEntry.findMany({ where: { ipAddress: '192.0.2.6' } });
    expect(row).toMatchObject({
      chainId: '00000000-0000-0000-0000-000000000000',
      actorKind: 'ANONYMOUS',
      actorId: null,
      action: 'authenticate',
      outcome: 'DENIED',
      requestId: 'the-first',
      userAgent: `agent ${'x'.repeat(506)}`,
      targetId: null,
    });
    const found = await first.operator.send('{ verifyAuditChain { intact } }');
    expect(found.data).toEqual({ verifyAuditChain: { intact: true } });
  });

  it('leave nothing of what was presented anywhere', async () => {
    const secret = 'flr_ThisSecretWasMistypedAndMustNotBeKept';
    for (const headers of [
      { authorization: `Bearer ${secret}` },
      { authorization: secret },
      { 'x-admin-key': secret },
      { 'x-api-key': secret, 'x-engine-key': secret },
    ]) {
      await from('192.0.2.7', headers).fail(query);
    }
    await refuseSocket(first.app.url, '192.0.2.7', secret);
    await first.app.rejections.flush();
    expect(await tablesWith(database, '192.0.2.7')).toEqual(['rejected_attempt']);
    await endMinute();
    expect(await tablesWith(database, '192.0.2.7')).toContain('audit_entry');
    expect(await tablesWith(database, 'MistypedAndMustNot')).toEqual([]);
    expect(first.logged.join()).not.toContain('MistypedAndMustNot');
  });
});

describe('counting', () => {
  const info = (ipAddress: string) => ({ id: 'request', ipAddress, userAgent: null, idempotencyKey: null });
  const silent = pino({ level: 'silent' });

  /** One more counter on the same database, as a process without a server. */
  const startLog = (clock: TestClock, parts: Partial<Database> = {}) =>
    new RejectionLog({ database: { ...database, ...parts }, audit: services.audit, clock, log: silent });

  const endMinuteOf = async (log: RejectionLog, clock: TestClock): Promise<void> => {
    await log.flush();
    clock.advance(2 * minuteMs);
    await log.flush();
  };

  it('tells 1,000 addresses apart in a minute, and counts the attempts of others together', async () => {
    const clock = new TestClock('2026-04-01T08:00:00.000Z');
    const log = startLog(clock);
    const addresses = Array.from({ length: 1_200 }, (_, index) => `2001:db8::${index.toString(16)}`);
    for (const address of addresses.slice(0, 700)) log.note('MISSING_CREDENTIAL', info(address));
    await log.flush();
    for (const address of addresses) log.note('MISSING_CREDENTIAL', info(address));
    await endMinuteOf(log, clock);
    const rows = await rowsOf(...addresses, 'other addresses');
    expect(rows).toHaveLength(1_001);
    expect(rows.find(({ ipAddress }) => ipAddress === 'other addresses')?.attempts).toBe(200);
    expect(rows.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(1_900);
    // In the next minute they are told apart again.
    log.note('MISSING_CREDENTIAL', info('2001:db8::ffff'));
    await endMinuteOf(log, clock);
    expect(await rowsOf('2001:db8::ffff')).toMatchObject([{ attempts: 1 }]);
  });

  it('looks for minutes that are over once in each, and asks nothing of the database while nobody is rejected', async () => {
    const clock = new TestClock('2026-04-03T08:00:30.000Z');
    let looks = 0;
    const transaction: Database['transaction'] = (work) => {
      looks += 1;
      return database.transaction(work);
    };
    const log = startLog(clock, { transaction });
    for (let second = 0; second < 120; second += 1) {
      await log.flush();
      clock.advance(1_000);
    }
    expect(looks).toBe(3);
  });

  it('moves minutes that are over to the audit log by itself', async () => {
    const clock = new TestClock('2026-04-04T08:00:00.000Z');
    const log = startLog(clock);
    log.note('MISSING_CREDENTIAL', info('192.0.2.44'));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    try {
      log.start(1_000);
      // Counted a second later, looked for with the next of every ten.
      vi.advanceTimersByTime(1_000);
      await log.flush();
      clock.advance(2 * minuteMs);
      vi.advanceTimersByTime(10_000);
    } finally {
      vi.useRealTimers();
    }
    await vi.waitFor(async () => expect(await rowsOf('192.0.2.44')).toMatchObject([{ attempts: 1 }]));
    await log.close();
  });

  it('cuts what is no address, so that it can be stored', async () => {
    const clock = new TestClock('2026-04-02T08:00:00.000Z');
    const log = startLog(clock);
    const noise = Array.from({ length: 6_000 }, (_, index) => String.fromCharCode(33 + ((index * 7_919) % 90))).join(
      '',
    );
    log.note('MISSING_CREDENTIAL', info(noise));
    await endMinuteOf(log, clock);
    expect(await rowsOf(noise.slice(0, 64))).toMatchObject([{ attempts: 1 }]);
  });

  it('loses nothing while the database is away', async () => {
    const clock = new TestClock('2026-04-03T08:00:00.000Z');
    const state = { isAway: true };
    const away = new Proxy(database.prisma, {
      get: (target, name) =>
        name === '$executeRaw' && state.isAway
          ? () => Promise.reject(new Error('the database is away'))
          : Reflect.get(target, name),
    });
    const log = startLog(clock, { prisma: away });
    for (let round = 0; round < 3; round += 1) {
      log.note('UNKNOWN_CREDENTIAL', info('192.0.2.20'));
      await expect(log.flush()).rejects.toThrow('the database is away');
    }
    // An attempt that is made while the others are on their way back.
    const flushed = log.flush().catch(() => undefined);
    log.note('UNKNOWN_CREDENTIAL', info('192.0.2.20'));
    await flushed;
    state.isAway = false;
    await endMinuteOf(log, clock);
    expect(await rowsOf('192.0.2.20')).toMatchObject([{ attempts: 4 }]);
  });

  it('ends quietly when the database is away for good', async () => {
    const away = new Proxy(database.prisma, {
      get: (target, name) =>
        name === '$executeRaw' ? () => Promise.reject(new Error('the database is away')) : Reflect.get(target, name),
    });
    const log = startLog(new TestClock('2026-04-04T08:00:00.000Z'), { prisma: away });
    log.note('UNKNOWN_CREDENTIAL', info('192.0.2.21'));
    await expect(log.close()).resolves.toBeUndefined();
  });

  it('adds what is left when the program ends', async () => {
    const log = startLog(new TestClock('2026-04-05T08:00:00.000Z'));
    log.note('UNKNOWN_CREDENTIAL', info('192.0.2.22'));
    await log.close();
    expect(await tablesWith(database, '192.0.2.22')).toEqual(['rejected_attempt']);
  });

  it('writes by itself as long as it runs', async () => {
    const log = startLog(new TestClock('2026-04-06T08:00:00.000Z'));
    log.start(5);
    log.note('UNKNOWN_CREDENTIAL', info('192.0.2.23'));
    await eventually(async () => expect(await tablesWith(database, '192.0.2.23')).toEqual(['rejected_attempt']));
    await log.close();
  });

  it('moves each count to the audit log once, however many processes do so', async () => {
    const clock = new TestClock('2026-04-07T08:00:00.000Z');
    const logs = [startLog(clock), startLog(clock), startLog(clock)];
    for (const log of logs) {
      for (let index = 0; index < 30; index += 1) log.note('UNKNOWN_CREDENTIAL', info(`198.51.100.${index}`));
      await log.flush();
    }
    clock.advance(2 * minuteMs);
    await Promise.all(logs.map((log) => log.flush()));
    const rows = await rowsOf(...Array.from({ length: 30 }, (_, index) => `198.51.100.${index}`));
    expect(rows.map(({ attempts }) => attempts)).toEqual(Array.from({ length: 30 }, () => 3));
  });
});
