import { pino } from 'pino';
import { AdmissionWriter } from '../../../src/modules/admission/writer.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';

/**
 * A program that grants and settles leases without end, and writes the id of each on a line of its own once it was told
 * that the settlement is stored.
 */
const writer = new AdmissionWriter({
  url: String(process.argv[2]),
  epoch: 1,
  log: pino({ level: 'silent' }),
  deadlineMs: 60_000,
});

async function admitAndSettle(): Promise<never> {
  for (;;) {
    const lease = leaseRow();
    await writer.grant(lease);
    await writer.settle(recordOf(lease));
    process.stdout.write(`${lease.id}\n`);
  }
}

await Promise.all(Array.from({ length: 32 }, admitAndSettle));
