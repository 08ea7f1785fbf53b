// What a service has done and has in hand: the beats of its loop, and its tasks. Pure: the caller passes the time in, as
// milliseconds of a monotonic clock.

import type { Duration } from './duration';
import type { HeartbeatRecord } from './record';
import { Tasks, type Entry } from './tasks';

/** How old a beat may become. */
export interface Limit {
  /** As the caller gave it. */
  readonly given: number | Duration;
  readonly step: boolean;
  /** In milliseconds. */
  readonly value: number;
}

/** What a record states: the loop's last beat, or a task. */
export interface Item {
  readonly since: number;
  readonly limit: number;
  readonly kind: HeartbeatRecord['kind'];
  readonly task?: Entry | undefined;
}

/** The longest name in the file. The number of tasks in hand does not change it, so the probe's line stays the same. */
const LONGEST_NAME = 35;

/** Counts and times the beats of one loop and the tasks beside it. */
export class Progress {
  readonly tasks = new Tasks();
  #beats = 0;
  /** NaN if there is none: a field that always holds a number needs no allocation. */
  #beatAt = NaN;
  #hasLoop = false;
  #longestGap = 0;
  #longestTask = 0;
  /** The limit of the loop's last beat. Before that, the limit of the class; undefined if nothing was begun yet. */
  limit: Limit | undefined;

  get beats(): number {
    return this.#beats;
  }

  /** Whether the loop, or the check of `refreshWhile()`, has beaten. If not, the end of the last task counts as a beat. */
  get hasLoop(): boolean {
    return this.#hasLoop;
  }

  get longestGap(): number {
    return this.#longestGap;
  }

  get longestTask(): number {
    return this.#longestTask;
  }

  /** A beat of the loop. */
  beat(limit: Limit, now: number): void {
    const gap = now - this.#beatAt;
    if (this.#hasLoop && !this.limit?.step && gap > this.#longestGap) this.#longestGap = gap;
    this.#beats++;
    this.#beatAt = now;
    this.#hasLoop = true;
    this.limit = limit;
  }

  /** A first beat that is no sign of a loop. */
  claim(limit: Limit, now: number): void {
    this.#beats++;
    this.#beatAt = this.tasks.count === 0 ? now : NaN; // a second load() of a process may find tasks in hand
    this.limit = limit;
  }

  /** Takes a first beat back that could not be written. */
  undoFirstBeat(): void {
    this.#beats--;
    this.#beatAt = NaN;
    this.#hasLoop = false;
  }

  /** Goes on as if there had been no beat. The counts stay. */
  forgetBeats(): void {
    this.#beatAt = NaN;
    this.#hasLoop = false;
    this.limit = undefined;
  }

  /** Continues the counts of an earlier writer. @param beatAt its last beat; NaN if unknown. */
  resume(beats: number, longestGap: number, beatAt: number): void {
    this.#beats = beats;
    this.#longestGap = longestGap;
    this.#beatAt = beatAt;
    this.#hasLoop = true;
  }

  /** Begins a task, which is no beat. */
  begin(name: string, limit: number, now: number): Entry {
    if (!this.#hasLoop) this.#beatAt = NaN; // the end of an earlier task counts only while no task is in hand
    return this.tasks.begin(name, limit, now);
  }

  /** A beat of a task, not of the loop. */
  refreshTask(task: Entry, now: number): void {
    this.#longestTask = Math.max(this.#longestTask, now - task.since);
    this.#beats++;
    this.tasks.refresh(task, now);
  }

  endTask(task: Entry, now: number): void {
    this.#longestTask = Math.max(this.#longestTask, now - task.since);
    this.tasks.end(task);
    if (!this.#hasLoop && this.tasks.count === 0) this.#beatAt = now;
  }

  /** The loop or the task that is nearest to its deadline: the file must state that one. */
  nearest(now: number): Item {
    const task = this.tasks.nearest();
    const { value: limit, step } = this.limit ?? { value: Infinity, step: false };
    const hasBeat = !Number.isNaN(this.#beatAt);
    const since = hasBeat ? this.#beatAt : now;
    const isTask = task && (!hasBeat || task.since + task.limit < since + limit);
    return isTask
      ? { since: task.since, limit: task.limit, kind: 'task', task }
      : { since, limit, kind: step ? 'step' : 'own' };
  }

  /** The file's second line, for people. */
  note({ task }: Item): string {
    const named = task ?? this.tasks.oldest();
    return named ? `${this.tasks.count} in hand, ${named.name.slice(0, LONGEST_NAME)}` : '';
  }
}
