import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Records } from '../../../src/modules/admission/records.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';

const { app } = await startTestApp();

/** What is kept, in a store that is gone for the first two times that anything is asked of it. */
function keeping() {
  const written: string[] = [];
  let failuresLeft = 2;
  const write = async (id: string): Promise<void> => {
    if (failuresLeft > 0) {
      failuresLeft -= 1;
      throw new Error('gone');
    }
    written.push(id);
  };
  const records = new Records({
    database: app.database,
    log: pino({ level: 'silent' }),
    store: {
      correct: () => Promise.resolve(undefined),
      release: write,
      settle: async (record) => {
        await write(record.id);
        return { record, isNew: true };
      },
    },
  });
  return { records, written };
}

it('a record that cannot be written is tried again by itself until it is, once', async () => {
  const { records, written } = keeping();
  const record = recordOf(leaseRow());
  await expect(records.add(record)).rejects.toThrow('gone');
  await eventually(() => expect(written).toEqual([record.id]));
  records.retry();
  expect(written).toEqual([record.id]);
});

it('a lease that cannot be removed is tried again by itself until it is, once', async () => {
  const { records, written } = keeping();
  const { id } = leaseRow();
  await expect(records.release(id)).rejects.toThrow('gone');
  await eventually(() => expect(written).toEqual([id]));
  records.retry();
  expect(written).toEqual([id]);
});
