// What /proc tells: the time since boot, and which process a pid is.

import { existsSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * The clocks of a Timestamp. Pass your own to test a loop without waiting. Default: {@link systemClock}.
 */
export interface Clock {
  /** Milliseconds of a clock that never steps back. Measures gaps, tasks and how long a beat stays unwritten. */
  readonly monotonic: () => number;
  /** Milliseconds since boot, suspended time included; undefined if the system does not tell. Verdicts prefer it. */
  readonly uptime: () => number | undefined;
  /** Milliseconds since the epoch. Verdicts use it only if uptime or boot id is unknown. */
  readonly wall: () => number;
  /** The id of this boot, because uptimes of two boots cannot be compared; undefined if the system does not tell. */
  readonly bootId: () => string | undefined;
}

/**
 * The real clocks: `performance.now`, `/proc/uptime`, `Date.now`, the kernel's boot id.
 *
 * @example
 * ```ts
 * let now = 0;
 * const clock = { ...systemClock, monotonic: () => now, uptime: () => now, wall: () => now };
 * const tested = new WorkerTimestamp('/tmp/test/timestamp', { clock }).refresh();
 * now += 3 * 60_000;
 * tested.alive; // => false
 * ```
 */
export const systemClock: Clock = {
  // An arrow function, because the first use of `performance` takes 0.7 ms, and a probe does without it.
  monotonic: () => performance.now(),
  uptime: readUptime,
  wall: () => Date.now(),
  bootId: readBootId,
};

/**
 * Opens the file each time: lxcfs may mount another one over it, and a file kept open would show the old time and keep
 * the mount busy.
 */
function readUptime(): number | undefined {
  return parseUptime(read('/proc/uptime')) ?? uptimeWithoutProc();
}

/** `12345.67 …` is 12345670 ms. Joins the digits, because trunc(uptime * 100) is wrong for 6.6 % of values. */
function parseUptime(text = ''): number | undefined {
  const point = text.indexOf('.');
  const centiseconds = Number(text.slice(0, point) + text.slice(point + 1, point + 3));
  return point > 0 && text[point + 3] === ' ' && Number.isInteger(centiseconds) ? centiseconds * 10 : undefined;
}

/**
 * The time since boot without /proc: os.uptime() in whole seconds, with the fraction of the monotonic clock. Both
 * clocks have the same fraction until the machine is suspended; after that it may be wrong by up to a second.
 */
function uptimeWithoutProc(): number | undefined {
  if (process.platform !== 'linux') return undefined; // without a boot id an uptime is useless
  const os = process.getBuiltinModule('node:os');
  let seconds, nanoseconds;
  do {
    seconds = os.uptime();
    [, nanoseconds] = process.hrtime();
  } while (seconds !== os.uptime()); // a new second began between the two: that would be a second too much
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

let bootId: string | undefined;
let bootIdRead = -Infinity;

/** Reads the file again after a second, because a checkpoint may be restored in another boot. */
function readBootId(): string | undefined {
  const now = Date.now();
  if (!(Math.abs(now - bootIdRead) < 1000)) {
    const id = read('/proc/sys/kernel/random/boot_id')?.trim();
    bootId = id?.length === 36 ? id : undefined;
    bootIdRead = now;
  }
  return bootId;
}

/** Milliseconds: the longest timer. Node makes 1 ms of a longer one. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** A process and thread that beats. */
export interface Identity {
  readonly pid: number | undefined;
  /** When the process started: field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly start: number | undefined;
  /** The kernel's id of the thread; 0 if unknown. */
  readonly thread: number;
}

/** The identity of the calling thread, as /proc shows it. */
export function self(): Identity {
  const stat = parseStat(read('/proc/self/stat'));
  // If /proc does not show us, it belongs to another pid namespace, where our pid means nothing.
  if (!stat) return { pid: hasProc() ? undefined : process.pid, start: undefined, thread: 0 };
  let thread = 0;
  try {
    thread = Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? 0);
  } catch {
    // Before Linux 3.17.
  }
  return { pid: stat.pid, start: stat.start, thread };
}

/**
 * Whether a process lives; `unknown` if we cannot see it. `start` is the start of the process that has the pid now.
 */
export type Presence = { state: 'present' | 'unknown' } | { state: 'gone'; detail: string; start?: number | undefined };

/**
 * Does the process `pid` that started at `start` live?
 *
 * A missing process is gone only if every process is visible: hidepid hides other users' living processes.
 */
export function presence(pid: number, start: number | undefined): Presence {
  const gone = (detail: string, now?: number): Presence => ({
    state: 'gone',
    detail: `process ${pid} ${detail}`,
    start: now,
  });
  const folder = `/proc/${pid}`;
  const stat = parseStat(read(`${folder}/stat`));
  if (!stat) {
    if (exists(folder)) return { state: 'unknown' };
    if (exists('/proc/1') && !isHiding()) return gone('has ended');
    if (hasProc()) return { state: 'unknown' };
    return answersSignals(pid) ? { state: 'present' } : gone('has ended');
  }
  // Z is a zombie; X is exiting. A process whose first thread has ended is shown as Z too while other threads work.
  if ('ZXx'.includes(stat.state) && stat.threads <= 1) return gone('is a zombie');
  if (stat.exitSignal === -1) return gone('is a thread of another');
  if (start !== undefined && start !== stat.start) return gone('is not the one that beat', stat.start);
  return { state: 'present' };
}

/** When the process started, in clock ticks since boot; undefined if unknown. */
export function startOf(pid: number): number | undefined {
  return parseStat(read(`/proc/${pid}/stat`))?.start;
}

/** Whether the process still has the thread; true if unknown. */
export function hasThread(pid: number, thread: number): boolean {
  return thread === 0 || !exists(`/proc/${pid}/task`) || exists(`/proc/${pid}/task/${thread}`);
}

/** Whether /proc hides other users' processes. A visible PID 1 does not rule that out: it may be our own user's. */
function isHiding(): boolean {
  return /^\S+ \/proc \S+ \S*hidepid=/m.test(read('/proc/self/mounts') ?? '');
}

function hasProc(): boolean {
  // The option subset=pid hides the first; in a /proc of another pid namespace the second is missing.
  return exists('/proc/version') || exists('/proc/self');
}

/** Whether the path exists; true if Node's permission model forbids the question. */
function exists(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return true;
  }
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user's. Otherwise there is no such process; Node refuses a pid of more than 31 bits.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The text of the file at `path`; undefined if it cannot be read. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8'); // Node reads utf8 in one call: 42 µs for the first file; latin1 takes 255 µs
  } catch {
    return undefined;
  }
}

/** Fields of /proc/PID/stat: proc(5). */
interface Stat {
  readonly pid: number;
  readonly state: string;
  readonly threads: number;
  readonly start: number;
  /** The signal to its parent at its end; the kernel sets -1 for a thread that is not the first of its process. */
  readonly exitSignal: number;
}

/**
 * The fields of /proc/PID/stat from the third one on, the state. The process name before them may contain newlines and
 * `) `, so they begin after the last `)`.
 */
export function statFields(stat: string): string[] {
  return stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
}

function parseStat(stat: string | undefined): Stat | undefined {
  if (stat === undefined) return undefined;
  const fields = statFields(stat);
  const pid = Number.parseInt(stat, 10);
  const start = Number(fields[19]);
  if (!Number.isInteger(pid) || !Number.isInteger(start)) return undefined;
  return { pid, state: fields[0] ?? '', threads: Number(fields[17]), start, exitSignal: Number(fields[35]) };
}
