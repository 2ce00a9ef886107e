import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { startTestApp } from '../testkit/app.ts';
import { eventually } from '../testkit/eventually.ts';
import { graphql } from '../testkit/generated/gql.ts';
import { Seed } from '../testkit/seed.ts';

const program = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url));
const server = await startTestApp();
const { app, rootKey, operator } = server;
const seed = new Seed(server);

const demoLeft = graphql(`
  query DemoTestLeft {
    tenants(first: 100) {
      edges {
        node {
          name
          synthetic
        }
      }
    }
    fairshareGroups(first: 100) {
      edges {
        node {
          name
        }
      }
    }
    models(first: 100) {
      totalCount
    }
    apiKeys(first: 100) {
      totalCount
    }
    leases(first: 1) {
      totalCount
    }
    gateways(first: 100) {
      edges {
        node {
          name
          status
        }
      }
    }
    usageRecords(first: 1) {
      totalCount
    }
  }
`);

const left = () => operator.run(demoLeft);

/** Asked again and again, and so for little. */
const demoHeld = graphql(`
  query DemoTestHeld {
    leases(first: 1) {
      totalCount
    }
    usageRecords(first: 1) {
      totalCount
    }
  }
`);

const held = async () => (await operator.run(demoHeld)).leases.totalCount;
const recorded = async () => (await operator.run(demoHeld)).usageRecords.totalCount;

/** Within which a demo on a busy machine has set up and runs. */
const startMs = 40_000;

const started: ReturnType<typeof spawn>[] = [];
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
});

function demo(...args: readonly string[]) {
  const env = { PATH: process.env.PATH, FAIRLEAD_URL: app.url, FAIRLEAD_KEY: rootKey };
  const child = spawn(process.execPath, [program, '--tenants', '3', '--rate', '40', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text += text;
    });
  }
  return { child, output, exitCode: once(child, 'close').then(([code]) => code as number | null) };
}

/** What the last of its lines says. */
const settledIn = (text: string): number => Number([...text.matchAll(/ settled (\d+)/g)].at(-1)?.[1]);

test('the demo admits and settles over HTTP, keeps what it made when it is told to, and uses it again', {
  timeout: 60_000,
}, async () => {
  const first = demo('--name', 'own', '--duration', '2', '--keep');
  expect(await first.exitCode, first.output.text).toBe(0);
  expect(first.output.text).toContain(`${app.url}/`);
  expect(first.output.text).toContain('FairshareLive');
  expect(first.output.text).not.toContain('failed');
  const settledFirst = settledIn(first.output.text);
  expect(settledFirst).toBeGreaterThan(10);
  const kept = await left();
  expect(kept.tenants.edges.map(({ node }) => node)).toEqual([
    { name: 'demo own 01 steady', synthetic: true },
    { name: 'demo own 02 noisy neighbour', synthetic: true },
    { name: 'demo own 03 daily wave', synthetic: true },
  ]);
  expect(kept.leases.totalCount).toBe(0);
  expect(kept.usageRecords.totalCount).toBe(settledFirst);

  // Ended in the middle of it, with requests that run and wait.
  const second = demo('--name', 'own');
  await eventually(async () => expect(await held()).toBeGreaterThan(3), startMs);
  second.child.kill('SIGINT');
  expect(await second.exitCode, second.output.text).toBe(0);
  expect(second.output.text).not.toContain('failed');
  const { tenants, fairshareGroups, models, apiKeys, leases, gateways, usageRecords } = await left();
  expect(tenants.edges).toEqual([]);
  expect(fairshareGroups.edges.map(({ node }) => node.name)).toEqual(['default']);
  expect([models.totalCount, apiKeys.totalCount, leases.totalCount]).toEqual([0, 0, 0]);
  expect(new Set(gateways.edges.map(({ node }) => node.status))).toEqual(new Set(['LEFT']));
  expect(usageRecords.totalCount).toBe(settledFirst + settledIn(second.output.text));
});

test('several at once on one server leave each other alone, and what was left is removed, however much it is', {
  timeout: 90_000,
}, async () => {
  // One page of a list is not all of it.
  for (let count = 0; count < 101; count += 1) await seed.tenant({ synthetic: true, name: `demo old ${count}` });
  const { name: similar } = await seed.tenant({ name: 'demo of somebody' });
  const [first, second] = [demo('--name', 'one'), demo('--name', 'two', '--duration', '2')];
  await eventually(async () => expect(await held()).toBeGreaterThan(3), startMs);
  expect(await second.exitCode, second.output.text).toBe(0);
  const settled = settledIn(second.output.text);
  // The first goes on when the second has removed its own.
  const before = await recorded();
  await eventually(async () => expect(await recorded()).toBeGreaterThan(before + 20), startMs);
  first.child.kill('SIGTERM');
  expect(await first.exitCode, first.output.text).toBe(0);
  for (const { output } of [first, second]) expect(output.text).not.toContain('failed');
  expect(settled).toBeGreaterThan(10);
  expect((await left()).models.totalCount).toBe(0);

  const removing = demo('--remove');
  expect(await removing.exitCode, removing.output.text).toBe(0);
  expect((await left()).tenants.edges.map(({ node }) => node.name)).toEqual([similar]);
});

test('says what is wrong with an option, and how it is used', async () => {
  const { output, exitCode } = demo('--tenants', 'many');
  expect(await exitCode).toBe(1);
  expect(output.text).toContain('--tenants is 1 to 100, not many');
  expect(output.text).toContain('npm run demo');
});
