// The only door to node:fs for heartbeats.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname } from 'node:path';
import { LONGEST_LINE, RECORD_SIZE } from './record';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK, O_NOFOLLOW } = constants;

/**
 * Where a heartbeat stands unless a path is given: `LIVENESS_PATH`, else `/tmp/liveness/timestamp`. An exec probe
 * inherits the container's environment, so the variable moves writer and probe together.
 */
// An empty variable counts as unset: that is how a manifest clears one.
// eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing
export const TIMESTAMP_PATH: string = process.env.LIVENESS_PATH || '/tmp/liveness/timestamp';

/** What stands at a path. */
export type Reading =
  | { readonly kind: 'line'; readonly line: string; readonly empty: boolean; readonly modified: number }
  | { readonly kind: 'missing' | 'unreadable'; readonly detail: string };

/** Bytes read before a file without a newline is given up: a sparse terabyte must not hold a probe. */
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * The first line of the regular file at `path`, NUL bytes dropped as every shell drops them. Answers at once for
 * a FIFO, a device or a symlink, and reads a bounded part of anything else.
 */
export function readLine(path: string): Reading {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  } catch (error) {
    return obstacle(path, (error as NodeJS.ErrnoException).code);
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return { kind: 'unreadable', detail: 'is a directory' };
    if (!stat.isFile()) return { kind: 'unreadable', detail: 'is not a regular file' };
    return { kind: 'line', line: firstLine(fd, stat.size), empty: stat.size === 0, modified: stat.mtimeMs };
  } catch {
    return { kind: 'unreadable', detail: 'cannot be read' };
  } finally {
    closeSync(fd);
  }
}

function obstacle(path: string, code: string | undefined): Reading {
  const missing: Reading = { kind: 'missing', detail: 'no such file' };
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return missing;
  // A loop among the folders above is also ELOOP; there is no file then.
  if (code === 'ELOOP') return lstat(path) ? { kind: 'unreadable', detail: 'is a symbolic link' } : missing;
  if (code === 'EACCES') return { kind: 'unreadable', detail: 'permission denied' };
  if (code === 'ENXIO') return { kind: 'unreadable', detail: 'is not a regular file' };
  return { kind: 'unreadable', detail: 'cannot be read' };
}

function firstLine(fd: number, size: number): string {
  // Any heartbeat there is. As UTF-8, which Node reads in one call: 0.2 ms less of a probe's start-up.
  if (size > 0 && size <= LONGEST_LINE) return (readFileSync(fd, 'utf8').split('\n', 1)[0] ?? '').replaceAll('\0', '');
  const chunk = Buffer.allocUnsafe(LONGEST_LINE);
  let line = '';
  for (let total = 0; total < MOST_BYTES && line.length <= LONGEST_LINE; ) {
    const count = readSync(fd, chunk, 0, chunk.length, total);
    if (count === 0) break;
    total += count;
    const text = chunk.toString('latin1', 0, count);
    const end = text.indexOf('\n');
    line += (end < 0 ? text : text.slice(0, end)).replaceAll('\0', '');
    if (end >= 0) break;
  }
  return line;
}

/**
 * The writer's side of one heartbeat file: kept open, overwritten in place.
 *
 * @internal
 */
