// Reaches a writer's file safely, even if other users may write to the folders above it.

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  statfsSync,
  type Stats,
} from 'node:fs';
import { dirname, isAbsolute } from 'node:path';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Refers to a file without opening it: open(2). Node lacks the constant; this is its value on x64, arm64 and most others. */
const O_PATH = 0o10000000;

/** An unsafe path: another user could lead us, and every probe, to a heartbeat of their choice. */
export class UnsafePathError extends Error {}

// Linux's own limits.
const MOST_LINKS = 40;
const LONGEST_PATH = 4095;

/** The file system type of /proc: linux/magic.h. */
const PROC_SUPER_MAGIC = 0x9fa0;

let holds: boolean | undefined;

/** Whether we can reach a folder through its descriptor. Impossible without /proc and under Node's permission model. */
function canHold(): boolean {
  if (holds === undefined) {
    if (process.platform !== 'linux' || 'permission' in process) return (holds = false);
    const root = lstat('/');
    let fd: number;
    try {
      fd = openSync('/', O_PATH | O_DIRECTORY);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['EMFILE', 'ENFILE'].includes(code)) throw error; // the next call may succeed
      return (holds = false);
    }
    holds = root !== undefined && isSameFile(root, lstat(`/proc/self/fd/${fd}/.`));
    closeSync(fd);
  }
  return holds;
}

/**
 * Calls `act` with a path to the file at `path` through its folder, which we hold open. Otherwise another user could
 * replace a folder by a symbolic link after we have checked it.
 *
 * @param make whether to make missing folders.
 * @param act is given the file's path through the held folder, and that folder's real path with a slash at its end.
 */
export function withFolderHeld<T>(path: string, make: boolean, act: (path: string, folder: string) => T): T {
  if (!isAbsolute(path)) return withFolderHeld(`${process.cwd()}/${path}`, make, act);
  const folder = dirname(path);
  // We could reach such a file, because we walk folder by folder, but no reader could.
  if (Buffer.byteLength(path) > LONGEST_PATH) throw new Error(`the path is longer than ${LONGEST_PATH} bytes`);
  if (path.endsWith('/')) throw new Error('the path ends in a slash, as that of a directory does');
  if (!canHold()) {
    refuseLinksOfOthers(folder);
    if (make) makeFolder(folder);
    return act(path, `${folder}/`);
  }
  const walk: Walk = { at: '/', fd: openSync('/', O_PATH | O_DIRECTORY) };
  try {
    follow(walk, folder, make);
    return act(`/proc/self/fd/${walk.fd}/${path.slice(folder.length).replace(/^\/+/, '')}`, walk.at);
  } catch (error) {
    // The user knows the folder by its path, not by our descriptor.
    const named = error as NodeJS.ErrnoException;
    const heldFolder = new RegExp(`/proc/self/fd/${walk.fd}/?`, 'g');
    named.message = named.message.replaceAll(heldFolder, walk.at);
    if (named.path !== undefined) named.path = named.path.replaceAll(heldFolder, walk.at);
    throw error;
  } finally {
    closeSync(walk.fd);
  }
}

/** The folder that a walk has reached. */
interface Walk {
  /** Its path, which ends in `/`. */
  at: string;
  fd: number;
}

/** Walks to the folder, name by name, and holds it. Throws at a link that another user made or can replace. */
function follow(walk: Walk, folder: string, make: boolean): void {
  const names = folder.split('/');
  for (let links = 0, name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '') continue;
    const path = `/proc/self/fd/${walk.fd}/${name}`;
    let at = `${walk.at}${name}/`;
    let next = openFolder(path, make);
    const stat = fstatSync(next);
    if (stat.isSymbolicLink()) {
      closeSync(next);
      refuseUnsafeLink(stat, fstatSync(walk.fd), `${walk.at}${name}`);
      if (++links > MOST_LINKS) throw new Error(`too many symbolic links in ${folder}`);
      if (isProc(`/proc/self/fd/${walk.fd}`)) {
        next = openSync(path, O_PATH | O_DIRECTORY); // a link such as /proc/PID/root leads elsewhere than its text says
      } else {
        const target = readlinkSync(path);
        names.unshift(...target.split('/'));
        if (!target.startsWith('/')) continue;
        next = openSync('/', O_PATH | O_DIRECTORY);
        at = '/';
      }
    }
    closeSync(walk.fd);
    walk.fd = next;
    walk.at = at;
  }
}

