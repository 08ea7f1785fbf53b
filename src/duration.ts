import { milliseconds as convert } from 'date-fns/milliseconds';
import { LivenessError, shown } from './errors';

/** A length of time, such as `{ minutes: 2 }`. It has the shape of date-fns' `Duration`. The amounts add up. */
export interface Duration {
  /** Of 365.2425 days. */
  readonly years?: number;
  /** Of 30.436875 days. */
  readonly months?: number;
  /** Of 7 days. */
  readonly weeks?: number;
  /** Of 24 hours. */
  readonly days?: number;
  /** Of 60 minutes. */
  readonly hours?: number;
  /** Of 60 seconds. */
  readonly minutes?: number;
  /** All amounts may have a fraction. */
  readonly seconds?: number;
}

const UNITS: readonly (keyof Duration)[] = ['years', 'months', 'weeks', 'days', 'hours', 'minutes', 'seconds'];

/** In milliseconds: a limit in the heartbeat file has at most 15 digits of centiseconds. */
const LONGEST = 9_999_999_999_999_990;

/** A limit's name in an error message; a function is only called for the message. */
export type LimitName = string | (() => string);

/**
 * Converts a limit to milliseconds: above 0, at most `Infinity`.
 *
 * @throws LivenessError `ERR_MAXIMUM_AGE` for anything else.
 */
export function milliseconds(limit: unknown, name: LimitName): number {
  const result =
    typeof limit === 'number' ? limit : (remembered(limit) ?? (isDuration(limit) ? converted(limit) : NaN));
  if (result > 0 && (result <= LONGEST || result === Infinity)) return result;
  throw new LivenessError(
    'ERR_MAXIMUM_AGE',
    `${typeof name === 'string' ? name : name()} must be milliseconds above 0, Infinity or a Duration of ${UNITS.join(', ')} such as { minutes: 2 }; got ${shown(limit)}`,
  );
}

// date-fns ignores an unknown unit, so that `{ minute: 5 }` would be a limit of 0.
function isDuration(value: unknown): value is Duration {
  if (typeof value !== 'object' || value === null) return false;
  for (const unit in value) {
    const amount = (value as Record<string, unknown>)[unit];
    if (!UNITS.includes(unit as keyof Duration) || (amount !== undefined && !Number.isFinite(amount))) return false;
  }
  return true;
}

/** Amounts by unit, and what they were converted to. */
const recent: { readonly amounts: ReadonlyMap<string, unknown>; readonly ms: number }[] = [];
const MOST_RECENT = 32;

/** Remembers conversions, because a handler's task states its limit anew each time, and a conversion takes 3 to 19 µs. */
function remembered(limit: unknown): number | undefined {
  if (typeof limit !== 'object' || limit === null) return undefined;
  for (const { amounts, ms } of recent) if (isSame(limit as Record<string, unknown>, amounts)) return ms;
  return undefined;
}

function isSame(limit: Record<string, unknown>, amounts: ReadonlyMap<string, unknown>): boolean {
  let count = 0;
  for (const unit in limit) {
    if (limit[unit] === undefined || limit[unit] !== amounts.get(unit)) return false; // also for an unknown unit
    count++;
  }
  return count === amounts.size;
}

function converted(duration: Duration): number {
  const ms = convert(duration);
  if (recent.length === MOST_RECENT) recent.shift();
  const amounts = new Map(
    UNITS.map((unit) => [unit, duration[unit]] as const).filter(([, amount]) => amount !== undefined),
  );
  recent.push({ amounts, ms });
  return ms;
}

const SCALE = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Formats a limit so that {@link parseLimit} can read it: `2m`, `1h30m`, `500ms`. Infinity becomes `none`. */
export function formatLimit(limit: number): string {
  if (limit === Infinity) return 'none';
  let rest = Math.ceil(limit / 10) * 10; // the heartbeat file's resolution
  let text = '';
  for (const [unit, scale] of Object.entries(SCALE)) {
    const count = Math.floor(rest / scale);
    rest -= count * scale;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}

/** What {@link parseLimit} accepts, for error messages. */
export const LIMIT_FORMS = 'a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M';

/** Converts `500ms`, `90s`, `2m`, `1h30m`, `1d`, or ISO 8601's `PT2M` to milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match =
    /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/.exec(text) ??
    // ISO 8601 without years and months, which vary in length, and without weeks, which may not be combined.
    /^P(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/.exec(text);
  if (!match || !/\d/.test(text)) return undefined;
  const [, ...counts] = match;
  const total = Object.values(SCALE).reduce((sum, scale, index) => sum + Number(counts[index] ?? 0) * scale, 0);
  return total <= LONGEST ? total : undefined;
}

/** As {@link parseDuration}, but undefined for 0 too. */
export function parseLimit(text: string): number | undefined {
  const limit = parseDuration(text);
  return limit === 0 ? undefined : limit;
}
