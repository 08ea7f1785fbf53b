// The writer of a heartbeat, for Timestamp, ProcessTimestamp and the command line. It decides when to write a record, and
// refuses a path that another living writer beats.

import { isAbsolute } from 'node:path';
import { formatLimit, milliseconds, type Duration, type LimitName } from './duration';
import { LivenessError, shown } from './errors';
import { randomHex, Refusal } from './file';
import { AskingGate, type GateCheck } from './gate';
import { HeartbeatFile } from './heartbeat-file';
import { isWriterAlive } from './judge';
import { OverdueWatch } from './overdue';
import type { Place } from './place';
import { self, systemClock, type Clock, type Identity } from './proc';
import { Progress, type Item, type Limit } from './progress';
import { readLine } from './read-line';
import { isBootId, LAST_WALL, parse, serialise, WIDEST, type HeartbeatRecord } from './record';
import type { Rule } from './replaceable';
import { isInHand, type Entry } from './tasks';
import { instant } from './verdict';

export interface WriterOptions {
  readonly clock?: Clock | undefined;
  /** The process and thread that the record names. Default: the calling ones. */
  readonly identify?: (() => Identity) | undefined;
  /** Distinguishes this writer's records from those of other writers: 32 bits in hex. Default: random. */
  readonly nonce?: string | undefined;
  /** What the first beat may replace. Default: {@link FIRST_BEAT}. */
  readonly rule?: Rule | undefined;
  /** Write every beat. Default: at most one every hundredth of the limit. */
  readonly everyBeat?: boolean | undefined;
}

function isSame(a: Limit | undefined, b: Limit): boolean {
  return a === b || (a?.value === b.value && a.step === b.step);
}

/** The pause after a failed write, so that a fast loop does not spend its time on a broken disk. */
const RETRY_MS = 10;

/** How often we read our identity again: restoring a checkpoint changes start time and boot id. */
const IDENTITY_MS = 1000;

let viewing = false;

/** Makes a view: its writer refuses to write. A probe must not beat, even if a subclass's constructor tries to. */
export function asViews<T>(make: () => T): T {
  const before = viewing;
  try {
    viewing = true;
    return make();
  } finally {
    viewing = before;
  }
}

/** Writes the heartbeat at one path: the beats of a loop, and the tasks in hand. */
export class Writer {
  readonly path: string;
  /** `path` as an absolute path, so that a later chdir does not move it. */
  readonly absolute: string;
  readonly progress = new Progress();
  /** Called after each write. */
  onWrite: (() => void) | undefined;
  /** Throws while beats are not allowed yet, for example before `load()` of a ProcessTimestamp. */
  guard: ((method: string) => void) | undefined;
  readonly #place: Place;
  readonly #clock: Clock;
  readonly #readOnly = viewing;
  readonly #everyBeat: boolean;
  readonly #identify: () => Identity;
  readonly #rule: Rule | undefined;
  #nonce: string | undefined;
  #file: HeartbeatFile | undefined;

  #failedWrites = 0;

  #written: (Item & { readonly wall: number }) | undefined;
  #writtenLimit: Limit | undefined;
  /** When the next beat with the written limit must be written. Earlier ones are only counted. */
  #dueAt = 0;
  #identity: Identity | undefined;
  #identifiedAt = 0;
  #failed: (Item & { readonly at: number }) | undefined;
  #warnedOfOther = false;
  readonly #overdue: OverdueWatch;
  #gate: AskingGate | undefined;
  #generation = 0;

