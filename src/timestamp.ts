import { isAbsolute } from 'node:path';
import type { Duration } from 'date-fns';
import { milliseconds } from './duration';
import { LivenessError, shown } from './errors';
import { HeartbeatFile, randomHex, readLine, TIMESTAMP_PATH } from './file';
import { isWriterAlive, judge } from './judge';
import { self, systemClock, type Clock, type Identity } from './proc';
import { parse, serialise, type HeartbeatRecord } from './record';
import { describe, type Verdict } from './verdict';

/** How a Timestamp beats and judges. */
export interface TimestampOptions {
  /** Where time comes from. Default: {@link systemClock}. */
  readonly clock?: Clock | undefined;
  /**
   * Leave a process directory's error number aside: for liveness, so that an outage which the error reports does not
   * restart the service. Readiness looks at it.
   */
  readonly ignoreError?: boolean | undefined;
  /**
   * The writer lives in another pid namespace or on another machine (a sidecar over a shared volume): its pid and
   * boot mean nothing here, so only wall time judges.
   */
  readonly otherPidNamespace?: boolean | undefined;
}

/** Which files stand behind a path, and in which words: what a heartbeat and a process directory differ in. @internal */
export interface Layout {
  readonly noun: string;
  readonly isDirectory: boolean;
  /** Where the heartbeat stands. */
  readonly heartbeat: (path: string) => string;
  /** The files that are removed before it. */
  readonly companions: (path: string) => readonly string[];
  /** The method that lets go of it. */
  readonly release: string;
  /** What to do where it cannot be written. */
  readonly remedy: string;
}

/** The option by which ProcessTimestamp, and nobody unawares, hands its layout over. @internal */
export const LAYOUT = Symbol('layout');

/**
 * What ProcessTimestamp, in a file of its own, may do with any Timestamp. Not by protected methods: a user's subclass could
 * have a method of the same name.
 *
 * @internal
 */
export interface Internals {
  /** Throws unless this may write: it is no view. */
  readonly assertWritable: (timestamp: Timestamp, method: string) => void;
  /** Throws if another living writer beats there. */
  readonly assertFree: (timestamp: Timestamp) => void;
  /** Lets the next beat be a first one: written at once, thrown if it cannot be. */
  readonly startAnew: (timestamp: Timestamp) => void;
  /** What failed, and what to do about it. */
  readonly wrapped: (timestamp: Timestamp, error: unknown, what: string) => LivenessError;
  /** When its last beat was written, by its monotonic clock. */
  readonly writtenAt: (timestamp: Timestamp) => number;
  /** Where its path led when it was made. */
  readonly absolute: (timestamp: Timestamp) => string;
}
/** @internal */
export let internals: Internals;

/** How long a beat that could not be written is not tried again: a hot loop must not spend its time on a broken disk. */
const RETRY_MS = 10;

// Set while byRef constructs a view: a constructor that beats would else vouch for a service that is not there.
let viewing = false;

/**
 * The heartbeat of one loop: `refresh()` it once per turn, and anyone who can read its file can tell whether the
 * loop still turns. Subclass it with a `maximumAge`; import the subclass in the service and in its probe.
 *
 * Nothing here starts a timer, on purpose: a beat from a timer keeps a hung loop alive for ever.
 */
export abstract class Timestamp {
  /** How old the last beat may become before the loop counts as wedged: milliseconds or a date-fns `Duration`. */
  abstract readonly maximumAge: number | Duration;

  /** The heartbeat file, or the process directory. */
  readonly path: string;

  /** Where `path` led when this was made: a later chdir must not move it. */
  readonly #absolute: string;
  readonly #layout: Layout;
  readonly #readOnly = viewing;
  #clock: Clock;
  #otherPidNamespace: boolean;
  #ignoreError: boolean;
  #file: HeartbeatFile | undefined;

  // The last beat, and what of it stands in the file.
  #beats = 0;
  #beatAt: number | undefined;
  #beatWasStep = false;
  #longestGap = 0;
  #failedWrites = 0;
  #limit: Limit | undefined;
  #written: Limit | undefined;
  #writtenAt = 0;
  #writer: (Identity & { readonly name: string }) | undefined;
  #failed: { readonly at: number; readonly limit: Limit } | undefined;
  #warnedOfOther = false;

