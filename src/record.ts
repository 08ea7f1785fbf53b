// The heartbeat file's one line, as docs/heartbeat-file.md publishes it. Pure: no clock, no file system.

/** One beat as it is recorded. Times are centiseconds unless they say otherwise. */
export interface HeartbeatRecord {
  /** How many beats the writer has made. */
  readonly beat: number;
  /** Time since boot at the beat. */
  readonly uptime: number | undefined;
  /** How old the beat may become; Infinity without a limit. */
  readonly limit: number;
  /** `own`: the service's own limit, which a reader with one of its own overrules. `step`: this stretch of work's. */
  readonly kind: 'own' | 'step';
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
  /** Which instance beat: its thread's id and a nonce, as two hex groups. */
  readonly writer: string;
}

/** Bytes of a record as we write it, its newline included. A leftover of this size can be reused on a full disk. */
export const RECORD_SIZE = 192;

/** Characters of a line that a reader looks at; a longer one is malformed. */
export const LONGEST_LINE = 4096;

/** The last millisecond of the year 9999: dates stay four-digit in every reader. */
export const LAST_WALL = 253_402_300_799_999;

const MAGIC = 'k8s-liveness/1';
const PRIME = 2_147_483_647;
const LONGEST_WINDOW = 100;

// Fixed columns: between two beats only digits change, so that a torn read keeps its shape and the sum decides.
const WIDTHS = [14, 15, 12, 15, 4, 3, 10, 12, 36, 15, 12, 21, 10];

export function serialise(record: HeartbeatRecord): Buffer {
  const fields = [
    MAGIC,
    text(record.beat),
    text(record.uptime),
    text(record.limit === Infinity ? undefined : record.limit),
    record.kind,
    text(record.window),
    text(record.pid),
    text(record.start),
    record.boot ?? '-',
    text(record.wall),
    text(record.gap),
    record.writer,
    String(checksum(record)),
  ];
  const line = fields.map((field, index) => field.padEnd(WIDTHS[index] ?? 0)).join(' ');
  return Buffer.from(`${line}\n`, 'latin1');
}

function text(number: number | undefined): string {
  return number === undefined ? '-' : String(number);
}

/** What a file's first line is. `torn` lines are worth another read: a writer may have been in the middle of one. */
export type Parsed =
  | { readonly kind: 'record'; readonly record: HeartbeatRecord }
  | { readonly kind: 'plain'; readonly wall: number }
  | { readonly kind: 'malformed'; readonly torn: boolean; readonly detail: string };

export function parse(line: string): Parsed {
  if (line.length > LONGEST_LINE) return malformed('not a heartbeat');
  const fields = line.split(' ').filter((field) => field !== '');
  const [magic = '', ...rest] = fields;
  if (magic !== MAGIC) {
    const epoch = fields.length === 1 ? parseEpoch(magic) : undefined;
    if (epoch !== undefined) return { kind: 'plain', wall: epoch };
    return malformed(magic.startsWith('k8s-liveness/') ? 'another version of the format' : 'not a heartbeat');
  }
  const [beat, uptime, limit, kind, window, pid, start, boot, wall, gap, writer, ...later] = rest;
  const sum = later.pop();
  const shaped =
    sum !== undefined &&
    isNumber(beat) &&
    isNumberOrNone(uptime) &&
    isNumberOrNone(limit) &&
    limit !== '0' &&
    (kind === 'own' || (kind === 'step' && limit !== '-')) &&
    isNumber(window) &&
    Number(window) <= LONGEST_WINDOW &&
    isNumberOrNone(pid) &&
    pid !== '0' &&
    isNumberOrNone(start) &&
    boot !== undefined &&
    (boot === '-' || isHex(boot, 5)) &&
    isNumber(wall) &&
    Number(wall) <= LAST_WALL &&
    isNumberOrNone(gap) &&
    writer !== undefined &&
    isHex(writer, 2) &&
    later.every(isNumberOrNone);
  if (!shaped) return malformed('a field of the record is wrong', true);
  const record: HeartbeatRecord = {
    beat: Number(beat),
    uptime: value(uptime),
    limit: value(limit) ?? Infinity,
    kind,
    window: Number(window),
    pid: value(pid),
    start: value(start),
    boot: boot === '-' ? undefined : boot,
    wall: Number(wall),
    gap: value(gap),
    writer,
  };
  if (sum !== String(checksum(record, later))) return malformed('the checksum of the record is wrong', true);
  return { kind: 'record', record };
}

function malformed(detail: string, torn = false): Parsed {
  return { kind: 'malformed', torn, detail };
}

const LARGEST = 999_999_999_999_999;

// Without regular expressions: a process's first ones take 0.2 ms, and this is what a probe does first.

/** A decimal of at most 15 digits, just as it would be written. */
function isNumber(field: string | undefined): field is string {
  const number = Number(field);
  // Above the largest come those that are written with an exponent.
  return Number.isInteger(number) && number >= 0 && number <= LARGEST && String(number) === field;
}

/** That many groups of 1 to 12 lower-case hex digits joined by `-`. */
function isHex(field: string, count: number): boolean {
  const groups = field.split('-');
  const isGroup = (group: string): boolean =>
    group.length <= 12 && parseInt(group, 16).toString(16).padStart(group.length, '0') === group;
  return groups.length === count && groups.every(isGroup);
}

function isNumberOrNone(field: string | undefined): field is string {
  return field === '-' || isNumber(field);
}

/** What a process directory's `pid` holds: a decimal of 1 or more. */
export function parsePid(text: string): number | undefined {
  return isNumber(text) && text !== '0' ? Number(text) : undefined;
}

/** What a process directory's `error` holds: any integer of at most 15 digits, just as it would be written. */
export function parseError(text: string): number | undefined {
  const digits = text.startsWith('-') ? text.slice(1) : text;
  return isNumber(digits) && text !== '-0' ? Number(text) : undefined;
}

function value(field: string | undefined): number | undefined {
  return field === '-' ? undefined : Number(field);
}

/** Seconds since the epoch, with at most nine digits of a fraction, as Python's k8s-liveness and `date +%s` write them. */
function parseEpoch(field: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?$/.test(field)) return undefined;
  // By its digits: as a floating-point number the last nanosecond of the year 9999 is the year 10000.
  const [seconds, fraction = ''] = field.split('.');
  const wall = Number(seconds) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  return wall <= LAST_WALL ? wall : undefined;
}

/** `s = (s * 31 + n) mod (2^31 - 1)` over the fields as numbers: what a shell can compute with builtin arithmetic. */
function checksum(record: HeartbeatRecord, later: readonly string[] = []): number {
  let sum = 1; // the version
  const fold = (number: number | undefined): void => {
    sum = (sum * 31 + (number ?? 0)) % PRIME;
  };
  const foldHex = (groups: string): void => {
    for (const group of groups.split('-')) fold(parseInt(group, 16));
  };
  fold(record.beat);
  fold(record.uptime);
  fold(record.limit === Infinity ? 0 : record.limit);
  fold(record.kind === 'step' ? 1 : 0);
  fold(record.window);
  fold(record.pid);
  fold(record.start);
  foldHex(record.boot ?? '0');
  fold(record.wall);
  fold(record.gap);
  foldHex(record.writer);
  for (const field of later) fold(value(field));
  return sum;
}
