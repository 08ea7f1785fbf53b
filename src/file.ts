// The files of heartbeats and process directories: how they are read, written and removed.

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
import { UnsafePathError, withFolderHeld, isTrusted, leadsThroughProcOrDev, lstat, permit, isSameFile } from './held-folder';
import { LONGEST_LINE, NOTE_WIDTH, parse, RECORD_SIZE } from './record';
import { FIRST_BEAT, NUMBER, refusal, type Rule } from './replaceable';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK, O_NOFOLLOW } = constants;

/** The files in a process directory. */
export const [PID, ERROR, TIMESTAMP] = ['pid', 'error', 'timestamp'] as const;

/** What stands at a path. */
export type Reading =
  | {
      readonly kind: 'line';
      readonly line: string;
      /** Whether anything but NULs follows the line's newline. */
      readonly more: boolean;
      /** The line after it, or a part of it that is longer than {@link NOTE_WIDTH}. */
      readonly second: string;
      readonly empty: boolean;
      readonly modified: number;
    }
  | Obstacle;
interface Obstacle {
  readonly kind: 'missing' | 'unreadable' | 'directory';
  readonly detail: string;
}

/** Bytes read before a file without a newline is given up: a sparse terabyte must not hold a probe. */
const MOST_BYTES = 16 * 1024 * 1024;
const CHUNK = 64 * 1024;

/**
 * The first line of the regular file at `path`, NUL bytes dropped as every shell drops them. Answers at once for
 * a FIFO, a device or a symlink, and reads a bounded part of anything else.
 */
export function readLine(path: string): Reading {
  return readRegular(path, (fd, stat) => ({ kind: 'line', ...firstLines(fd), empty: stat.size === 0, modified: stat.mtimeMs }));
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
  // One that may be entered but not listed, or the target of a symbolic link.
  if (code === 'EACCES' && isDirectory(path)) return DIRECTORY;
  if (code === 'ELOOP' && isDirectory(path)) return { kind: 'directory', detail: 'is a symbolic link' };
  const missing: Obstacle = { kind: 'missing', detail: 'no such file' };
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return missing;
  // A loop among the folders above is also ELOOP; there is no file then.
  if (code === 'ELOOP') return lstat(path) ? { kind: 'unreadable', detail: 'is a symbolic link' } : missing;
  if (code === 'EACCES') return { kind: 'unreadable', detail: 'permission denied' };
  if (code === 'ENXIO') return { kind: 'unreadable', detail: 'is not a regular file' };
  return { kind: 'unreadable', detail: 'cannot be read' };
}

function isDirectory(path: string): boolean {
  return target(path)?.isDirectory() ?? false;
}

