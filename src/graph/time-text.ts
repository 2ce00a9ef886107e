const dayMs = 86_400_000;

/** Days whose text is remembered. */
const daysMax = 10_000;

/** How a time of a day begins, up to its hour, by the day's number. */
const days = new Map<number, string>();

const digits = (length: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, value) => String(value).padStart(length, '0'));

const pairs = digits(2, 60);
const milliseconds = digits(3, 1_000);

/**
 * A time as RFC 3339 writes it, as `toISOString` does in several times the time, nearly all of it for the day. Answers
 * are full of times of few days.
 */
export function timeText(time: Date): string {
  const ms = time.getTime();
  const day = Math.floor(ms / dayMs);
  const start = days.get(day) ?? rememberDay(day, time);
  const ofDay = ms - day * dayMs;
  const seconds = Math.floor(ofDay / 1_000);
  const minutes = Math.floor(seconds / 60);
  const hour = pairs[Math.floor(minutes / 60)];
  return `${start}${hour}:${pairs[minutes % 60]}:${pairs[seconds % 60]}.${milliseconds[ofDay % 1_000]}Z`;
}

function rememberDay(day: number, time: Date): string {
  // Throws for a time that is none.
  const text = time.toISOString();
  const start = text.slice(0, text.indexOf('T') + 1);
  if (days.size >= daysMax) days.clear();
  days.set(day, start);
  return start;
}
