import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { Scope } from '../../../src/access/scopes.ts';
import { Prisma } from '../../../src/database/generated/client.ts';
import { decodeId, newId } from '../../../src/graph/ids.ts';
import {
  fingerprintOf,
  messagesFingerprint as messages,
  ownerMethods,
  ownerPath,
} from '../../../src/modules/admission/replicas/methods.ts';
import {
  introductionOf,
  readOrMakeReplicaSecret,
  writeIntroduction,
} from '../../../src/modules/admission/replicas/proof.ts';
import { RemoteOwner } from '../../../src/modules/admission/replicas/remote-owner.ts';
import { decimal } from '../../../src/modules/admission/replicas/schemas.ts';
import { fromWire, toWire } from '../../../src/modules/admission/replicas/wire.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const owner = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: owner, clock: owner.clock });
const seed = new Seed(owner);
const gate = new Gate(owner.operator);
const other = new Gate(replica.operator);
const { database } = owner.app;
const operatorPrincipal = { kind: 'ROOT', scopes: new Set<Scope>(), credentialId: 'test', name: 'test' } as const;

afterAll(() => {
  expect(owner.logged).toEqual([]);
  expect(replica.logged).toEqual([]);
});

// The address of a TCP server is an object.
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** A caller with a model of its own with so many slots. */
async function start(slots: number, limits: Record<string, unknown> = {}) {
  const model = await modelWith(owner, seed, slots);
  const caller = await callerOf(seed, {}, { limits });
  return { ...caller, model, wanted: { keyId: caller.keyId, model: model.name, leaseSeconds: 600 } };
}

describe('a process that does not decide', () => {
  it('admits, renews, settles and cancels as the one that does, out of the same slots and limits', async () => {
    const { wanted, key } = await start(2, { requestsPerMinute: 3 });
    const { keyId: _, ...byKey } = { ...wanted, key };
    const lease = await other.admit(byKey);
    const second = await gate.admit(wanted);
    const waiting = other.ask({ ...wanted, requestId: 'third' });
    await eventually(async () => expect(await gate.queued('third')).toMatchObject({ position: 1 }));
    expect(await other.queued('third')).toEqual(await gate.queued('third'));
    expect(await other.leaseIds()).toEqual(await gate.leaseIds());
    expect(await other.renew({ leaseId: second.id, leaseSeconds: 900 })).toMatchObject({ lease: { id: second.id } });
    const settled = await other.settle(lease.id, { inputTokens: 7 });
    expect(settled).toMatchObject({ isRepeated: false, usageRecord: { inputTokens: 7, settlement: 'SETTLED' } });
    expect(await gate.settle(lease.id)).toEqual({ ...settled, isRepeated: true });
    const third = await waiting;
    expect(third).toMatchObject({ admission: 'QUEUED' });
    expect(await other.cancel({ leaseId: second.id })).toMatchObject({ cancellation: 'RELEASED' });
    await other.admit(wanted);
    expect(await other.refused(wanted)).toMatchObject({ code: 'RATE_LIMITED', limit: { used: '3' } });
  });

  it('gives the same lease for the same request id, whoever is asked', async () => {
    const { wanted } = await start(5);
    const [one, two] = await Promise.all([
      gate.admit({ ...wanted, requestId: 'the same' }),
      other.admit({ ...wanted, requestId: 'the same' }),
    ]);
    expect(one.id).toBe(two.id);
  });

  it('takes a request out of the queue whose client goes away', async () => {
    const { wanted, model } = await start(1);
    const held = await gate.admit(wanted);
    const controller = new AbortController();
    const body = JSON.stringify({
      query: `mutation { admitRequest(input: {
        keyId: "${wanted.keyId}", model: "${model.name}", requestId: "goes away",
        estimatedInputTokens: 1, estimatedOutputTokens: 1
      }) { __typename } }`,
    });
    const asked = request(`${replica.app.url}/graphql`, {
      method: 'POST',
      headers: { 'x-admin-key': replica.rootKey, 'content-type': 'application/json' },
      signal: controller.signal,
    });
    asked.on('error', () => undefined);
    asked.end(body);
    await gate.whenQueued('goes away');
    controller.abort();
    await gate.whenNotQueued('goes away');
    await gate.settle(held.id);
  });

  it('shows what runs and waits in the deployment', async () => {
    const { wanted } = await start(1);
    const { id } = await other.admit(wanted);
    const figures = () => Promise.all([owner, replica].map(({ app }) => app.services.admission.figures()));
    const [atOwner, atReplica] = await figures();
    expect(atReplica).toEqual(atOwner);
    expect(atReplica?.inFlight).toBeGreaterThan(0);
    await other.settle(id);
  });
});

