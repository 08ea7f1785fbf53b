// How a writer reaches its file when others may write the folders above it.

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Names a file without opening it: open(2). Node has no name for it; the value is that of x64, arm64 and most others. */
const O_PATH = 0o10000000;

/** Why nothing is written: another user could lead us, and every probe, to a heartbeat of their choice. */
export class Astray extends Error {}

const MOST_LINKS = 40; // as Linux itself

let holds: boolean | undefined;

/** Whether a folder can be held by a descriptor and reached through it: not without /proc, nor under Node's permission model. */
function canHold(): boolean {
  if (holds === undefined) {
    const fd = process.platform === 'linux' && !('permission' in process) ? openSync('/', O_PATH | O_DIRECTORY) : undefined;
    const root = lstat('/');
    holds = fd !== undefined && root !== undefined && same(root, lstat(`/proc/self/fd/${fd}/.`));
    if (fd !== undefined) closeSync(fd);
  }
  return holds;
}

/**
 * Does something with the file at `path`, through its folder held open: as long as one of the folders above can be swapped for
 * a symbolic link between a look at it and its use, the look is worth nothing.
 *
 * @param make makes the folders that are missing.
 */
export function inFolder<T>(path: string, make: boolean, act: (path: string) => T): T {
  const folder = dirname(path);
  if (!canHold()) {
    refuseStrangersLinks(folder);
    if (make) makeFolder(folder);
    return act(path);
  }
  const fd = hold(folder, make);
  try {
    return act(`/proc/self/fd/${fd}/${path.slice(folder.length).replace(/^\/+/, '')}`);
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(`/proc/self/fd/${fd}`, folder);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Walks to the folder, name by name, and holds it. A link is followed only where nobody else made it or can replace it. */
function hold(folder: string, make: boolean): number {
  const names = folder.split('/');
  let fd = openSync('/', O_PATH | O_DIRECTORY);
  try {
    for (let links = 0, name = names.shift(); name !== undefined; name = names.shift()) {
      if (name === '') continue;
      const path = `/proc/self/fd/${fd}/${name}`;
      let next = openFolder(path, make);
      const stat = fstatSync(next);
      if (stat.isSymbolicLink()) {
        closeSync(next);
        refuseUnsafeLink(stat, fstatSync(fd), () => join(readlinkSync(`/proc/self/fd/${fd}`), name));
        if (++links > MOST_LINKS) throw new Error(`too many symbolic links in ${folder}`);
        if (stat.dev === lstat('/proc/self')?.dev) {
          next = openSync(path, O_PATH | O_DIRECTORY); // the kernel's own: /proc/PID/root leads elsewhere than it says
        } else {
          const target = readlinkSync(path);
          names.unshift(...target.split('/'));
          if (!target.startsWith('/')) continue;
          next = openSync('/', O_PATH | O_DIRECTORY);
        }
      }
      closeSync(fd);
      fd = next;
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
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
  if (isNew && isTrusted(fstatSync(fd))) chmodSync(`/proc/self/fd/${fd}`, 0o755);
  return fd;
}

function refuseUnsafeLink(link: Stats, folder: Stats, at: () => string): void {
  if (!isTrusted(link)) throw new Astray(`${at()} is a symbolic link of another user (uid ${link.uid})`);
  const others = (folder.mode & 0o1002) === 0o002; // may write there, and it is not sticky
  if (others || !isTrusted(folder)) throw new Astray(`${at()} is a symbolic link that another user can replace`);
}

function isTrusted({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** What can be done where no folder can be held: a look at each of them before the use. */
function refuseStrangersLinks(folder: string): void {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const stat = lstat(at);
    if (stat?.isSymbolicLink() && !isTrusted(stat)) throw new Astray(`${at} is a symbolic link of another user (uid ${stat.uid})`);
  }
}

/** Makes the folder, 0755 whatever the umask. Not by `recursive`, which never returns below a folder that was unlinked. */
function makeFolder(folder: string): void {
  if (lstat(folder)) return;
  if (folder !== dirname(folder)) makeFolder(dirname(folder));
  if (makeOne(folder)) chmodSync(folder, 0o755);
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
export function same(a: Stats, b: Stats | undefined): boolean {
  return a.ino === b?.ino && a.dev === b.dev;
}
