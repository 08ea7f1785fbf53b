import { formatLimit, milliseconds, type Duration } from './duration';
import { LivenessError, shown } from './errors';
import { TIMESTAMP_PATH } from './defaults';
import type { Gate, GateCheck } from './gate';
import { judge } from './judge';
import { assertArguments, isObject, limitName, limitOfDirectory, type TimestampOptions } from './options';
import { systemClock, type Clock } from './proc';
import { assertDescription, isThenable, TaskInHand, type Task, type TaskDescription } from './task';
import { formatVerdict, printable, type Verdict } from './verdict';
import { HEARTBEAT_FILE } from './place';
import { asViews, Writer } from './writer';

/**
 * The heartbeat of a service: whoever can read its file can tell whether the service makes progress. Subclass it with a
 * `maximumAge`, and import the subclass in the service and in its probe.
 *
 * A loop calls `refresh()` once per turn. A service without a loop of its own wraps its handlers as tasks with
 * {@link Timestamp.wrap}, and beats with {@link Timestamp.refreshWhile}, whose timer asks a check before each beat. A timer that
 * asks nothing would keep a hung service alive. After its first beat a Timestamp keeps its file open until `delete()`
 * or garbage collection.
 *
 * @example
 * ```ts
 * class WorkerTimestamp extends Timestamp {
 *   readonly maximumAge = { minutes: 2 };
 * }
 * const timestamp = new WorkerTimestamp();
 * while (!stopping) {
 *   timestamp.refresh();
 *   const job = await queue.poll({ timeoutMs: 30_000 });
 *   if (job) await handle(job);
 * }
 * timestamp.delete();
 * ```
 */
export abstract class Timestamp {
  /** How old the last beat may become before the loop counts as hung: milliseconds or a {@link Duration}. */
  abstract readonly maximumAge: number | Duration;

  /** The path of the heartbeat file or process directory, as it was given. */
  readonly path: string;

  readonly #writer: Writer;
  readonly #limitName = (): string => limitName(this);
  #clock: Clock;
  #otherPidNamespace: boolean;
  #ignoreError: boolean;