describe('a gateway that reports to a process that does not decide', () => {
  it('renews its leases there, is alive, and loses them when no process hears of it any more', async () => {
    const { silenceSeconds } = owner.config.gateways;
    const { keyId, wanted } = await start(5);
    const other = new Seed(replica);
    const { id: gatewayId } = await other.gateway();
    const lease = await gate.admit({ ...wanted, keyId, gatewayId, leaseSeconds: silenceSeconds });
    const alive = async () => (await replica.app.services.snapshots.stats()).totals.gatewaysAlive;
    for (let time = 0; time < 3; time += 1) {
      owner.clock.advance(silenceSeconds * 900);
      await other.run('gatewayHeartbeat', { gatewayId, inFlight: 1, leaseIds: [lease.id] });
      const before = lease.expiresAt;
      await eventually(async () => {
        const [now] = await owner.app.services.admission.leases(operatorPrincipal, [decodeId('Lease', lease.id)]);
        expect(now?.expiresAt).toBeGreaterThan(Date.parse(String(before)) + time * silenceSeconds * 500);
      });
    }
    expect(await alive()).toBe(1);
    await replica.app.services.gatewayHeartbeats.flush();
    owner.clock.advance(silenceSeconds * 1_000 + 2);
    await eventually(async () => expect(await gate.leaseIds()).not.toContain(lease.id));
    owner.clock.advance(1_000);
    expect(await alive()).toBe(0);
  });
});

describe('a process that does not reach the one that decides', () => {
  const otherMessages = messages.replace(/^./, (first) => (first === 'a' ? 'b' : 'a'));
  const settle = {
    caller: { kind: 'ROOT', credentialId: 'test' },
    gatewayId: null,
    leaseId: newId(),
    statusCode: 200,
    inputTokens: 0,
    outputTokens: 0,
    images: 0,
    audioSeconds: 0,
    characters: 0,
    ttftMs: null,
    totalMs: null,
    cacheStatus: 'MISS',
  } as const;
  const settles = async (remote: RemoteOwner) => (await remote.settle(settle)).outcome;

  /** What hands calls on in a process. */
  async function startRemote({ messages: spoken, address }: { messages: string; address: string }) {
    const logged: string[] = [];
    const row = await database.prisma.admissionOwner.findUniqueOrThrow({ where: { id: 1 } });
    const ends = { count: 0 };
    const ended = Promise.withResolvers<void>();
    const remote = new RemoteOwner({
      instanceId: newId(),
      messages: spoken,
      secret: await readOrMakeReplicaSecret(database),
      log: pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) }),
      onReached: () => undefined,
      onUnreachable: () => {
        ends.count += 1;
        ended.resolve();
      },
    });
    remote.follow({ epoch: Number(row.epoch), instanceId: row.instanceId ?? '', address });
    return { remote, logged, ends, ended: ended.promise };
  }

  it('since it knows other messages says so once in its log, and answers NOT_READY without trying again', async () => {
    const same = await startRemote({ messages, address: owner.app.url });
    expect(await settles(same.remote)).toBe('NOT_FOUND');
    const { remote, logged, ends, ended } = await startRemote({ messages: otherMessages, address: owner.app.url });
    expect(await settles(remote)).toBe('UNAVAILABLE');
    await ended;
    for (let time = 0; time < 100; time += 1) expect(await settles(remote)).toBe('UNAVAILABLE');
    await expect(remote.figures()).rejects.toMatchObject({ extensions: { code: 'NOT_READY' } });
    expect(ends.count).toBe(1);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('is of another version');
    for (const each of [same.remote, remote]) each.close();
  });

  it('answers NOT_READY at once, and does not connect as often as it is asked', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { remote, logged } = await startRemote({ messages, address: `http://127.0.0.1:${portOf(server)}` });
    for (let time = 0; time < 500; time += 1) expect(await settles(remote)).toBe('UNAVAILABLE');
    expect(connections).toBeLessThan(10);
    expect(logged).toEqual([]);
    remote.close();
    server.close();
  });

  it('takes nothing from messages but what both know', () => {
    expect(fingerprintOf(ownerMethods)).toBe(messages);
    const { admit, ...others } = ownerMethods;
    const changed: Parameters<typeof fingerprintOf>[0][] = [
      others,
      { ...others, admitted: admit },
      { ...others, admit: { ...admit, answer: z.null() } },
      { ...others, admit: { ...admit, argument: others.settle.argument } },
      ...[z.string(), z.string().nullable(), z.number(), z.bigint(), z.date(), decimal, z.enum(['a', 'b'])].map(
        (type) => ({
          ...others,
          admit: { ...admit, argument: z.strictObject({ deadline: type }) },
        }),
      ),
      { ...others, admit: { ...admit, argument: z.strictObject({ deadline: z.enum(['a', 'c']) }) } },
    ];
    expect(new Set([messages, ...changed.map((methods) => fingerprintOf(methods))]).size).toBe(1 + changed.length);
  });
});

