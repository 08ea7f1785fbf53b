// The Node versions that package.json's engines promise, as binaries: from npm, kept below node_modules/.cache.

import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const MAJORS = [20, 22, 24, 26];
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/nodes');

/** @typedef {{ major: number, version: string, path: string }} Node */

/**
 * Binaries of these majors, downloaded if they are not there yet.
 *
 * @param {readonly number[]} majors
 * @returns {Node[]}
 */
export function nodes(majors = MAJORS) {
  return majors.map((major) => present(major) ?? install(major));
}

/**
 * The majors that `--only 22,24` or `--except 20` selects, and the other arguments.
 *
 * @param {readonly string[]} argv
 * @returns {{ majors: number[], rest: string[] }}
 */
export function chosen(argv) {
  let majors = MAJORS;
  const rest = [...argv];
  while (rest[0] === '--only' || rest[0] === '--except') {
    const [option, list = ''] = rest.splice(0, 2);
    const named = list.split(',').map(Number);
    const unknown = named.find((major) => !MAJORS.includes(major));
    if (unknown !== undefined) throw new Error(`${option} expected some of ${MAJORS.join(',')}; got ${list}`);
    majors = majors.filter((major) => named.includes(major) === (option === '--only'));
  }
  return { majors, rest };
}

/**
 * @param {number} major
 * @returns {Node | undefined}
 */
function present(major) {
  const path = join(CACHE, String(major), 'node_modules', packageName(), 'bin/node');
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', env: {} });
  const version = status === 0 ? stdout.trim().slice(1) : '';
  return version.startsWith(`${major}.`) ? { major, version, path } : undefined;
}

/**
 * @param {number} major
 * @returns {Node}
 */
function install(major) {
  const wanted = `${packageName()}@${major}`;
  const folder = join(CACHE, String(major)); // one for each, because an install removes other packages
  rmSync(folder, { recursive: true, force: true });
  const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const hasty = process.env.CI ? [] : ['--fetch-retries=1']; // without a network npm would retry for minutes
  try {
    execFileSync('npm', ['install', '--prefix', folder, ...quiet, ...hasty, wanted], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (error) {
    const said = String(error.stderr ?? error.message)
      .split('\n')
      .find((line) => line.trim() !== '');
    throw new Error(`cannot get ${wanted} from npm: ${said?.replace('npm error ', '') ?? 'it gave no reason'}`, {
      cause: error,
    });
  }
  const node = present(major);
  if (!node) throw new Error(`${wanted} came from npm, but its bin/node does not run here`);
  return node;
}

function packageName() {
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) return `node-linux-${process.arch}`;
  throw new Error(
    `Node binaries come from npm for linux on x64 and arm64 only; this is ${process.platform} on ${process.arch}`,
  );
}
