// What a heartbeat file or a process directory means, for every reader: Timestamp, the shipped probe, and liveness.sh
// in its own words.

import { ERROR, PID, readLine, TIMESTAMP } from './file';
import { hasThread, presence, systemClock, type Clock } from './proc';
import { LAST_WALL, parse, parseError, parsePid, parseWork, type HeartbeatRecord, type Work } from './record';
import { instant, lastBeat, REASONS, type DeathReason, type Verdict } from './verdict';

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
  /** The limit for plain files, which state none. Default: `limit`. */
  readonly plainLimit?: number | undefined;
}

/** Beyond this a beat ahead of the clock is `future`: two processors' readings may differ by less. */
const FUTURE_CS = 200;

/** Reads of a torn record, or of an empty pid or error, before we call it malformed. */
const READS = 25;

/** How many of them a patient reader makes before it waits. */
const EAGER_READS = 5;

/** How long a patient reader waits for writers, in milliseconds and for all its paths together. */
const PATIENCE = 250;

/** Waits a moment for a writer to finish. False when the time is used up. */
let wait: (() => boolean) | undefined;

/**
 * Judges as a probe does, which may wait for a writer that is held up in the middle of its work. Without this nothing
 * waits, because a service's loop must not stand still for a reader in it.
 */
export function patiently<T>(ask: () => T, now = systemClock.monotonic, sleep = pause): T {
  let end: number | undefined;
  wait = () => {
    end ??= now() + PATIENCE;
    if (now() >= end) return false;
    sleep(1);
    return true;
  };
  try {
    return ask();
  } finally {
    wait = undefined;
  }
}

/** May a file be read again after so many reads? */
function mayReadAgain(reads: number): boolean {
  if (wait === undefined) return reads < READS;
  return reads < EAGER_READS || wait();
}

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
  /** The work in hand at that beat. */
  readonly work: Work | undefined;
  /** A process directory's error. */
  readonly error: number | undefined;
  /** Milliseconds until the beat is too old, negative if it is; not finite if no beat is awaited. */
  readonly left: number;
}

/** {@link judge}, for who wants to describe what it looked at. */
export function examine(path: string, reader: Reader): Examined {
  let found = findEvidence(path, reader);
  for (let judgement = 1; ; judgement++) {
    const verdict = judgeEvidence(path, found, reader);
    if (verdict.alive || !mayPass(verdict.reason, found)) return examined(verdict, found);
    // If this process was held up between file and clock, or between two files, what is there now tells.
    const again = findEvidence(path, reader);
    if (judgement === JUDGEMENTS || JSON.stringify(again) === JSON.stringify(found)) return examined(verdict, found);
    found = again;
  }
}

function examined(verdict: Verdict, found: Found): Examined {
  if (found.obstacle) return { verdict, record: undefined, work: undefined, error: undefined, left: Infinity };
  const { record, work } = recordOf(found.beat);
  const left = allowance(verdict.limit ?? Infinity, record?.window ?? 0) * 10 - verdict.age;
  return { verdict, record, work, error: found.error, left };
}

/** Whether a living service may look dead for that reason for a moment. */
function mayPass(reason: DeathReason, found: Found): boolean {
  return reason === 'stale' || reason === 'overdue' || reason === 'future' || (reason === 'gone' && 'pid' in found);
}

/** What stands at a path, or why there is nothing to judge. */
type Found = Evidence | Obstacle;
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
interface FoundBeat {
  readonly obstacle?: undefined;
  readonly beat: Beat;
}
interface Directory {
  readonly kind: 'directory';
  readonly detail: string;
}
type Beat =
  | { readonly kind: 'plain'; readonly wall: number }
  | { readonly kind: 'record'; readonly record: HeartbeatRecord; readonly work: Work | undefined };

/** What a beat's record says; nothing of a plain file. */
function recordOf(beat: Beat | undefined): { readonly record?: HeartbeatRecord; readonly work?: Work | undefined } {
  return beat?.kind === 'record' ? beat : {};
}

function findEvidence(path: string, reader: Reader): Found {
  if (path === '') return obstacle('missing', 'no such file');
  if (reader.isDirectory) return readDirectory(path, reader);
  const found = readHeartbeat(path);
  return 'kind' in found ? readDirectory(path, reader) : found;
}

function obstacle(obstacle: Obstacle['obstacle'], detail: string): Obstacle {
  return { obstacle, detail };
}

