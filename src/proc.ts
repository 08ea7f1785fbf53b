// The only reader of /proc: the clock, and who a process is.

import { existsSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Where a Timestamp takes its time from. Pass your own to test a loop without waiting; {@link systemClock} is
 * the default.
 */
export interface Clock {
  /** Milliseconds from a source that never steps back. It only paces how often a beat is written. */
  readonly monotonic: () => number;
  /** Milliseconds since boot, suspended time included; undefined where the system does not tell. */
  readonly uptime: () => number | undefined;
  /** Milliseconds since the epoch. Judged by only where uptime or boot is unknown. */
  readonly wall: () => number;
  /** Names this boot: an uptime from another boot says nothing. Undefined where the system does not tell. */
  readonly bootId: () => string | undefined;
}

/** The real clocks: `performance.now`, `/proc/uptime`, `Date.now`, the kernel's boot id. */
export const systemClock: Clock = {
  // Named only when called: the first mention of `performance` takes 0.7 ms, which a probe never needs to spend.
  monotonic: () => performance.now(),
  uptime: readUptime,
  wall: () => Date.now(),
  bootId: readBootId,
};

/**
 * Opened anew each time: lxcfs binds a file of its own over it in a running container, and an open file would keep telling the
 * old time and keep the mount busy.
 */
function readUptime(): number | undefined {
  return parseUptime(read('/proc/uptime')) ?? uptimeWithoutProc();
}

/** `12345.67 …` is 12345670 ms: by its digits, as trunc(uptime * 100) is wrong for 6.6 % of values. */
function parseUptime(text = ''): number | undefined {
  const point = text.indexOf('.');
  const centiseconds = Number(text.slice(0, point) + text.slice(point + 1, point + 3));
  return point > 0 && text[point + 3] === ' ' && Number.isInteger(centiseconds) ? centiseconds * 10 : undefined;
}

/**
 * The kernel's own answer if /proc does not tell: whole seconds. The fraction is that of the monotonic clock, which is the same
 * until the machine is suspended for the first time; after that it may be wrong by up to a second.
 */
function uptimeWithoutProc(): number | undefined {
  if (process.platform !== 'linux') return undefined; // others have no boot id to go with it
  const [, nanoseconds] = process.hrtime();
  return process.getBuiltinModule('node:os').uptime() * 1000 + Math.floor(nanoseconds / 1e6);
}

let bootId: string | undefined;
let bootIdRead = -Infinity;

/** Read at most once a second: a checkpoint may be restored after a reboot. */
function readBootId(): string | undefined {
  const now = Date.now();
  if (!(Math.abs(now - bootIdRead) < 1000)) {
    const id = read('/proc/sys/kernel/random/boot_id')?.trim();
    bootId = id?.length === 36 ? id : undefined;
    bootIdRead = now;
  }
  return bootId;
}

/** Which process and thread is asking. */
export interface Identity {
  readonly pid: number | undefined;
  /** Field 22 of /proc/PID/stat: clock ticks between boot and its start. */
  readonly start: number | undefined;
  /** The kernel's id of the calling thread; 0 where the system does not tell. */
  readonly thread: number;
}

/** The identity of the calling process, as /proc shows it. */
export function self(): Identity {
  const stat = parseStat(read('/proc/self/stat'));
  // A /proc of another pid namespace shows us under another pid, or not at all: then our own number means nothing there.
  if (!stat) return { pid: hasProc() ? undefined : process.pid, start: undefined, thread: 0 };
  let thread = 0;
  try {
    thread = Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? 0);
  } catch {
    // Before Linux 3.17.
  }
  return { pid: stat.pid, start: stat.start, thread };
}

/** Whether a process is the one that beat. `unknown` where it cannot be told, which never makes a verdict dead. */
/** `start` is that of the process which has the pid now. */
export type Presence = { state: 'present' | 'unknown' } | { state: 'gone'; detail: string; start?: number | undefined };

/**
 * Asks after the process `pid` that started at `start`.
 *
 * Absence counts only where every process is visible: under hidepid another user's living process is absent too.
 */
export function presence(pid: number, start: number | undefined): Presence {
  const gone = (detail: string, now?: number): Presence => ({ state: 'gone', detail: `process ${pid} ${detail}`, start: now });
  const folder = `/proc/${pid}`;
  const stat = parseStat(read(`${folder}/stat`));
  if (!stat) {
    if (exists(folder)) return { state: 'unknown' };
    if (exists('/proc/1') && !isHiding()) return gone('has ended');
    if (hasProc()) return { state: 'unknown' };
    return answersSignals(pid) ? { state: 'present' } : gone('has ended');
  }
  // Z: ended, waiting for a parent that may never ask; X: on its way out. A process whose first thread has ended
  // is shown as Z too while its others work.
  if ('ZXx'.includes(stat.state) && stat.threads <= 1) return gone('is a zombie');
  if (stat.exitSignal === -1) return gone('is a thread of another');
  if (start !== undefined && start !== stat.start) return gone('is not the one that beat', stat.start);
  return { state: 'present' };
}

/** When that process started, in clock ticks since boot; undefined where it cannot be told. */
export function startOf(pid: number): number | undefined {
  return parseStat(read(`/proc/${pid}/stat`))?.start;
}

/** Whether that process still has that thread; true where it cannot be told. */
export function hasThread(pid: number, thread: number): boolean {
  return thread === 0 || !exists(`/proc/${pid}/task`) || exists(`/proc/${pid}/task/${thread}`);
}

/** PID 1 is visible under hidepid too where it is the asking user's own. */
function isHiding(): boolean {
  return /^\S+ \/proc \S+ \S*hidepid=/m.test(read('/proc/self/mounts') ?? '');
}

function hasProc(): boolean {
  return exists('/proc/version') || exists('/proc/self'); // one of them is not there with subset=pid, or from another pid namespace
}

/** Whether something stands there; true too where that may not be asked, as under Node's permission model. */
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
    // It lives, as another user's. Anything else is no process: Node refuses a pid of more than 31 bits.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8'); // the encoding that Node reads in one call: 42 µs cold, where latin1 takes 255
  } catch {
    return undefined;
  }
}

/** What /proc/PID/stat says: proc(5). */
interface Stat {
  readonly pid: number;
  readonly state: string;
  readonly threads: number;
  readonly start: number;
  /** What its parent is sent at its end; -1 in a thread that leads no group, by the kernel's own definition. */
  readonly exitSignal: number;
}

/** A comm may hold newlines and `) `, so the fields begin after the last `)`. */
function parseStat(stat: string | undefined): Stat | undefined {
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 1).trim().split(' ');
  const pid = Number.parseInt(stat, 10);
  const start = Number(fields[19]);
  if (!Number.isInteger(pid) || !Number.isInteger(start)) return undefined;
  return { pid, state: fields[0] ?? '', threads: Number(fields[17]), start, exitSignal: Number(fields[35]) };
}