describe('the path between servers', () => {
  const otherMessages = 'x'.repeat(messages.length);
  const instanceId = async () =>
    (await database.prisma.admissionOwner.findUniqueOrThrow({ where: { id: 1 } })).instanceId ?? '';
  const epoch = async () =>
    Number((await database.prisma.admissionOwner.findUniqueOrThrow({ where: { id: 1 } })).epoch);
  const stranger = '00000000-0000-7000-8000-00000000000a';

  /** The status that an attempt to connect is answered with; 101: it is let in. */
  async function knock(authorization: string | undefined, by = owner): Promise<number> {
    const socket = new WebSocket(`${by.app.url.replace('http', 'ws')}${ownerPath}`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    const refused = once(socket, 'unexpected-response').then(([, response]: { statusCode: number }[]) => {
      socket.on('error', () => undefined);
      return response?.statusCode ?? 0;
    });
    const opened = once(socket, 'open').then(() => {
      socket.terminate();
      return 101;
    });
    return Promise.race([refused, opened]);
  }

  it('lets nobody in who does not know the secret of the deployment, whatever key they have', async () => {
    const secret = await readOrMakeReplicaSecret(database);
    const introduction = introductionOf({ from: stranger, to: await instanceId(), epoch: await epoch(), messages });
    const forged = writeIntroduction(Buffer.alloc(32), introduction);
    for (const authorization of [undefined, '', `Bearer ${owner.rootKey}`, forged]) {
      expect(await knock(authorization)).toBe(401);
    }
    // Said to somebody else, about somebody else.
    const proof = writeIntroduction(secret, introduction);
    expect(await knock(proof.replace(stranger, stranger.replace('a', 'b')))).toBe(401);
    expect(
      await knock(
        writeIntroduction(secret, introductionOf({ from: stranger, to: stranger, epoch: await epoch(), messages })),
      ),
    ).toBe(401);
  });

  it('lets nobody in twice with the same words, nor one who means another epoch', async () => {
    const secret = await readOrMakeReplicaSecret(database);
    const [to, now] = [await instanceId(), await epoch()];
    const proof = writeIntroduction(secret, introductionOf({ from: stranger, to, epoch: now, messages }));
    expect(await knock(proof)).toBe(101);
    expect(await knock(proof)).toBe(401);
    expect(
      await knock(writeIntroduction(secret, introductionOf({ from: stranger, to, epoch: now - 1, messages }))),
    ).toBe(409);
    expect(
      await knock(writeIntroduction(secret, introductionOf({ from: stranger, to, epoch: now + 1, messages }))),
    ).toBe(409);
  });

  it('refuses a version of the program that knows other messages, once it has proven who it is', async () => {
    const secret = await readOrMakeReplicaSecret(database);
    const introduction = { from: stranger, to: await instanceId(), epoch: await epoch(), messages: otherMessages };
    expect(await knock(writeIntroduction(secret, introductionOf(introduction)))).toBe(426);
    expect(await knock(writeIntroduction(Buffer.alloc(32), introductionOf(introduction)))).toBe(401);
    const proof = writeIntroduction(secret, introductionOf(introduction));
    expect(await knock(proof.replace(otherMessages, messages))).toBe(401);
  });

  it.each([ownerPath, '/nowhere'])('leaves no socket open that it was refused to: %s', async (path) => {
    const { hostname, port } = new URL(owner.app.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'a'.repeat(22)}==\r\n\r\n`,
    );
    await once(socket.resume(), 'end');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => undefined);
    // Whoever still has it reads on.
    await eventually(() => {
      socket.write('more');
      expect(socket.destroyed).toBe(true);
    });
    await closed;
  });

  it('is kept from tenants in the database', async () => {
    for (const table of ['replica_secret', 'admission_owner']) {
      const { rows } = await database.pool.query<{ allowed: boolean }>(
        `SELECT has_table_privilege('fairlead_tenant', '${table}', 'SELECT, INSERT, UPDATE, DELETE') AS allowed`,
      );
      expect(rows).toEqual([{ allowed: false }]);
    }
  });

  it('carries numbers, times and money as they are', () => {
    const record = {
      tokens: 12n,
      at: new Date('2026-03-01T12:00:00.123Z'),
      costUsd: new Prisma.Decimal('0.000000000001'),
      nothing: null,
      list: [1.5, 'a', [true]],
      inner: { $other: 'x' },
      lists: [[1n, 2], [{ at: new Date(0) }], ['plain']],
    };
    expect(fromWire(toWire(record))).toEqual(record);
    expect(fromWire(toWire([]))).toEqual([]);
  });
});
