import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Program } from '../../testkit/program.ts';
import { Seed } from '../../testkit/seed.ts';

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

const prepared = await startTestApp();
const home = await mkdtemp(join(tmpdir(), 'fairlead-failover-'));
closers.push(() => rm(home, { recursive: true, force: true }));

/** A program as `npm start` runs it. */
async function start(): Promise<{ readonly program: Program; readonly gate: Gate }> {
  const program = new Program(home, {
    DATABASE_URL: prepared.databaseUrl,
    FAIRLEAD_COST_CAPACITY: '1000000000',
    FAIRLEAD_COST_PER_SECOND: '1000000000',
  });
  closers.push(() => program.stop('SIGKILL'));
  return { program, gate: new Gate(await program.client()) };
}

it('kill -9 of the process that decides loses and doubles nothing of what went through another, which takes over at once', async () => {
  const seed = new Seed(prepared);
  const [model, small] = [await modelWith(prepared, seed, 64), await modelWith(prepared, seed, 1)];
  const { keyId } = await callerOf(seed);
  await prepared.app.close();
  const wanted = { keyId, model: model.name, leaseSeconds: 600 };
  const owner = await start();
  const held = await owner.gate.admit({ ...wanted, model: small.name });
  const other = await start();

  // What waits for a slot, asked of the one that does not decide.
  const waiting = Array.from({ length: 20 }, (_, index) =>
    other.gate.ask({ ...wanted, model: small.name, requestId: `waits ${index}` }),
  );
  await owner.gate.whenQueued('waits 19');

  const settled = new Map<string, number>();
  let isOver = false;
  const retried = new Set<string>();
  const work = async (_: unknown, worker: number): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      const requestId = `${worker} ${turn}`;
      const inputTokens = 1_000 * worker + (turn % 1_000);
      const again = async <Answer extends { readonly __typename?: string }>(ask: () => Promise<Answer>) => {
        for (;;) {
          const answer = await ask();
          if (!('code' in answer)) return answer;
          expect(answer).toMatchObject({ code: 'NOT_READY' });
          retried.add(requestId);
        }
      };
      const admitted = await again(() => other.gate.ask({ ...wanted, requestId }));
      if (!('lease' in admitted)) throw new Error(requestId);
      const { id } = admitted.lease;
      await again(() => other.gate.settle(id, { inputTokens }));
      settled.set(decodeId('Lease', id), inputTokens);
    }
  };
  const workers = Promise.all(Array.from({ length: 16 }, work));
  await eventually(() => expect(settled.size).toBeGreaterThan(100));
  await owner.program.stop('SIGKILL');
  const killedAt = performance.now();
  const settledBefore = settled.size;
  for (const answer of await Promise.all(waiting)) {
    expect(answer).toMatchObject({ code: 'NOT_READY', retryable: true, retryAfterMs: 1_000 });
  }
  await eventually(() => expect(settled.size).toBeGreaterThan(settledBefore + 16));
  const tookOverMs = performance.now() - killedAt;
  await eventually(() => expect(settled.size).toBeGreaterThan(settledBefore + 100));
  isOver = true;
  await workers;
  expect(retried.size).toBeGreaterThan(0);
  // Much of it is this machine, which starts nothing for it.
  expect(tookOverMs).toBeLessThan(5_000);

  // What the one before had granted is held, and can be settled.
  const late = await other.gate.settle(held.id);
  expect(late).toMatchObject({ isRepeated: false, usageRecord: { settlement: 'SETTLED' } });
  const client = new pg.Client({ connectionString: prepared.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ id: string; settlement: string; tokens: number }>(
    'SELECT id, settlement, input_tokens::int AS tokens FROM usage_record',
  );
  await client.end();
  const recorded = new Map(rows.map(({ id, tokens }) => [id, tokens]));
  expect(recorded.size).toBe(rows.length);
  expect(new Map([...settled].map(([id]) => [id, recorded.get(id)]))).toEqual(settled);
  expect(rows.filter(({ settlement }) => settlement !== 'SETTLED')).toEqual([]);
  // Nor is anything held that nobody knows of: whoever asks again under its id is given the same lease.
  expect(await other.gate.leaseIds()).toEqual([]);
});