/** The heartbeat at `path`, unless that is a directory. */
function readHeartbeat(path: string): FoundBeat | Obstacle | Directory {
  for (let reads = 1; ; reads++) {
    const reading = readLine(path);
    if (reading.kind === 'directory') return { kind: 'directory', detail: reading.detail };
    if (reading.kind !== 'line') return obstacle(reading.kind, reading.detail);
    // A file that was only touched: its modification time is the beat.
    if (reading.empty) return { beat: { kind: 'plain', wall: Math.min(Math.max(Math.floor(reading.modified), 0), LAST_WALL) } };
    const parsed = parse(reading.line);
    if (parsed.kind === 'plain') return { beat: parsed };
    if (parsed.kind === 'record') return { beat: { ...parsed, work: parseWork(reading.second) } };
    // What stays as it is was not caught in the middle of a write.
    if (!parsed.torn || reads === READS || !mayReadAgain(reads)) return obstacle('malformed', parsed.detail);
  }
}

/** The process directory at `path`. */
function readDirectory(path: string, reader: Reader): Found {
  const pid = inFile(PID, readPid(path, mayReadAgain));
  const error = inFile(ERROR, reader.ignoreError ? {} : readError(path, mayReadAgain));
  const beat = inFile(TIMESTAMP, readDirectoryBeat(`${path}/${TIMESTAMP}`, reader));
  for (const reason of REASONS) {
    for (const found of [pid, error, beat]) if (found.obstacle === reason) return found;
  }
  return { ...(beat as Evidence), pid: (pid as FoundNumber).value, error: (error as FoundNumber).value };
}

/** Lets an obstacle say which file it is about. */
function inFile<T extends object>(name: string, found: T | Obstacle): T | Obstacle {
  return 'obstacle' in found ? { ...found, detail: `${name} file: ${found.detail}` } : found;
}

function readDirectoryBeat(path: string, reader: Reader): Evidence | Obstacle {
  let found = readHeartbeat(path);
  if ('kind' in found) found = obstacle('unreadable', found.detail);
  const { otherPidNamespace } = reader;
  // Others write none. But a reader with a limit asks about a loop; and in another pid namespace the pid says nothing.
  if (found.obstacle === 'missing' && reader.limit === undefined && !otherPidNamespace) return {};
  if (found.obstacle) return found;
  const { record } = recordOf(found.beat);
  if (!record && limitOf(record, reader) === undefined) return obstacle('malformed', NO_LIMIT);
  if (otherPidNamespace && limitOf(record, reader) === Infinity) return obstacle('malformed', 'states no limit, and its process cannot be seen');
  return found;
}

interface FoundNumber {
  readonly obstacle?: undefined;
  readonly value?: number;
}

type MayReadAgain = (reads: number) => boolean;
const never: MayReadAgain = () => false;

/** @param again whether an empty file is read again: writers other than ours empty it before they write it. */
export function readPid(directory: string, again: MayReadAgain = never): FoundNumber | Obstacle {
  return readNumber(directory, PID, again, parsePid, 'holds no pid');
}

/** As {@link readPid}. */
export function readError(directory: string, again: MayReadAgain = never): FoundNumber | Obstacle {
  return readNumber(directory, ERROR, again, parseError, 'holds no integer');
}

