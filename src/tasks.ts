// The tasks in hand, and which one is nearest to its deadline. Pure: the caller passes the time in, as milliseconds of
// a monotonic clock.

/** A task, for the writer. */
export interface Entry {
  readonly name: string;
  /** How long it may be in hand without a refresh, in milliseconds. */
  readonly limit: number;
  /** When it was begun or last refreshed. */
  since: number;
  /** Whether the service was warned that it is overdue. */
  warned: boolean;
  /** The neighbours in its queue; undefined after its end. */
  earlier: Link | undefined;
  later: Link | undefined;
}
type Link = Pick<Entry, 'earlier' | 'later'>;

/**
 * The tasks in hand, in one queue for each limit. In each queue the oldest task is the nearest to its deadline, so the
 * search for the nearest of all looks at one task per limit. Each queue is a linked ring: the first element of a Set
 * takes 300 times as long to find after many removals at its front (10,000 tasks, Node 20).
 */
export class Tasks {
  readonly #queues = new Map<number, Link>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  begin(name: string, limit: number, now: number): Entry {
    const entry: Entry = { name, limit, since: now, warned: false, earlier: undefined, later: undefined };
    this.#append(entry);
    return entry;
  }

  /** Starts the task's time again. */
  refresh(entry: Entry, now: number): void {
    this.#remove(entry);
    entry.since = now;
    entry.warned = false;
    this.#append(entry);
  }

  end(entry: Entry): void {
    this.#remove(entry);
  }

  clear(): void {
    for (const entry of this.all()) this.#remove(entry);
  }

  /** The task nearest to its deadline. */
  nearest(): Entry | undefined {
    return this.#first((a, b) => a.since + a.limit < b.since + b.limit);
  }

  /** The task with the longest time since its beginning or refresh. */
  oldest(): Entry | undefined {
    return this.#first((a, b) => a.since < b.since);
  }

  /** All tasks, the nearest deadline first. */
  all(): Entry[] {
    return [...this.#queues.values()]
      .flatMap((ring) => [...each(ring)])
      .sort((a, b) => a.since + a.limit - b.since - b.limit);
  }

  /** The overdue tasks, and the next deadline after those. */
  overdue(now: number): { readonly overdue: readonly Entry[]; readonly next: number } {
    const overdue: Entry[] = [];
    let next = Infinity;
    for (const ring of this.#queues.values()) {
      for (const entry of each(ring)) {
        const deadline = entry.since + entry.limit;
        if (deadline < now) {
          overdue.push(entry);
        } else {
          next = Math.min(next, deadline);
          break;
        }
      }
    }
    return { overdue, next };
  }

  #first(isBefore: (a: Entry, b: Entry) => boolean): Entry | undefined {
    let first: Entry | undefined;
    for (const { later } of this.#queues.values()) {
      if (first === undefined || isBefore(later as Entry, first)) first = later as Entry;
    }
    return first;
  }

  #append(entry: Entry): void {
    let ring = this.#queues.get(entry.limit);
    if (ring === undefined) {
      ring = { earlier: undefined, later: undefined };
      ring.earlier = ring.later = ring;
      this.#queues.set(entry.limit, ring);
    }
    const last: Link = ring.earlier ?? ring;
    entry.earlier = last;
    entry.later = ring;
    last.later = ring.earlier = entry;
    this.#count++;
  }

  #remove(entry: Entry): void {
    const { earlier, later } = entry;
    if (earlier === undefined || later === undefined) return;
    earlier.later = later;
    later.earlier = earlier;
    entry.earlier = entry.later = undefined;
    this.#count--;
    if (earlier === later) this.#queues.delete(entry.limit); // only the ring itself is left
  }
}

/** Whether the task has not ended. */
export function isInHand(entry: Entry): boolean {
  return entry.earlier !== undefined;
}

function* each(ring: Link): Generator<Entry> {
  for (let at = ring.later; at !== ring && at !== undefined; at = at.later) yield at as Entry;
}
