import { formatDuration } from 'date-fns/formatDuration';

const UNITS = { days: 86_400, hours: 3600, minutes: 60, seconds: 1 };

/** A length of time as somebody has stated it: not a hundredth of a short one is left out. */
export function stated(ms: number): string {
  return ms < 10_000 ? formatDuration({ seconds: ms / 1000 }, { zero: true }) : words(ms);
}

/** A length of time by its two largest units, or to a tenth: `1 minute 34 seconds`, `0.4 seconds`. */
export function words(ms: number): string {
  if (ms < 10_000) return formatDuration({ seconds: Math.max(Math.floor(ms / 100), 0) / 10 }, { zero: true });
  // Not by date-fns' intervalToDuration: it counts by the calendar of the time zone, where a day may have 23 hours.
  let rest = Math.floor(ms / 1000);
  const parts: [string, number][] = [];
  for (const [unit, size] of Object.entries(UNITS)) {
    parts.push([unit, Math.floor(rest / size)]);
    rest %= size;
  }
  const largest = parts.findIndex(([, count]) => count > 0);
  return formatDuration(Object.fromEntries(parts.slice(largest, largest + 2)));
}