function openFolder(path: string, make: boolean): number {
  try {
    return openSync(path, O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (!make || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const isNew = makeOne(path);
  const fd = openSync(path, O_PATH | O_NOFOLLOW);
  try {
    if (isNew) openToAll(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Gives a new folder its mode in spite of a umask. Only if it is empty: otherwise it may be another user's by now. */
function openToAll(fd: number): void {
  const stat = fstatSync(fd);
  const heldFolder = `/proc/self/fd/${fd}`;
  if (stat.isDirectory() && (stat.mode & 0o777) !== 0o755 && isTrusted(stat) && isEmpty(heldFolder))
    permit(stat, 0o755, (mode) => {
      chmodSync(heldFolder, mode);
    });
}

/**
 * Lets everybody read, although a umask may forbid it. Ignores an error if everybody can read already, as on mounts
 * with fixed modes, and under Node's permission model, which forbids the change.
 */
export function permit({ mode }: Stats, wanted: 0o644 | 0o755, change: (mode: number) => void): void {
  if ((mode & 0o777) === wanted) return;
  try {
    change(wanted);
  } catch (error) {
    const needed = wanted & 0o555;
    if ((mode & needed) !== needed && !('permission' in process)) throw error;
  }
}

function isEmpty(folder: string): boolean {
  try {
    return readdirSync(folder).length === 0;
  } catch {
    return true; // a umask forbids even us to list it
  }
}

function refuseUnsafeLink(link: Stats, folder: Stats, at: string): void {
  if (!isTrusted(link)) throw new UnsafePathError(`${at} is a symbolic link of another user (uid ${link.uid})`);
  const allMayWrite = (folder.mode & 0o1002) === 0o002; // writable for all and not sticky
  if (!allMayWrite && isTrusted(folder)) return;
  throw new UnsafePathError(
    `${at} is a symbolic link that another user can replace (${allMayWrite ? 'all may write its folder' : `its folder is uid ${folder.uid}'s`})`,
  );
}

/**
 * Whether the symbolic link `name` leads through /proc or /dev, as /dev/stdout does. /dev/shm does not count, because
 * users keep files there.
 *
 * @param folder the link's folder, with a slash at its end.
 */
export function leadsThroughProcOrDev(folder: string, name: string): boolean {
  const names = [name];
  let at = folder;
  for (let links = 0; links <= MOST_LINKS;) {
    const next = names.shift();
    if (next === undefined) return false;
    if (next === '' || next === '.') continue;
    if (next === '..') {
      at = `${dirname(at)}/`.replace('//', '/');
      continue;
    }
    const path = `${at}${next}`;
    if (/^\/(?:proc\/|dev\/(?!shm\/))./.test(`${path}/`) || isProc(at)) return true;
    const target = linkAt(path);
    if (target === undefined) {
      at = `${path}/`;
      continue;
    }
    links++;
    names.unshift(...target.split('/'));
    if (target.startsWith('/')) at = '/';
  }
  return false;
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // not a link
  }
}

function isProc(folder: string): boolean {
  try {
    return statfsSync(folder).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}

/** Whether root or our own user owns it. */
export function isTrusted({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** A weaker check, for when no folder can be held open: a folder can be replaced after the check and before its use. */
function refuseLinksOfOthers(folder: string): void {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const stat = lstat(at);
    if (stat?.isSymbolicLink() && !isTrusted(stat))
      throw new UnsafePathError(`${at} is a symbolic link of another user (uid ${stat.uid})`);
  }
}

/** Makes the folder, 0755 under any umask. Not by `recursive`: in a folder that was removed, it never returns. */
function makeFolder(folder: string): void {
  if (lstat(folder)) return;
  if (folder !== dirname(folder)) makeFolder(dirname(folder));
  if (makeOne(folder))
    permit(lstatSync(folder), 0o755, (mode) => {
      chmodSync(folder, mode);
    });
}

/** Makes one folder. Returns false if another process made it just now. */
function makeOne(folder: string): boolean {
  try {
    mkdirSync(folder, 0o755); // without a umask the default, 0777, would let others write for a moment
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The file at `path`, links not followed; undefined if it cannot be examined. */
export function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Whether both are the same file. */
export function isSameFile(a: Stats, b: Stats | undefined): boolean {
  return a.ino === b?.ino && a.dev === b.dev;
}
