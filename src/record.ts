// The heartbeat file's two lines, as docs/heartbeat-file.md publishes it. Pure: no clock, no file system.

import { printable } from './verdict';

/** One beat as it is recorded. Times are centiseconds unless they say otherwise. */
export interface HeartbeatRecord {
  /** How many beats the writer has made. */
  readonly beat: number;
  /** Time since boot at the beat. */
  readonly uptime: number | undefined;
  /** How old the beat may become; Infinity without a limit. */
  readonly limit: number;
  /**
   * `own`: the loop's beat; a reader's own limit overrules its limit. `step`: a beat with a limit of its own. `task`: a
   * piece of work in hand, which would be dead before the loop; the times are those of its beginning.
   */
  readonly kind: (typeof KINDS)[number];
  /** How long the writer may leave a beat unwritten; every reader adds it to the limit. */
  readonly window: number;
  readonly pid: number | undefined;
  /** When that process started: field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly start: number | undefined;
  /** /proc/sys/kernel/random/boot_id. */
  readonly boot: string | undefined;
  /** Milliseconds since the epoch at the beat. */
  readonly wall: number;
  /** The longest time between two beats so far. */
  readonly gap: number | undefined;
  /** The longest time that a task was in hand. */
  readonly longestTask: number | undefined;
  /** Which instance beat: its thread's id and a random number, as two hex groups. */
  readonly writer: string;
}

/** Bytes of a heartbeat file as we write it: two lines. A leftover of this size can be reused on a full disk. */
export const RECORD_SIZE = 256;

/** Characters of a line that a reader looks at; a longer one is malformed. */
export const LONGEST_LINE = 4096;

/** The last millisecond of the year 9999: dates stay four-digit in every reader. */
export const LAST_WALL = 253_402_300_799_999;

/** The largest number of 15 digits; above it some are written with an exponent. */
export const LARGEST = 999_999_999_999_999;

const MAGIC = 'k8s-liveness/1';
const NONE = '-';
const KINDS = ['own', 'step', 'task'] as const;
const PRIME = 2_147_483_647;
const SUM_WIDTH = 10;
/** Characters of the second line. */
export const NOTE_WIDTH = 50;

/** How a kind of field is written, read and summed. */
interface Shape<T> {
  readonly write: (value: T) => string;
  /** WRONG if no writer writes such a text. */
  readonly read: (text: string) => T | typeof WRONG;
  /** What the field adds to the checksum. */
  readonly numbers: (value: T) => readonly number[];
}
const WRONG = Symbol('wrong');

/**
 * The fields in their order in the line. Columns are fixed: between two beats only digits change, so a torn read keeps
 * its shape, and the checksum decides.
 */
const FIELDS: { readonly [Name in keyof HeartbeatRecord]: { readonly width: number; readonly shape: Shape<HeartbeatRecord[Name]> } } = {
  beat: { width: 15, shape: whole(0) },
  uptime: { width: 12, shape: orNone(whole(0), undefined) },
  limit: { width: 15, shape: orNone(whole(1), Infinity) },
  kind: { width: 4, shape: oneOf(KINDS) },
  window: { width: 3, shape: whole(0, 100) },
  pid: { width: 10, shape: orNone(whole(1), undefined) },
  start: { width: 12, shape: orNone(whole(0), undefined) },
  boot: { width: 36, shape: orNone(hex(5), undefined) },
  wall: { width: 15, shape: whole(0, LAST_WALL) },
  gap: { width: 12, shape: orNone(whole(0), undefined) },
  longestTask: { width: 12, shape: orNone(whole(0), undefined) },
  writer: { width: 21, shape: hex(2) },
};
const NAMES = Object.keys(FIELDS) as (keyof HeartbeatRecord)[];

/** The table's rows, with the types of the values left out. */
function fieldOf(name: keyof HeartbeatRecord): { readonly width: number; readonly shape: Shape<unknown> } {
  return FIELDS[name] as { readonly width: number; readonly shape: Shape<unknown> };
}

/** A decimal of at most 15 digits, just as it would be written. */
function whole(least: number, most = LARGEST): Shape<number> {
  return {
    write: String,
    read: (text) => {
      const number = Number(text);
      return Number.isInteger(number) && number >= least && number <= most && String(number) === text ? number : WRONG;
    },
    numbers: (value) => [value],
  };
}

/** The same, or `-`, which stands for `none` and counts as 0. */
function orNone<T, N>({ write, read, numbers }: Shape<T>, none: N): Shape<T | N> {
  return {
    write: (value) => (value === none ? NONE : write(value as T)),
    read: (text) => (text === NONE ? none : read(text)),
    numbers: (value) => (value === none ? [0] : numbers(value as T)),
  };
}

function oneOf<T extends string>(words: readonly T[]): Shape<T> {
  return {
    write: (value) => value,
    read: (text) => words.find((word) => word === text) ?? WRONG,
    numbers: (value) => [words.indexOf(value)],
  };
}

