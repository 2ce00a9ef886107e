import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import type { Principal } from '../../../src/access/principal.ts';
import { UserError } from '../../../src/graph/errors.ts';
import { decodeId } from '../../../src/graph/ids.ts';
import { AdmissionRefusedError } from '../../../src/modules/admission/errors.ts';
import { admitRequestRules } from '../../../src/modules/admission/input.ts';
import { startTestApp } from '../../testkit/app.ts';
import { callerOf, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { admission } = app.app.services;
const { prisma } = app.app.database;

afterAll(() => {
  expect(app.logged).toEqual([]);
});

const gateway: Principal = {
  kind: 'ROOT',
  credentialId: 'test:gateway',
  name: 'a gateway',
  scopes: new Set(['requests:admit']),
};

/** What somebody does with the lease of this number, modulo how many there are. */
type Step =
  | { readonly type: 'admit'; readonly tokens: number; readonly waits: boolean }
  | { readonly type: 'settle'; readonly lease: number; readonly tokens: number }
  | { readonly type: 'cancel'; readonly lease: number }
  | { readonly type: 'renew'; readonly lease: number }
  | { readonly type: 'advance'; readonly seconds: number };

const lease = fc.nat({ max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('admit'), tokens: fc.nat({ max: 50 }), waits: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('settle'), lease, tokens: fc.nat({ max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel'), lease }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('renew'), lease }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('advance'), seconds: fc.constantFrom(1, 6, 11) }) },
);

/** Groups of steps that are taken at the same time. */
const story = fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 });

const tokensPerDay = 1_000_000;

it('in whatever order leases are settled, cancelled, renewed and expire, each ends once, and limits count what was used', async () => {
  const model = await modelWith(app, seed, 3);
  await fc.assert(
    fc.asyncProperty(story, async (groups) => {
      const limits = { tokensPerDay, budget: { tokens: 2 * tokensPerDay, period: 'LIFETIME' } };
      const { keyId } = await callerOf(seed, { limits }, { limits });
      const granted: string[] = [];
      const made = new Set<string>();
      const cancelled = new Set<string>();
      const ofModel = { keyId, model: model.name, estimatedOutputTokens: 0, leaseSeconds: 10 };
      const idAt = (index: number) => granted[index % Math.max(1, granted.length)];
      const ended = (id: string, inputTokens: number) => ({
        ...{ leaseId: id, statusCode: 200, inputTokens, outputTokens: 0, images: 0, audioSeconds: 0, characters: 0 },
        ...{ ttftMs: null, totalMs: null, cacheStatus: 'OFF' as const },
      });
      const ask = async (estimatedInputTokens: number, deadline?: Date): Promise<void> => {
        const input = admitRequestRules.parse({ ...ofModel, estimatedInputTokens, deadline });
        granted.push((await admission.admit(gateway, input, undefined)).id);
      };
      let underWay = 0;
      const take = async (one: Step): Promise<void> => {
        underWay += 1;
        try {
          if (one.type === 'advance') return app.clock.advance(one.seconds * 1_000);
          if (one.type === 'admit') return await ask(one.tokens, one.waits ? undefined : app.clock.now());
          const id = idAt(one.lease);
          if (id === undefined) return;
          if (one.type === 'renew') await admission.renew(gateway, { leaseId: id, leaseSeconds: 10 });
          else if (one.type === 'cancel') {
            await admission.cancel(gateway, { leaseId: id });
            cancelled.add(id);
          } else if (!(await admission.settle(gateway, ended(id, one.tokens))).isRepeated) {
            // Each makes its record once.
            expect(made).not.toContain(id);
            made.add(id);
          }
        } catch (error) {
          // Refusals and what has ended are answers as well.
          if (!(error instanceof UserError)) throw error;
        } finally {
          underWay -= 1;
        }
      };
      const waiting: Promise<void>[] = [];
      for (const group of groups) {
        waiting.push(...group.map(take));
        // Until all have their answer but those that wait for a slot.
        while (underWay > (await admission.figures()).queued) await new Promise(setImmediate);
      }
      // All of them end: those that wait are let in, and end as well.
      let isOver = false;
      const all = Promise.all(waiting).then(() => {
        isOver = true;
      });
      for (let index = 0; !isOver || index < granted.length; index += 1) {
        if (granted[index] !== undefined) await take({ type: 'settle', lease: index, tokens: 7 });
        else {
          index -= 1;
          await new Promise(setImmediate);
        }
      }
      await all;

      expect(await admission.figures()).toMatchObject({ inFlight: 0, queued: 0 });
      const records = await prisma.usageRecord.findMany({ where: { keyId: decodeId('ApiKey', keyId) } });
      expect(records.map(({ id }) => id).toSorted()).toEqual(granted.filter((id) => !cancelled.has(id)).toSorted());
      const used = records.reduce(
        (sum, { inputTokens, estimatedInputTokens }) => sum + Number(inputTokens ?? estimatedInputTokens),
        0,
      );
      const tooMuch = admitRequestRules.parse({ ...ofModel, keyId, estimatedInputTokens: tokensPerDay + 1 });
      const refusal = await admission.admit(gateway, tooMuch, undefined).catch((error: unknown) => error);
      if (!(refusal instanceof AdmissionRefusedError)) throw refusal;
      expect(refusal.limit).toMatchObject({ name: 'TOKENS_PER_DAY', used: String(used) });
    }),
    { numRuns: 25 },
  );
}, 60_000);
