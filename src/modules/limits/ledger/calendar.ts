import { localTime } from '../../tenants/time-zones.ts';

/** A stretch of time, in milliseconds since 1970. */
export interface Period {
  readonly start: number;
  /** The first millisecond after it. */
  readonly end: number;
}

const hourMs = 3_600_000;
/** No day of any time zone is as long, with a change of the clocks or of the side of the date line in it. */
const longerThanDayMs = 50 * hourMs;
const longerThanMonthMs = 33 * 24 * hourMs;

const dayLabel = (timeZone: string, at: number): number => {
  const { year, month, day } = localTime(timeZone, at);
  return (year * 100 + month) * 100 + day;
};

const monthLabel = (timeZone: string, at: number): number => {
  const { year, month } = localTime(timeZone, at);
  return year * 100 + month;
};

/** The first time after `inside` at which a label is another one, or with a negative span, the first of its own. */
function bound(isInside: (at: number) => boolean, inside: number, spanMs: number): number {
  let within = inside;
  let beyond = inside + spanMs;
  while (Math.abs(beyond - within) > 1) {
    const middle = Math.floor((within + beyond) / 2);
    if (isInside(middle)) within = middle;
    else beyond = middle;
  }
  return Math.max(within, beyond);
}

/**
 * Gives the calendar period of a zone that a time is in. What the zone's clocks show is asked for, and nothing is
 * computed from offsets: days of 23 and 25 hours, days that begin at 01:00, and days that a zone left out come out
 * right. That takes some 60 questions, so the last answer for each zone is kept.
 */
function periods(
  labelOf: (timeZone: string, at: number) => number,
  spanMs: number,
): (timeZone: string, at: number) => Period {
  const known = new Map<string, Period>();
  return (timeZone, at) => {
    const last = known.get(timeZone);
    if (last !== undefined && at >= last.start && at < last.end) return last;
    const label = labelOf(timeZone, at);
    const isInside = (time: number) => labelOf(timeZone, time) === label;
    const period = { start: bound(isInside, at, -spanMs), end: bound(isInside, at, spanMs) };
    known.set(timeZone, period);
    return period;
  };
}

/** The calendar day of an IANA time zone that a time is in. */
export const dayAt = periods(dayLabel, longerThanDayMs);

/** The calendar month of an IANA time zone that a time is in. */
export const monthAt = periods(monthLabel, longerThanMonthMs);
