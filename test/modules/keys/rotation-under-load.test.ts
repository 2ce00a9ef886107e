import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { Client } from '../../testkit/client.ts';
import { RunningClock } from '../../testkit/clock.ts';
import { createDatabase, dropDatabase } from '../../testkit/databases.ts';
import { eventually } from '../../testkit/eventually.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { makeKey, VerifyKey } from '../../testkit/keys.ts';
import { Program } from '../../testkit/program.ts';

// Deadlines are kept in real time here, so these tests take as long as the overlaps do.

const rotateKey = graphql(`
  mutation UnderLoadRotate($input: RotateKeyInput!) {
    rotateKey(input: $input) {
      __typename
      ... on RotateKeyPayload {
        secret {
          value
        }
        retiringUntil
      }
    }
  }
`);

const usesOfKey = graphql(`
  query UnderLoadUses($id: ID!) {
    apiKey(id: $id) {
      secrets(first: 2) {
        edges {
          node {
            useCount
            supersededUseCount
          }
        }
      }
    }
  }
`);

interface Verification {
  readonly secret: 'old' | 'new';
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly reason: string | null;
}

const perSecond = 200;

/** Far more than any of these tests sends. */
const sentMax = 5_000;

/** Gateways that have keys verified at a steady rate, by one program after the other, whether or not answers are slow. */
class Gateways {
  readonly answered: Promise<Verification>[] = [];
  #isOver = false;
  readonly #programs: readonly { current: Client | undefined }[];
  readonly #secrets: { old: string; new?: string };
  #ended: Promise<void> | undefined;

  constructor(programs: readonly { current: Client | undefined }[], secrets: { old: string; new?: string }) {
    this.#programs = programs;
    this.#secrets = secrets;
  }

