import type { Duration } from './duration';
import { LivenessError, shown } from './errors';
import { processDirectory } from './defaults';
import { assertDirectoryReplaceable, ERROR, PID, readLine, remove, replaceText, removeTemporaries, TIMESTAMP } from './file';
import { runChecks, type HealthCheck } from './health';
import { readError, readPid } from './judge';
import { self } from './proc';
import { parseError } from './record';
import type { Task } from './task';
import { assertArguments, type TimestampOptions } from './options';
import { Timestamp } from './timestamp';
import { PROCESS_DIRECTORY } from './place';
import { Writer } from './writer';

/**
 * A process that says it is there, and whether it is well: `pid` and `error` in a directory of its own, each just the
 * number, as shell scripts and other languages read and write them; and `timestamp`, its heartbeat.
 *
 * Healthy while the process lives and its error is 0. A subclass with a `maximumAge` beats too, and is then dead as well
 * when it has not for that long.
 */
export class ProcessTimestamp extends Timestamp {
  /** How old the last beat may become. Infinity: pid and error alone decide. */
  readonly maximumAge: number | Duration = Infinity;

  readonly #writer: Writer;
  #loaded = false;
  #loads = 0;
  /** The last error number written. */
  #error: number | undefined;

  /** @param directory default: `LIVENESS_UNIT_NAME`, else the host's name, below `LIVENESS_RUNDIR`, else `/run`. */
  constructor(directory: string = processDirectory(), options: TimestampOptions = {}) {
    assertArguments(new.target.name, directory, options);
    const writer = new Writer(PROCESS_DIRECTORY, directory, options);
    super(directory, options, writer);
    this.#writer = writer;
  }

