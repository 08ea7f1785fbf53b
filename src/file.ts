// Reads, writes and removes the files of heartbeats and process directories.

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { basename } from 'node:path';
import {
  UnsafePathError,
  withFolderHeld,
  isTrusted,
  leadsThroughProcOrDev,
  lstat,
  permit,
  isSameFile,
} from './held-folder';
import { LONGEST_LINE, NOTE_WIDTH, parse, RECORD_SIZE } from './record';
import { FIRST_BEAT, NUMBER, refusal, type Rule } from './replaceable';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK, O_NOFOLLOW } = constants;

/** The files in a process directory. */
export const [PID, ERROR, TIMESTAMP] = ['pid', 'error', 'timestamp'] as const;

/** A file's first lines, or why they cannot be read. */
export type Reading =
  | {
      readonly kind: 'line';
      readonly line: string;
      /** Whether anything but NULs follows the line's newline. */
      readonly more: boolean;
      /** The line after it, or a part of it that is longer than {@link NOTE_WIDTH}. */
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

/** Bytes read at most if there is no newline, so that a sparse terabyte cannot hold a probe up. */
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

function readRegular<T>(path: string, read: (fd: number, stat: Stats) => T): T | Obstacle {
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
function target(path: string): Stats | undefined {
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

function withoutNuls(text: string): string {
  return text.includes('\0') ? text.replaceAll(/\0+/g, '') : text;
}

/** A file that we refuse to replace or remove. The message says what to do, so the caller adds no advice. */
export class Refusal extends Error {}

/** @throws Refusal if a writer must not replace the file at `path`. */
export function assertReplaceable(path: string, rule: Rule): void {
  const stat = lstat(path);
  if (!stat) return; // there is no file, or the write will fail
  const isEndpoint = (stat.isSocket() || stat.isFIFO()) && stat.uid === process.geteuid?.(); // of some service of ours
  if (!rule.protectsOthers && !isOurs(stat) && !isEndpoint) return;
  const found = readRegular(path, (fd, { size }) => {
    const head = Buffer.alloc(LONGEST_LINE);
    return {
      kind: 'standing' as const,
      size,
      text: withoutNuls(head.toString('latin1', 0, readSync(fd, head, 0, head.length, 0))),
    };
  });
  if (found.kind === 'missing') return;
  if (found.kind !== 'standing') throw new Refusal(`what stands there is left alone: ${found.detail}`);
  if (!rule.takes(found)) throw new Refusal(refusal(found, rule));
}

/** @throws Refusal if a process must not replace the files of this directory. */
export function assertDirectoryReplaceable(directory: string): void {
  for (const [name, rule] of [
    [PID, NUMBER],
    [ERROR, NUMBER],
    [TIMESTAMP, FIRST_BEAT],
  ] as const) {
    try {
      assertReplaceable(`${directory}/${name}`, rule);
    } catch (error) {
      (error as Error).message = `${name} file: ${(error as Error).message}`;
      throw error;
    }
  }
}

/**
 * A heartbeat file as its writer sees it: kept open, overwritten in place.
 *
 * @internal
 */
export class HeartbeatFile {
  readonly #path: string;
  #fd: number | undefined;
  #opened: Stats | undefined;
  /** Whether we have written here. From then on we may replace whatever comes to the path. */
  #isOurs = false;
  /** Whether there was no file when we last looked. */
  #wasMissing = false;
  readonly #last = Buffer.alloc(RECORD_SIZE);
  readonly #found = Buffer.alloc(RECORD_SIZE);

  readonly #rule: Rule;

  /** @param rule which file the first write may replace. */
  constructor(path: string, rule: Rule = FIRST_BEAT) {
    this.#path = path;
    this.#rule = rule;
  }

  /**
   * Writes `record` by one write: in place if the file is a plain one of ours, else into a new file that is renamed
   * over the path.
   *
   * @param inspect is called with another writer's line before that is overwritten; it may throw to prevent the write.
   * @throws Refusal from the first write, if the file there is no heartbeat.
   */
  write(record: Buffer, inspect: (line: string) => void): void {
    // Tries again if another writer created the file just now, or removeTemporaries removed our new file.
    for (let tries = 1; ; tries++) {
      if (!this.#isOurs) assertReplaceable(this.#path, this.#rule);
      this.#inspectForeignLine(inspect);
      try {
        this.#writeRecord(record);
        break;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if ((code !== 'EEXIST' && code !== 'ENOENT') || tries === 5) throw error;
      }
    }
    record.copy(this.#last);
    this.#isOurs = true;
  }

  /**
   * Closes the file, and removes it if it holds a whole record of ours. Any other file stays.
   *
   * @param isOthers tells of a record's line whether it is another writer's; it may throw to prevent the removal.
   * @param companions files to remove first: if the record is removed, or if we have written and nothing can be read.
   */
  remove(isOthers: (line: string) => boolean, companions: readonly string[]): void {
    const found = readLine(this.#path);
    const isRecord = found.kind === 'line' && parse(found.line).kind === 'record';
    if (isRecord && isOthers(found.line)) {
      this.#giveUp();
      return;
    }
    const failures: unknown[] = [];
    const attempt = (act: () => void): void => {
      try {
        act();
      } catch (error) {
        failures.push(error); // and the other files are removed all the same
      }
    };
    if (isRecord || (this.#isOurs && found.kind !== 'line')) {
      for (const path of companions)
        attempt(() => {
          assertReplaceable(path, NUMBER);
          remove(path);
        });
    }
    this.#giveUp();
    if (isRecord)
      attempt(() => {
        remove(this.#path);
      });
    else if (found.kind === 'unreadable' || found.kind === 'directory')
      attempt(() => {
        refuse(this.#path, found.detail);
      });
    if (failures.length > 0) throw failures[0];
  }

  #giveUp(): void {
    this.#release();
    this.#isOurs = false;
  }

  #inspectForeignLine<T>(inspect: (line: string) => T): T | undefined {
    const found = this.#findForeignLine();
    try {
      return found === undefined ? undefined : inspect(found);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /**
   * Opens the file again if the path now names another one: writes into a file that was unlinked or renamed over
   * succeed, but no reader sees them.
   *
   * @returns the line in the file, unless it is the one we wrote last.
   */
  #findForeignLine(): string | undefined {
    const named = this.#opened && lstat(this.#path);
    if (this.#fd !== undefined && named && isSameFile(named, this.#opened)) {
      // If we read our own last record, the descriptor is still ours.
      const line = this.#readForeignLine(this.#fd);
      if (line === undefined || isStillOpen(this.#fd, this.#opened)) return line;
    }
    this.#release();
    this.#open();
    if (this.#fd !== undefined) return this.#readForeignLine(this.#fd);
    const found = readLine(this.#path);
    this.#wasMissing = found.kind === 'missing';
    return found.kind === 'line' ? found.line : undefined;
  }

  #readForeignLine(fd: number): string | undefined {
    let count = 0;
    try {
      count = readSync(fd, this.#found, 0, RECORD_SIZE, 0);
    } catch {
      // Somebody closed our descriptor.
    }
    if (count === RECORD_SIZE && this.#found.equals(this.#last)) return undefined;
    return this.#found.toString('latin1', 0, count).split('\n', 1)[0];
  }

  #release(): void {
    if (this.#fd !== undefined) {
      abandoned?.unregister(this);
      closeIfStillOpen(this.#fd, this.#opened);
    }
    this.#fd = this.#opened = undefined;
  }

  /** Keeps the file open until `#release()` or garbage collection. */
  #keepOpen(fd: number, opened: Stats): void {
    this.#fd = fd;
    this.#opened = opened;
    abandoned ??= new FinalizationRegistry((close) => {
      close();
    });
    abandoned.register(
      this,
      () => {
        closeIfStillOpen(fd, opened);
      },
      this,
    );
  }

  #open(): void {
    const file = openOurs(this.#path);
    if (file?.stat.size === RECORD_SIZE) {
      makeReadable(file.fd, file.stat);
      this.#keepOpen(file.fd, file.stat);
    } else if (file) {
      closeSync(file.fd);
    }
  }

  #writeRecord(record: Buffer): void {
    if (this.#fd !== undefined) {
      write(this.#fd, record);
    } else if (this.#wasMissing) {
      closeSync(create(this.#path, record, placeNew));
      this.#open(); // by its real name, which /proc and lsof then show
    } else {
      const fd = replace(this.#path, record);
      this.#keepOpen(fd, fstatSync(fd));
    }
  }
}

let abandoned: FinalizationRegistry<() => void> | undefined;

/** Whether the descriptor is still that file's. If somebody closed it, its number may name another file now. */
function isStillOpen(fd: number, opened: Stats | undefined): boolean {
  try {
    return isSameFile(fstatSync(fd), opened);
  } catch {
    return false;
  }
}

function closeIfStillOpen(fd: number, opened: Stats | undefined): void {
  if (isStillOpen(fd, opened)) closeSync(fd);
}

/** Replaces the file at `path`, so that a reader finds either the old text or the new one. */
export function replaceText(path: string, text: string): void {
  closeSync(replace(path, Buffer.from(text)));
}

/** Replaces the file at `path` by a new one, and returns its open descriptor. */
function replace(path: string, bytes: Buffer): number {
  try {
    return create(path, bytes, renameSync);
  } catch (error) {
    return overwriteOrThrow(path, bytes, error);
  }
}

/**
 * Overwrites our plain file at `path`, for when a new file cannot replace it: the disk or quota is full, the file is a
 * mount point, or we may not write its folder. Returns its open descriptor.
 *
 * @throws `error`, the reason why no new file could be made, if there is no such file.
 */
function overwriteOrThrow(path: string, bytes: Buffer, error: unknown): number {
  try {
    const fd = overwrite(path, bytes);
    if (fd !== undefined) return fd;
  } catch {
    // The earlier error says more.
  }
  throw (error as NodeJS.ErrnoException).code === 'EBUSY'
    ? new Refusal('it is a mount point: mount its folder')
    : error;
}

function overwrite(path: string, bytes: Buffer): number | undefined {
  const file = openOurs(path);
  if (!file) return undefined;
  const { fd, stat } = file;
  try {
    makeReadable(fd, stat);
    // NULs cover the rest of a longer old text until it is cut off; readers drop them.
    write(fd, Buffer.concat([bytes], Math.max(bytes.length, Math.min(stat.size, LONGEST_LINE))));
    ftruncateSync(fd, bytes.length);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Opens the file at `path` for reading and writing if it is a regular file of our user with a single link.
 *
 * No O_CREAT: in a sticky directory fs.protected_regular refuses it even to root. No O_TRUNC: readers would see an
 * empty file, and some disks flush. The lstat comes first, because opening some devices has effects.
 */
function openOurs(path: string): { fd: number; stat: Stats } | undefined {
  let fd: number | undefined;
  try {
    fd = withFolderHeld(path, false, (heldPath) =>
      lstat(heldPath)?.isFile() ? openSync(heldPath, O_RDWR | O_NONBLOCK | O_NOFOLLOW) : undefined,
    );
  } catch (error) {
    if (error instanceof UnsafePathError || (error as NodeJS.ErrnoException).code === undefined) throw error;
  }
  if (fd === undefined) return undefined;
  const stat = fstatSync(fd);
  if (isOurs(stat)) return { fd, stat };
  closeSync(fd);
  return undefined;
}

function isOurs(stat: Stats): boolean {
  return stat.isFile() && stat.nlink === 1 && stat.uid === process.geteuid?.();
}

/** Makes a new file beside `path`, lets `place` move it there, and returns its open descriptor. */
function create(path: string, bytes: Buffer, place: (temporary: string, path: string) => void): number {
  return withFolderHeld(path, true, (heldPath, folder) => {
    refuseDevice(heldPath, folder);
    if (lstat(heldPath)?.isDirectory()) throw new Error('it is a directory');
    // A random name: nobody can create it before us, and a leftover cannot block the next write.
    const temporary = `${heldPath}.${randomHex()}.tmp`;
    const fd = openSync(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    try {
      makeReadable(fd, fstatSync(fd));
      write(fd, bytes);
      place(temporary, heldPath);
      return fd;
    } catch (error) {
      closeSync(fd);
      tryUnlink(temporary); // this may fail for the same reason, but the first error says more
      throw error;
    }
  });
}

/**
 * Refuses devices, and links of root's or our own that lead to a device or through /proc or /dev, such as /dev/stdout.
 * Another user's link is replaced, or it could block our beats.
 */
function refuseDevice(path: string, folder: string): void {
  const present = lstat(path);
  if (present?.isCharacterDevice() || present?.isBlockDevice()) throw new Error('it is a device');
  if (!present?.isSymbolicLink() || !isTrusted(present)) return;
  const end = target(path);
  if (end && !end.isFile() && !end.isDirectory())
    throw new Error('it is a symbolic link to a device, a pipe or a socket');
  if (leadsThroughProcOrDev(folder, basename(path)))
    throw new Refusal('it is a symbolic link that leads through /proc or /dev');
}

/** @throws Refusal with the reason why the file at `path` must not be removed. */
function refuse(path: string, detail: string): never {
  withFolderHeld(path, false, refuseDevice);
  throw new Refusal(`what stands there is left alone: ${detail}`);
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // At worst a temporary file stays.
  }
}

/** Fails with EEXIST if there is a file at `path`, so that of two writers that start at once one sees the other. */
function placeNew(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    renameSync(temporary, path); // the file system has no hard links
    return;
  }
  unlinkSync(temporary);
}

/** Removes the temporary files that killed writers have left beside these files. */
export function removeTemporaries(directory: string, names: readonly string[]): void {
  try {
    withFolderHeld(`${directory}/.`, false, (heldFolder) => {
      for (const entry of readdirSync(heldFolder)) {
        const [name = '', nonce = '', end, ...rest] = entry.split('.');
        const isTemporary = names.includes(name) && /^[0-9a-f]{1,8}$/.test(nonce) && end === 'tmp' && rest.length === 0;
        if (isTemporary && lstat(`${heldFolder}/${entry}`)?.isFile()) tryUnlink(`${heldFolder}/${entry}`);
      }
    });
  } catch {
    // The directory is missing or may not be listed.
  }
}

function makeReadable(fd: number, stat: Stats): void {
  permit(stat, 0o644, (mode) => {
    fchmodSync(fd, mode);
  });
}

/** 32 random bits, in hex. */
export function randomHex(): string {
  // A flag of Node 20 removes the global. Prefer it, because the module takes 8 ms to load.
  const source = 'crypto' in globalThis ? crypto : process.getBuiltinModule('node:crypto').webcrypto;
  return (source.getRandomValues(new Uint32Array(1))[0] ?? 0).toString(16);
}

function write(fd: number, bytes: Buffer): void {
  if (writeSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) throw new Error('only a part was written');
}

/** Removes the file at `path`, if there is one. If that fails, writes a newline, which no reader takes for a value. */
export function remove(path: string): void {
  try {
    withFolderHeld(path, false, (heldPath, folder) => {
      refuseDevice(heldPath, folder);
      unlinkSync(heldPath);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') closeSync(overwriteOrThrow(path, Buffer.from('\n'), error));
  }
}
