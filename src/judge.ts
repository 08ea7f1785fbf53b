// Judges heartbeat files and process directories, for every reader in JavaScript. liveness.sh does the same in shell.

import { ERROR, PID, TIMESTAMP } from './file';
import { hasThread, presence, systemClock, type Clock } from './proc';
import { readLine } from './read-line';
import { LAST_WALL, parse, parseError, parsePid, parseWork, type HeartbeatRecord, type Work } from './record';
import { instant, lastBeat, REASONS, type DeathReason, type Verdict } from './verdict';

/** How to judge. A flag that is left out is false. */
export interface Reader {
  readonly clock: Clock;
  /** Ignore pid and boot id, and judge by wall time. */
  readonly otherPidNamespace?: boolean | undefined;
  /** Ignore a process directory's error. */
  readonly ignoreError?: boolean | undefined;
  /** Whether to judge the path as a process directory even if it is not a directory. A directory is always one. */
  readonly isDirectory?: boolean | undefined;
  /** The reader's own limit in milliseconds. It overrules the file's, but not that of a step or a task. */
  readonly limit?: number | undefined;
  /** The limit for plain files, which state none. Default: `limit`. */
  readonly plainLimit?: number | undefined;
}

/** How far ahead of the clock a beat may be: two processors' clocks may differ a little. */
const FUTURE_CS = 200;

/** Reads of a torn record, or of an empty pid or error, before we call it malformed. */
const READS = 25;

/** Reads before a patient reader waits. */
const EAGER_READS = 5;

/** How long a patient reader waits for writers: milliseconds, for all its paths together. */
const PATIENCE = 250;

/** Waits a moment for a writer to finish. False when the time is used up. */
let wait: (() => boolean) | undefined;

/**
 * Runs `ask` as a probe, which may wait for a writer in the middle of a write. A verdict inside a service never waits,
 * because it would block the loop.
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

/** Whether a file may be read again after so many reads. Waits a moment if that is allowed. */
function mayReadAgain(reads: number): boolean {
  if (wait === undefined) return reads < READS;
  return reads < EAGER_READS || wait();
}

const NO_LIMIT = 'a plain file states no limit';

/** How many times we judge a dead heartbeat at most, if it changes each time. */
const JUDGEMENTS = 5;

/** Is the loop that beats into `path` making progress? Does not throw, whatever the file holds. */
export function judge(path: string, reader: Reader): Verdict {
  return examine(path, reader).verdict;
}

/** A verdict, and the facts behind it. */
export interface Examined {
  readonly verdict: Verdict;
  /** The record of the last beat; a plain file has none. */
  readonly record: HeartbeatRecord | undefined;
  /** The work in hand at that beat. */
  readonly work: Work | undefined;
  /** A process directory's error. */
  readonly error: number | undefined;
  /** Milliseconds until the beat is too old, negative if it is; not finite without a limit. */
  readonly left: number;
}