  /**
   * Neither reads nor writes the file; the first beat does.
   *
   * @param path the heartbeat file. Default: {@link TIMESTAMP_PATH}.
   * @param options clock, and how to judge.
   * @throws LivenessError `ERR_ARGUMENT` for a path or options of the wrong type.
   */
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
   * Makes a read-only view of the heartbeat at `path`, for a probe. `Subclass.byRef()` makes an instance of the
   * subclass and judges by its `maximumAge`; `Timestamp.byRef()` judges by the limit that the file states.
   *
   * @param path default: that of the constructor.
   * @param options clock, and how to judge.
   * @throws LivenessError `ERR_ARGUMENT` for a wrong argument, or if the subclass's constructor uses another path.
   * @example
   * ```ts
   * WorkerTimestamp.byRef('/run/liveness/none').alive; // => false
   * ```
   */
  static byRef<T extends Timestamp>(
    this: abstract new (path?: string, options?: TimestampOptions) => T,
    path?: string,
    options?: TimestampOptions,
  ): T {
    type Constructor = new (path?: string, options?: TimestampOptions) => T;
    const Class = (isTimestampItself(this) ? StatedTimestamp : this) as Constructor;
    const view = asViews(() => new Class(path, options));
    if (path !== undefined && view.path !== path) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `${Class.name}.byRef expected a constructor that passes its path on; ${path} was given, ${view.path} came out`,
        path,
      );
    }
    // Again, in case the constructor of the subclass does not pass the options on.
    view.#clock = options?.clock ?? view.#clock;
    view.#otherPidNamespace = options?.otherPidNamespace ?? view.#otherPidNamespace;
    view.#ignoreError = options?.ignoreError ?? view.#ignoreError;
    return view;
  }

  /** @internal The name in Python's k8s-liveness, for users of JavaScript. TypeScript reports the wrong name itself. */
  static byref(): never {
    throw new LivenessError('ERR_ARGUMENT', `${this.name}.byref is called byRef here`);
  }

  /**
   * Beats. Call it on every turn of the loop, also when idle. A call costs one clock read; it writes at most once every
   * hundredth of the limit (10 ms to 1 s).
   *
   * @param options `maximumAge`: the limit of a long step. It counts until the next call. Milliseconds or a
   *   {@link Duration}, not Infinity.
   * @throws LivenessError from the first beat only: `ERR_HEARTBEAT_WRITE` if it cannot be written,
   *   `ERR_HEARTBEAT_IN_USE` if another living writer beats this file. Later beats warn instead, because they must not
   *   stop a working loop. From any call: `ERR_MAXIMUM_AGE`, `ERR_ARGUMENT`, and `ERR_READ_ONLY` on a view.
   * @example
   * ```ts
   * timestamp.refresh(); // on every turn
   * timestamp.refresh({ maximumAge: { minutes: 30 } }); // before a long step
   * ```
   */
  refresh(options?: { readonly maximumAge?: number | Duration | undefined }): this {
    this.#writer.assertReady('refresh');
    const step = options === undefined ? undefined : stepOf(options);
    if (step === undefined) this.#writer.refresh(this.maximumAge, false, this.#limitName);
    else this.#writer.refresh(step, true, STEP);
    return this;
  }

  /**
   * Begins a task. A task that is in hand for longer than its limit makes the heartbeat dead, even if the loop and
   * other tasks beat. To begin or end a task is not a beat, so an idle service must beat in another way: by `refresh()`
   * in a loop, or by {@link Timestamp.refreshWhile}. If it never does, the end of its last task counts as a beat.
   *
   * @param name what the probe's line calls it, such as `mail#42`: printable ASCII, cut to 35 characters.
   * @param maximumAge how long the task may take, or go without a `refresh()` of its own: milliseconds or a
   *   {@link Duration}, not Infinity.
   * @throws LivenessError `ERR_MAXIMUM_AGE`, `ERR_ARGUMENT`, and `ERR_READ_ONLY` on a view; `ERR_HEARTBEAT_WRITE` or
   *   `ERR_HEARTBEAT_IN_USE` only if this is the first write, as from `refresh()`.
   * @example
   * ```ts
   * const task = timestamp.begin('mail#42', { minutes: 5 });
   * try {
   *   await handle(job);
   * } finally {
   *   task.end();
   * }
   * ```
   */
  begin(name: string, maximumAge: number | Duration): Task {
    this.#writer.assertReady('begin');
    assertDescription({ name, maximumAge });
    const limit = this.#taskLimit(maximumAge);
    const entry = this.#writer.begin(printable(name), limit, this.maximumAge, this.#limitName);
    return new TaskInHand(this.#writer, entry);
  }

  /**
   * Runs `work` as a task, and resolves to its result. The task ends when `work` throws or its promise settles.
   *
   * @param name as of {@link Timestamp.begin}.
   * @param maximumAge as of {@link Timestamp.begin}.
   * @param work receives the task, so that it can call `task.refresh()` when it makes progress.
   * @throws LivenessError as {@link Timestamp.begin} does; and what `work` throws.
   * @example
   * ```ts
   * await timestamp.run('mail#42', { minutes: 5 }, () => handle(job));
   * ```
   */
  async run<T>(name: string, maximumAge: number | Duration, work: (task: Task) => T | PromiseLike<T>): Promise<T> {
    const task = this.begin(name, maximumAge);
    try {
      return await work(task);
    } finally {
      task.end();
    }
  }

  /**
   * Wraps a handler that a framework calls: each call is a task until the handler returns, throws, or its promise
   * settles. The wrapped handler keeps `this`, the arguments, `length` and `name`, and returns what the handler
   * returns. If that is a promise, it returns another promise, which settles in the same way. If the handler goes on in
   * callbacks after it has returned, the task ends too early: use {@link Timestamp.begin} instead. After `delete()` the
   * calls are no longer tasks: to start again, wrap the handler again.
   *
   * Makes the first beat if there is none yet, so that a wrong path throws at start-up.
   *
   * @param handler sync or async.
   * @param describe the task's name and limit, or a function that returns them for the handler's arguments.
   * @throws LivenessError as {@link Timestamp.refresh} and {@link Timestamp.begin} do.
   * @example
   * ```ts
   * const processor = timestamp.wrap(handle, ({ id }) => ({ name: `mail#${id}`, maximumAge: { minutes: 5 } }));
   * await processor(job);
   * ```
   */
  wrap<This, Arguments extends unknown[], Result>(
    handler: (this: This, ...args: Arguments) => Result,
    describe: TaskDescription | ((...args: Arguments) => TaskDescription),
  ): (this: This, ...args: Arguments) => Result {
    if (typeof handler !== 'function')
      throw new LivenessError('ERR_ARGUMENT', `wrap expected a function; got ${shown(handler)}`);
    if (typeof describe !== 'function') {
      assertDescription(describe);
      this.#taskLimit(describe.maximumAge);
    }
    this.#writer.assertReady('wrap');
    this.#claim();
    const { generation } = this.#writer;
    const begin = (args: Arguments): Task | undefined => {
      if (this.#writer.generation !== generation) return undefined; // after delete() a late call must not write
      const described: TaskDescription = typeof describe === 'function' ? describe(...args) : describe;
      assertDescription(described);
      return this.begin(described.name, described.maximumAge);
    };
    function wrapped(this: This, ...args: Arguments): Result {
      const task = begin(args);
      try {
        const result = handler.apply(this, args);
        if (isThenable(result)) return endWhenSettled(result, task) as Result;
        task?.end();
        return result;
      } catch (error) {
        task?.end();
        throw error;
      }
    }
    for (const key of ['name', 'length'] as const)
      Object.defineProperty(wrapped, key, { value: handler[key], configurable: true });
    return wrapped;
  }

  /**
   * Asks `check` at regular intervals, and beats while it says `true`: for a consumer without a loop of its own. The
   * check must ask the state of the consumer itself, not of its connection. A check that throws, rejects, or has not
   * answered yet gives no beat. There is one warning when the check begins to say no (`CHECK_SAYS_NO`), and one when it
   * says yes again (`CHECK_SAYS_YES`). The timer never keeps a process alive.
   *
   * Beats at once if `refresh()` has not beaten yet, so that a wrong path throws at start-up.
   *
   * @param check answers `true` while the consumer works.
   * @param options `every`: the interval, in milliseconds or a {@link Duration}, below the limit. Default: a tenth of
   *   the limit, but at least 100 ms and at most 10 s or half the limit.
   * @throws LivenessError as {@link Timestamp.refresh} does; `ERR_ARGUMENT` while another check runs.
   * @example
   * ```ts
   * const gate = timestamp.refreshWhile(() => consumer.isRunning());
   * timestamp.alive; // => true
   * gate.stop();
   * ```
   */
  refreshWhile(check: GateCheck, options: { readonly every?: number | Duration | undefined } = {}): Gate {
    this.#writer.assertReady('refreshWhile');
    const unknown = isObject(options) ? Object.keys(options).find((name) => name !== 'every') : 'none';
    if (unknown !== undefined) {
      throw new LivenessError('ERR_ARGUMENT', `refreshWhile expected the options { every }; got ${shown(options)}`);
    }
    if (typeof check !== 'function') {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `refreshWhile expected a function that says whether the consumer consumes; got ${shown(check)}`,
      );
    }
    const limit = milliseconds(this.maximumAge, this.#limitName);
    const every =
      options.every === undefined
        ? Math.min(Math.max(limit / 10, 100), 10_000, limit / 2)
        : milliseconds(options.every, 'every of refreshWhile');
    if (every >= limit) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `refreshWhile expected an every below the limit of ${formatLimit(limit)}; got ${formatLimit(every)}`,
      );
    }
    const gate = this.#writer.gate(check, every, () => {
      this.refresh();
    });
    try {
      // Not only a claim: from now on the loop's limit counts too, even before the check's first answer.
      if (!this.#writer.progress.hasLoop) this.refresh();
    } catch (error) {
      gate.stop();
      throw error;
    }
    return gate;
  }

  /** The tasks in hand, the nearest deadline first. */
  get tasks(): readonly Task[] {
    return this.#writer.progress.tasks.all().map((entry) => new TaskInHand(this.#writer, entry));
  }

  /** The time of the last beat by the writer's wall clock; undefined without a beat. Reads the file. */
  get value(): Date | undefined {
    return this.verdict().value;
  }

  /** The age of the last beat in milliseconds; Infinity without a beat. Reads the file. */
  get age(): number {
    return this.verdict().age;
  }

  /** Is the loop making progress? Reads the file. */
  get alive(): boolean {
    return this.verdict().alive;
  }

  /** How many beats this instance has made, also those that it did not write. */
  get beats(): number {
    return this.#writer.progress.beats;
  }

  /** The longest time between two beats of this instance, in milliseconds. Choose `maximumAge` well above it. */
  get longestGap(): number {
    return this.#writer.progress.longestGap;
  }

  /** The longest time that a task was in hand without a refresh, in milliseconds. Choose the limits well above it. */
  get longestTask(): number {
    return this.#writer.progress.longestTask;
  }

  /** How many writes after the first beat failed. Each outage gives one warning, `HEARTBEAT_NOT_WRITTEN`. */
  get failedWrites(): number {
    return this.#writer.failedWrites;
  }

  /**
   * Is the loop making progress, and if not, why not? Reads the file; whatever the file holds, it does not throw.
   *
   * @throws LivenessError `ERR_MAXIMUM_AGE` if the class has no usable `maximumAge`.
   * @example
   * ```ts
   * const verdict = WorkerTimestamp.byRef('/run/liveness/none').verdict();
   * verdict.alive ? verdict.age : verdict.reason; // => 'missing'
   * ```
   */
  verdict(): Verdict {
    const { absolute, isDirectory } = this.#writer;
    // Only a view by Timestamp.byRef judges by the file's limit; a subclass without a usable limit must throw.
    const limit =
      this instanceof StatedTimestamp
        ? undefined
        : milliseconds(isDirectory ? limitOfDirectory(this) : this.maximumAge, this.#limitName);
    // A ProcessTimestamp's default limit is Infinity, which must not overrule the limit in the file.
    return judge(absolute, {
      clock: this.#clock,
      otherPidNamespace: this.#otherPidNamespace,
      ignoreError: this.#ignoreError,
      isDirectory,
      limit: isDirectory && limit === Infinity ? undefined : limit,
    });
  }

  /**
   * Removes the heartbeat, and ends all tasks and the check of `refreshWhile()`. Call it last, so that the next writer
   * finds the path free. A record of another writer stays. A missing file is no error.
   *
   * @throws LivenessError `ERR_HEARTBEAT_IN_USE` if this instance never beat but another living writer beats this file;
   *   `ERR_HEARTBEAT_WRITE` if the file cannot be removed; `ERR_READ_ONLY` on a view.
   * @example
   * ```ts
   * process.once('SIGTERM', async () => {
   *   await worker.close();
   *   timestamp.delete();
   * });
   * ```
   */
  delete(): void {
    this.#writer.assertWritable('delete');
    this.#writer.remove();
  }

  #taskLimit(maximumAge: number | Duration): number {
    const limit = milliseconds(maximumAge, TASK);
    if (limit !== Infinity) return limit;
    throw new LivenessError('ERR_MAXIMUM_AGE', `${TASK} must be finite; got Infinity`, this.path);
  }

  /** Makes the first beat, so that a wrong path throws at start-up, not in the first job. */
  #claim(): void {
    if (!this.#writer.hasBeaten) this.#writer.claim(this.maximumAge, this.#limitName);
  }

  /**
   * The verdict as one line, by {@link formatVerdict}.
   *
   * @example
   * ```ts
   * String(WorkerTimestamp.byRef('/run/liveness/none')); // => 'dead: missing: no such file (/run/liveness/none)'
   * ```
   */
  toString(): string {
    return formatVerdict(this.verdict());
  }
}

/** Outside the class: if a class names itself, the bundler names it `_Timestamp`, and messages would too. */
function isTimestampItself(Class: unknown): boolean {
  return Class === Timestamp;
}

/** The view that `Timestamp.byRef` makes: it judges by the limit that the file states. */
class StatedTimestamp extends Timestamp {
  /** The limit that the file states, in milliseconds; Infinity if it states none. */
  get maximumAge(): number {
    return this.verdict().limit ?? Infinity;
  }
}
Object.defineProperty(StatedTimestamp, 'name', { value: 'Timestamp' }); // its name in messages

/** Ends the task when `result` settles. Calls `then` only once: a second call runs a lazy query again. */
async function endWhenSettled(result: PromiseLike<unknown>, task: Task | undefined): Promise<unknown> {
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
