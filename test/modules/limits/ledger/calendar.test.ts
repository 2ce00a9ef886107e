import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayAt, monthAt } from '../../../../src/modules/limits/ledger/calendar.ts';

const dateIn = (timeZone: string, at: number): string => new Date(at).toLocaleDateString('en-CA', { timeZone });
const monthIn = (timeZone: string, at: number): string => dateIn(timeZone, at).slice(0, 7);
const iso = ({ start, end }: { start: number; end: number }) => [start, end].map((at) => new Date(at).toISOString());
const hourMs = 3_600_000;

describe('days', () => {
  it.each([
    ['UTC', '2026-11-21T23:59:59.999Z', '2026-11-21T00:00:00.000Z', '2026-11-22T00:00:00.000Z', 24],
    ['Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z', 23],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z', 25],
    ['America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z', 25],
    ['Asia/Kathmandu', '2026-11-21T12:00:00Z', '2026-11-20T18:15:00.000Z', '2026-11-21T18:15:00.000Z', 24],
    // Half an hour of summer time.
    ['Australia/Lord_Howe', '2026-04-05T00:00:00Z', '2026-04-04T13:00:00.000Z', '2026-04-05T13:30:00.000Z', 24.5],
    // It begins at 01:00, since there is no midnight.
    ['Africa/Cairo', '2026-04-24T12:00:00Z', '2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z', 23],
    ['America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00.000Z', '2018-11-05T02:00:00.000Z', 23],
    // Samoa went from the 29th to the 31st.
    ['Pacific/Apia', '2011-12-30T09:00:00Z', '2011-12-29T10:00:00.000Z', '2011-12-30T10:00:00.000Z', 24],
    ['Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-30T10:00:00.000Z', '2011-12-31T10:00:00.000Z', 24],
  ])('in %s at %s last from %s to %s, %d hours', (timeZone, at, start, end, hours) => {
    const day = dayAt(timeZone, Date.parse(at));
    expect([...iso(day), (day.end - day.start) / hourMs]).toEqual([start, end, hours]);
  });
});

describe('months', () => {
  it.each([
    ['UTC', '2028-02-29T23:59:59.999Z', '2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'],
    ['UTC', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['Europe/Berlin', '2026-03-31T21:59:59.999Z', '2026-02-28T23:00:00.000Z', '2026-03-31T22:00:00.000Z'],
    ['Pacific/Kiritimati', '2026-10-31T10:00:00Z', '2026-10-31T10:00:00.000Z', '2026-11-30T10:00:00.000Z'],
  ])('in %s at %s last from %s to %s', (timeZone, at, start, end) => {
    expect(iso(monthAt(timeZone, Date.parse(at)))).toEqual([start, end]);
  });
});

it('days and months begin and end where the date of the zone changes, in every zone and at any time', () => {
  const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
  const times = fc.integer({ min: Date.parse('2012-01-01'), max: Date.parse('2040-01-01') });
  fc.assert(
    fc.property(zones, times, (timeZone, at) => {
      for (const [periodAt, labelIn] of [
        [dayAt, dateIn],
        [monthAt, monthIn],
      ] as const) {
        const { start, end } = periodAt(timeZone, at);
        const label = labelIn(timeZone, at);
        expect(start <= at && at < end).toBe(true);
        expect([labelIn(timeZone, start), labelIn(timeZone, end - 1)]).toEqual([label, label]);
        expect(labelIn(timeZone, start - 1)).not.toBe(label);
        expect(labelIn(timeZone, end)).not.toBe(label);
      }
    }),
    { numRuns: 60 },
  );
});
