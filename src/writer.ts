// The writing side, for Timestamp, ProcessTimestamp and the command line: who beats, how often a beat is written, and who may.

import { isAbsolute } from 'node:path';
import { milliseconds, type Duration } from './duration';
import { LivenessError, shown } from './errors';
import { ERROR, HeartbeatFile, PID, randomHex, readLine, Refusal, TIMESTAMP } from './file';
import { isWriterAlive } from './judge';
import { self, systemClock, type Clock, type Identity } from './proc';
import { LARGEST, LAST_WALL, parse, serialise, type HeartbeatRecord } from './record';

/** What stands behind a path, and its words: what a heartbeat file and a process directory differ in. */
export interface Place {
  readonly noun: string;
  readonly isDirectory: boolean;
  readonly heartbeat: (path: string) => string;
  /** The files that are removed before the heartbeat. */
  readonly companions: (path: string) => readonly string[];
  /** The method that frees it. */
  readonly release: string;
  /** What to do if it cannot be written. */
  readonly remedy: string;
}

export const HEARTBEAT_FILE: Place = {
  noun: 'heartbeat file',
  isDirectory: false,
  heartbeat: (path) => path,
  companions: () => [],
  release: 'delete',
  remedy: 'expected a writable directory for it: set LIVENESS_PATH or pass a path',
};

export const PROCESS_DIRECTORY: Place = {
  noun: 'process directory',
  isDirectory: true,
  heartbeat: (path) => `${path}/${TIMESTAMP}`,
  companions: (path) => [`${path}/${PID}`, `${path}/${ERROR}`],
  release: 'reset',
  remedy: 'expected a writable directory: set LIVENESS_RUNDIR or pass a path',
};

export interface WriterOptions {
  readonly clock?: Clock | undefined;
  /** Whose beats they are. Default: those of the calling thread. */
  readonly identify?: (() => Identity) | undefined;
  /** Names this writer, whoever it beats for: 32 bits in hex. Default: random. */
  readonly nonce?: string | undefined;
  /** Write every beat. Default: at most one every hundredth of the limit. */
  readonly everyBeat?: boolean | undefined;
}

/** How old a beat may become. */
interface Limit {
  readonly given: number | Duration;
  readonly step: boolean;
  /** In milliseconds, as is the window: how long its beats may stay unwritten. */
  readonly value: number;
  readonly window: number;
}

function isSame(a: Limit | undefined, b: Limit): boolean {
  return a?.value === b.value && a.step === b.step;
}

/** A failed write is not tried again for this long, so that a hot loop does not spend its time on a broken disk. */
const RETRY_MS = 10;

/** How often we look whether we are still who we were: a checkpoint that is restored changes start time and boot. */
const IDENTITY_MS = 1000;

let viewing = false;

/** Every writer made by `make` only reads. A constructor that beats would vouch for a service that is not there. */
export function asViews<T>(make: () => T): T {
  const before = viewing;
  try {
    viewing = true;
    return make();
  } finally {
    viewing = before;
  }
}

/** Records the beats of one loop at one path. */
export class Writer {
  readonly path: string;
  /** Where `path` led when this was made: a later chdir must not move it. */
  readonly absolute: string;
  readonly #place: Place;
  readonly #clock: Clock;
  readonly #readOnly = viewing;
  readonly #everyBeat: boolean;
  readonly #identify: () => Identity;
  #nonce: string | undefined;
  #file: HeartbeatFile | undefined;

  // The last beat, and what of it stands in the file.
  #beats = 0;
  #beatAt: number | undefined;
  #limit: Limit | undefined;
  #longestGap = 0;
  #failedWrites = 0;
  #written: Limit | undefined;
  #writtenAt = 0;
  #identity: Identity | undefined;
  #identifiedAt = 0;
  #failed: { readonly at: number; readonly limit: Limit } | undefined;
  #warnedOfOther = false;

  /** Neither reads nor writes. */
  constructor(place: Place, path: string, { clock = systemClock, identify = self, nonce, everyBeat = false }: WriterOptions = {}) {
    this.path = path;
    this.absolute = absolute(path);
    this.#place = place;
    this.#clock = clock;
    this.#identify = identify;
    this.#nonce = nonce;
    this.#everyBeat = everyBeat;
  }

