/** What clocks and calendars in a time zone show. */
export interface LocalTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  /** In English, such as Monday. */
  readonly weekday: string;
  readonly hour: number;
  readonly minute: number;
}

/** Making one takes a hundred times longer than using it. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  formats.set(timeZone, made);
  return made;
}

/** What clocks in this IANA time zone show at this time. */
export function localTime(timeZone: string, at: number): LocalTime {
  const local = { year: 0, month: 0, day: 0, weekday: '', hour: 0, minute: 0 };
  for (const { type, value } of formatOf(timeZone).formatToParts(at)) {
    if (type === 'weekday') local.weekday = value;
    else if (type === 'year' || type === 'month' || type === 'day' || type === 'hour' || type === 'minute') {
      local[type] = Number(value);
    }
  }
  return local;
}
