// What a heartbeat file or a process directory means, for every reader: Timestamp, the shipped probe, and liveness.sh in
// its own words.

import { ERROR, PID, readLine, TIMESTAMP } from './file';
import { hasThread, presence, type Clock } from './proc';
import { LAST_WALL, parse, parseError, parsePid, type HeartbeatRecord } from './record';
import { instant, lastBeat, type DeathReason, type Verdict } from './verdict';

/** Who asks. */
export interface Reader {
  readonly clock: Clock;
  /** Leave pid and boot aside and judge by wall time. */
  readonly otherPidNamespace: boolean;
  /** Leave a process directory's error aside. */
  readonly ignoreError: boolean;
  /** The path is a process directory's, whatever stands there. Else only a directory is judged as one. */
  readonly isDirectory: boolean;
  /** The reader's own limit in milliseconds, which overrules the file's unless that is a step's. */
  readonly limit: number | undefined;
  /** The limit for plain files, which state none. */
  readonly plainLimit: number | undefined;
}

/** Beyond this a beat ahead of the clock is `future`: two processors' readings may differ by less. */
const FUTURE_CS = 200;

/**
 * Reads before a torn record is `malformed`, and an empty pid or error, whose writer a limit on its processor time may hold up
 * for most of 100 ms at a time; and how many of them do not wait a millisecond in between.
 */
const READS = 25;
const READS_OF_NUMBER = 250;
const EAGER_READS = 5;

const NO_LIMIT = 'a plain file states no limit';

/** Times that something dead is judged again because something newer stood there. */
const JUDGEMENTS = 5;

/** Is the loop that beats into `path` making progress? Never throws for what stands there. */
export function judge(path: string, reader: Reader): Verdict {
  return examine(path, reader).verdict;
}

/** A verdict, and what stood there when it was found. */
export interface Examined {
  readonly verdict: Verdict;
  /** The last beat, unless it is a plain file's. */
  readonly record: HeartbeatRecord | undefined;
  /** A process directory's error. */
  readonly error: number | undefined;
}

/** {@link judge}, for who wants to describe what it looked at. */
export function examine(path: string, reader: Reader): Examined {
  let seen = look(path, reader);
  for (let judgement = 1; ; judgement++) {
    const verdict = weigh(path, seen, reader);
    if (verdict.alive || !isPassing(verdict.reason, seen)) return examined(verdict, seen);
    // If this process was held up between file and clock, or between two files, what is there now tells.
    const again = look(path, reader);
    if (judgement === JUDGEMENTS || JSON.stringify(again) === JSON.stringify(seen)) return examined(verdict, seen);
    seen = again;
  }
}

function examined(verdict: Verdict, seen: Seen): Examined {
  if (seen.obstacle) return { verdict, record: undefined, error: undefined };
  return { verdict, record: seen.beat?.kind === 'record' ? seen.beat.record : undefined, error: seen.error };
}

/** Whether a living service may look dead for that reason for a moment. */
function isPassing(reason: DeathReason, seen: Seen): boolean {
  return reason === 'stale' || reason === 'future' || (reason === 'gone' && 'pid' in seen);
}

/** What stands at a path, or why there is nothing to judge. */
type Seen = Evidence | Obstacle;
interface Evidence {
  readonly obstacle?: undefined;
  readonly beat?: Beat | undefined;
  /** What a process directory names. */
  readonly pid?: number | undefined;
  readonly error?: number | undefined;
}
interface Obstacle {
  readonly obstacle: 'missing' | 'unreadable' | 'malformed';
  readonly detail: string;
}
type Beat =
  | { readonly kind: 'plain'; readonly wall: number }
  | { readonly kind: 'record'; readonly record: HeartbeatRecord };

function look(path: string, reader: Reader): Seen {
  if (path === '') return none('missing', 'no such file');
  return reader.isDirectory ? lookInto(path, reader) : (lookAt(path) ?? lookInto(path, reader));
}

function none(obstacle: Obstacle['obstacle'], detail: string): Obstacle {
  return { obstacle, detail };
}

