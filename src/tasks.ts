// The work in hand: which task would be overdue first. Pure: the time is passed in, in milliseconds of a monotonic clock.

/** A task as the writer keeps it. */
export interface Entry {
  readonly name: string;
  /** How long it may be in hand without a refresh. */
  readonly limit: number;
  /** When it was begun, or refreshed last. */
  since: number;
  /** Whether its service was told that it is overdue. */
  warned: boolean;
  /** The neighbours in its queue; undefined when it is no longer in hand. */
  earlier: Link | undefined;
  later: Link | undefined;
}
type Link = Pick<Entry, 'earlier' | 'later'>;

/**
 * Tasks in hand, in one queue for each limit: within a queue the oldest is the nearest to its deadline, so that finding the
 * nearest of all takes as long as there are limits. The queues are linked rings, as the first element of a Set with a busy front
 * takes 300 times as long to find (10,000 in hand, Node 20).
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

  /** Its time starts anew. */
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

  /** The task that would be overdue first. */
  nearest(): Entry | undefined {
    return this.#first((a, b) => a.since + a.limit < b.since + b.limit);
  }

  /** The task that has waited the longest. */
  oldest(): Entry | undefined {
    return this.#first((a, b) => a.since < b.since);
  }

  /** All, nearest to its deadline first. */
  all(): Entry[] {
    return [...this.#queues.values()].flatMap((ring) => [...each(ring)]).sort((a, b) => a.since + a.limit - b.since - b.limit);
  }

  /** Those that are overdue, and when the next one will be. */
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

/** Whether it has neither ended nor been cleared away. */
export function isInHand(entry: Entry): boolean {
  return entry.earlier !== undefined;
}

function* each(ring: Link): Generator<Entry> {
  for (let at = ring.later; at !== ring && at !== undefined; at = at.later) yield at as Entry;
}