/** What a path leads to; undefined where that cannot be seen. */
function target(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Reads a bounded amount, as the file may grow while we read. */
function firstLines(fd: number): { line: string; more: boolean; second: string } {
  let chunk = Buffer.allocUnsafe(LONGEST_LINE); // as much as any heartbeat there is
  let text = '';
  for (let total = 0; total < MOST_BYTES; ) {
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

/** Why what stands at a path is left alone. The message says what to do, so the caller adds no advice. */
export class Refusal extends Error {}

/** @throws Refusal unless a writer may put something of its own into the place of what stands at `path`. */
export function assertReplaceable(path: string, rule: Rule): void {
  const stat = lstat(path);
  if (!stat || !(rule.protectsOthers || isOurs(stat))) return; // where nothing can be seen, the write says why it fails
  const found = readRegular(path, (fd, { size }) => {
    const head = Buffer.alloc(LONGEST_LINE);
    return { kind: 'standing' as const, size, text: withoutNuls(head.toString('latin1', 0, readSync(fd, head, 0, head.length, 0))) };
  });
  if (found.kind === 'missing') return;
  if (found.kind !== 'standing') throw new Refusal(`what stands there is left alone: ${found.detail}`);
  if (!rule.takes(found)) throw new Refusal(refusal(found, rule));
}

/** @throws Refusal unless a process may keep its files in this directory. */
export function assertDirectoryReplaceable(directory: string): void {
  for (const [name, rule] of [[PID, NUMBER], [ERROR, NUMBER], [TIMESTAMP, FIRST_BEAT]] as const) {
    try {
      assertReplaceable(`${directory}/${name}`, rule);
    } catch (error) {
      (error as Error).message = `${name} file: ${(error as Error).message}`;
      throw error;
    }
  }
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
  /** Whether this has written there since it was made or removed: from then on it may replace whatever stands there. */
  #isOurs = false;
  /** Whether there was nothing at the path when it was looked at. */
  #wasMissing = false;
  readonly #last = Buffer.alloc(RECORD_SIZE);
  readonly #found = Buffer.alloc(RECORD_SIZE);

  readonly #rule: Rule;

  /** @param rule what the first write may replace. */
  constructor(path: string, rule: Rule = FIRST_BEAT) {
    this.#path = path;
    this.#rule = rule;
  }

  /**
   * Puts `record` there by one write. A file that is missing, or is not a plain file of ours, is replaced by
   * rename and never written through.
   *
   * @throws Refusal before the first one, if what stands there is no heartbeat.
   * @param inspect sees a line that somebody else wrote, before it is overwritten; it may throw to leave it alone.
   */
  write(record: Buffer, inspect: (line: string) => void): void {
    // Another one may come between the look and the first write, or removeTemporaries what we are writing: then look
    // again.
    for (let tries = 1; ; tries++) {
      if (!this.#isOurs) assertReplaceable(this.#path, this.#rule);
      this.#look(inspect);
      try {
        this.#put(record);
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
   * Removes the file if a whole record stands there, unless `isOthers` says of its line that it is somebody else's, or
   * throws; lets go of it. Anything else that somebody has put there stays.
   *
   * @param companions files that go before it, and stay with it. They go too where this has written and nothing can be
   *   read.
   */
  remove(isOthers: (line: string) => boolean, companions: readonly string[]): void {
    const found = readLine(this.#path);
    const isRecord = found.kind === 'line' && parse(found.line).kind === 'record';
    if (isRecord && isOthers(found.line)) {
      this.#letGo();
      return;
    }
    const failures: unknown[] = [];
    const attempt = (act: () => void): void => {
      try {
        act();
      } catch (error) {
        failures.push(error); // the others go all the same
      }
    };
    if (isRecord || (this.#isOurs && found.kind !== 'line')) {
      for (const path of companions) attempt(() => { assertReplaceable(path, NUMBER); remove(path); });
    }
    this.#letGo();
    if (isRecord) attempt(() => { remove(this.#path); });
    else if (found.kind === 'unreadable' || found.kind === 'directory') attempt(() => { refuse(this.#path, found.detail); });
    if (failures.length > 0) throw failures[0];
  }

  #letGo(): void {
    this.#release();
    this.#isOurs = false;
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
    if (this.#fd !== undefined && named && isSameFile(named, this.#opened)) {
      // Our own last record behind it also proves that nobody closed the descriptor under us.
      const line = this.#foreignLine(this.#fd);
      if (line === undefined || isStill(this.#fd, this.#opened)) return line;
    }
    this.#release();
    this.#open();
    if (this.#fd !== undefined) return this.#foreignLine(this.#fd);
    const found = readLine(this.#path);
    this.#wasMissing = found.kind === 'missing';
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

  #release(): void {
    if (this.#fd !== undefined) {
      abandoned?.unregister(this);
      closeHeld(this.#fd, this.#opened);
    }
    this.#fd = this.#opened = undefined;
  }

  /** Keeps the file open until it is released, or until this object is garbage. */
  #hold(fd: number, opened: Stats): void {
    this.#fd = fd;
    this.#opened = opened;
    abandoned ??= new FinalizationRegistry((close) => { close(); });
    abandoned.register(this, () => { closeHeld(fd, opened); }, this);
  }

  #open(): void {
    const file = openOurs(this.#path);
    if (file?.stat.size === RECORD_SIZE) {
      makeReadable(file.fd, file.stat);
      this.#hold(file.fd, file.stat);
    } else if (file) {
      closeSync(file.fd);
    }
  }

  #put(record: Buffer): void {
    if (this.#fd !== undefined) {
      write(this.#fd, record);
    } else if (this.#wasMissing) {
      closeSync(create(this.#path, record, placeNew));
      this.#open(); // by its own name, which is what /proc and lsof show
    } else {
      const fd = replace(this.#path, record);
      this.#hold(fd, fstatSync(fd));
    }
  }
}

let abandoned: FinalizationRegistry<() => void> | undefined;

/** If somebody closed our descriptor, its number may be another file's by now. */
function isStill(fd: number, opened: Stats | undefined): boolean {
  try {
    return isSameFile(fstatSync(fd), opened);
  } catch {
    return false;
  }
}

function closeHeld(fd: number, opened: Stats | undefined): void {
  if (isStill(fd, opened)) closeSync(fd);
}

/** Lets the file at `path` hold `text` and no more. A reader finds the old text or the new one. */
export function replaceText(path: string, text: string): void {
  closeSync(replace(path, Buffer.from(text)));
}

/** Puts a new file into the place of what stands at `path`, and leaves it open. */
function replace(path: string, bytes: Buffer): number {
  try {
    return create(path, bytes, renameSync);
  } catch (error) {
    return inPlace(path, bytes, error);
  }
}

/**
 * Writes into the plain file of ours at `path`, and leaves it open: on a full disk, over quota, at a mount point or in
 * a folder that we may not write, no other file can come into its place.
 *
 * @throws `error`, which came before, if there is no such file.
 */
function inPlace(path: string, bytes: Buffer, error: unknown): number {
  try {
    const fd = overwrite(path, bytes);
    if (fd !== undefined) return fd;
  } catch {
    // The first error says more.
  }
  throw (error as NodeJS.ErrnoException).code === 'EBUSY' ? new Refusal('it is a mount point: mount its folder') : error;
}

function overwrite(path: string, bytes: Buffer): number | undefined {
  const file = openOurs(path);
  if (!file) return undefined;
  const { fd, stat } = file;
  try {
    makeReadable(fd, stat);
    // Readers drop NULs, so they never see the end of a longer old text behind the new one.
    write(fd, Buffer.concat([bytes], Math.max(bytes.length, Math.min(stat.size, LONGEST_LINE))));
    ftruncateSync(fd, bytes.length);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * The file at `path`, open for reading and writing, if it is regular, ours, and nobody's by another name.
 *
 * No O_CREAT (in a sticky directory fs.protected_regular refuses it even to root) and no O_TRUNC (an empty moment, and
 * a flush to disk). Looked at before it is opened: opening some devices does something.
 */
function openOurs(path: string): { fd: number; stat: Stats } | undefined {
  let fd: number | undefined;
  try {
    fd = withFolderHeld(path, false, (held) => (lstat(held)?.isFile() ? openSync(held, O_RDWR | O_NONBLOCK | O_NOFOLLOW) : undefined));
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

/** A new file beside `path`, put into its place: the descriptor stays open. */
function create(path: string, bytes: Buffer, place: (temporary: string, path: string) => void): number {
  return withFolderHeld(path, true, (held, folder) => {
    refuseDevice(held, folder);
    if (lstat(held)?.isDirectory()) throw new Error('it is a directory');
    // A name that nobody can plant before us; another each time, so that a leftover is in nobody's way.
    const temporary = `${held}.${randomHex()}.tmp`;
    const fd = openSync(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    try {
      makeReadable(fd, fstatSync(fd));
      write(fd, bytes);
      place(temporary, held);
      return fd;
    } catch (error) {
      closeSync(fd);
      tryUnlink(temporary); // what kept it from being written may keep it from being removed; the first error says more
      throw error;
    }
  });
}

/**
 * Refuses a device, and a link of root's or our own to a device or through /proc or /dev: /dev/stdout may end in a
 * plain file. Another user's link is replaced, or it could block our beats.
 */
function refuseDevice(path: string, folder: string): void {
  const present = lstat(path);
  if (present?.isCharacterDevice() || present?.isBlockDevice()) throw new Error('it is a device');
  if (!present?.isSymbolicLink() || !isTrusted(present)) return;
  const end = target(path);
  if (end && !end.isFile() && !end.isDirectory()) throw new Error('it is a symbolic link to a device, a pipe or a socket');
  if (leadsThroughProcOrDev(folder, basename(path))) throw new Refusal('it is a symbolic link that leads through /proc or /dev');
}

/** @throws Refusal for what stands at `path` and may not be removed. */
function refuse(path: string, detail: string): never {
  withFolderHeld(path, false, refuseDevice);
  throw new Refusal(`what stands there is left alone: ${detail}`);
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Litter at the most.
  }
}

/** Fails with EEXIST if anything stands at `path`: of two that come at once, one must see the other. */
function placeNew(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    renameSync(temporary, path); // a file system without links
    return;
  }
  unlinkSync(temporary);
}

/** Removes what writers killed in the middle of a write have left beside these files. */
export function removeTemporaries(directory: string, names: readonly string[]): void {
  try {
    withFolderHeld(`${directory}/.`, false, (held) => {
      for (const entry of readdirSync(held)) {
        const [name = '', nonce = '', end, ...rest] = entry.split('.');
        const isTemporary = names.includes(name) && /^[0-9a-f]{1,8}$/.test(nonce) && end === 'tmp' && rest.length === 0;
        if (isTemporary && lstat(`${held}/${entry}`)?.isFile()) tryUnlink(`${held}/${entry}`);
      }
    });
  } catch {
    // There is no directory yet, or none that may be listed.
  }
}

function makeReadable(fd: number, stat: Stats): void {
  permit(stat, 0o644, (mode) => { fchmodSync(fd, mode); });
}

/** 32 random bits. */
export function randomHex(): string {
  // A flag of Node takes the global away. It is tried first: the module takes 8 ms to load.
  const source = 'crypto' in globalThis ? crypto : process.getBuiltinModule('node:crypto').webcrypto;
  return (source.getRandomValues(new Uint32Array(1))[0] ?? 0).toString(16);
}

function write(fd: number, bytes: Buffer): void {
  if (writeSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) throw new Error('the write came up short');
}

/** Removes the file at `path`, if there is one. What cannot be removed is cleared: a newline is no beat, pid or error to any reader. */
export function remove(path: string): void {
  try {
    withFolderHeld(path, false, (held, folder) => {
      refuseDevice(held, folder);
      unlinkSync(held);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') closeSync(inPlace(path, Buffer.from('\n'), error));
  }
}
