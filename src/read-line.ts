// Reads the first lines of a file, of which nothing is known before.

import { closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { lstat } from './held-folder';
import { LONGEST_LINE, NOTE_WIDTH } from './record';

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;

/** A file's first lines, or why they cannot be read. */
export type Reading =
  | {
      readonly kind: 'line';
      readonly line: string;
      /** Whether anything but NULs follows the line's newline. */
      readonly more: boolean;
      /** The second line, or more than {@link NOTE_WIDTH} characters of it. */
      readonly second: string;
      /** Whether the file has 0 bytes. */
      readonly empty: boolean;
      /** The modification time, in milliseconds since the epoch. */
      readonly modified: number;
    }
  | Obstacle;
interface Obstacle {
  readonly kind: 'missing' | 'unreadable' | 'directory';
  readonly detail: string;
}

/** The most bytes that we read if there is no newline, so that a sparse terabyte does not delay a probe. */
const MOST_BYTES = 16 * 1024 * 1024;
const CHUNK = 64 * 1024;

/**
 * Reads the first lines of the regular file at `path`, without NUL bytes, because shells drop them too. Never waits for
 * a FIFO or a device, and follows no symlink.
 */
export function readLine(path: string): Reading {
  return readRegular(path, (fd, stat) => ({
    kind: 'line',
    ...firstLines(fd),
    empty: stat.size === 0,
    modified: stat.mtimeMs,
  }));
}

export function readRegular<T>(path: string, read: (fd: number, stat: Stats) => T): T | Obstacle {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  } catch (error) {
    return obstacle(path, (error as NodeJS.ErrnoException).code);
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return DIRECTORY;
    if (!stat.isFile()) return { kind: 'unreadable', detail: 'is not a regular file' };
    return read(fd, stat);
  } catch {
    return { kind: 'unreadable', detail: 'cannot be read' };
  } finally {
    closeSync(fd);
  }
}

const DIRECTORY: Obstacle = { kind: 'directory', detail: 'is a directory' };

function obstacle(path: string, code: string | undefined): Obstacle {
  // A directory that may not be listed, or a symbolic link to a directory.
  if (code === 'EACCES' && isDirectory(path)) return DIRECTORY;
  if (code === 'ELOOP' && isDirectory(path)) return { kind: 'directory', detail: 'is a symbolic link' };
  const missing: Obstacle = { kind: 'missing', detail: 'no such file' };
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return missing;
  // ELOOP also means a loop of links among the folders above; then there is no file.
  if (code === 'ELOOP') return lstat(path) ? { kind: 'unreadable', detail: 'is a symbolic link' } : missing;
  if (code === 'EACCES') return { kind: 'unreadable', detail: 'permission denied' };
  if (code === 'ENXIO') return { kind: 'unreadable', detail: 'is not a regular file' };
  return { kind: 'unreadable', detail: 'cannot be read' };
}

function isDirectory(path: string): boolean {
  return target(path)?.isDirectory() ?? false;
}

/** The file that a path leads to; undefined if it cannot be examined. */
export function target(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Reads a bounded amount, because the file may grow while we read. */
function firstLines(fd: number): { line: string; more: boolean; second: string } {
  let chunk = Buffer.allocUnsafe(LONGEST_LINE); // enough for any heartbeat
  let text = '';
  for (let total = 0; total < MOST_BYTES;) {
    const count = readSync(fd, chunk, 0, chunk.length, total);
    if (count === 0) break;
    total += count;
    text += withoutNuls(chunk.toString('latin1', 0, count));
    const end = text.indexOf('\n');
    if (count < chunk.length || (end < 0 ? text.length > LONGEST_LINE : text.length > end + 1 + NOTE_WIDTH)) break;
    if (total === LONGEST_LINE) chunk = Buffer.allocUnsafe(CHUNK);
  }
  const end = text.indexOf('\n');
  if (end < 0) return { line: text, more: false, second: '' };
  return { line: text.slice(0, end), more: end < text.length - 1, second: text.slice(end + 1).split('\n', 1)[0] ?? '' };
}

export function withoutNuls(text: string): string {
  return text.includes('\0') ? text.replaceAll(/\0+/g, '') : text;
}
