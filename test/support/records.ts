import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { self, systemClock } from '../../src/proc';
import { parse, serialise, type HeartbeatRecord } from '../../src/record';

const folders: string[] = [];
/** Called before the folders are removed, to end the processes that still write into them. */
export const beforeRemoval: (() => unknown)[] = [];
afterAll(async () => {
  for (const act of beforeRemoval) await act();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/**
 * A new empty folder, removed when the test file has run.
 *
 * @param memory in memory if possible, because a truncation on a busy disk can take long.
 */
export function scratch({ memory = false } = {}): string {
  const folder = mkdtempSync(join(memory && existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'k8s-liveness-test-'));
  folders.push(folder);
  return folder;
}

/** Centiseconds since boot. */
export function uptime(): number {
  return Math.floor((systemClock.uptime() ?? 0) / 10);
}

/** The record of a beat of this process now, with a limit of a day, so that no slow run makes it stale. */
export function record(changes: Partial<HeartbeatRecord> = {}): HeartbeatRecord {
  const { pid, start } = self();
  return {
    beat: 7,
    uptime: uptime(),
    limit: 8_640_000,
    kind: 'own',
    window: 100,
    pid,
    start,
    boot: systemClock.bootId(),
    wall: Date.now(),
    gap: 12,
    longestTask: 34,
    writer: '0-1a2b3c4d',
    ...changes,
  };
}

/** The record of a beat of this process `cs` ago by both clocks, with a limit of a minute. */
export function aged(cs: number, changes: Partial<HeartbeatRecord> = {}): HeartbeatRecord {
  const now = record();
  const uptime = (now.uptime ?? 0) - cs;
  if (uptime < 0) throw new Error(`expected a machine that is up for ${cs / 100} s; it has just booted`);
  return { ...now, uptime, limit: 6000, wall: now.wall - cs * 10, ...changes };
}

/** Writes a heartbeat, or any other content, into a new folder and returns its path. */
export function fileOf(content: HeartbeatRecord | string | Buffer): string {
  const path = join(scratch(), 'timestamp');
  writeFileSync(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : serialise(content));
  return path;
}

/** A leftover of 192 bytes, from a writer from before there were tasks. */
export const OLD =
  'k8s-liveness/1 42              1234567      12000           own  100 7          98765        ' +
  '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 1795167792250   3050         7-89abcdef            695144704 \n';

/** The record in a heartbeat file. Reads again if it is torn. */
export function recordAt(path: string): HeartbeatRecord {
  for (let reads = 0; reads < 100_000; reads++) {
    const parsed = parse(readFileSync(path, 'latin1').split('\n', 1)[0] ?? '');
    if (parsed.kind === 'record') return parsed.record;
  }
  throw new Error(`expected a record at ${path}`);
}

/** Field 22 of /proc/PID/stat. */
export function startOf(stat: string): number {
  const text = readFileSync(stat, 'latin1');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
}

/** The files of a process directory; a file that is not named does not exist. */
export interface Holding {
  readonly pid?: string | number;
  readonly error?: string | number;
  readonly timestamp?: HeartbeatRecord | string;
}

/** Makes a process directory as the protocol's other writers do: `str(pid)`, no newline. */
export function directoryOf({ pid, error, timestamp }: Holding): string {
  const directory = scratch();
  if (pid !== undefined) writeFileSync(join(directory, 'pid'), String(pid));
  if (error !== undefined) writeFileSync(join(directory, 'error'), String(error));
  if (timestamp !== undefined) {
    writeFileSync(join(directory, 'timestamp'), typeof timestamp === 'string' ? timestamp : serialise(timestamp));
  }
  return directory;
}

/** Lets other users into the scratch folder of this path. */
export function open(path: string): string {
  const [name = ''] = relative(tmpdir(), path).split('/');
  chmodSync(join(tmpdir(), name), 0o755);
  return path;
}
