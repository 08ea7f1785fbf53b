// Makes, replaces and removes the files of heartbeats and process directories.

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
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { basename } from 'node:path';
import { UnsafePathError, withFolderHeld, isTrusted, leadsThroughProcOrDev, lstat, permit } from './held-folder';
import { readRegular, target, withoutNuls } from './read-line';
import { LONGEST_LINE } from './record';
import { FIRST_BEAT, NUMBER, refusal, type Rule } from './replaceable';

const { O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK, O_NOFOLLOW } = constants;

/** The files in a process directory. */
export const [PID, ERROR, TIMESTAMP] = ['pid', 'error', 'timestamp'] as const;

/** A file that we refuse to replace or remove. The message says what to do, so the caller adds no advice. */
export class Refusal extends Error {}

/** @throws Refusal if a writer must not replace the file at `path`. */
export function assertReplaceable(path: string, rule: Rule): void {
  const stat = lstat(path);
  if (!stat) return; // there is no file, or the write will fail
  const isEndpoint = (stat.isSocket() || stat.isFIFO()) && stat.uid === process.geteuid?.(); // a service of our user may use it
  if (!rule.protectsOthers && !isOurs(stat) && !isEndpoint) return;
  const found = readRegular(path, (fd, { size }) => {
    const head = Buffer.alloc(LONGEST_LINE);
    return {
      kind: 'existing' as const,
      size,
      text: withoutNuls(head.toString('latin1', 0, readSync(fd, head, 0, head.length, 0))),
    };
  });
  if (found.kind === 'missing') return;
  if (found.kind !== 'existing') throw new Refusal(`the existing file is left alone: ${found.detail}`);
  if (!rule.accepts(found)) throw new Refusal(refusal(found, rule));
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

/** Replaces the file at `path`, so that a reader finds either the old text or the new one. */
export function replaceText(path: string, text: string): void {
  closeSync(replace(path, Buffer.from(text)));
}

/** Replaces the file at `path` by a new one, and returns its open descriptor. */
export function replace(path: string, bytes: Buffer): number {
  try {
    return create(path, bytes, renameSync);
  } catch (error) {
    return overwriteOrThrow(path, bytes, error);
  }
}

/**
 * Overwrites our regular file at `path` if a new file cannot replace it: the disk or quota is full, the file is a mount
 * point, or we may not write its folder. Returns its open descriptor.
 *
 * @throws `error`, the reason why a new file could not replace it, if it cannot be overwritten either.
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
export function openOurs(path: string): { fd: number; stat: Stats } | undefined {
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
export function create(path: string, bytes: Buffer, place: (temporary: string, path: string) => void): number {
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
 * Refuses a device, and a link of root or our user that leads to a device or through /proc or /dev, such as
 * /dev/stdout. Another user's link is replaced, or it could block our beats.
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

/** @throws Refusal that says why the file at `path` is not removed. */
export function refuse(path: string, detail: string): never {
  withFolderHeld(path, false, refuseDevice);
  throw new Refusal(`the existing file is left alone: ${detail}`);
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // At worst a temporary file stays.
  }
}

/** Fails with EEXIST if there is a file at `path`: if two writers start at once, one of them notices the other. */
export function placeNew(temporary: string, path: string): void {
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

export function makeReadable(fd: number, stat: Stats): void {
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

export function write(fd: number, bytes: Buffer): void {
  if (writeSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) throw new Error('only a part was written');
}

/** Removes the file at `path`, if there is one. If that fails, writes a newline, which is malformed to every reader. */
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