export class HeartbeatFile {
  readonly #path: string;
  #fd: number | undefined;
  #opened: Stats | undefined;
  readonly #last = Buffer.alloc(RECORD_SIZE);
  readonly #found = Buffer.alloc(RECORD_SIZE);

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Puts `record` there by one write. A file that is missing, or is not a plain file of ours, is replaced by
   * rename and never written through.
   *
   * @param inspect sees a line that somebody else wrote, before it is overwritten; it may throw to leave it alone.
   */
  write(record: Buffer, inspect: (line: string) => void): void {
    this.#look(inspect);
    if (this.#fd === undefined) this.#replace(record);
    else writeRecord(this.#fd, record);
    record.copy(this.#last);
  }

  /** Removes the file, unless `isOthers` says of its line that it is somebody else's, or throws; lets go of it. */
  remove(isOthers: (line: string) => boolean): void {
    const others = this.#look(isOthers) ?? false;
    this.#release();
    if (!others) unlink(this.#path);
  }

  #look<T>(inspect: (line: string) => T): T | undefined {
    const found = this.#takeHold();
    try {
      return found === undefined ? undefined : inspect(found);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /**
   * Sees to it that the descriptor is that of the file which the path names, if that one may be written in place.
   * After an unlink or a rename over it, writes to an old descriptor would succeed into nowhere.
   *
   * @returns the line that stands there, unless it is the one we wrote last.
   */
  #takeHold(): string | undefined {
    const named = this.#opened && lstat(this.#path);
    if (this.#fd !== undefined && named && same(named, this.#opened)) {
      // Our own last record behind it also proves that nobody closed the descriptor under us.
      const line = this.#foreignLine(this.#fd);
      if (line === undefined || this.#isStillOurs(this.#fd)) return line;
    }
    this.#release();
    refuseStrangersLinks(this.#path);
    this.#open();
    if (this.#fd !== undefined) return this.#foreignLine(this.#fd);
    const found = readLine(this.#path);
    return found.kind === 'line' ? found.line : undefined;
  }

  #foreignLine(fd: number): string | undefined {
    let count = 0;
    try {
      count = readSync(fd, this.#found, 0, RECORD_SIZE, 0);
    } catch {
      // Closed under us.
    }
    if (count === RECORD_SIZE && this.#found.equals(this.#last)) return undefined;
    return this.#found.toString('latin1', 0, count).split('\n', 1)[0];
  }

  // If somebody closed our descriptor, its number may be another file's by now.
  #isStillOurs(fd: number): boolean {
    try {
      return same(fstatSync(fd), this.#opened);
    } catch {
      return false;
    }
  }

  #release(): void {
    if (this.#fd !== undefined && this.#isStillOurs(this.#fd)) closeSync(this.#fd);
    this.#fd = this.#opened = undefined;
  }

  // No O_CREAT (in a sticky directory fs.protected_regular refuses it even to root) and no O_TRUNC (an empty
  // moment, and a flush to disk). Looked at before it is opened: opening some devices does something.
  #open(): void {
    if (!lstat(this.#path)?.isFile()) return;
    let fd: number;
    try {
      fd = openSync(this.#path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
    } catch {
      return;
    }
    const stat = fstatSync(fd);
    const ours = stat.isFile() && stat.nlink === 1 && stat.uid === process.geteuid?.() && stat.size === RECORD_SIZE;
    if (!ours) {
      closeSync(fd);
      return;
    }
    makeReadable(fd, stat);
    this.#fd = fd;
    this.#opened = stat;
  }

  #replace(record: Buffer): void {
    makeFolder(dirname(this.#path));
    const present = lstat(this.#path);
    if (present && (present.isDirectory() || present.isCharacterDevice() || present.isBlockDevice())) {
      throw new Error(present.isDirectory() ? 'it is a directory' : 'it is a device');
    }
    // A name that nobody can plant before us; another each time, so that a leftover is in nobody's way.
    const temporary = `${this.#path}.${randomHex()}.tmp`;
    const fd = openSync(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    try {
      makeReadable(fd, fstatSync(fd));
      writeRecord(fd, record);
      renameSync(temporary, this.#path);
      this.#opened = fstatSync(fd);
      this.#fd = fd;
    } catch (error) {
      closeSync(fd);
      try {
        unlinkSync(temporary);
      } catch {
        // What kept it from being written may keep it from being removed; the first error says more.
      }
      throw error;
    }
  }
}

// A umask may have taken the probe's right to read it. Only then: Node's permission model refuses any fchmod.
function makeReadable(fd: number, { mode }: Stats): void {
  if ((mode & 0o777) !== 0o644) fchmodSync(fd, 0o644);
}

/** 32 random bits. */
export function randomHex(): string {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0).toString(16);
}

function writeRecord(fd: number, record: Buffer): void {
  if (writeSync(fd, record, 0, RECORD_SIZE, 0) !== RECORD_SIZE) throw new Error('the write came up short');
}

/** Another user could lead us, and every probe, to a heartbeat of their choice. */
function refuseStrangersLinks(path: string): void {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    const stat = lstat(at);
    if (stat?.isSymbolicLink() && stat.uid !== 0 && stat.uid !== process.geteuid?.()) {
      throw new Error(`${at} is a symbolic link of another user (uid ${stat.uid})`);
    }
  }
}

/** Makes the folder, 0755 whatever the umask. Not by `recursive`, which never returns below a folder that was unlinked. */
function makeFolder(folder: string): void {
  if (lstat(folder)) return;
  if (folder !== dirname(folder)) makeFolder(dirname(folder));
  try {
    mkdirSync(folder, 0o755); // not open to others for a moment, where there is no umask
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return; // made by another process just now
    throw error;
  }
  chmodSync(folder, 0o755);
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
  }
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function same(a: Stats, b: Stats | undefined): boolean {
  return a.ino === b?.ino && a.dev === b.dev;
}