  get isDirectory(): boolean {
    return this.#place.isDirectory;
  }

  get beats(): number {
    return this.#beats;
  }

  get longestGap(): number {
    return this.#longestGap;
  }

  get failedWrites(): number {
    return this.#failedWrites;
  }

  /** When the last beat was written, by the monotonic clock. */
  get writtenAt(): number {
    return this.#writtenAt;
  }

  /** One beat; it is written if the last written one is older than its window, or stated another limit. */
  refresh(given: number | Duration, step: boolean, what: string): void {
    const last = this.#limit;
    const limit = last?.step === step && Object.is(last.given, given) ? last : this.#limitOf(given, step, what);
    const now = this.#clock.monotonic();
    const gap = this.#beatAt === undefined || last?.step ? 0 : now - this.#beatAt;
    if (gap > this.#longestGap) this.#longestGap = gap;
    this.#beats++;
    this.#beatAt = now;
    this.#limit = limit;
    if (isSame(this.#written, limit) && now - this.#writtenAt < limit.window) return;
    this.#write(now, this.#limitOf(given, step, what)); // anew, as a Duration may have been changed in place
  }

  /** Takes up the count of a predecessor that beat for the same process under the same nonce. */
  resume(): void {
    const record = recordIn(this.#line());
    const { pid, start } = this.#identify();
    if (record === undefined || this.#isOthers(record)) return;
    if (record.pid !== pid || record.start !== start || record.boot !== this.#clock.bootId()) return;
    const uptime = this.#clock.uptime();
    this.#beats = record.beat;
    this.#longestGap = (record.gap ?? 0) * 10;
    if (record.uptime !== undefined && uptime !== undefined) this.#beatAt = this.#clock.monotonic() - (uptime - record.uptime * 10);
  }

  /** Throws unless this may write: it is no view. */
  assertWritable(method: string): void {
    if (!this.#readOnly) return;
    throw new LivenessError(
      'ERR_READ_ONLY',
      `${method}() needs a Timestamp made by new; this one was made by byRef and only reads ${this.path}`,
      this.path,
    );
  }

  /** Throws if another living writer beats there. */
  assertFree(): void {
    this.#heartbeatFile();
    this.#refuseLivingWriter(this.#line());
  }

  /** Makes the next beat a first one: written at once, and thrown if it cannot be. */
  startAnew(): void {
    this.#written = this.#beatAt = this.#failed = this.#identity = undefined;
  }

  /** Removes what stands there, unless it is another writer's, and frees the path. */
  remove(): void {
    const hasBeaten = this.#written !== undefined;
    try {
      this.#heartbeatFile().remove((line) => {
        const other = recordIn(line);
        if (hasBeaten) return other !== undefined && this.#isOthers(other);
        this.#refuseLivingWriter(line);
        return false;
      }, this.#place.companions(this.absolute));
    } catch (error) {
      throw this.wrapped(error, `cannot remove the ${this.#place.noun}`);
    }
    this.startAnew();
  }

  /** What failed, and what to do about it. */
  wrapped(error: unknown, what: string): LivenessError {
    if (error instanceof LivenessError) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    const remedy = cause instanceof Refusal ? '' : `; ${this.#place.remedy}`;
    const message = `${what} at ${this.path}: ${cause.message}${remedy}`;
    return new LivenessError('ERR_HEARTBEAT_WRITE', message, this.path, { cause });
  }

  #limitOf(given: number | Duration, step: boolean, what: string): Limit {
    const value = milliseconds(given, what);
    if (step && value === Infinity) {
      throw new LivenessError('ERR_MAXIMUM_AGE', 'the maximumAge of a step must end; got Infinity', this.path);
    }
    const window = this.#everyBeat ? 0 : Math.min(Math.max(value / 100, 10), 1000);
    return { given, step, value, window };
  }

  #write(now: number, limit: Limit): void {
    this.#limit = limit;
    const failed = this.#failed;
    if (failed && isSame(failed.limit, limit) && now - failed.at < RETRY_MS) return;
    const first = this.#written === undefined;
    try {
      const bytes = serialise(this.#record(now, limit));
      this.#heartbeatFile().write(bytes, (line) => {
        if (first) this.#refuseLivingWriter(line);
        else this.#warnOfOther(line);
      });
    } catch (error) {
      if (first) {
        this.#beats--; // it did not happen
        this.#beatAt = undefined;
        throw this.wrapped(error, 'cannot record the first heartbeat');
      }
      this.#failedWrites++;
      if (!this.#failed) this.#warn(`cannot record a heartbeat: ${(error as Error).message}`, 'HEARTBEAT_NOT_WRITTEN');
      this.#failed = { at: now, limit };
      return;
    }
    this.#failed = undefined;
    this.#written = limit;
    this.#writtenAt = now;
  }

  /** Only what our own parser takes, whatever the clocks say. */
  #record(now: number, limit: Limit): HeartbeatRecord {
    if (this.#identity === undefined || !(now - this.#identifiedAt < IDENTITY_MS)) {
      this.#identity = this.#identify();
      this.#identifiedAt = now;
    }
    const { pid, start, thread } = this.#identity;
    const uptime = Math.floor((this.#clock.uptime() ?? NaN) / 10);
    return {
      beat: this.#beats,
      uptime: uptime >= 0 && uptime <= LARGEST ? uptime : undefined,
      limit: Math.max(Math.ceil(limit.value / 10), 1),
      kind: limit.step ? 'step' : 'own',
      window: Math.ceil(limit.window / 10),
      pid,
      start,
      boot: this.#clock.bootId(),
      wall: within(Math.floor(this.#clock.wall()), LAST_WALL),
      gap: within(Math.ceil(this.#longestGap / 10), LARGEST),
      writer: `${thread.toString(16)}-${(this.#nonce ??= randomHex())}`,
    };
  }

  #heartbeatFile(): HeartbeatFile {
    if (this.path === '') {
      throw new LivenessError('ERR_ARGUMENT', `a ${this.#place.noun} needs a path to stand at; got ''`, '');
    }
    return (this.#file ??= new HeartbeatFile(this.#place.heartbeat(this.absolute)));
  }

  #line(): string {
    const found = readLine(this.#place.heartbeat(this.absolute));
    return found.kind === 'line' ? found.line : '';
  }

  /** By the nonce: the thread's id changes if a checkpoint is restored. */
  #isOthers({ writer }: HeartbeatRecord): boolean {
    return this.#nonce === undefined || !writer.endsWith(`-${this.#nonce}`);
  }

  #refuseLivingWriter(line: string): void {
    const other = recordIn(line);
    if (!other || !this.#isOthers(other) || !isWriterAlive(other, this.#clock)) return;
    const { noun, release } = this.#place;
    throw new LivenessError(
      'ERR_HEARTBEAT_IN_USE',
      `${noun} ${this.path} is in use by ${other.pid === undefined ? 'another Timestamp' : `a Timestamp of process ${other.pid}`}; ` +
        `two loops on one file vouch for each other: give each its own path, or ${release}() the other first`,
      this.path,
    );
  }

  #warnOfOther(line: string): void {
    const other = recordIn(line);
    if (!other || !this.#isOthers(other) || this.#warnedOfOther) return;
    this.#warnedOfOther = true;
    this.#warn(
      `process ${other.pid ?? '(unknown)'} beats the same file; two loops on one file vouch for each other: give each its own path`,
      'HEARTBEAT_SHARED',
    );
  }

  #warn(message: string, code: string): void {
    process.emitWarning(`${this.path}: ${message}`, { type: 'LivenessWarning', code });
  }
}

/** Not by resolve(), which drops the folder before `..` although it may be a symbolic link. */
function absolute(path: string): string {
  if (path === '' || isAbsolute(path)) return path;
  try {
    return `${process.cwd()}/${path}`;
  } catch (cause) {
    const message = `expected an absolute path, as the working directory is gone; got ${shown(path)}`;
    throw new LivenessError('ERR_ARGUMENT', message, path, { cause });
  }
}

function recordIn(line: string): HeartbeatRecord | undefined {
  const parsed = parse(line);
  return parsed.kind === 'record' ? parsed.record : undefined;
}

/** From 0 to `most`; 0 for what is no number. */
function within(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most) || 0;
}