  static {
    internals = {
      assertWritable: (timestamp, method) => { timestamp.#assertWritable(method); },
      assertFree: (timestamp) => { timestamp.#assertFree(); },
      startAnew: (timestamp) => { timestamp.#startAnew(); },
      wrapped: (timestamp, error, what) => timestamp.#wrapped(error, what),
      writtenAt: (timestamp) => timestamp.#writtenAt,
      absolute: (timestamp) => timestamp.#absolute,
    };
  }

  /** Neither reads nor writes: a path that cannot be written shows at the first `refresh()`. */
  constructor(path: string = TIMESTAMP_PATH, options: TimestampOptions = {}) {
    if (typeof path !== 'string') {
      throw new LivenessError('ERR_ARGUMENT', `${new.target.name} expected its path as a string; got ${shown(path)}`);
    }
    this.path = path;
    // Not by resolve(), to which `link/..` is nothing, as it is to no probe.
    this.#absolute = path === '' || isAbsolute(path) ? path : `${process.cwd()}/${path}`;
    this.#layout = (options as { readonly [LAYOUT]?: Layout })[LAYOUT] ?? HEARTBEAT;
    this.#clock = options.clock ?? systemClock;
    this.#otherPidNamespace = options.otherPidNamespace ?? false;
    this.#ignoreError = options.ignoreError ?? false;
  }

  /**
   * A read-only view of the heartbeat at `path`, for a probe. On a subclass it is an instance of that subclass and
   * judges by its `maximumAge`; on `Timestamp` itself it judges by the limit that the file states.
   */
  static byRef<T extends Timestamp>(
    this: abstract new (path?: string, options?: TimestampOptions) => T,
    path?: string,
    options?: TimestampOptions,
  ): T {
    const Class = (this === (Timestamp as unknown) ? StatedTimestamp : this) as new (
      path?: string,
      options?: TimestampOptions,
    ) => T;
    let view: T;
    try {
      viewing = true;
      view = new Class(path, options);
    } finally {
      viewing = false;
    }
    if (path !== undefined && view.path !== path) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `${Class.name}.byRef expected a constructor that passes its path on; ${path} was given, ${view.path} came out`,
        path,
      );
    }
    // A subclass whose constructor takes only a path still gets them.
    view.#clock = options?.clock ?? view.#clock;
    view.#otherPidNamespace = options?.otherPidNamespace ?? view.#otherPidNamespace;
    view.#ignoreError = options?.ignoreError ?? view.#ignoreError;
    return view;
  }

  /**
   * One beat. Call it on every turn of the loop, also when idle; a call costs a clock read, and at most every
   * hundredth of the limit (10 ms to 1 s) it is written.
   *
   * @param options `maximumAge`: a longer limit for the stretch of work that follows, until the next plain call.
   * @throws LivenessError `ERR_HEARTBEAT_WRITE` or `ERR_HEARTBEAT_IN_USE` from the first beat only: a path that
   *   does not work must be loud at start-up, and must not stop a working loop later.
   */
  refresh(options?: { readonly maximumAge?: number | Duration | undefined }): this {
    this.#assertWritable('refresh');
    const given = options === undefined ? undefined : stepOf(options);
    const limit = this.#limitFor(given ?? this.maximumAge, given !== undefined);
    const now = this.#clock.monotonic();

    const gap = this.#beatAt === undefined || this.#beatWasStep ? 0 : now - this.#beatAt;
    if (gap > this.#longestGap) this.#longestGap = gap;
    this.#beats++;
    this.#beatAt = now;
    this.#beatWasStep = limit.step;

    const written = this.#written;
    const coalesced =
      written?.value === limit.value && written.step === limit.step && now - this.#writtenAt < limit.window;
    if (!coalesced) this.#record(now, limit);
    return this;
  }

  /** When the last beat was, by the writer's wall clock; undefined without one. */
  get value(): Date | undefined {
    return this.verdict().value;
  }

  /** How old the last beat is, in milliseconds; Infinity without one. */
  get age(): number {
    return this.verdict().age;
  }

  /** Is the loop making progress? */
  get alive(): boolean {
    return this.verdict().alive;
  }

  /** Beats made by this instance. */
  get beats(): number {
    return this.#beats;
  }

  /** The longest time between two beats of this instance, in milliseconds: what to choose `maximumAge` by. */
  get longestGap(): number {
    return this.#longestGap;
  }

  /** Beats that could not be written, the first one excepted: that one throws. */
  get failedWrites(): number {
    return this.#failedWrites;
  }

  /** Is the loop making progress, and if not, why? Reads the file; never throws for what stands there. */
  verdict(): Verdict {
    // Timestamp.byRef has no limit of its own, and only it: a subclass without one must not pass as one that has.
    const limit =
      this instanceof StatedTimestamp ? undefined : milliseconds(this.maximumAge, `${this.constructor.name}.maximumAge`);
    // In a process directory no limit must not overrule the one that the file states.
    const own = this.#layout.isDirectory && limit === Infinity ? undefined : limit;
    return judge(this.#absolute, {
      clock: this.#clock,
      otherPidNamespace: this.#otherPidNamespace,
      ignoreError: this.#ignoreError,
      isDirectory: this.#layout.isDirectory,
      limit: own,
      plainLimit: own,
    });
  }

  /**
   * Removes the heartbeat: the last thing a service does, so that its path is free for the next one. What another
   * writer has put there since stays.
   *
   * @throws LivenessError `ERR_HEARTBEAT_IN_USE` if this one never beat and another living writer does,
   *   `ERR_HEARTBEAT_WRITE` if it cannot be removed. A file that is not there is no error.
   */
  delete(): void {
    this.#assertWritable('delete');
    const hasBeaten = this.#written !== undefined;
    try {
      this.#heartbeatFile().remove((line) => {
        if (hasBeaten) return this.#otherWriter(line) !== undefined;
        this.#refuseLivingWriter(line);
        return false;
      }, this.#layout.companions(this.#absolute));
    } catch (error) {
      throw this.#wrapped(error, `cannot remove the ${this.#layout.noun}`);
    }
    this.#startAnew();
  }