/** The heartbeat at `path`, unless that is a directory. */
function lookAt(path: string): { readonly obstacle?: undefined; readonly beat: Beat } | Obstacle | undefined {
  for (let reads = 1; ; reads++) {
    const reading = readLine(path);
    if (reading.kind === 'directory') return undefined;
    if (reading.kind !== 'line') return none(reading.kind, reading.detail);
    // A file that was only touched: its modification time is the beat.
    if (reading.empty) return { beat: { kind: 'plain', wall: Math.min(Math.max(Math.floor(reading.modified), 0), LAST_WALL) } };
    const parsed = parse(reading.line);
    if (parsed.kind !== 'malformed') return { beat: parsed };
    if (!parsed.torn || reads === READS) return none('malformed', parsed.detail);
    // A writer that was held up in the middle of its write needs the processor, not another read.
    if (reads >= EAGER_READS) pause(1);
  }
}

/** The process directory at `path`. */
function lookInto(path: string, reader: Reader): Seen {
  const pid = about(PID, readPid(path, READS_OF_NUMBER));
  const error = about(ERROR, reader.ignoreError ? {} : readError(path, READS_OF_NUMBER));
  const beat = about(TIMESTAMP, lookAtBeat(`${path}/${TIMESTAMP}`, reader));
  for (const reason of ['missing', 'unreadable', 'malformed'] as const) {
    for (const found of [pid, error, beat]) if (found.obstacle === reason) return found;
  }
  return { ...(beat as Evidence), pid: (pid as FoundNumber).value, error: (error as FoundNumber).value };
}

/** Lets an obstacle say which file it is about. */
function about<T extends object>(name: string, found: T | Obstacle): T | Obstacle {
  return 'obstacle' in found ? { ...found, detail: `${name} file: ${found.detail}` } : found;
}

function lookAtBeat(path: string, reader: Reader): Evidence | Obstacle {
  const found = lookAt(path) ?? none('unreadable', 'is a directory');
  const { otherPidNamespace, plainLimit } = reader;
  // Others write none. But a reader with a limit asks about a loop; and in another pid namespace the pid says nothing.
  if (found.obstacle === 'missing' && reader.limit === undefined && !otherPidNamespace) return {};
  if (found.obstacle) return found;
  const record = found.beat.kind === 'record' ? found.beat.record : undefined;
  if (!record && plainLimit === undefined) return none('malformed', NO_LIMIT);
  if (otherPidNamespace && limitOf(record, reader) === Infinity) return none('malformed', 'states no limit, and its process cannot be seen');
  return found;
}

interface FoundNumber {
  readonly obstacle?: undefined;
  readonly value?: number;
}

/** @param reads how often an empty file is looked at: writers other than ours empty it before they write it. */
export function readPid(directory: string, reads = 1): FoundNumber | Obstacle {
  return readNumber(directory, PID, reads, parsePid, 'holds no pid');
}

/** As {@link readPid}. */
export function readError(directory: string, reads = 1): FoundNumber | Obstacle {
  return readNumber(directory, ERROR, reads, parseError, 'holds no integer');
}

