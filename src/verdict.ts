import { formatLimit } from './duration';

/**
 * The reasons in the order of judging: the first that applies is the verdict's. The most specific come first: a crashed
 * process is both gone and stale, so its verdict is `gone`.
 */
export const REASONS = ['missing', 'unreadable', 'malformed', 'gone', 'failed', 'future', 'overdue', 'stale'] as const;

/**
 * Why a verdict is dead, in the order of judging: the first reason that applies.
 *
 * - `missing`: there is no heartbeat file, or a process directory lacks `pid`, `error`, or a `timestamp` that the reader
 *   needs.
 * - `unreadable`: something other than a regular file is there, or a file that we may not read.
 * - `malformed`: the file is no heartbeat; or it is a plain file and the reader has no limit; or a pid or error is no
 *   number.
 * - `gone`: the process has ended, is a zombie, was replaced, or beat before the last boot.
 * - `failed`: the process directory's error is not 0.
 * - `future`: the last beat lies more than 2 s ahead of the clock.
 * - `overdue`: a task has been in hand for longer than its limit.
 * - `stale`: the last beat is older than the limit: the loop does not turn.
 */
export type DeathReason = (typeof REASONS)[number];

/** The answer to "is this loop making progress?": alive, or dead for exactly one reason. */
export type Verdict =
  | {
      readonly alive: true;
      /** The heartbeat file or process directory that was judged. */
      readonly path: string;
      /**
       * The clock that measured the age: `uptime`, which ignores changes of the wall clock, or `wall` if uptime or boot
       * id is unknown; undefined without a beat.
       */
      readonly clock: 'uptime' | 'wall' | undefined;
      /** The time of the last beat by the writer's wall clock; undefined if a process directory holds only pid and error. */
      readonly value: Date | undefined;
      /** The age of the last beat in milliseconds; Infinity without a beat. */
      readonly age: number;
      /** The limit that was applied, in milliseconds; Infinity for none. */
      readonly limit: number;
      /** The longest time between two beats so far, in milliseconds; steps are left out. */
      readonly longestGap: number | undefined;
      /** The longest time that a task was in hand so far without a refresh, in milliseconds. */
      readonly longestTask: number | undefined;
      /** The process that beat, or that the process directory names. */
      readonly pid: number | undefined;
      /** The name of the task that the record states; then `value`, `age` and `limit` are the task's. Else undefined. */
      readonly task: string | undefined;
      /** How many tasks were in hand when the record was written. */
      readonly inHand: number;
    }
  | {
      readonly alive: false;
      /** Why it is dead. */
      readonly reason: DeathReason;
      /** The reason in words. It stays the same from probe to probe while nothing changes. */
      readonly detail: string;
      readonly path: string;
      readonly clock: 'uptime' | 'wall' | undefined;
      readonly value: Date | undefined;
      readonly age: number;
      readonly limit: number | undefined;
      readonly longestGap: number | undefined;
      readonly longestTask: number | undefined;
      readonly pid: number | undefined;
      readonly task: string | undefined;
      readonly inHand: number;
    };

/**
 * Formats a verdict as one line of printable ASCII, under 200 bytes. The line states the time of the last beat, not its
 * age, because the kubelet folds events into one only while their text stays the same.
 *
 * @param verdict as `verdict()` of a {@link Timestamp} answers.
 * @example
 * ```ts
 * formatVerdict(WorkerTimestamp.byRef('/run/none').verdict()); // => 'dead: missing: no such file (/run/none)'
 * ```
 */
export function formatVerdict(verdict: Verdict): string {
  const words = verdict.alive ? `alive: ${evidence(verdict)}` : `dead: ${verdict.reason}: ${verdict.detail}`;
  const path = printable(verdict.path);
  const room = Math.min(80, 177 - words.length); // the whole line has at most 180
  return `${words} (${path.length > room ? `...${path.slice(3 - room)}` : path})`;
}

/** One line for several verdicts: the first dead one, and how many are dead. */
export function formatVerdicts(verdicts: readonly Verdict[]): string {
  const [first] = verdicts;
  if (first && verdicts.length === 1) return formatVerdict(first);
  const dead = verdicts.filter((verdict) => !verdict.alive);
  return dead[0]
    ? `${formatVerdict(dead[0])}; ${dead.length} of ${verdicts.length} dead`
    : `alive: ${verdicts.length} of ${verdicts.length}`;
}

function evidence({ value, limit, clock, pid, task }: Verdict & { readonly alive: true }): string {
  return value ? lastBeat(value, limit, clock, task) : `process ${pid ?? '(unknown)'}`;
}

/** The time of the last beat, or since when a task has been in hand; and the limit. */
export function lastBeat(value: Date, limit: number, clock: Verdict['clock'], task?: string): string {
  const what = task === undefined ? 'last beat' : `${task} in hand since`;
  return `${what} ${instant(value)}, limit ${formatLimit(limit)}${clock === 'wall' ? ', by wall clock' : ''}`;
}

/** A time in UTC, in seconds: `2026-11-20T10:03:12Z`. */
export function instant(value: Date): string {
  // Not toISOString: its first call takes 0.2 ms and 0.9 MiB. From howardhinnant.github.io/date_algorithms.html
  const seconds = Math.floor(value.getTime() / 1000);
  const days = Math.floor(seconds / 86_400) + 719_468;
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const years = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * years + Math.floor(years / 4) - Math.floor(years / 100));
  const march = Math.floor((5 * ofYear + 2) / 153); // months since March
  const month = march < 10 ? march + 3 : march - 9;
  const year = years + era * 400 + (month <= 2 ? 1 : 0);
  const day = ofYear - Math.floor((153 * march + 2) / 5) + 1;
  const clock = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  return `${year}-${two(month)}-${two(day)}T${clock.map(two).join(':')}Z`;
}

function two(number: number): string {
  return number < 10 ? `0${number}` : `${number}`;
}

/** Without a regular expression: a process's first one takes 0.2 ms, which a probe would spend. */
function isPrintable(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/**
 * Text in printable ASCII, with a `?` for each other byte: a control character in a path could forge a second line in
 * the kubelet's events or change an operator's terminal.
 */
export function printable(text: string, encoding: BufferEncoding = 'utf8'): string {
  if (isPrintable(text)) return text;
  let ascii = '';
  for (const char of text) ascii += char >= ' ' && char <= '~' ? char : '?'.repeat(Buffer.byteLength(char, encoding));
  return ascii;
}
