import { milliseconds, type Duration } from './duration';
import { LivenessError, shown } from './errors';
import { processDirectory } from './defaults';
import { assertDirectoryReplaceable, ERROR, PID, remove, replaceText, removeTemporaries, TIMESTAMP } from './file';
import { runChecks, type HealthCheck } from './health';
import { readError, readPid } from './judge';
import { self } from './proc';
import { readLine } from './read-line';
import { parseError } from './record';
import { assertArguments, limitName, limitOfDirectory, type TimestampOptions } from './options';
import { Timestamp } from './timestamp';
import { PROCESS_DIRECTORY } from './place';
import { Writer } from './writer';

/**
 * A process that reports its health in a directory of its own: the files `pid` and `error` hold one number each, which
 * shell scripts and other languages can read and write; `timestamp` is its heartbeat.
 *
 * It is alive while its process lives and its error is 0. If a subclass has a `maximumAge`, the last beat must be young
 * enough too.
 *
 * @example
 * ```ts
 * const forwarder = await new ProcessTimestamp('/run/forwarder').load([canConnect]);
 * forwarder.alive; // => false
 * forwarder.set(0).alive; // => true
 * forwarder.reset();
 * ```
 */
export class ProcessTimestamp extends Timestamp {
  /** How old the last beat may become: milliseconds or a {@link Duration}. Default: Infinity, so pid and error decide alone. */
  readonly maximumAge: number | Duration = Infinity;

  readonly #writer: Writer;
  #loaded = false;
  #loads = 0;
  /** The last error number written. */
  #error: number | undefined;

