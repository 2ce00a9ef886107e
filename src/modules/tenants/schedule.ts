import { z } from 'zod';
import { rule } from '../../graph/commands/validation.ts';
import { localTime } from './time-zones.ts';

export const daysOfWeek = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'] as const;

export type DayOfWeek = (typeof daysOfWeek)[number];

const minutesPerDay = 1_440;
const windowsMax = 100;

const minute = z
  .int()
  .min(0, 'Minutes of a day are 0 to 1440; 1440 is the end of the day.')
  .max(minutesPerDay, 'Minutes of a day are 0 to 1440; 1440 is the end of the day.');

/** Hours of one day of the week in which a tenant is served. */
const weeklyWindow = z
  .object({ day: z.enum(daysOfWeek), startMinute: minute, endMinute: minute })
  .refine(({ startMinute, endMinute }) => startMinute < endMinute, {
    ...rule('ENDS_BEFORE_START', 'A window ends after it starts; one that crosses midnight is written as two.'),
    path: ['endMinute'],
  });

export type WeeklyWindow = z.infer<typeof weeklyWindow>;

/** The rules of a week's windows: sorted by day and time, none of them overlapping. */
export const weeklyWindowsRule = z
  .array(weeklyWindow)
  .min(1, 'A schedule has at least one window; null means always, and suspendTenant stops a tenant.')
  .max(windowsMax, `A schedule has at most ${windowsMax} windows.`)
  .transform((windows) => windows.toSorted(byTime))
  .refine(
    (windows) => windows.every((window, index) => !overlaps(windows[index - 1], window)),
    rule('WINDOWS_OVERLAP', 'Windows of the same day do not overlap.'),
  );

const byTime = (one: WeeklyWindow, other: WeeklyWindow): number =>
  daysOfWeek.indexOf(one.day) - daysOfWeek.indexOf(other.day) || one.startMinute - other.startMinute;

const overlaps = (earlier: WeeklyWindow | undefined, later: WeeklyWindow): boolean =>
  earlier !== undefined && earlier.day === later.day && later.startMinute < earlier.endMinute;

/** What `weeklyWindowsRule` accepted and the database kept. */
export const storedWindows = z.array(weeklyWindow).nullable();

/** An IANA time zone, such as Europe/Berlin; not an offset, which knows no summer time. */
export const timeZoneRule = z
  .string()
  .refine(isTimeZone, rule('UNKNOWN_TIME_ZONE', 'A time zone is an IANA name such as Europe/Berlin or UTC.'));

function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

interface Schedule {
  readonly timeZone: string;
  readonly activeFrom: Date | null;
  readonly activeUntil: Date | null;
  readonly weeklyWindows: readonly WeeklyWindow[] | null;
}

/** Whether a schedule lets a tenant be served at this time. */
export function isServed({ timeZone, activeFrom, activeUntil, weeklyWindows }: Schedule, now: Date): boolean {
  if (activeFrom !== null && now.getTime() < activeFrom.getTime()) return false;
  if (activeUntil !== null && now.getTime() >= activeUntil.getTime()) return false;
  if (weeklyWindows === null) return true;
  const local = localTime(timeZone, now.getTime());
  const weekday = local.weekday.toUpperCase();
  const minute = local.hour * 60 + local.minute;
  return weeklyWindows.some(
    ({ day, startMinute, endMinute }) => day === weekday && minute >= startMinute && minute < endMinute,
  );
}
