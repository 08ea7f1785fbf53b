import { milliseconds, type Duration } from './duration';
import { LivenessError, shown } from './errors';
import { TIMESTAMP_PATH } from './file';
import { judge } from './judge';
import { assertArguments, type TimestampOptions } from './options';
import { systemClock, type Clock } from './proc';
import { describe, type Verdict } from './verdict';
import { asViews, HEARTBEAT_FILE, Writer } from './writer';

/**
 * The heartbeat of one loop: `refresh()` it once per turn, and anyone who can read its file can tell whether the
 * loop still turns. Subclass it with a `maximumAge`; import the subclass in the service and in its probe.
 *
 * Nothing here starts a timer, on purpose: a beat from a timer keeps a hung loop alive for ever. A Timestamp that has beaten
 * keeps its file open until `delete()`, or until it is garbage.
 */
export abstract class Timestamp {
  /** How old the last beat may become before the loop counts as wedged: milliseconds or a date-fns `Duration`. */
  abstract readonly maximumAge: number | Duration;

  /** The heartbeat file, or the process directory. */
  readonly path: string;

  readonly #writer: Writer;
  #clock: Clock;
  #otherPidNamespace: boolean;
  #ignoreError: boolean;

  /** Neither reads nor writes: a path that cannot be written shows at the first `refresh()`. */
  constructor(path?: string, options?: TimestampOptions);
  /** @internal */ // eslint-disable-next-line @typescript-eslint/unified-signatures -- the third parameter is not published
  constructor(path?: string, options?: TimestampOptions, writer?: Writer);
  constructor(path: string = TIMESTAMP_PATH, options: TimestampOptions = {}, writer?: Writer) {
    assertArguments(new.target.name, path, options);
    this.#writer = writer ?? new Writer(HEARTBEAT_FILE, path, options);
    this.path = this.#writer.path;
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
    type Constructor = new (path?: string, options?: TimestampOptions) => T;
    const Class = (this === (Timestamp as unknown) ? StatedTimestamp : this) as Constructor;
    const view = asViews(() => new Class(path, options));
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
    this.#writer.assertWritable('refresh');
    const step = options === undefined ? undefined : stepOf(options);
    if (step === undefined) this.#writer.refresh(this.maximumAge, false, `${this.constructor.name}.maximumAge`);
    else this.#writer.refresh(step, true, STEP);
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
    return this.#writer.beats;
  }

  /** The longest time between two beats of this instance, in milliseconds: what to choose `maximumAge` by. */
  get longestGap(): number {
    return this.#writer.longestGap;
  }

  /** Beats that could not be written, the first one excepted: that one throws. */
  get failedWrites(): number {
    return this.#writer.failedWrites;
  }

  /** Is the loop making progress, and if not, why? Reads the file; never throws for what stands there. */
  verdict(): Verdict {
    // Timestamp.byRef has no limit of its own, and only it: a subclass without one must not pass as one that has.
    const limit =
      this instanceof StatedTimestamp ? undefined : milliseconds(this.maximumAge, `${this.constructor.name}.maximumAge`);
    const { absolute, isDirectory } = this.#writer;
    // In a process directory no limit must not overrule the one that the file states.
    const own = isDirectory && limit === Infinity ? undefined : limit;
    return judge(absolute, {
      clock: this.#clock,
      otherPidNamespace: this.#otherPidNamespace,
      ignoreError: this.#ignoreError,
      isDirectory,
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
    this.#writer.assertWritable('delete');
    this.#writer.remove();
  }

  /** The verdict on one line. */
  toString(): string {
    return describe(this.verdict());
  }
}

/** What `Timestamp.byRef` makes: a view without a limit of its own, so that the file's own limit counts. */
class StatedTimestamp extends Timestamp {
  /** The limit that the file states, in milliseconds; Infinity if it states none. */
  get maximumAge(): number {
    return this.verdict().limit ?? Infinity;
  }
}
Object.defineProperty(StatedTimestamp, 'name', { value: 'Timestamp' }); // as its users read it in messages

const STEP = 'the maximumAge of a step';

function stepOf(options: unknown): number | Duration | undefined {
  const isObject = typeof options === 'object' && options !== null && !Array.isArray(options);
  if (!isObject || Object.keys(options).some((key) => key !== 'maximumAge')) {
    throw new LivenessError('ERR_ARGUMENT', `refresh expected nothing or { maximumAge }; got ${shown(options)}`);
  }
  const { maximumAge } = options as { maximumAge?: number | Duration | null };
  return maximumAge === null ? milliseconds(null, STEP) : maximumAge;
}