/** That many groups of 1 to 12 lower-case hex digits joined by `-`. */
function hex(count: number): Shape<string> {
  // Without regular expressions: a process's first ones take 0.2 ms, and a probe does this first.
  const isGroup = (group: string): boolean =>
    group.length <= 12 && parseInt(group, 16).toString(16).padStart(group.length, '0') === group;
  return {
    write: (value) => value,
    read: (text) => {
      const groups = text.split('-');
      return groups.length === count && groups.every(isGroup) ? text : WRONG;
    },
    numbers: (value) => value.split('-').map((group) => parseInt(group, 16)),
  };
}

/** `s = (s * 31 + n) mod (2^31 - 1)` over the fields as numbers: what a shell can compute with builtin arithmetic. */
function checksum(record: HeartbeatRecord, later: readonly number[]): number {
  let sum = 1; // the version
  for (const name of NAMES) for (const number of fieldOf(name).shape.numbers(record[name])) sum = (sum * 31 + number) % PRIME;
  for (const number of later) sum = (sum * 31 + number) % PRIME;
  return sum;
}

/** @param note the second line: words, in printable ASCII, cut to fit. */
export function serialise(record: HeartbeatRecord, note = ''): Buffer {
  let line = MAGIC;
  for (const name of NAMES) {
    const { width, shape } = fieldOf(name);
    line += ` ${shape.write(record[name]).padEnd(width)}`;
  }
  const first = `${line} ${String(checksum(record, [])).padEnd(SUM_WIDTH)}\n`;
  return Buffer.from(`${first}${note.slice(0, NOTE_WIDTH).padEnd(NOTE_WIDTH)}\n`, 'latin1');
}

/** What a file's first line is. A `torn` line is worth another read: a writer may have been in the middle of it. */
export type Parsed =
  | { readonly kind: 'record'; readonly record: HeartbeatRecord }
  | { readonly kind: 'plain'; readonly wall: number }
  | { readonly kind: 'malformed'; readonly torn: boolean; readonly detail: string };

export function parse(line: string): Parsed {
  if (line.length > LONGEST_LINE) return malformed('not a heartbeat');
  const [magic = '', ...texts] = line.split(' ').filter((text) => text !== '');
  if (magic !== MAGIC) {
    const epoch = texts.length === 0 ? parseEpoch(magic) : undefined;
    if (epoch !== undefined) return { kind: 'plain', wall: epoch };
    return malformed(magic.startsWith('k8s-liveness/') ? 'another version of the format' : 'not a heartbeat');
  }
  const fields: Record<string, unknown> = {};
  for (const [at, name] of NAMES.entries()) fields[name] = fieldOf(name).shape.read(texts[at] ?? '');
  const later = texts.slice(NAMES.length, -1).map(ANY.read);
  const record = fields as unknown as HeartbeatRecord;
  const shaped =
    texts.length > NAMES.length && !Object.values(fields).includes(WRONG) && (record.kind === 'own' || record.limit !== Infinity);
  if (!shaped || later.includes(WRONG)) return malformed('a field of the record is wrong', true);
  if (texts.at(-1) !== String(checksum(record, (later as (number | undefined)[]).flatMap(ANY.numbers)))) {
    return malformed('the checksum of the record is wrong', true);
  }
  return { kind: 'record', record };
}

/** A field that a later version of the format may add before the sum. */
const ANY = orNone(whole(0), undefined);

function malformed(detail: string, torn = false): Parsed {
  return { kind: 'malformed', torn, detail };
}

/** The work in hand as the second line tells it. */
export interface Work {
  readonly count: number;
  /** The task that is recorded, or the oldest. */
  readonly name: string;
}

/** As `3 in hand, mail#42`; undefined for anything else. */
export function parseWork(line: string): Work | undefined {
  const [digits = '', ...rest] = printable(line, 'latin1').trim().split(' in hand, ');
  const name = rest.join(' in hand, ');
  const count = whole(1).read(digits);
  return line.length <= NOTE_WIDTH && name !== '' && count !== WRONG ? { count, name } : undefined;
}

/** What a process directory's `pid` holds: a decimal of 1 or more. */
export function parsePid(text: string): number | undefined {
  const pid = whole(1).read(text);
  return pid === WRONG ? undefined : pid;
}

/** What a process directory's `error` holds: any integer of at most 15 digits, just as it would be written. */
export function parseError(text: string): number | undefined {
  const digits = whole(0).read(text.startsWith('-') ? text.slice(1) : text);
  return digits === WRONG || text === '-0' ? undefined : Number(text);
}

/** Seconds since the epoch, with at most nine digits of a fraction, as Python's k8s-liveness and `date +%s` write them. */
function parseEpoch(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?$/.test(text)) return undefined;
  // By its digits: as a floating-point number the last nanosecond of the year 9999 is the year 10000.
  const [seconds, fraction = ''] = text.split('.');
  const wall = Number(seconds) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  return wall <= LAST_WALL ? wall : undefined;
}