  /** The verdict on one line. */
  toString(): string {
    return describe(this.verdict());
  }

  /** The limit that counts from now on, validated once for as long as it stays the same. */
  #limitFor(given: number | Duration, step: boolean): Limit {
    const last = this.#limit;
    if (last && Object.is(last.given, given) && last.step === step) return last;
    const value = milliseconds(given, step ? 'the maximumAge of a step' : `${this.constructor.name}.maximumAge`);
    if (step && value === Infinity) {
      throw new LivenessError('ERR_MAXIMUM_AGE', 'the maximumAge of a step must end; got Infinity', this.path);
    }
    return (this.#limit = { given, step, value, window: Math.min(Math.max(value / 100, 10), 1000) });
  }

  #record(now: number, limit: Limit): void {
    const failed = this.#failed;
    if (failed?.limit.value === limit.value && failed.limit.step === limit.step && now - failed.at < RETRY_MS) return;
    const first = this.#written === undefined;
    try {
      const writer = (this.#writer ??= newWriter());
      const uptime = this.#clock.uptime();
      const record = serialise({
        beat: this.#beats,
        uptime: uptime === undefined ? undefined : Math.floor(uptime / 10),
        limit: Math.ceil(limit.value / 10),
        kind: limit.step ? 'step' : 'own',
        window: Math.ceil(limit.window / 10),
        pid: writer.pid,
        start: writer.start,
        boot: this.#clock.bootId(),
        wall: Math.floor(this.#clock.wall()),
        gap: Math.ceil(this.#longestGap / 10),
        writer: writer.name,
      });
      this.#heartbeatFile().write(record, (line) => {
        if (first) this.#refuseLivingWriter(line);
        else this.#warnOfOther(line);
      });
    } catch (error) {
      if (first) {
        this.#beats--; // it did not happen
        this.#beatAt = undefined;
        throw this.#wrapped(error, 'cannot record the first heartbeat');
      }
      this.#failedWrites++;
      if (!this.#failed) {
        this.#warn(`cannot record a heartbeat: ${(error as Error).message}`, 'HEARTBEAT_NOT_WRITTEN');
      }
      this.#failed = { at: now, limit };
      return;
    }
    this.#failed = undefined;
    this.#written = limit;
    this.#writtenAt = now;
  }