/** The same as {@link judge}, with the facts behind the verdict. */
export function examine(path: string, reader: Reader): Examined {
  let found = findEvidence(path, reader);
  for (let judgement = 1; ; judgement++) {
    const verdict = judgeEvidence(path, found, reader);
    if (verdict.alive || !mayBeMomentary(verdict.reason, found)) return examined(verdict, found);
    // If this process was paused between two reads, the files have changed: judge again.
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

/** Whether a living service may look dead for this reason for a moment, while it writes. */
function mayBeMomentary(reason: DeathReason, found: Found): boolean {
  return reason === 'stale' || reason === 'overdue' || reason === 'future' || (reason === 'gone' && 'pid' in found);
}

/** What a path holds, or why there is nothing to judge. */
type Found = Evidence | Obstacle;
interface Evidence {
  readonly obstacle?: undefined;
  readonly beat?: Beat | undefined;
  /** The pid and error of a process directory. */
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

/** The record of a beat, and the work in hand. A plain file has neither. */
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

/** Reads the heartbeat at `path`, unless that is a directory. */
function readHeartbeat(path: string): FoundBeat | Obstacle | Directory {
  for (let reads = 1; ; reads++) {
    const reading = readLine(path);
    if (reading.kind === 'directory') return { kind: 'directory', detail: reading.detail };
    if (reading.kind !== 'line') return obstacle(reading.kind, reading.detail);
    // An empty file is a touch file: its modification time is the beat.
    if (reading.empty)
      return { beat: { kind: 'plain', wall: Math.min(Math.max(Math.floor(reading.modified), 0), LAST_WALL) } };
    const parsed = parse(reading.line);
    if (parsed.kind === 'plain') return { beat: parsed };
    if (parsed.kind === 'record') return { beat: { ...parsed, work: parseWork(reading.second) } };
    // A torn record becomes whole when its writer goes on. If it stays torn, it is malformed.
    if (!parsed.torn || reads === READS || !mayReadAgain(reads)) return obstacle('malformed', parsed.detail);
  }
}

/** Reads the process directory at `path`. */
function readDirectory(path: string, reader: Reader): Found {
  const pid = withFileName(PID, readPid(path, mayReadAgain));
  const error = withFileName(ERROR, reader.ignoreError ? {} : readError(path, mayReadAgain));
  const beat = withFileName(TIMESTAMP, readDirectoryBeat(`${path}/${TIMESTAMP}`, reader));
  for (const reason of REASONS) {
    for (const found of [pid, error, beat]) if (found.obstacle === reason) return found;
  }
  return { ...(beat as Evidence), pid: (pid as FoundNumber).value, error: (error as FoundNumber).value };
}

/** Puts the file's name before an obstacle's detail. */
function withFileName<T extends object>(name: string, found: T | Obstacle): T | Obstacle {
  return 'obstacle' in found ? { ...found, detail: `${name} file: ${found.detail}` } : found;
}

function readDirectoryBeat(path: string, reader: Reader): Evidence | Obstacle {
  let found = readHeartbeat(path);
  if ('kind' in found) found = obstacle('unreadable', found.detail);
  const { otherPidNamespace } = reader;
  // Other writers write no beats, so the file may be missing. But a reader with a limit needs a beat, and so does a
  // reader in another pid namespace, where the pid says nothing.
  if (found.obstacle === 'missing' && reader.limit === undefined && !otherPidNamespace) return {};
  if (found.obstacle) return found;
  const { record } = recordOf(found.beat);
  if (!record && limitOf(record, reader) === undefined) return obstacle('malformed', NO_LIMIT);
  if (otherPidNamespace && limitOf(record, reader) === Infinity)
    return obstacle('malformed', 'states no limit, and its process cannot be seen');
  return found;
}

interface FoundNumber {
  readonly obstacle?: undefined;
  readonly value?: number;
}

type MayReadAgain = (reads: number) => boolean;
const never: MayReadAgain = () => false;

/** @param again whether to read an empty file again: other writers empty the file before they write it. */
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
  detail: string,
): FoundNumber | Obstacle {
  if (directory === '') return obstacle('missing', 'no such file');
  for (let reads = 1; ; reads++) {
    const reading = readLine(`${directory}/${name}`);
    if (reading.kind === 'directory') return obstacle('unreadable', reading.detail);
    if (reading.kind !== 'line') return obstacle(reading.kind, reading.detail);
    const value = reading.more ? undefined : parse(reading.line);
    if (value !== undefined) return { value };
    if (reading.line !== '' || reading.more || !again(reads)) return obstacle('malformed', detail);
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
  const { gone, isCertain = false } = reader.otherPidNamespace ? {} : findWriter(found, record, limit, reader.clock);
  // The clock is read last, so that a beat never looks younger than it is.
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
  const tasksInHand = work ? `, ${work.count} in hand, ${work.name} the oldest` : '';
  const objections: Partial<Record<DeathReason, string | false | undefined>> = {
    gone,
    failed: found.error !== undefined && found.error !== 0 && `error ${found.error}`,
    future: value !== undefined && age < -FUTURE_CS && `last beat ${instant(value)}, ahead of the clock`,
    overdue: isTooOld && task !== undefined && lastBeat(value, limit, clock, task),
    stale: isTooOld && lastBeat(value, limit, clock) + tasksInHand,
  };
  for (const reason of REASONS) {
    const detail = objections[reason];
    if (detail) return { alive: false, reason, detail, limit, ...facts };
  }
  return { alive: true, limit, ...facts };
}

/** The limit that applies: a step's or task's own, else the reader's, else the file's. */
function limitOf(record: HeartbeatRecord | undefined, reader: Reader): number | undefined {
  if (!record) return reader.plainLimit ?? reader.limit;
  return record.kind !== 'own' ? record.limit * 10 : (reader.limit ?? record.limit * 10);
}

function inMs(cs: number | undefined): number | undefined {
  return cs === undefined ? undefined : cs * 10;
}

/** The greatest age of a living beat, in centiseconds: its limit, its window, and one tick of the clock. */
function allowance(limit: number, window: number): number {
  return Math.ceil(limit / 10) + window + 1;
}

interface FoundWriter {
  /** Why the process that beat, or that the directory names, is gone. */
  readonly gone?: string;
  /** Whether it lives, and started when the record says. Then it has beaten in this boot. */
  readonly isCertain?: boolean;
}

function findWriter(
  evidence: Evidence,
  record: HeartbeatRecord | undefined,
  limit = Infinity,
  clock: Clock,
): FoundWriter {
  const boot = clock.bootId();
  if (record?.boot !== undefined && boot !== undefined && record.boot !== boot) return { gone: 'beat in another boot' };
  const pid = evidence.pid ?? record?.pid;
  if (pid === undefined) return {};
  if (record?.pid !== undefined && record.pid !== pid) return { gone: `process ${pid} is not the one that beat` };
  const found = presence(pid, record?.start);
  if (found.state === 'gone') return { gone: found.detail + (isElsewhere(record, boot, found.start) ? ELSEWHERE : '') };
  // For a process that we cannot see, a fresh beat is evidence enough; a pid alone is not.
  const beatDecides = evidence.pid === undefined || limit !== Infinity;
  if (found.state === 'unknown' && !beatDecides) return { gone: `process ${pid} has ended or is hidden` };
  return { isCertain: found.state === 'present' && record?.start !== undefined };
}

const ELSEWHERE = '; use --other-pid-namespace for another container';

/** Whether the writer beat while another process had its pid here. Then the writer is in another pid namespace. */
function isElsewhere(
  record: HeartbeatRecord | undefined,
  boot: string | undefined,
  start: number | undefined,
): boolean {
  if (record?.uptime === undefined || record.boot === undefined || record.boot !== boot) return false;
  return start !== undefined && record.uptime - start > 100;
}

/**
 * Whether the writer of a record still lives, so that no other may take its file over. If that is unknown, a fresh beat
 * counts as alive and an old one as dead: a leftover file must not keep a new container from starting.
 */
export function isWriterAlive(record: HeartbeatRecord, clock: Clock): boolean {
  const boot = clock.bootId();
  if (record.pid === undefined || (record.boot !== undefined && boot !== undefined && record.boot !== boot))
    return false;
  const { state } = presence(record.pid, record.start);
  if (state === 'gone' || !hasThread(record.pid, parseInt(record.writer, 16))) return false;
  if (state === 'present' && record.start !== undefined) return true;
  const age = clock.wall() - record.wall;
  return record.limit !== Infinity && age >= -2000 && age <= (record.limit + record.window) * 10;
}

/** The age of the beat in centiseconds, and the clock that measured it. */
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
