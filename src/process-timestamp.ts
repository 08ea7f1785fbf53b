import type { Duration } from 'date-fns';
import { LivenessError, shown } from './errors';
import { processDirectory, remove, replaceText } from './file';
import { runChecks, type HealthCheck } from './health';
import { readError, readPid } from './judge';
import { self } from './proc';
import { parseError } from './record';
import { Timestamp, type Layout, type TimestampOptions } from './timestamp';

const LAYOUT: Layout = {
  process: true,
  heartbeat: 'timestamp',
  companions: ['pid', 'error'],
  remedy: 'expected a writable directory for it: set LIVENESS_RUNDIR or pass a path',
};

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

  #loaded = false;
  #resets = 0;

  /** @param directory default: `LIVENESS_UNIT_NAME`, else the host's name, below `LIVENESS_RUNDIR`, else `/run`. */
  constructor(directory: string = processDirectory(), options?: TimestampOptions) {
    super(directory, options, LAYOUT);
  }

  /**
   * Runs the health checks in order, each with `args`, and then writes the pid. Until `set()` the process counts as
   * unhealthy.
   *
   * @throws LivenessError `ERR_HEALTH_CHECK` names the check that answered false; `ERR_HEARTBEAT_IN_USE` if another living
   *   process has this directory, `ERR_HEARTBEAT_WRITE` if it cannot be written. What a check throws comes out untouched.
   *   In each case no pid is written.
   */
  async load<Args extends readonly unknown[]>(checks: readonly HealthCheck<NoInfer<Args>>[], ...args: Args): Promise<this> {
    this.assertWritable('load');
    const resets = this.#resets;
    // Before the checks: a predecessor's 0 beside a pid that is in use again would pass for ours.
    this.assertFree();
    this.#doing('cannot remove the old error', () => { remove(this.file('error')); });
    await runChecks(checks, args, this.path);
    if (this.#resets !== resets) {
      throw new LivenessError('ERR_NOT_LOADED', 'reset() was called before load() had run its health checks', this.path);
    }
    super.refresh();
    this.#doing('cannot write the pid', () => { replaceText(this.file('pid'), String(self().pid ?? process.pid)); });
    this.#loaded = true;
    return this;
  }

  /**
   * Says how the process is: 0 is healthy, any other integer is not.
   *
   * @throws LivenessError `ERR_ARGUMENT` for anything else, `ERR_NOT_LOADED`, `ERR_HEARTBEAT_WRITE`.
   */
  set(error = 0): this {
    this.#assertLoaded('set');
    const text = String(error);
    if (typeof error !== 'number' || parseError(text) === undefined) {
      throw new LivenessError('ERR_ARGUMENT', `set expected an integer of at most 15 digits, 0 for healthy; got ${shown(error)}`, this.path);
    }
    // A loop may say it on every turn; a rename takes many times as long as a look.
    if (this.error !== error) this.#doing('cannot write the error', () => { replaceText(this.file('error'), text); });
    return this;
  }

  /**
   * Takes pid, error and timestamp away: as before `load()`, unhealthy to any checker. Whatever is not there is no error.
   *
   * @throws LivenessError `ERR_HEARTBEAT_IN_USE` if this was never loaded and another living process has the directory,
   *   `ERR_HEARTBEAT_WRITE` if something cannot be removed.
   */
  reset(): void {
    this.assertWritable('reset');
    this.#resets++;
    this.#loaded = false;
    super.delete();
  }

  /** The same as `reset()`. */
  override delete(): void {
    this.reset();
  }

  /** One beat, as of any Timestamp, after `load()`. */
  override refresh(options?: Parameters<Timestamp['refresh']>[0]): this {
    this.#assertLoaded('refresh');
    return super.refresh(options);
  }

  /** The process that the directory names, if it does. */
  get pid(): number | undefined {
    return readPid(this.file('')).value;
  }

  /** Its error number; 0 is healthy. Undefined between `load()` and `set()`, and for what is no number. */
  get error(): number | undefined {
    return readError(this.file('')).value;
  }

  #assertLoaded(method: string): void {
    this.assertWritable(method);
    if (this.#loaded) return;
    throw new LivenessError('ERR_NOT_LOADED', `${method}() expected load() to have succeeded first, and no reset() since`, this.path);
  }

  #doing(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      throw this.wrapped(error, what);
    }
  }
}
