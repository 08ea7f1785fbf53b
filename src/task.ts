import type { Duration } from './duration';
import { LivenessError, shown } from './errors';
import type { Entry } from './tasks';
import type { Writer } from './writer';

/** A piece of work in hand, as `begin()` hands it out. After its end, and after `delete()`, it does nothing. */
export interface Task {
  /** As the probe's line shows it: printable ASCII. */
  readonly name: string;
  /** How long it may be in hand without a `refresh()`, in milliseconds. */
  readonly limit: number;
  /** How long it has been in hand since it was begun or refreshed, in milliseconds; 0 after its end. */
  readonly age: number;
  /** It makes progress: its time starts anew. A beat of this task, not of the loop. */
  refresh(): void;
  /** It is done, well or not. No beat. */
  end(): void;
  [Symbol.dispose](): void;
}

/** What to call a task, and how long it may take. */
export interface TaskDescription {
  /** For the probe's line, such as `mail#42`. */
  readonly name: string;
  /** Milliseconds or a Duration; never Infinity. */
  readonly maximumAge: number | Duration;
}

/** @throws LivenessError `ERR_ARGUMENT` for anything but a name and a limit. */
export function assertDescription(given: unknown): asserts given is TaskDescription {
  const { name, maximumAge } = (given ?? {}) as Partial<TaskDescription>;
  if (typeof name === 'string' && name !== '' && maximumAge !== undefined) return;
  throw new LivenessError('ERR_ARGUMENT', `a task expected { name, maximumAge } such as { name: 'mail#42', maximumAge: { minutes: 5 } }; got ${shown(given)}`);
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
