import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sealer } from '../../src/access/sealing.ts';
import { Prisma } from '../../src/database/generated/client.ts';
import { Idempotency, ReplayedError } from '../../src/graph/commands/idempotency.ts';
import {
  IdempotencyKeyReusedError,
  InvalidStateError,
  NameTakenError,
  NotFoundError,
  StaleRevisionError,
  type UserError,
  ValidationError,
} from '../../src/graph/errors.ts';
import { newId } from '../../src/graph/ids.ts';
import { TenantHasChildrenError } from '../../src/modules/tenants/errors.ts';
import { startTestApp } from '../testkit/app.ts';
import { undone } from '../testkit/rollback.ts';

const { app, clock } = await startTestApp();
const { database } = app;

const sealer = new Sealer([{ version: 1, key: Buffer.alloc(32, 1) }]);

const errors = [
  NotFoundError,
  NameTakenError,
  StaleRevisionError,
  InvalidStateError,
  ValidationError,
  TenantHasChildrenError,
];

const attemptAt = (key: string, over: { input?: unknown; command?: string; credentialId?: string; now?: Date } = {}) =>
  new Idempotency<unknown>({
    credentialId: 'test',
    key,
    command: 'createTenant',
    input: { name: 'x' },
    errors,
    sealer,
    now: clock.now(),
    ...over,
  });

const keep = (idempotency: Idempotency<unknown>, payload: unknown) =>
  database.transaction(async (transaction) => {
    expect(await idempotency.claim(transaction)).toBeUndefined();
    await idempotency.keepPayload(transaction, payload);
  });

const claim = (idempotency: Idempotency<unknown>) => undone(database, (transaction) => idempotency.claim(transaction));

const payloads = fc.dictionary(
  fc.string({ unit: fc.constantFrom('a', 'b', 'é', '_', '.') }),
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.date({ noInvalidDate: true }),
    fc
      .bigInt({ min: -(10n ** 17n), max: 10n ** 17n })
      .map((units) => new Prisma.Decimal(units.toString()).div(1_000_000)),
    fc.array(fc.record({ at: fc.date({ noInvalidDate: true }), count: fc.bigInt() })),
  ),
);

describe('the first answer to an idempotency key', () => {
  it('comes back as it was, with dates, large integers and decimals', async () => {
    await fc.assert(
      fc.asyncProperty(payloads, async (payload) => {
        // Postgres has no text with a NUL in it, and no text of the program has one.
        fc.pre(!JSON.stringify(payload, (_key, value) => (typeof value === 'bigint' ? '' : value)).includes('\\u0000'));
        const found = await undone(database, async (transaction) => {
          const key = newId();
          const first = attemptAt(key);
          await first.claim(transaction);
          await first.keepPayload(transaction, payload);
          return attemptAt(key).claim(transaction);
        });
        expect(found).toEqual(payload);
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, UserError]>([
    ['NotFoundError', new NotFoundError('tenant', ['tenantId'])],
    ['NameTakenError', new NameTakenError('tenant')],
    ['StaleRevisionError', new StaleRevisionError(7)],
    ['InvalidStateError', new InvalidStateError('It is archived.', 'ARCHIVED', ['tenantId'])],
    ['ValidationError', new ValidationError([{ rule: 'BLANK', message: 'é', path: ['limits', 'budget'] }])],
    ['TenantHasChildrenError', new TenantHasChildrenError([{ type: 'ApiKey', count: 3 }])],
  ])('comes back as the same error: %s', async (_name, error) => {
    const key = newId();
    await database.transaction((transaction) => attemptAt(key).keepError(transaction, error));
    const replayed = await claim(attemptAt(key)).catch((thrown: unknown) => thrown);
    if (!(replayed instanceof ReplayedError)) throw new Error('Nothing was replayed.');
    expect(replayed.original).toBeInstanceOf(error.constructor);
    expect({ ...replayed.original }).toEqual({ ...error, message: error.message });
  });

  it('is for the same command, input and credential alone', async () => {
    const key = newId();
    await keep(attemptAt(key), { answer: 1 });
    expect(await claim(attemptAt(key))).toEqual({ answer: 1 });
    await expect(claim(attemptAt(key, { input: { name: 'y' } }))).rejects.toThrow(IdempotencyKeyReusedError);
    await expect(claim(attemptAt(key, { command: 'deleteTenant' }))).rejects.toThrow(IdempotencyKeyReusedError);
    expect(await claim(attemptAt(key, { credentialId: 'another' }))).toBeUndefined();
  });

  it('does not depend on the order in which the fields of the input were written', async () => {
    const key = newId();
    await keep(attemptAt(key, { input: { a: 1, b: { c: 2, d: 3 } } }), { answer: 1 });
    expect(await claim(attemptAt(key, { input: { b: { d: 3, c: 2 }, a: 1 } }))).toEqual({ answer: 1 });
  });

  it('is kept for 24 hours and no longer', async () => {
    const key = newId();
    await keep(attemptAt(key), { answer: 1 });
    const later = (ms: number) => new Date(clock.now().getTime() + ms);
    const dayMs = 24 * 60 * 60_000;
    expect(await claim(attemptAt(key, { now: later(dayMs - 1) }))).toEqual({ answer: 1 });
    expect(await claim(attemptAt(key, { now: later(dayMs), input: { name: 'other' } }))).toBeUndefined();
  });

  it('is the answer of one of two attempts at the same time', async () => {
    const key = newId();
    const attempt = (answer: number) =>
      database.transaction(async (transaction) => {
        const idempotency = attemptAt(key);
        const earlier = await idempotency.claim(transaction);
        if (earlier !== undefined) return earlier;
        await idempotency.keepPayload(transaction, { answer });
        return { answer };
      });
    const answers = await Promise.all([1, 2, 3, 4].map(attempt));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });
});