function readNumber(
  directory: string,
  name: string,
  most: number,
  parse: (text: string) => number | undefined,
  otherwise: string,
): FoundNumber | Obstacle {
  if (directory === '') return none('missing', 'no such file');
  for (let reads = 1; ; reads++) {
    const reading = readLine(`${directory}/${name}`);
    if (reading.kind === 'directory') return none('unreadable', reading.detail);
    if (reading.kind !== 'line') return none(reading.kind, reading.detail);
    const value = reading.more ? undefined : parse(reading.line);
    if (value !== undefined) return { value };
    if (reading.line !== '' || reading.more || reads === most) return none('malformed', otherwise);
    if (reads >= EAGER_READS) pause(1);
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function weigh(path: string, seen: Seen, reader: Reader): Verdict {
  if (seen.obstacle) {
    const nothing = { clock: undefined, value: undefined, age: Infinity, longestGap: undefined, pid: undefined };
    return { alive: false, reason: seen.obstacle, detail: seen.detail, path, limit: reader.limit, ...nothing };
  }
  const { beat } = seen;
  const record = beat?.kind === 'record' ? beat.record : undefined;
  const pid = seen.pid ?? record?.pid;
  const limit = beat ? limitOf(record, reader) : Infinity;
  const gone = reader.otherPidNamespace ? undefined : departure(seen, record, limit, reader.clock);
  // Last of all: everything read before it is at least as old as the clock says.
  const { clock, age } = elapsed(beat, reader);
  const value = beat && new Date(wallOf(beat));
  const facts = {
    path,
    clock,
    value,
    age: Math.max(age, 0) * 10,
    longestGap: record?.gap === undefined ? undefined : record.gap * 10,
    pid,
  };
  const dead = (reason: DeathReason, detail: string): Verdict => ({ alive: false, reason, detail, limit, ...facts });
  if (limit === undefined) return dead('malformed', NO_LIMIT);
  if (gone !== undefined) return dead('gone', value ? `${gone}, last beat ${instant(value)}` : gone);
  if (seen.error) return dead('failed', `error ${seen.error}`);
  if (value && age < -FUTURE_CS) return dead('future', `last beat ${instant(value)}, ahead of the clock`);
  if (value && age > allowance(limit, record?.window ?? 0)) return dead('stale', lastBeat(value, limit, clock));
  return { alive: true, limit, ...facts };
}

/** A step's limit first, else the reader's own, else the one in the file. */
function limitOf(record: HeartbeatRecord | undefined, reader: Reader): number | undefined {
  if (!record) return reader.plainLimit;
  return record.kind === 'step' ? record.limit * 10 : (reader.limit ?? record.limit * 10);
}

/** How old a beat may be, in centiseconds: its limit, the time a writer may leave a beat unwritten, and one tick of the clock. */
export function allowance(limit: number, window: number): number {
  return Math.ceil(limit / 10) + window + 1;
}

function departure(seen: Evidence, record: HeartbeatRecord | undefined, limit = Infinity, clock: Clock): string | undefined {
  const boot = clock.bootId();
  if (record?.boot !== undefined && boot !== undefined && record.boot !== boot) return 'beat in another boot';
  const pid = seen.pid ?? record?.pid;
  if (pid === undefined) return undefined;
  if (record?.pid !== undefined && record.pid !== pid) return `process ${pid} is not the one that beat`;
  const found = presence(pid, record?.start);
  if (found.state === 'gone') return found.detail;
  // A fresh beat vouches for a process that cannot be seen; a pid alone does not.
  const vouched = seen.pid === undefined || limit !== Infinity;
  return found.state === 'unknown' && !vouched ? `process ${pid} has ended or is hidden` : undefined;
}

/**
 * Whether the writer of a record that stands at a path still lives: then it must not be taken over. A leftover must not keep
 * a new container from starting, so doubt counts as dead, unless the beat is fresh.
 */
export function isWriterAlive(record: HeartbeatRecord, clock: Clock): boolean {
  const boot = clock.bootId();
  if (record.pid === undefined || (record.boot !== undefined && boot !== undefined && record.boot !== boot)) return false;
  const { state } = presence(record.pid, record.start);
  if (state === 'gone' || !hasThread(record.pid, parseInt(record.writer, 16))) return false;
  if (state === 'present' && record.start !== undefined) return true;
  const age = clock.wall() - record.wall;
  return record.limit !== Infinity && age >= -2000 && age <= (record.limit + record.window) * 10;
}

/** Centiseconds since the beat, and the clock that says so. */
function elapsed(beat: Beat | undefined, { clock, otherPidNamespace }: Reader): { clock: Verdict['clock']; age: number } {
  if (!beat) return { clock: undefined, age: Infinity };
  if (beat.kind === 'record' && !otherPidNamespace) {
    const { boot, uptime } = beat.record;
    const now = boot !== undefined && clock.bootId() === boot ? clock.uptime() : undefined;
    if (now !== undefined && uptime !== undefined) return { clock: 'uptime', age: Math.floor(now / 10) - uptime };
  }
  return { clock: 'wall', age: Math.floor(clock.wall() / 10) - Math.floor(wallOf(beat) / 10) };
}

function wallOf(beat: Beat): number {
  return beat.kind === 'record' ? beat.record.wall : beat.wall;
}
