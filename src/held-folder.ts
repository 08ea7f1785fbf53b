// How a writer reaches its file when others may write the folders above it.

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
/** Names a file without opening it: open(2). Node has no name for it; the value is that of x64, arm64 and most others. */
const O_PATH = 0o10000000;

/** Why nothing is written: another user could lead us, and every probe, to a heartbeat of their choice. */
export class UnsafePathError extends Error {}

// As Linux itself.
const MOST_LINKS = 40;
const LONGEST_PATH = 4095;

/** What statfs says of a /proc: PROC_SUPER_MAGIC of linux/magic.h. */
const PROC = 0x9fa0;

let holds: boolean | undefined;

/** Whether a folder can be held by a descriptor and reached through it: not without /proc, nor under Node's permission model. */
function canHold(): boolean {
  if (holds === undefined) {
    if (process.platform !== 'linux' || 'permission' in process) return (holds = false);
    const root = lstat('/');
    let fd: number;
    try {
      fd = openSync('/', O_PATH | O_DIRECTORY);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['EMFILE', 'ENFILE'].includes(code)) throw error; // which says nothing about the next time
      return (holds = false);
    }
    holds = root !== undefined && isSameFile(root, lstat(`/proc/self/fd/${fd}/.`));
    closeSync(fd);
  }
  return holds;
}

/**
 * Does something with the file at `path`, through its folder held open: as long as one of the folders above can be
 * swapped for a symbolic link between a look at it and its use, the look is worth nothing.
 *
 * @param make makes the folders that are missing.
 * @param act is given the file's path through the held folder, and that folder's own name with a slash at its end.
 */
export function withFolderHeld<T>(path: string, make: boolean, act: (path: string, folder: string) => T): T {
  if (!isAbsolute(path)) return withFolderHeld(`${process.cwd()}/${path}`, make, act); // the walk begins at /
  const folder = dirname(path);
  // What walks name by name would reach it all the same, and no reader would.
  if (Buffer.byteLength(path) > LONGEST_PATH) throw new Error(`the path is longer than ${LONGEST_PATH} bytes`);
  if (path.endsWith('/')) throw new Error('the path ends in a slash, as that of a directory does');
  if (!canHold()) {
    refuseStrangersLinks(folder);
    if (make) makeFolder(folder);
    return act(path, `${folder}/`);
  }
  const walk: Walk = { at: '/', fd: openSync('/', O_PATH | O_DIRECTORY) };
  try {
    follow(walk, folder, make);
    return act(`/proc/self/fd/${walk.fd}/${path.slice(folder.length).replace(/^\/+/, '')}`, walk.at);
  } catch (error) {
    // By name, as the descriptor means nothing to who reads it.
    const named = error as NodeJS.ErrnoException;
    const held = new RegExp(`/proc/self/fd/${walk.fd}/?`, 'g');
    named.message = named.message.replaceAll(held, walk.at);
    if (named.path !== undefined) named.path = named.path.replaceAll(held, walk.at);
    throw error;
  } finally {
    closeSync(walk.fd);
  }
}

/** How far one has come. */
interface Walk {
  /** Ends in `/`. */
  at: string;
  fd: number;
}

/** Walks to the folder, name by name, and holds it. A link is followed only where nobody else made it or can replace it. */
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
        next = openSync(path, O_PATH | O_DIRECTORY); // the kernel's own: /proc/PID/root leads elsewhere than it says
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

/** What a umask may have taken. Not from a folder that holds something: somebody may have put it into the place of ours. */
function openToAll(fd: number): void {
  const stat = fstatSync(fd);
  const held = `/proc/self/fd/${fd}`;
  if (stat.isDirectory() && (stat.mode & 0o777) !== 0o755 && isTrusted(stat) && isEmpty(held)) permit(stat, 0o755, (mode) => { chmodSync(held, mode); });
}

/**
 * Gives everybody the right to read, which a umask may have taken. A refusal is borne if everybody has it already, as
 * on mounts with fixed modes; and under Node's permission model, where the umask decides.
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
    return true; // a umask has taken even that right
  }
}

function refuseUnsafeLink(link: Stats, folder: Stats, at: string): void {
  if (!isTrusted(link)) throw new UnsafePathError(`${at} is a symbolic link of another user (uid ${link.uid})`);
  const others = (folder.mode & 0o1002) === 0o002; // may write there, and it is not sticky
  if (!others && isTrusted(folder)) return;
  throw new UnsafePathError(`${at} is a symbolic link that another user can replace (${others ? 'all may write its folder' : `its folder is uid ${folder.uid}'s`})`);
}

/**
 * Whether the way of the link `name` in `folder`, which ends in a slash, leads through /proc or /dev: it is the
 * machine's, such as /dev/stdout. Files in /dev/shm are anybody's.
 */
export function leadsThroughProcOrDev(folder: string, name: string): boolean {
  const names = [name];
  let at = folder;
  for (let links = 0; links <= MOST_LINKS; ) {
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
    return undefined; // no link
  }
}

function isProc(folder: string): boolean {
  try {
    return statfsSync(folder).type === PROC;
  } catch {
    return false;
  }
}

/** Nobody else has made it. */
export function isTrusted({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** What can be done where no folder can be held: a look at each of them before the use. */
function refuseStrangersLinks(folder: string): void {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const stat = lstat(at);
    if (stat?.isSymbolicLink() && !isTrusted(stat)) throw new UnsafePathError(`${at} is a symbolic link of another user (uid ${stat.uid})`);
  }
}

/** Makes the folder, 0755 whatever the umask. Not by `recursive`, which never returns below a folder that was unlinked. */
function makeFolder(folder: string): void {
  if (lstat(folder)) return;
  if (folder !== dirname(folder)) makeFolder(dirname(folder));
  if (makeOne(folder)) permit(lstatSync(folder), 0o755, (mode) => { chmodSync(folder, mode); });
}

/** Whether it was made, and not by another process just now. */
function makeOne(folder: string): boolean {
  try {
    mkdirSync(folder, 0o755); // not open to others for a moment, where there is no umask
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** What stands at `path` itself; undefined where that cannot be seen. */
export function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Whether both are one file. */
export function isSameFile(a: Stats, b: Stats | undefined): boolean {
  return a.ino === b?.ino && a.dev === b.dev;
}