  constructor(place: Place, path: string, options: WriterOptions = {}) {
    const { clock = systemClock, identify = self, nonce, rule, everyBeat = false } = options;
    this.path = path;
    this.absolute = absolute(path);
    this.#place = place;
    this.#clock = clock;
    this.#identify = identify;
    this.#nonce = nonce;
    this.#rule = rule;
    this.#everyBeat = everyBeat;
    this.#overdue = new OverdueWatch(this.progress.tasks, clock, (overdue) => {
      this.#onOverdue(overdue);
    });
  }

  get isDirectory(): boolean {
    return this.#place.isDirectory;
  }

  get failedWrites(): number {
    return this.#failedWrites;
  }

  /** Whether a beat was written since the start or the last `remove()`. */
  get hasBeaten(): boolean {
    return this.#written !== undefined;
  }

  /** Counts the calls of `remove()`: a handler that was wrapped before the last one must not write again. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Beats. The beat is written unless the last written one states the same limit and is younger than its window.
   *
   * @param limitName the limit's name in an error message.
   */
  refresh(given: number | Duration, step: boolean, limitName: LimitName): void {
    const { progress } = this;
    const { limit: last, hasLoop: goesOn } = progress;
    const limit = last?.step === step && last.given === given ? last : this.#limitOf(given, step, limitName);
    const now = this.#clock.monotonic();
    progress.beat(limit, now);
    if (goesOn && now < this.#dueAt && isSame(this.#writtenLimit, limit)) return;
    progress.limit = this.#limitOf(given, step, limitName); // again, because a Duration may have been changed in place
    this.#write(now, () => {
      progress.undoFirstBeat();
    });
  }

  /** Makes the first beat, so that a wrong path throws at start-up. It does not count as a beat of the loop: see `Progress.hasLoop`. */
  claim(own: number | Duration, limitName: LimitName): void {
    const now = this.#clock.monotonic();
    this.progress.claim(this.#limitOf(own, false, limitName), now);
    this.#write(now, () => {
      this.progress.undoFirstBeat();
    });
  }

  /**
   * Begins a task. This is not a beat: it is written only if its deadline is nearer than the recorded one.
   *
   * @param own the loop's own limit, which applies when no task is in hand.
   */
  begin(name: string, limit: number, own: number | Duration, limitName: LimitName): Entry {
    const now = this.#clock.monotonic();
    const { progress } = this;
    if (!progress.hasLoop) progress.limit = this.#limitOf(own, false, limitName);
    const entry = progress.begin(name, limit, now);
    const written = this.#written;
    const isCurrent = written && (written.task ? isInHand(written.task) : progress.hasLoop);
    if (!isCurrent || now + limit < written.since + written.limit)
      this.#write(now, () => {
        progress.tasks.end(entry);
      });
    this.#overdue.expect(now + limit);
    return entry;
  }

  /** Counts as a beat of that task, not of the loop. */
  refreshTask(entry: Entry): void {
    if (!isInHand(entry)) return;
    const now = this.#clock.monotonic();
    this.progress.refreshTask(entry, now);
    this.#overdue.expect(now + entry.limit);
    const written = this.#written;
    const isDue = written?.task === entry && now - written.since >= this.#windowOf(entry.limit);
    if (isDue || this.#failed) this.#write(now);
  }

  endTask(entry: Entry): void {
    if (!isInHand(entry)) return;
    const now = this.#clock.monotonic();
    this.progress.endTask(entry, now);
    if (this.#written?.task === entry || this.#failed) this.#write(now);
  }

  /** Starts the timer of `refreshWhile()`. Only one, because its beats would hide that the check of another says no. */
  gate(check: GateCheck, every: number, beat: () => void): AskingGate {
    if (this.#gate?.isOpen) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        'refreshWhile expected no other running check; join both, as in () => a() && b(), or stop() the first',
        this.path,
      );
    }
    return (this.#gate = new AskingGate(check, every, beat, (message, code) => {
      this.#warn(message, code);
    }));
  }

  ageOf(entry: Entry): number {
    return isInHand(entry) ? this.#clock.monotonic() - entry.since : 0;
  }

  /** Whether the record in the file is this writer's; undefined if there is no record. */
  hasOurRecord(): boolean | undefined {
    const record = recordIn(this.#line());
    return record && !this.#isOthers(record);
  }

  /** Continues the counts of an earlier writer for the same process with the same nonce. */
  resume(): void {
    const record = recordIn(this.#line());
    const { pid, start } = this.#identify();
    if (record === undefined || this.#isOthers(record)) return;
    if (record.pid !== pid || record.start !== start || record.boot !== this.#clock.bootId()) return;
    const uptime = this.#clock.uptime();
    const beatAt = this.#clock.monotonic() - ((uptime ?? NaN) - (record.uptime ?? NaN) * 10);
    this.progress.resume(record.beat, (record.gap ?? 0) * 10, beatAt);
  }

  /** Throws if this is a view. */
  assertWritable(method: string): void {
    if (!this.#readOnly) return;
    throw new LivenessError(
      'ERR_READ_ONLY',
      `${method}() needs a Timestamp made by new; this one was made by byRef and only reads ${this.path}`,
      this.path,
    );
  }

  /** Throws if this is a view, or may not beat yet. */
  assertReady(method: string): void {
    this.assertWritable(method);
    this.guard?.(method);
  }

  /** Throws if another living writer beats here. */
  assertFree(): void {
    this.#heartbeatFile();
    this.#refuseLivingWriter(this.#line());
  }

  /** Makes the next beat a first one: it is written at once, and throws if that fails. */
  expectFirstBeat(): void {
    this.#written = this.#failed = this.#identity = undefined;
    this.progress.forgetBeats();
  }

  /** Ends all tasks and the check, and removes the heartbeat unless it is another writer's. */
  remove(): void {
    this.#generation++;
    this.progress.tasks.clear();
    this.#gate?.stop();
    this.#overdue.stop();
    const hasBeaten = this.hasBeaten;
    try {
      this.#heartbeatFile().remove((line) => {
        const other = recordIn(line);
        if (hasBeaten) return other !== undefined && this.#isOthers(other);
        this.#refuseLivingWriter(line);
        return false;
      }, this.#place.companions(this.absolute));
    } catch (error) {
      throw this.asWriteError(error, `cannot remove the ${this.#place.noun} at`);
    }
    this.expectFirstBeat();
  }

  /** An error that says what failed, why, and what to do about it. */
  asWriteError(error: unknown, failure: string): LivenessError {
    if (error instanceof LivenessError) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    const remedy = cause instanceof Refusal || !this.#place.remedy ? '' : `; ${this.#place.remedy}`;
    const message = `${failure} ${this.path}: ${cause.message}${remedy}`;
    return new LivenessError('ERR_HEARTBEAT_WRITE', message, this.path, { cause });
  }

  #limitOf(given: number | Duration, step: boolean, limitName: LimitName): Limit {
    const value = milliseconds(given, limitName);
    if (step && value === Infinity) {
      throw new LivenessError('ERR_MAXIMUM_AGE', 'the maximumAge of a step must be finite; got Infinity', this.path);
    }
    return { given, step, value };
  }

  /** How long after a written beat with this limit the next ones may stay unwritten. */
  #windowOf(limit: number): number {
    return this.#everyBeat ? 0 : Math.min(Math.max(limit / 100, 10), 1000);
  }

  /**
   * Writes the record. A first beat throws if that fails; a later one warns.
   *
   * @param undo takes back the caller's changes before a first beat throws.
   */
  #write(now: number, undo: () => void = () => undefined): void {
    const item = this.progress.nearest(now);
    const failed = this.#failed;
    if (failed?.kind === item.kind && failed.limit === item.limit && now - failed.at < RETRY_MS) return;
    const first = this.#written === undefined;
    const wall = this.#wallOf(item, now);
    try {
      const bytes = serialise(this.#record(now, item, wall), this.progress.note(item));
      this.#heartbeatFile().write(bytes, (line) => {
        if (first) this.#refuseLivingWriter(line);
        else this.#warnOfOther(line);
      });
    } catch (error) {
      if (first) {
        undo();
        throw this.asWriteError(error, this.#place.failure);
      }
      this.#failedWrites++;
      if (!failed) this.#warn(`cannot record a heartbeat: ${(error as Error).message}`, 'HEARTBEAT_NOT_WRITTEN');
      this.#failed = { ...item, at: now };
      return;
    }
    this.#failed = undefined;
    this.#written = { ...item, wall };
    this.#writtenLimit = this.progress.limit;
    // If a task is recorded, the loop's last beat may be older than the write.
    this.#dueAt = (item.task ? now : item.since) + this.#windowOf(this.progress.limit?.value ?? Infinity);
    this.onWrite?.();
  }

  /** The item's time by the wall clock. A task keeps its first one, so that the probe's line stays the same. */
  #wallOf({ task, since }: Item, now: number): number {
    const wall = within(Math.floor(this.#clock.wall() - (now - since || 0)), LAST_WALL);
    const last = this.#written;
    return last && task && last.task === task && last.since === since && Math.abs(last.wall - wall) < 1000
      ? last.wall
      : wall;
  }

  #onOverdue(overdue: readonly Entry[]): void {
    const now = this.#clock.monotonic();
    for (const task of overdue) {
      const since = instant(new Date(within(this.#clock.wall() - (now - task.since), LAST_WALL)));
      this.#warn(
        `${task.name} has been in hand since ${since}, longer than its limit of ${formatLimit(task.limit)}`,
        'TASK_OVERDUE',
      );
    }
    // On a full disk the beginning of an overdue task, or the end of the recorded one, may still be unwritten.
    if (this.#written && (this.#failed || (this.#written.task && !isInHand(this.#written.task)))) this.#write(now);
  }

  /** Makes the record of an item. Our parser must accept it, even if a clock is wrong. */
  #record(now: number, item: Item, wall: number): HeartbeatRecord {
    if (this.#identity === undefined || !(now - this.#identifiedAt < IDENTITY_MS)) {
      this.#identity = this.#identify();
      this.#identifiedAt = now;
    }
    const { pid, start, thread } = this.#identity;
    const boot: unknown = this.#clock.bootId();
    const uptime = Math.floor(((this.#clock.uptime() ?? NaN) - (now - item.since || 0)) / 10);
    return {
      beat: this.progress.beats,
      uptime: uptime >= 0 && uptime <= WIDEST ? uptime : undefined,
      limit: Math.max(Math.ceil(item.limit / 10), 1),
      kind: item.kind,
      window: Math.ceil(this.#windowOf(item.limit) / 10),
      pid,
      start,
      boot: isBootId(boot) ? boot : undefined,
      wall,
      gap: within(Math.ceil(this.progress.longestGap / 10), WIDEST),
      longestTask: within(Math.ceil(this.progress.longestTask / 10), WIDEST),
      writer: `${thread.toString(16)}-${(this.#nonce ??= randomHex())}`,
    };
  }

  #heartbeatFile(): HeartbeatFile {
    if (this.path === '') {
      throw new LivenessError('ERR_ARGUMENT', `a ${this.#place.noun} needs a path; got ''`, '');
    }
    return (this.#file ??= new HeartbeatFile(this.#place.heartbeat(this.absolute), this.#rule));
  }

  #line(): string {
    const found = readLine(this.#place.heartbeat(this.absolute));
    return found.kind === 'line' ? found.line : '';
  }

  /** Compares the nonce alone, because restoring a checkpoint changes the thread's id. */
  #isOthers({ writer }: HeartbeatRecord): boolean {
    return this.#nonce === undefined || !writer.endsWith(`-${this.#nonce}`);
  }

  #refuseLivingWriter(line: string): void {
    const other = recordIn(line);
    if (!other || !this.#isOthers(other) || !isWriterAlive(other, this.#clock)) return;
    const { noun, advice } = this.#place;
    throw new LivenessError(
      'ERR_HEARTBEAT_IN_USE',
      `${noun} ${this.path} is in use by ${other.pid === undefined ? 'another Timestamp' : `a Timestamp of process ${other.pid}`}; ` +
        `if two loops beat one file, each hides that the other hangs: ${advice}`,
      this.path,
    );
  }

  #warnOfOther(line: string): void {
    const other = recordIn(line);
    if (!other || !this.#isOthers(other) || this.#warnedOfOther) return;
    this.#warnedOfOther = true;
    this.#warn(
      `process ${other.pid ?? '(unknown)'} beats the same file; if two loops beat one file, each hides that the other hangs: give each its own path`,
      'HEARTBEAT_SHARED',
    );
  }

  #warn(message: string, code: string): void {
    process.emitWarning(`${this.path}: ${message}`, { type: 'LivenessWarning', code });
  }
}

/** Not path.resolve(): it drops `folder/..`, which leads elsewhere if the folder is a symbolic link. */
function absolute(path: string): string {
  if (path === '' || isAbsolute(path)) return path;
  try {
    return `${process.cwd()}/${path}`;
  } catch (cause) {
    const message = `expected an absolute path, because the working directory is gone; got ${shown(path)}`;
    throw new LivenessError('ERR_ARGUMENT', message, path, { cause });
  }
}

function recordIn(line: string): HeartbeatRecord | undefined {
  const parsed = parse(line);
  return parsed.kind === 'record' ? parsed.record : undefined;
}

/** `value`, but at least 0 and at most `most`; 0 for NaN. */
function within(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most) || 0;
}
