import { constants, existsSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { printable } from '../../verdict';
import { error, mayAccess, mounts, ok, warning, type Finding, type Mount, type Read } from './finding';

const IN_MEMORY = ['tmpfs', 'ramfs'];
/** A heartbeat takes a page at most. */
const PAGE = 4096;
const MOUNT_ONE = 'mount an emptyDir with medium: Memory there, and name it by LIVENESS_PATH';

/** Whether a service can beat into this heartbeat file or process directory, and on what it lies. */
export function folderFindings(path: string, read: Read): Finding[] {
  const isFolder = isDirectory(path);
  const folder = isFolder ? path : dirname(path);
  const shown = printable(folder);
  const [nearest, isMissing] = nearestFolder(resolve(folder));
  if (!isDirectory(nearest))
    return [error('folder', `${printable(nearest)} is no folder`, `remove it, or ${MOUNT_ONE}`)];
  const all = mounts(read);
  const real = realpathSync(nearest);
  const mount = mountOf(real, all);
  const where = mount ? `${mount.type} at ${printable(mount.point)}` : 'an unknown file system';
  if (!mayAccess(nearest, constants.W_OK | constants.X_OK)) {
    const why = mount?.options.includes('ro')
      ? 'is read-only'
      : `may not be written by user ${process.getuid?.() ?? '?'}`;
    return [error('folder', `${printable(nearest)} ${why} (${where})`, MOUNT_ONE)];
  }
  const findings = [
    ok(
      'folder',
      isMissing ? `${shown} will be made in ${printable(nearest)} (${where})` : `${shown} is writable (${where})`,
    ),
  ];
  if (!isFolder && all.some(({ point }) => point === resolve(path))) {
    const advice = 'mount its folder: a file that is mounted by itself cannot be replaced';
    findings.push(error('folder', `${printable(path)} is mounted by itself`, advice));
  }
  if (mount && !IN_MEMORY.includes(mount.type)) {
    findings.push(
      warning('disk', `the heartbeat is on a disk (${where}), and a frozen disk stalls the loop`, MOUNT_ONE),
    );
  }
  return [...findings, ...fullness(real)];
}

function fullness(folder: string): Finding[] {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(folder);
  const [size, free] = [blocks * bsize, bavail * bsize];
  const found = `${kib(free)} of ${kib(size)} are free`;
  const advice = 'free some, or give the heartbeat a volume of its own: on a full disk a first beat fails';
  if (size > 0 && free < PAGE) return [error('space', found, advice)];
  if (files > 0 && ffree === 0) return [error('space', 'no inode is free', advice)];
  return [free < 16 * PAGE && size > 0 ? warning('space', found, advice) : ok('space', found)];
}

function kib(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.floor(bytes / 1024)} KiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}

/** The folder, or the nearest one above it that is there; and whether the folder itself is missing. */
function nearestFolder(folder: string): [nearest: string, isMissing: boolean] {
  let nearest = folder;
  while (!existsSync(nearest) && nearest !== dirname(nearest)) nearest = dirname(nearest);
  return [nearest, nearest !== folder];
}

function mountOf(path: string, all: readonly Mount[]): Mount | undefined {
  const above = all.filter(({ point }) => `${path}/`.startsWith(point === '/' ? '/' : `${point}/`));
  // Of two on one point the later one covers the other.
  return above.reduce<Mount | undefined>(
    (best, mount) => (best && best.point.length > mount.point.length ? best : mount),
    undefined,
  );
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