  #heartbeatFile(): HeartbeatFile {
    if (this.path === '') throw new LivenessError('ERR_ARGUMENT', `a ${this.#layout.noun} needs a path to stand at; got ''`, '');
    return (this.#file ??= new HeartbeatFile(this.#layout.heartbeat(this.#absolute)));
  }

  #assertWritable(method: string): void {
    if (!this.#readOnly) return;
    throw new LivenessError(
      'ERR_READ_ONLY',
      `${method}() needs a Timestamp made by new; this one was made by byRef and only reads ${this.path}`,
      this.path,
    );
  }

  #assertFree(): void {
    this.#heartbeatFile();
    const found = readLine(this.#layout.heartbeat(this.#absolute));
    if (found.kind === 'line') this.#refuseLivingWriter(found.line);
  }

  #startAnew(): void {
    this.#written = this.#beatAt = this.#failed = undefined;
  }

  #wrapped(error: unknown, what: string): LivenessError {
    if (error instanceof LivenessError) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    return new LivenessError('ERR_HEARTBEAT_WRITE', `${what} at ${this.path}: ${cause.message}; ${this.#layout.remedy}`, this.path, {
      cause,
    });
  }

  #otherWriter(line: string): HeartbeatRecord | undefined {
    const parsed = parse(line);
    if (parsed.kind !== 'record' || parsed.record.writer === this.#writer?.name) return undefined;
    return parsed.record;
  }

  #refuseLivingWriter(line: string): void {
    const other = this.#otherWriter(line);
    if (other && isWriterAlive(other, this.#clock)) {
      throw new LivenessError(
        'ERR_HEARTBEAT_IN_USE',
        `${this.#layout.noun} ${this.path} is in use by ${other.pid === undefined ? 'another Timestamp' : `a Timestamp of process ${other.pid}`}; ` +
          `two loops on one file vouch for each other: give each its own path, or ${this.#layout.release}() the other first`,
        this.path,
      );
    }
  }

  #warnOfOther(line: string): void {
    const other = this.#otherWriter(line);
    if (!other || this.#warnedOfOther) return;
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

const HEARTBEAT: Layout = {
  noun: 'heartbeat file',
  isDirectory: false,
  heartbeat: (path) => path,
  companions: () => [],
  release: 'delete',
  remedy: 'expected a writable directory for it: set LIVENESS_PATH or pass a path',
};

/** What `Timestamp.byRef` makes: a view without a limit of its own, so that the file's own limit counts. */
class StatedTimestamp extends Timestamp {
  /** The limit that the file states, in milliseconds; Infinity where it states none. */
  get maximumAge(): number {
    return this.verdict().limit ?? Infinity;
  }
}

/** A `maximumAge` as it was given, in milliseconds, and how long its beats may stay unwritten. */
interface Limit {
  readonly given: number | Duration;
  readonly step: boolean;
  readonly value: number;
  readonly window: number;
}

function newWriter(): Identity & { readonly name: string } {
  const identity = self();
  return { ...identity, name: `${identity.thread.toString(16)}-${randomHex()}` };
}

function stepOf(options: unknown): number | Duration | undefined {
  const isObject = typeof options === 'object' && options !== null && !Array.isArray(options);
  if (!isObject || Object.keys(options).some((key) => key !== 'maximumAge')) {
    throw new LivenessError('ERR_ARGUMENT', `refresh expected nothing or { maximumAge }; got ${shown(options)}`);
  }
  const { maximumAge } = options as { maximumAge?: number | Duration | null };
  return maximumAge === null ? milliseconds(null, 'the maximumAge of a step') : maximumAge;
}
