import type { Clock } from './proc';
import type { Entry, Tasks } from './tasks';

/** The shortest wait, if a clock that is passed in stands still; and the longest that setTimeout takes. Milliseconds. */
const [SHORTEST, LONGEST] = [10, 2 ** 31 - 1];

/** Wakes up when the first task is overdue, also if nothing else runs. It never beats, and keeps no process alive. */
export class OverdueWatch {
  #timer: NodeJS.Timeout | undefined;
  #deadline = Infinity;

  /** @param wake is given each overdue task once, and called at the latest when the first one is overdue. */
  constructor(
    private readonly tasks: Tasks,
    private readonly clock: Clock,
    private readonly wake: (overdue: readonly Entry[]) => void,
  ) {}

  /** A task will be overdue then, by the monotonic clock. */
  expect(deadline: number): void {
    if (deadline >= this.#deadline) return;
    this.stop();
    this.#deadline = deadline;
    const wait = Math.min(Math.max(deadline - this.clock.monotonic() + 1, SHORTEST), LONGEST);
    this.#timer = setTimeout(() => { this.#onTimer(); }, wait);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#deadline = Infinity;
  }

  #onTimer(): void {
    this.stop();
    const { overdue, next } = this.tasks.overdue(this.clock.monotonic());
    const unsaid = overdue.filter(({ warned }) => !warned);
    for (const task of unsaid) task.warned = true;
    this.wake(unsaid);
    if (next !== Infinity) this.expect(next);
  }
}