  start(): void {
    this.#ended = this.#run();
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    for (let count = 0; count < sentMax && !this.#isOver; count += 1) {
      const early = startedAt + (count * 1_000) / perSecond - performance.now();
      if (early > 0) await delay(early);
      const secret = count % 2 === 1 && this.#secrets.new !== undefined ? 'new' : 'old';
      this.answered.push(this.#verify(secret, count >> 1));
    }
  }

  /** As a gateway does: what a program that died did not answer, another is asked. */
  async #verify(secret: 'old' | 'new', turn: number): Promise<Verification> {
    for (let attempt = 0; attempt < 2 * this.#programs.length; attempt += 1) {
      const program = this.#programs[(turn + attempt) % this.#programs.length]?.current;
      if (program === undefined) continue;
      const sentAt = Date.now();
      const input = { key: this.#secrets[secret] ?? '' };
      const answer = await program.send(VerifyKey, { input }).catch(() => undefined);
      if (answer === undefined) continue;
      const answeredAt = Date.now();
      const verification = answer.data?.verifyKey;
      if (verification === undefined) throw new Error(`An answer without data: ${JSON.stringify(answer)}`);
      return { secret, sentAt, answeredAt, reason: verification.reason ?? null };
    }
    throw new Error('No program answered.');
  }

  async stop(): Promise<Verification[]> {
    this.#isOver = true;
    await this.#ended;
    return Promise.all(this.answered);
  }
}

/** The verifications whose answer was wrong, by the deadline that the rotation gave. */
const wrong = (verifications: readonly Verification[], deadline: number): Verification[] =>
  verifications.filter(({ secret, sentAt, answeredAt, reason }) => {
    if (secret === 'new') return reason !== null;
    if (answeredAt < deadline) return reason !== null;
    // What was under way at the deadline may have been decided before or after it.
    return sentAt >= deadline ? reason !== 'SUPERSEDED' : reason !== null && reason !== 'SUPERSEDED';
  });

const ofOld = (verifications: readonly Verification[], deadline: number) => ({
  before: verifications.filter(({ secret, answeredAt }) => secret === 'old' && answeredAt < deadline).length,
  after: verifications.filter(({ secret, sentAt }) => secret === 'old' && sentAt >= deadline).length,
});

async function rotate(client: Client, keyId: string, overlapSeconds: number) {
  const { rotateKey: answer } = await client.run(rotateKey, { input: { keyId, overlapSeconds } });
  if (answer.__typename !== 'RotateKeyPayload') throw new Error(JSON.stringify(answer));
  return { secret: answer.secret?.value ?? '', deadline: Date.parse(String(answer.retiringUntil)) };
}

/** A key to be rotated, and the key of the gateways. */
async function makeKeys(operator: Client) {
  const { key, secret } = await makeKey(operator, { kind: 'ADMIN', name: 'rotated', scopes: ['tenants:read'] });
  const gateway = await makeKey(operator, { kind: 'GATEWAY', name: 'gateways', scopes: ['keys:verify'] });
  return { id: key.id, old: secret, authorization: `Bearer ${gateway.secret}` };
}

const generous = { FAIRLEAD_COST_CAPACITY: '1000000000', FAIRLEAD_COST_PER_SECOND: '1000000000' };

describe('a rotation while 200 keys a second are verified by two programs', () => {
  it('loses no request, refuses the old secret exactly from its deadline on, and never the new one', async () => {
    const first = await startTestApp({ environment: generous, clock: new RunningClock() });
    const second = await startTestApp({ environment: generous, clock: new RunningClock(), sameDatabaseAs: first });
    const { id, old, authorization } = await makeKeys(first.operator);
    const secrets: { old: string; new?: string } = { old };
    const programs = [first, second].map(({ app: { url } }) => ({ current: new Client(url, { authorization }) }));
    const gateways = new Gateways(programs, secrets);
    gateways.start();
    // Both programs have the key in memory when it is rotated.
    await eventually(() => expect(gateways.answered.length).toBeGreaterThan(40));
    await Promise.all(gateways.answered);
    const { secret, deadline } = await rotate(first.operator, id, 2);
    secrets.new = secret;
    await delay(deadline + 500 - Date.now());
    const verifications = await gateways.stop();

    expect(wrong(verifications, deadline)).toEqual([]);
    const { before, after } = ofOld(verifications, deadline);
    expect(before).toBeGreaterThan(100);
    expect(after).toBeGreaterThan(10);
    expect(verifications.filter((verification) => verification.secret === 'new').length).toBeGreaterThan(100);

    const uses = async () => {
      const { apiKey } = await first.operator.run(usesOfKey, { id });
      const counts = apiKey?.secrets.edges.map(({ node }) => node) ?? [];
      return counts.reduce((sum, { useCount }) => sum + useCount, 0);
    };
    // Every one that was accepted is counted once, whichever program accepted it.
    const accepted = verifications.filter(({ reason }) => reason === null).length;
    await eventually(async () => expect(await uses()).toBe(accepted));
  });

  it('goes on through the death of one of them and its restart', { timeout: 90_000 }, async () => {
    const home = await mkdtemp(join(tmpdir(), 'fairlead-rotation-'));
    await chmod(home, 0o755);
    const serverUrl = inject('postgresUrl');
    const name = `test_${randomUUID().replaceAll('-', '')}`;
    const rootKey = randomBytes(32).toString('hex');
    const environment = {
      ...generous,
      DATABASE_URL: await createDatabase(serverUrl, name, inject('templateName')),
      FAIRLEAD_ADMIN_KEY: rootKey,
    };
    const started: Program[] = [];
    const start = (): Program => {
      const program = new Program(home, environment);
      started.push(program);
      return program;
    };
    onTestFinished(async () => {
      await Promise.all(started.map((program) => program.stop('SIGKILL')));
      await dropDatabase(serverUrl, name);
      await rm(home, { recursive: true, force: true });
    });
    const [survivor, victim] = [start(), start()];
    const urls = await Promise.all([survivor.ready(), victim.ready()]);
    const operator = new Client(urls[0] ?? '', { 'x-admin-key': rootKey });
    const { id, old, authorization } = await makeKeys(operator);
    const secrets: { old: string; new?: string } = { old };
    const programs: { current: Client | undefined }[] = urls.map((url) => ({
      current: new Client(url, { authorization }),
    }));
    const gateways = new Gateways(programs, secrets);
    gateways.start();
    await eventually(() => expect(gateways.answered.length).toBeGreaterThan(40));
    const overlapSeconds = 6;
    const { secret, deadline } = await rotate(operator, id, overlapSeconds);
    secrets.new = secret;
    const sentBefore = gateways.answered.length;
    await eventually(() => expect(gateways.answered.length).toBeGreaterThan(sentBefore + 100));
    await victim.stop('SIGKILL');
    const [, slot] = programs;
    if (slot === undefined) throw new Error('There are two programs.');
    slot.current = undefined;
    const restarted = new Client(await start().ready(), { authorization });
    slot.current = restarted;
    await delay(Math.max(0, deadline + 500 - Date.now()));
    const verifications = await gateways.stop();

    expect(wrong(verifications, deadline)).toEqual([]);
    const { before, after } = ofOld(verifications, deadline);
    expect(before).toBeGreaterThan(200);
    expect(after).toBeGreaterThan(10);
  });
});