  /**
   * Runs the health checks in order, each with `args`, and then writes the pid. From the beginning of it until `set()` the
   * process counts as unhealthy.
   *
   * @throws LivenessError `ERR_HEALTH_CHECK` names the check that answered false; `ERR_HEARTBEAT_IN_USE` if a living process
   *   beats in this directory, `ERR_HEARTBEAT_WRITE` if it cannot be written; `ERR_ARGUMENT` for what is no check. What a
   *   check throws comes out untouched. In each case no pid is written, and an own one is taken away.
   */
  async load(checks: readonly HealthCheck[], ...args: readonly unknown[]): Promise<this> {
    this.#writer.assertWritable('load');
    const load = ++this.#loads;
    this.#writer.assertFree();
    if (!this.#loaded) this.#doing('load the process directory', () => { assertDirectoryReplaceable(this.#writer.absolute); });
    let ours = this.#loaded;
    try {
      // Before the checks: a predecessor's 0 beside a pid that is in use again would pass for ours.
      this.#error = undefined;
      this.#doing('remove the old error', () => { remove(this.#path(ERROR)); });
      await runChecks(checks, args, this.path);
      if (this.#loads !== load) {
        throw new LivenessError('ERR_NOT_LOADED', 'reset() or load() was called before load() had run its health checks', this.path);
      }
      this.#writer.startAnew();
      super.refresh();
      ours = true;
      removeTemporaries(this.#writer.absolute, [PID, ERROR, TIMESTAMP]);
      this.#writePid();
    } catch (error) {
      // Unless a reset() or load() came in between: what stands there is the later one's.
      if (ours && this.#loads === load) this.#withdraw();
      throw error;
    }
    this.#loaded = true;
    return this;
  }

  /**
   * Says how the process is: 0 is healthy, any other integer is not. Cheap while it stays the same.
   *
   * @throws LivenessError `ERR_ARGUMENT` for anything else, `ERR_NOT_LOADED`, and `ERR_HEARTBEAT_WRITE` when a change cannot be
   *   written: an error that is lost would pass for health.
   */
  set(...given: [error?: number]): this {
    this.#assertLoaded('set');
    // `set(undefined)`, for example a missing `error.errno`, must throw, not mean healthy.
    const error: unknown = given.length === 0 ? 0 : given[0];
    if (typeof error !== 'number' || parseError(String(error)) === undefined) {
      throw new LivenessError('ERR_ARGUMENT', `set expected an integer of at most 15 digits, 0 for healthy; got ${shown(error)}`, this.path);
    }
    // A loop may say it on every turn; a rename takes many times as long as a look.
    if (this.error === error) return this;
    try {
      this.#writeError(error);
    } catch (failure) {
      // Said before and only not restored: no reason to stop a loop. The next call tries again.
      if (this.#error !== error) throw failure;
    }
    this.#error = error;
    return this;
  }

  /**
   * Takes pid, error and timestamp away: as before `load()`, unhealthy to any checker. Whatever is not there is no error, and
   * a directory in which another living process beats is left alone: it fits into a `finally`.
   *
   * @throws LivenessError `ERR_HEARTBEAT_WRITE` if something cannot be removed.
   */
  reset(): void {
    this.#writer.assertWritable('reset');
    this.#loads++;
    this.#loaded = false;
    try {
      super.delete();
    } catch (error) {
      if ((error as LivenessError).code !== 'ERR_HEARTBEAT_IN_USE') throw error;
    }
  }

  /** The same as `reset()`. */
  override delete(): void {
    this.reset();
  }

  /** One beat, as of any Timestamp, after `load()`. With a beat that is written, pid and error are restored if gone or emptied. */
  override refresh(options?: Parameters<Timestamp['refresh']>[0]): this {
    this.#assertLoaded('refresh');
    const before = this.#writer.writtenAt;
    super.refresh(options);
    if (this.#writer.writtenAt !== before) this.#restore();
    return this;
  }

  /** As of any Timestamp, after `load()`. */
  override begin(name: string, maximumAge: number | Duration): Task {
    this.#assertLoaded('begin');
    return super.begin(name, maximumAge);
  }

  /** The process that the directory names, if it does. */
  get pid(): number | undefined {
    const found = readPid(this.#writer.absolute);
    return found.obstacle ? undefined : found.value;
  }

  /** Its error number; 0 is healthy. Undefined between `load()` and `set()`, and for what is no number. */
  get error(): number | undefined {
    const found = readError(this.#writer.absolute);
    return found.obstacle ? undefined : found.value;
  }

  #restore(): void {
    try {
      if (isGone(this.#path(PID))) this.#writePid();
      if (this.#error !== undefined && isGone(this.#path(ERROR))) this.#writeError(this.#error);
    } catch {
      // The next beat that is written tries again.
    }
  }

  #writePid(): void {
    this.#doing('write the pid', () => { replaceText(this.#path(PID), String(self().pid ?? process.pid)); });
  }

  #writeError(error: number): void {
    this.#doing('write the error', () => { replaceText(this.#path(ERROR), String(error)); });
  }

  #path(name: string): string {
    return `${this.#writer.absolute}/${name}`;
  }

  #assertLoaded(method: string): void {
    this.#writer.assertWritable(method);
    if (this.#loaded) return;
    throw new LivenessError('ERR_NOT_LOADED', `${method}() expected load() to have succeeded first, and no reset() since`, this.path);
  }

  /** As reset(), after a failure that says more than another one could. */
  #withdraw(): void {
    this.#loaded = false;
    try {
      super.delete();
    } catch {
      // What could not be written may not be removable either.
    }
  }

  #doing(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      throw this.#writer.wrapped(error, `cannot ${what} at`);
    }
  }
}

/** Longer than anybody takes between emptying a file and writing it. */
const EMPTY_MS = 1000;

/** Whether nothing is said there: another number is for whoever has put it there, or is just doing so, to answer for. */
function isGone(path: string): boolean {
  const reading = readLine(path);
  if (reading.kind !== 'line') return reading.kind === 'missing';
  return reading.line === '' && !reading.more && Date.now() - reading.modified > EMPTY_MS;
}
