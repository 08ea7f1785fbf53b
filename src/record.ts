// The two lines of a heartbeat file: serialises and parses them, as docs/heartbeat-file.md says. Pure: no clock, no
// files.

import { printable } from './verdict';

/** A beat or task in the file. Times are centiseconds unless the comment says otherwise. */
export interface HeartbeatRecord {
  /** How many beats the writer has made. */
  readonly beat: number;
  /** Time since boot at the beat, or when the task was begun or refreshed. */
  readonly uptime: number | undefined;
  /** How old the beat may become; Infinity without a limit. */
  readonly limit: number;
  /**
   * `own`: a beat of the loop; a reader's own limit overrules its limit. `step`: a beat with a limit of its own.
   * `task`: a task in hand that is nearer to its deadline than the loop; times and limit are the task's.
   */
  readonly kind: (typeof KINDS)[number];
  /** How long the writer may leave beats unwritten; every reader adds it to the limit. */
  readonly window: number;
  readonly pid: number | undefined;
  /** When that process started: field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly start: number | undefined;
  /** /proc/sys/kernel/random/boot_id. */
  readonly boot: string | undefined;
  /** Milliseconds since the epoch, at the same moment as `uptime`. */
  readonly wall: number;
  /** The longest time between two beats so far. */
  readonly gap: number | undefined;
  /** The longest time so far that a task was in hand without a refresh. */
  readonly longestTask: number | undefined;
  /** The writer that beat: its thread's id and a random number, as two hex groups. */
  readonly writer: string;
}

/** Bytes of a heartbeat file as we write it: two lines. A leftover of this size can be reused on a full disk. */
export const RECORD_SIZE = 256;

/** Characters of the longest line that a reader accepts. */
export const LONGEST_LINE = 4096;

/** The last millisecond of the year 9999, so that every reader shows four-digit years. */
export const LAST_WALL = 253_402_300_799_999;

/** The largest number of 15 digits, the most that a field holds. */
export const LARGEST = 999_999_999_999_999;

/** The largest number in a column of 12 characters. */
export const WIDEST = 999_999_999_999;

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
  /** The value; WRONG for a text that no writer writes. */
  readonly read: (text: string) => T | typeof WRONG;
  /** The numbers that the field adds to the checksum. */
  readonly numbers: (value: T) => readonly number[];
}
const WRONG = Symbol('wrong');

/**
 * The fields in the order of the line. Their columns are fixed, so that a torn line keeps its shape and only the
 * checksum fails. A new field goes to the end, where today's readers accept it as a later field. Then parse() must bear
 * records without it, and NOTE_WIDTH shrinks by its column, because the file has RECORD_SIZE bytes.
 */
const FIELDS: {
  readonly [Name in keyof HeartbeatRecord]: { readonly width: number; readonly shape: Shape<HeartbeatRecord[Name]> };
} = {
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

/** A row of the table, without the type of its values. */
function fieldOf(name: keyof HeartbeatRecord): { readonly width: number; readonly shape: Shape<unknown> } {
  return FIELDS[name] as { readonly width: number; readonly shape: Shape<unknown> };
}

/** A decimal of at most 15 digits, without leading zeros. */
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

/** A field of that shape, or `-` for the value `none`. The checksum counts `-` as 0. */
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

/** `count` groups of 1 to 12 lower-case hex digits, joined by `-`. */
function hex(count: number): Shape<string> {
  // No regular expressions: a process's first ones take 0.2 ms, which a probe can save.
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

/** `s = (s * 31 + n) mod (2^31 - 1)` over the numbers of the fields, which a shell can compute too. */
function checksum(record: HeartbeatRecord, later: readonly number[]): number {
  let sum = 1; // the version
  for (const name of NAMES)
    for (const number of fieldOf(name).shape.numbers(record[name])) sum = (sum * 31 + number) % PRIME;
  for (const number of later) sum = (sum * 31 + number) % PRIME;
  return sum;
}

/** @param note the second line: printable ASCII, cut to fit. */
export function serialise(record: HeartbeatRecord, note = ''): Buffer {
  let line = MAGIC;
  for (const name of NAMES) {
    const { width, shape } = fieldOf(name);
    line += ` ${shape.write(record[name]).padEnd(width)}`;
  }
  const first = `${line} ${String(checksum(record, [])).padEnd(SUM_WIDTH)}\n`;
  return Buffer.from(`${first}${note.slice(0, NOTE_WIDTH).padEnd(NOTE_WIDTH)}\n`, 'latin1');
}

/** A file's first line. Read a `torn` one again, because a writer may be in the middle of writing it. */
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
  const later = texts.slice(NAMES.length, -1).map(LATER_FIELD.read);
  const record = fields as unknown as HeartbeatRecord;
  const shaped =
    texts.length > NAMES.length &&
    !Object.values(fields).includes(WRONG) &&
    (record.kind === 'own' || record.limit !== Infinity);
  if (!shaped || later.includes(WRONG)) return malformed('a field of the record is wrong', true);
  if (texts.at(-1) !== String(checksum(record, (later as (number | undefined)[]).flatMap(LATER_FIELD.numbers)))) {
    return malformed('the checksum of the record is wrong', true);
  }
  return { kind: 'record', record };
}

/** A field that a later version of the format may add before the checksum. */
const LATER_FIELD = orNone(whole(0), undefined);

function malformed(detail: string, torn = false): Parsed {
  return { kind: 'malformed', torn, detail };
}

/** The tasks in hand, by the second line of a heartbeat file. */
export interface Work {
  readonly count: number;
  /** The task that the record states, else the oldest. */
  readonly name: string;
}

/** Parses a second line such as `3 in hand, mail#42`; undefined for any other text. */
export function parseWork(line: string): Work | undefined {
  const [digits = '', ...rest] = printable(line, 'latin1').trim().split(' in hand, ');
  const name = rest.join(' in hand, ');
  const count = whole(1).read(digits);
  return line.length <= NOTE_WIDTH && name !== '' && count !== WRONG ? { count, name } : undefined;
}

/** Parses a process directory's `pid`: a decimal, at least 1. */
export function parsePid(text: string): number | undefined {
  const pid = whole(1).read(text);
  return pid === WRONG ? undefined : pid;
}

/** Parses a process directory's `error`: an integer of at most 15 digits, without leading zeros. */
export function parseError(text: string): number | undefined {
  const digits = whole(0).read(text.startsWith('-') ? text.slice(1) : text);
  return digits === WRONG || text === '-0' ? undefined : Number(text);
}

/** Parses seconds since the epoch, with at most nine decimals, as Python's `time.time()` and `date +%s` write them. */
function parseEpoch(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?$/.test(text)) return undefined;
  // Split at the point: a floating-point number would round the last nanosecond of the year 9999 up to the year 10000.
  const [seconds, fraction = ''] = text.split('.');
  const wall = Number(seconds) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  return wall <= LAST_WALL ? wall : undefined;
}

/** Whether a record can state this boot id. */
export function isBootId(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    text !== NONE &&
    FIELDS.boot.shape.read(text) !== WRONG &&
    text.length <= FIELDS.boot.width
  );
}