  /**
   * Neither reads nor writes; `load()` does.
   *
   * @param directory default: `LIVENESS_UNIT_NAME`, else the host name, in `LIVENESS_RUNDIR`, else `/run`.
   * @param options clock, and how to judge.
   * @throws LivenessError `ERR_ARGUMENT` for a directory or options of the wrong type.
   */
  constructor(directory: string = processDirectory(), options: TimestampOptions = {}) {
    assertArguments(new.target.name, directory, options);
    const writer = new Writer(PROCESS_DIRECTORY, directory, options);
    super(directory, options, writer);
    this.#writer = writer;
    writer.guard = (method) => {
      this.#assertLoaded(method);
    };
    writer.onWrite = () => {
      if (this.#loaded) this.#restore();
    };
  }

  /**
   * Runs the health checks in order, each with `args`; then makes the first beat and writes the pid. The process counts
   * as unhealthy from this call until `set(0)`.
   *
   * If it rejects, it has written no pid, or has removed its own pid again.
   *
   * @param checks functions, objects with a method `health`, or names of modules that export one.
   * @param args what each check is called with.
   * @throws LivenessError `ERR_HEALTH_CHECK` if a check answers false; `ERR_HEARTBEAT_IN_USE` if another living process
   *   beats in this directory; `ERR_HEARTBEAT_WRITE` if a file cannot be written; `ERR_ARGUMENT` for a check that cannot be
   *   called or gives no clear answer; `ERR_MAXIMUM_AGE` for an unusable limit; `ERR_NOT_LOADED` if `reset()` or
   *   `load()` is called meanwhile; `ERR_READ_ONLY` on a view. Also whatever a check throws.
   * @example
   * ```ts
   * await forwarder.load([canConnect, { health: () => true }, './disk-check.js'], 'primary');
   * ```
   */
  async load(checks: readonly HealthCheck[], ...args: readonly unknown[]): Promise<this> {
    this.#writer.assertWritable('load');
    milliseconds(limitOfDirectory(this), () => limitName(this));
    const load = ++this.#loads;
    this.#writer.assertFree();
    if (!this.#loaded)
      this.#explainFailure('load the process directory', () => {
        assertDirectoryReplaceable(this.#writer.absolute);
      });
    let ours = this.#loaded;
    try {
      // Before the checks: if another process now has the pid of an earlier one, the old 0 would make it look healthy.
      this.#error = undefined;
      this.#explainFailure('remove the old error', () => {
        remove(this.#path(ERROR));
      });
      await runChecks(checks, args, this.path);
      if (this.#loads !== load) {
        throw new LivenessError(
          'ERR_NOT_LOADED',
          'reset() or load() was called before load() had run its health checks',
          this.path,
        );
      }
      this.#writer.expectFirstBeat();
      this.#writer.claim(this.maximumAge, () => limitName(this));
      ours = true;
      removeTemporaries(this.#writer.absolute, [PID, ERROR, TIMESTAMP]);
      this.#writePid();
    } catch (error) {
      // If another reset() or load() came in between, the files belong to that call.
      if (ours && this.#loads === load) this.#withdraw();
      throw error;
    }
    this.#loaded = true;
    return this;
  }

  /**
   * Writes the error number: 0 means healthy, any other integer unhealthy. If the file already holds the number, it is
   * only read.
   *
   * @param error default: 0.
   * @throws LivenessError `ERR_ARGUMENT` for anything but an integer of at most 15 digits; `ERR_NOT_LOADED` before
   *   `load()` has succeeded; `ERR_HEARTBEAT_WRITE` if a new number cannot be written, because a lost error would look
   *   healthy; `ERR_READ_ONLY` on a view.
   * @example
   * ```ts
   * forwarder.set((await canConnect()) ? 0 : 1);
   * ```
   */
  set(...given: [error?: number]): this {
    this.#writer.assertReady('set');
    // `set(undefined)`, for example a missing `error.errno`, must throw, not mean healthy.
    const error: unknown = given.length === 0 ? 0 : given[0];
    if (typeof error !== 'number' || parseError(String(error)) === undefined) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `set expected an integer of at most 15 digits, 0 for healthy; got ${shown(error)}`,
        this.path,
      );
    }
    try {
      // A loop may call this on every turn, and reading takes much less time than a rename.
      if (this.error !== error) this.#writeError(error);
    } catch (failure) {
      // If the number is the same and only the file was lost, a failure must not stop a loop. The next call tries again.
      if (this.#error !== error) throw failure;
    }
    this.#error = error;
    return this;
  }

  /**
   * Removes pid, error and timestamp, so that every probe answers dead. It fits into a `finally`: missing files are no
   * error, and a directory in which another living process beats stays as it is.
   *
   * @throws LivenessError `ERR_HEARTBEAT_WRITE` if a file cannot be removed; `ERR_READ_ONLY` on a view.
   * @example
   * ```ts
   * forwarder.reset();
   * forwarder.pid; // => undefined
   * ```
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

  /**
   * The same as {@link ProcessTimestamp.reset}.
   *
   * @example
   * ```ts
   * forwarder.delete();
   * forwarder.pid; // => undefined
   * ```
   */
  override delete(): void {
    this.reset();
  }

  /** The pid in the directory; undefined if there is none. Reads the file. */
  get pid(): number | undefined {
    const found = readPid(this.#writer.absolute);
    return found.obstacle ? undefined : found.value;
  }

  /** The error number in the directory, 0 for healthy; undefined if there is none, as before `set()`. Reads the file. */
  get error(): number | undefined {
    const found = readError(this.#writer.absolute);
    return found.obstacle ? undefined : found.value;
  }

  /** Writes pid and error again if another program has removed or emptied them. */
  #restore(): void {
    try {
      if (isMissingOrEmpty(this.#path(PID))) this.#writePid();
      if (this.#error !== undefined && isMissingOrEmpty(this.#path(ERROR))) this.#writeError(this.#error);
    } catch {
      // The next beat that is written tries again.
    }
  }

  #writePid(): void {
    this.#explainFailure('write the pid', () => {
      replaceText(this.#path(PID), String(self().pid ?? process.pid));
    });
  }

  #writeError(error: number): void {
    this.#explainFailure('write the error', () => {
      replaceText(this.#path(ERROR), String(error));
    });
  }

  #path(name: string): string {
    return `${this.#writer.absolute}/${name}`;
  }

  #assertLoaded(method: string): void {
    if (this.#loaded) return;
    throw new LivenessError(
      'ERR_NOT_LOADED',
      `${method}() expected load() to have succeeded first, and no reset() since`,
      this.path,
    );
  }

  /** Removes the files after a failed load(). Throws nothing, because the error of load() says more. */
  #withdraw(): void {
    this.#loaded = false;
    try {
      super.delete();
    } catch {
      // If we could not write, perhaps we cannot remove either.
    }
  }

  #explainFailure(attempt: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      throw this.#writer.asWriteError(error, `cannot ${attempt} at`);
    }
  }
}

/** Milliseconds. A writer that empties a file before it writes the number takes less than this. */
const EMPTY_MS = 1000;

/** Whether the file is missing or stays empty. We never replace a number that another process wrote. */
function isMissingOrEmpty(path: string): boolean {
  const reading = readLine(path);
  if (reading.kind !== 'line') return reading.kind === 'missing';
  return reading.line === '' && !reading.more && Date.now() - reading.modified > EMPTY_MS;
}
