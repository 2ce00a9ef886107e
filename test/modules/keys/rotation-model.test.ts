import fc from 'fast-check';
import { expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { verify } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({
  environment: { FAIRLEAD_COST_CAPACITY: '1000000000', FAIRLEAD_MAX_OPERATION_COST: '100000' },
});
const other = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { clock, operator } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
const { id: tenantId } = await seed.tenant();

type Step =
  | { readonly do: 'rotate'; readonly overlapSeconds: number; readonly duringOverlap: 'REFUSE' | 'RETIRE_OLDEST' }
  | { readonly do: 'cancel' | 'disable' | 'enable' | 'revoke' }
  | { readonly do: 'revokeSecret'; readonly which: number }
  | { readonly do: 'wait'; readonly ms: number };

interface ModelSecret {
  readonly text: string;
  readonly id: string;
  isRevoked: boolean;
  /** Accepted until then; infinite for the newest. */
  until: number;
}

/** What a key should be, in as few words as possible. */
class Model {
  readonly secrets: ModelSecret[];
  isDisabled = false;
  isRevoked = false;
  now: number;

  constructor(first: Pick<ModelSecret, 'text' | 'id'>, now: number) {
    this.secrets = [{ ...first, isRevoked: false, until: Number.POSITIVE_INFINITY }];
    this.now = now;
  }

  get live(): ModelSecret[] {
    return this.secrets.filter(({ isRevoked, until }) => !isRevoked && until > this.now);
  }

  get retiring(): ModelSecret | undefined {
    return this.live.find(({ until }) => until !== Number.POSITIVE_INFINITY);
  }

  accepts(secret: ModelSecret): boolean {
    return !this.isRevoked && !this.isDisabled && this.live.includes(secret);
  }
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('rotate' as const),
        overlapSeconds: fc.constantFrom(0, 1, 10, 300),
        duringOverlap: fc.constantFrom('REFUSE' as const, 'RETIRE_OLDEST' as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 999, 1_000, 9_000, 300_000) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('revokeSecret' as const), which: fc.nat(5) }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom('cancel' as const, 'disable' as const, 'enable' as const) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const) }) },
  ),
  { minLength: 1, maxLength: 12 },
);

/** Carries a step out for real and in the model; both have to agree on whether it is possible. */
async function carryOut(step: Step, keyId: string, model: Model): Promise<void> {
  const run = async (command: string, input: object) => {
    const answer = await commands.run(operator, command, { ...input });
    return { answer, isDone: answer.code === undefined };
  };
  switch (step.do) {
    case 'wait':
      clock.advance(step.ms);
      model.now += step.ms;
      return;
    case 'rotate': {
      const { do: _do, ...options } = step;
      const { retiring } = model;
      const { answer, isDone } = await run('rotateKey', { keyId, ...options });
      expect(isDone).toBe(!model.isRevoked && (retiring === undefined || options.duringOverlap === 'RETIRE_OLDEST'));
      if (!isDone) return;
      if (retiring !== undefined) retiring.until = model.now;
      for (const secret of model.live) secret.until = model.now + options.overlapSeconds * 1_000;
      model.secrets.push({
        text: String((answer.secret as { value: string }).value),
        id: await seed.secretIdOf(keyId),
        isRevoked: false,
        until: Number.POSITIVE_INFINITY,
      });
      return;
    }
    case 'cancel': {
      const { retiring } = model;
      expect((await run('cancelRotation', { keyId })).isDone).toBe(!model.isRevoked && retiring !== undefined);
      if (model.isRevoked || retiring === undefined) return;
      for (const secret of model.live) if (secret !== retiring) secret.isRevoked = true;
      retiring.until = Number.POSITIVE_INFINITY;
      return;
    }
    case 'revokeSecret': {
      const secret = model.secrets[step.which % model.secrets.length];
      expect((await run('revokeSecret', { secretId: secret?.id })).isDone).toBe(true);
      if (secret !== undefined) secret.isRevoked = true;
      return;
    }
    case 'disable':
    case 'enable':
      expect((await run(`${step.do}Key`, { keyId })).isDone).toBe(!model.isRevoked);
      if (!model.isRevoked) model.isDisabled = step.do === 'disable';
      return;
    case 'revoke':
      expect((await run('revokeKey', { keyId })).isDone).toBe(true);
      model.isRevoked = true;
  }
}

it('whatever becomes of a key, each of its secrets is accepted exactly as long as a simple model says', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const { id, secret } = await seed.key({ tenantId });
      const model = new Model({ text: secret, id: await seed.secretIdOf(id) }, clock.now().getTime());
      for (const step of sequence) {
        await carryOut(step, id, model);
        const expected = model.secrets.map((each) => model.accepts(each));
        const accepted = await Promise.all(
          model.secrets.map(async ({ text }) => (await verify(operator, text)).isValid),
        );
        expect(accepted).toEqual(expected);
      }
      const expected = model.secrets.map((each) => model.accepts(each));
      await expect
        .poll(() => Promise.all(model.secrets.map(async ({ text }) => (await verify(other.operator, text)).isValid)))
        .toEqual(expected);
      if (model.isRevoked) return;
      const { key } = await seed.run('updateKey', { keyId: id });
      const usable = model.retiring === undefined ? 'ACTIVE' : 'ROTATING';
      const state = model.isDisabled ? 'DISABLED' : model.live.length === 0 ? 'NO_SECRET' : usable;
      expect(key).toMatchObject({ state });
    }),
    { numRuns: 40 },
  );
  // What is kept of the secrets with their key, for its state, is what they say themselves.
  const { rows } = await app.app.database.pool.query(`
    SELECT k.id FROM api_key AS k WHERE k.secrets_until IS DISTINCT FROM (
      SELECT CASE WHEN bool_and(revoked_at IS NOT NULL OR valid_until IS NOT NULL) THEN max(least(revoked_at, valid_until)) END
      FROM api_key_secret WHERE key_id = k.id
    )`);
  expect(rows).toEqual([]);
}, 60_000);
