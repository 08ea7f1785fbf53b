import { formatLimit, milliseconds, type Duration } from './duration';
import { LivenessError, shown } from './errors';
import { TIMESTAMP_PATH } from './defaults';
import type { Gate, GateCheck } from './gate';
import { judge } from './judge';
import { assertArguments, type TimestampOptions } from './options';
import { systemClock, type Clock } from './proc';
import { assertDescription, isThenable, TaskInHand, type Task, type TaskDescription } from './task';
import { formatVerdict, printable, type Verdict } from './verdict';
import { HEARTBEAT_FILE } from './place';
import { asViews, Writer } from './writer';

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
  /** The limit's name in messages; made once, as a beat has no time for it. */
  readonly #what: string;
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
    this.#what = `${new.target.name}.maximumAge`;
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
    if (step === undefined) this.#writer.refresh(this.maximumAge, false, this.#what);
    else this.#writer.refresh(step, true, STEP);
    return this;
  }

  /**
   * Takes a piece of work in hand: the heartbeat is dead when it has been in hand for longer than its own limit, whatever else
   * beats. Beginning and ending are no beats: they only hold back. Something else must show that an idle service is fine:
   * `refresh()` in a loop, or {@link refreshWhile}. If nothing ever does, the end of the last task stands as a beat.
   *
   * @param name what it is, for the probe's line, such as `mail#42`: printable ASCII, cut to 35 characters.
   * @param maximumAge how long it may take, or go without a `refresh()` of its own: milliseconds or a Duration, never Infinity.
   * @throws LivenessError `ERR_HEARTBEAT_WRITE` or `ERR_HEARTBEAT_IN_USE` if it is the first write of all and fails.
   */
  begin(name: string, maximumAge: number | Duration): Task {
    this.#writer.assertWritable('begin');
    assertDescription({ name, maximumAge });
    const limit = milliseconds(maximumAge, TASK);
    if (limit === Infinity) throw new LivenessError('ERR_MAXIMUM_AGE', `${TASK} must end; got Infinity`, this.path);
    const entry = this.#writer.begin(printable(name), limit, this.maximumAge, this.#what);
    return new TaskInHand(this.#writer, entry);
  }

  /** Runs `work` as a task, which ends when its promise settles or it throws. Resolves to what it returns. */
  async run<T>(name: string, maximumAge: number | Duration, work: (task: Task) => T | PromiseLike<T>): Promise<T> {
    const task = this.begin(name, maximumAge);
    try {
      return await work(task);
    } finally {
      task.end();
    }
  }

  /**
   * A handler that is a task from its call until it returns, throws, or its promise settles, for a framework to call. It keeps
   * `this`, the arguments, `length` and `name`, and returns what the handler returns. A handler that goes on after it has
   * returned, by a callback, ends at once: begin and end its task yourself.
   *
   * @param describe the task's name and limit, or a function of the handler's arguments that answers them.
   * @throws LivenessError as the first `refresh()` does, which it makes if there was none: a bad path shows at start-up.
   */
  wrap<This, Arguments extends unknown[], Result>(
    handler: (this: This, ...args: Arguments) => Result,
    describe: TaskDescription | ((...args: Arguments) => TaskDescription),
  ): (this: This, ...args: Arguments) => Result {
    if (typeof handler !== 'function') throw new LivenessError('ERR_ARGUMENT', `wrap expected a function; got ${shown(handler)}`);
    if (typeof describe !== 'function') assertDescription(describe);
    this.#writer.assertWritable('wrap');
    if (!this.#writer.hasBeaten) this.refresh();
    const { lives } = this.#writer;
    const begin = (args: Arguments): Task | undefined => {
      if (this.#writer.lives !== lives) return undefined; // after delete(), a late call must not write the file again
      const described: TaskDescription = typeof describe === 'function' ? describe(...args) : describe;
      assertDescription(described);
      return this.begin(described.name, described.maximumAge);
    };
    function wrapped(this: This, ...args: Arguments): Result {
      const task = begin(args);
      let result: Result;
      try {
        result = handler.apply(this, args);
      } catch (error) {
        task?.end();
        throw error;
      }
      if (isThenable(result)) return endedBy(result, task) as Result;
      task?.end();
      return result;
    }
    for (const key of ['name', 'length'] as const) Object.defineProperty(wrapped, key, { value: handler[key], configurable: true });
    return wrapped;
  }

  /**
   * Beats from a timer as long as `check` says `true`, for a consumer that owns no loop. The check must ask the consumer's own
   * state, not its connection's. A check that throws, rejects, or has not answered yet gives no beat; one warning says when it
   * begins to say no (`CHECK_SAYS_NO`), and one line when it says yes again. It does not keep the process alive.
   *
   * @param options `every`: how often to ask, in milliseconds or a Duration. Default: a tenth of the limit, from 100 ms to 10 s.
   * @throws LivenessError as the first `refresh()` does, which it makes if there was none; `ERR_ARGUMENT` while another check runs.
   */
  refreshWhile(check: GateCheck, options: { readonly every?: number | Duration | undefined } = {}): Gate {
    this.#writer.assertWritable('refreshWhile');
    if (typeof check !== 'function') {
      throw new LivenessError('ERR_ARGUMENT', `refreshWhile expected a function that says whether the consumer consumes; got ${shown(check)}`);
    }
    const limit = milliseconds(this.maximumAge, this.#what);
    const every = options.every === undefined ? Math.min(Math.max(limit / 10, 100), 10_000) : milliseconds(options.every, 'every of refreshWhile');
    if (every >= limit) {
      throw new LivenessError('ERR_ARGUMENT', `refreshWhile expected an every below the limit of ${formatLimit(limit)}; got ${formatLimit(every)}`);
    }
    const gate = this.#writer.gate(check, every, () => { this.refresh(); });
    try {
      if (!this.#writer.hasBeaten) this.refresh();
    } catch (error) {
      gate.stop();
      throw error;
    }
    return gate;
  }

  /** The work in hand, nearest to its deadline first. */
  get tasks(): readonly Task[] {
    return this.#writer.tasks().map((entry) => new TaskInHand(this.#writer, entry));
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

  /** The longest time that a task was in hand without a refresh of its own, in milliseconds: what to choose its limit by. */
  get longestTask(): number {
    return this.#writer.longestTask;
  }

  /** Beats that could not be written, the first one excepted: that one throws. */
  get failedWrites(): number {
    return this.#writer.failedWrites;
  }

  /** Is the loop making progress, and if not, why? Reads the file; never throws for what stands there. */
  verdict(): Verdict {
    // Timestamp.byRef has no limit of its own, and only it: a subclass without one must not pass as one that has.
    const limit =
      this instanceof StatedTimestamp ? undefined : milliseconds(this.maximumAge, this.#what);
    const { absolute, isDirectory } = this.#writer;
    // In a process directory no limit must not overrule the one that the file states.
    return judge(absolute, {
      clock: this.#clock,
      otherPidNamespace: this.#otherPidNamespace,
      ignoreError: this.#ignoreError,
      isDirectory,
      limit: isDirectory && limit === Infinity ? undefined : limit,
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
    return formatVerdict(this.verdict());
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

/** One promise in the place of another: `then` is called once, as on a lazy query a second call would run it again. */
async function endedBy(result: PromiseLike<unknown>, task: Task | undefined): Promise<unknown> {
  try {
    return await result;
  } finally {
    task?.end();
  }
}

const TASK = 'the maximumAge of a task';
const STEP = 'the maximumAge of a step';

function stepOf(options: unknown): number | Duration | undefined {
  const isObject = typeof options === 'object' && options !== null && !Array.isArray(options);
  if (!isObject || Object.keys(options).some((key) => key !== 'maximumAge')) {
    throw new LivenessError('ERR_ARGUMENT', `refresh expected nothing or { maximumAge }; got ${shown(options)}`);
  }
  const { maximumAge } = options as { maximumAge?: number | Duration | null };
  return maximumAge === null ? milliseconds(null, STEP) : maximumAge;
}
