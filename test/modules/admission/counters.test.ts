import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Counters } from '../../../src/modules/admission/counters.ts';
import { Ledger } from '../../../src/modules/limits/ledger/ledger.ts';
import { startTestApp } from '../../testkit/app.ts';

const { app } = await startTestApp();
const log = pino({ level: 'silent' });
const now = Date.parse('2026-11-21T12:00:00Z');
const limits = { requestsPerMinute: 100, tokensPerMinute: null, tokensPerDay: null, budget: null };

/** A ledger, what is written of it, and a database that can be gone. */
function keeping() {
  const ledger = new Ledger();
  const database = { isGone: false };
  const written: string[][] = [];
  const counters = new Counters({
    ledger,
    database: app.database,
    log,
    store: {
      count: async (rows) => {
        if (database.isGone) throw new Error('gone');
        written.push(rows.map(({ key }) => key));
      },
    },
  });
  const use = (...keys: readonly string[]): void => {
    for (const key of keys) {
      const layer = { key, owner: { type: 'KEY', id: key }, limits } as const;
      ledger.reserve({ timeZone: 'UTC', layers: [layer] }, { requests: 1, tokens: 1, costNanoUsd: 0n }, now);
    }
  };
  return { counters, database, written, use };
}

describe('counters', () => {
  const keys = Array.from({ length: 95 }, (_, index) => `key ${index}`);

  it('that changed are all written within ten turns, a tenth in each', async () => {
    const { counters, written, use } = keeping();
    use(...keys);
    for (let turn = 0; turn < 10; turn += 1) await counters.writePart();
    expect(written.map(({ length }) => length)).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
    expect(written.flat()).toEqual(keys);
  });

  it('that change while others are written are written within ten turns more, however often those change again', async () => {
    const { counters, written, use } = keeping();
    use(...keys);
    await counters.writePart();
    use('late');
    for (let turn = 1; turn < 20; turn += 1) {
      use(...keys);
      await counters.writePart();
    }
    expect(written.flat()).toContain('late');
    expect(Math.max(...written.map(({ length }) => length))).toBeLessThanOrEqual(10);
  });

  it('that could not be written are written when the database is there again', async () => {
    const { counters, database, written, use } = keeping();
    use('lost', 'other');
    database.isGone = true;
    for (let turn = 0; turn < 10; turn += 1) await counters.writePart();
    expect(written).toEqual([]);
    database.isGone = false;
    for (let turn = 0; turn < 10; turn += 1) await counters.writePart();
    expect(written.flat().sort()).toEqual(['lost', 'other']);
  });

  it('are all written at once at the end, also in the middle of a round', async () => {
    const { counters, written, use } = keeping();
    use(...keys);
    const part = counters.writePart();
    await counters.flush();
    await part;
    expect(written.flat()).toEqual(keys);
  });
});
