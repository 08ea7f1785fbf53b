import { LONGEST_TIMER, type Clock } from './proc';
import type { Entry, Tasks } from './tasks';

/** The shortest wait in milliseconds, because a test's clock may stand still. */
const SHORTEST = 10;

/** Calls back when a task becomes overdue, even if nothing else runs. It never beats, and never keeps a process alive. */
export class OverdueWatch {
  #timer: NodeJS.Timeout | undefined;
  #deadline = Infinity;

  /** @param wake is called at each deadline that passes, with the tasks that became overdue since the last call. */
  constructor(
    private readonly tasks: Tasks,
    private readonly clock: Clock,
    private readonly wake: (overdue: readonly Entry[]) => void,
  ) {}

  /** @param deadline when a task will be overdue, by the monotonic clock. */
  expect(deadline: number): void {
    if (deadline >= this.#deadline) return;
    this.stop();
    this.#deadline = deadline;
    const wait = Math.min(Math.max(deadline - this.clock.monotonic() + 1, SHORTEST), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      this.#onTimer();
    }, wait);
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
    const unwarned = overdue.filter(({ warned }) => !warned);
    for (const task of unwarned) task.warned = true;
    this.wake(unwarned);
    if (next !== Infinity) this.expect(next);
  }
}