function readNumber(
  directory: string,
  name: string,
  again: MayReadAgain,
  parse: (text: string) => number | undefined,
  otherwise: string,
): FoundNumber | Obstacle {
  if (directory === '') return obstacle('missing', 'no such file');
  for (let reads = 1; ; reads++) {
    const reading = readLine(`${directory}/${name}`);
    if (reading.kind === 'directory') return obstacle('unreadable', reading.detail);
    if (reading.kind !== 'line') return obstacle(reading.kind, reading.detail);
    const value = reading.more ? undefined : parse(reading.line);
    if (value !== undefined) return { value };
    if (reading.line !== '' || reading.more || !again(reads)) return obstacle('malformed', otherwise);
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const UNKNOWN = { longestGap: undefined, longestTask: undefined, pid: undefined, task: undefined, inHand: 0 };

function judgeEvidence(path: string, found: Found, reader: Reader): Verdict {
  if (found.obstacle) {
    const nothing = { clock: undefined, value: undefined, age: Infinity, ...UNKNOWN };
    return { alive: false, reason: found.obstacle, detail: found.detail, path, limit: reader.limit, ...nothing };
  }
  const { beat } = found;
  const { record, work } = recordOf(beat);
  const task = record?.kind === 'task' ? (work?.name ?? 'a task') : undefined;
  const pid = found.pid ?? record?.pid;
  const limit = beat ? limitOf(record, reader) : Infinity;
  const { gone, isCertain = false } = reader.otherPidNamespace ? {} : identify(found, record, limit, reader.clock);
  // Last of all: everything read before it is at least as old as the clock says.
  const { clock, age } = elapsed(beat, isCertain, reader);
  const value = beat && new Date(wallOf(beat));
  const facts = {
    path,
    clock,
    value,
    age: Math.max(age, 0) * 10,
    longestGap: inMs(record?.gap),
    longestTask: inMs(record?.longestTask),
    pid,
    task,
    inHand: work?.count ?? 0,
  };
  if (limit === undefined) return { alive: false, reason: 'malformed', detail: NO_LIMIT, limit, ...facts };
  const isTooOld = value !== undefined && age > allowance(limit, record?.window ?? 0);
  const others = work ? `, ${work.count} in hand, ${work.name} the oldest` : '';
  const objections: Partial<Record<DeathReason, string | false | undefined>> = {
    gone,
    failed: found.error !== undefined && found.error !== 0 && `error ${found.error}`,
    future: value !== undefined && age < -FUTURE_CS && `last beat ${instant(value)}, ahead of the clock`,
    overdue: isTooOld && task !== undefined && lastBeat(value, limit, clock, task),
    stale: isTooOld && lastBeat(value, limit, clock) + others,
  };
  for (const reason of REASONS) {
    const detail = objections[reason];
    if (detail) return { alive: false, reason, detail, limit, ...facts };
  }
  return { alive: true, limit, ...facts };
}

/** The limit of a step or task first, else the reader's own, else the one in the file. */
function limitOf(record: HeartbeatRecord | undefined, reader: Reader): number | undefined {
  if (!record) return reader.plainLimit ?? reader.limit;
  return record.kind !== 'own' ? record.limit * 10 : (reader.limit ?? record.limit * 10);
}

function inMs(cs: number | undefined): number | undefined {
  return cs === undefined ? undefined : cs * 10;
}

/** How old a beat may be, in centiseconds: its limit, the time a writer may leave a beat unwritten, and one tick of the clock. */
function allowance(limit: number, window: number): number {
  return Math.ceil(limit / 10) + window + 1;
}

interface Identified {
  /** What says that the process that beat, or that the directory names, is not there. */
  readonly gone?: string;
  /** It is there with the start that the record gives: so this is the boot in which it beat. */
  readonly isCertain?: boolean;
}

function identify(evidence: Evidence, record: HeartbeatRecord | undefined, limit = Infinity, clock: Clock): Identified {
  const boot = clock.bootId();
  if (record?.boot !== undefined && boot !== undefined && record.boot !== boot) return { gone: 'beat in another boot' };
  const pid = evidence.pid ?? record?.pid;
  if (pid === undefined) return {};
  if (record?.pid !== undefined && record.pid !== pid) return { gone: `process ${pid} is not the one that beat` };
  const found = presence(pid, record?.start);
  if (found.state === 'gone') return { gone: found.detail + (isElsewhere(record, boot, found.start) ? ELSEWHERE : '') };
  // A fresh beat vouches for a process that cannot be seen; a pid alone does not.
  const vouched = evidence.pid === undefined || limit !== Infinity;
  if (found.state === 'unknown' && !vouched) return { gone: `process ${pid} has ended or is hidden` };
  return { isCertain: found.state === 'present' && record?.start !== undefined };
}

const ELSEWHERE = '; use --other-pid-namespace for another container';

/** Did it beat after the process that has its pid here had started? Then it has that pid in another pid namespace. */
function isElsewhere(record: HeartbeatRecord | undefined, boot: string | undefined, start: number | undefined): boolean {
  if (record?.uptime === undefined || record.boot === undefined || record.boot !== boot) return false;
  return start !== undefined && record.uptime - start > 100;
}

/**
 * Whether the writer of a record that stands at a path still lives: then it must not be taken over. A leftover must not
 * keep a new container from starting, so doubt counts as dead, unless the beat is fresh.
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
function elapsed(
  beat: Beat | undefined,
  isCertain: boolean,
  { clock, otherPidNamespace }: Reader,
): { clock: Verdict['clock']; age: number } {
  if (!beat) return { clock: undefined, age: Infinity };
  if (beat.kind === 'record' && !otherPidNamespace) {
    const { boot, uptime } = beat.record;
    const here = clock.bootId();
    const now = (here === undefined ? isCertain : here === boot) ? clock.uptime() : undefined;
    if (now !== undefined && uptime !== undefined) return { clock: 'uptime', age: Math.floor(now / 10) - uptime };
  }
  return { clock: 'wall', age: Math.floor(clock.wall() / 10) - Math.floor(wallOf(beat) / 10) };
}

function wallOf(beat: Beat): number {
  return beat.kind === 'record' ? beat.record.wall : beat.wall;
}
