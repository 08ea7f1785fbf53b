import type { Duration } from './duration';
import { LivenessError, shown } from './errors';
import type { Entry } from './tasks';
import type { Writer } from './writer';

/** A piece of work in hand. `begin()` makes it. After its end, and after `delete()`, its methods do nothing. */
export interface Task {
  /** Its name in printable ASCII. The probe's line shows its first 35 characters. */
  readonly name: string;
  /** How long it may be in hand without a `refresh()`, in milliseconds. */
  readonly limit: number;
  /** Milliseconds since it was begun or last refreshed; 0 after its end. */
  readonly age: number;
  /** Says that this task makes progress: its time starts again. This is no beat of the loop. */
  refresh(): void;
  /** Says that this task is done or has failed. This is no beat. */
  end(): void;
  /** The same as `end()`, for `using`. */
  [Symbol.dispose](): void;
}

/** A task's name and limit. */
export interface TaskDescription {
  /** What the probe's line calls it, such as `mail#42`. */
  readonly name: string;
  /** How long it may take: milliseconds or a {@link Duration}, not Infinity. */
  readonly maximumAge: number | Duration;
}

/** @throws LivenessError `ERR_ARGUMENT` unless `given` has a name and a limit. */
export function assertDescription(given: unknown): asserts given is TaskDescription {
  const { name, maximumAge } = (given ?? {}) as Partial<TaskDescription>;
  if (typeof name === 'string' && name !== '' && maximumAge !== undefined) return;
  throw new LivenessError(
    'ERR_ARGUMENT',
    `a task expected { name, maximumAge } such as { name: 'mail#42', maximumAge: { minutes: 5 } }; got ${shown(given)}`,
  );
}

export class TaskInHand implements Task {
  readonly #writer: Writer;
  readonly #entry: Entry;

  constructor(writer: Writer, entry: Entry) {
    this.#writer = writer;
    this.#entry = entry;
  }

  get name(): string {
    return this.#entry.name;
  }

  get limit(): number {
    return this.#entry.limit;
  }

  get age(): number {
    return this.#writer.ageOf(this.#entry);
  }

  refresh(): void {
    this.#writer.refreshTask(this.#entry);
  }

  end(): void {
    this.#writer.endTask(this.#entry);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function';
}
