// The columns of docs/truth.md. Each asks a service once, as the kubelet does, and says alive or dead.

import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import { nodes } from '../../test/support/nodes.mjs';

const DIST = join(import.meta.dirname, '../../dist');
export const [NODE] = nodes([24]).map(({ path }) => path);

/** livenessProbe.timeoutSeconds: README's for exec probes, the kubelet's default for HTTP probes. */
const EXEC_TIMEOUT_MS = 5000;
const HTTP_TIMEOUT_MS = 1000;

/**
 * What an observer may see of a service.
 *
 * @typedef {object} Target
 * @property {number} limit milliseconds: of the heartbeat, of find and of stat
 * @property {readonly string[]} within the command that runs an exec probe in the service's container
 * @property {readonly string[]} heartbeats the heartbeat file of each loop
 * @property {string} directory the process directory
 * @property {string} touch the file that every loop touches
 * @property {string} pidFile
 * @property {number} lightship its port
 * @property {number} terminus its port
 */

/** @typedef {{ alive: boolean, said: string }} Answer */

/**
 * @typedef {object} Observer
 * @property {string} name the column's head
 * @property {(target: Target) => Promise<Answer>} ask
 */

const minutes = (target) => String(target.limit / 60_000);

/** @type {readonly Observer[]} */
export const observers = [
  exec('liveness.js', (target) => [NODE, join(DIST, 'liveness.js'), ...target.heartbeats]),
  exec('liveness.sh', (target) => ['sh', join(DIST, 'liveness.sh'), ...target.heartbeats]),
  exec('process directory', (target) => ['sh', join(DIST, 'liveness.sh'), target.directory]),
  http('lightship', (target) => `http://127.0.0.1:${target.lightship}/live`),
  http('terminus', (target) => `http://127.0.0.1:${target.terminus}/healthcheck`),
  exec('find -mmin', (target) => ['find', target.touch, '-mmin', `-${minutes(target)}`]),
  exec('find + grep', (target) => ['sh', '-c', `find ${target.touch} -mmin -${minutes(target)} | grep -q .`]),
  exec('stat', (target) => [
    'sh',
    '-c',
    `[ $(( $(date +%s) - $(stat -c %Y ${target.touch}) )) -le ${target.limit / 1000} ]`,
  ]),
  exec('cat', (target) => ['cat', target.touch]),
  exec('pid', (target) => ['sh', '-c', `kill -0 "$(cat ${target.pidFile})"`]),
];

/** The observers of this library. If they say dead, the cell has the reason too. */
export const OURS = observers.slice(0, 3).map(({ name }) => name);

/**
 * An exec probe: exit code 0 in time is alive.
 *
 * @param {string} name
 * @param {(target: Target) => readonly string[]} command
 * @returns {Observer}
 */
function exec(name, command) {
  const ask = (target) =>
    new Promise((settle) => {
      const [program, ...args] = [...target.within, ...command(target)];
      // Its own process group, so that a probe that hangs can be ended with all its children.
      const child = spawn(program, args, {
        detached: true,
        env: { PATH: process.env.PATH },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      const take = (data) => {
        said += data;
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      const timer = setTimeout(() => {
        said += 'timeout';
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          /* it has just ended */
        }
      }, EXEC_TIMEOUT_MS);
      const end = (alive) => {
        clearTimeout(timer);
        settle({ alive, said: said.trim() });
      };
      child.on('error', (error) => {
        said += error.message;
        end(false);
      });
      child.on('close', (code) => {
        end(code === 0);
      });
    });
  return { name, ask };
}

/**
 * An HTTP probe: a status from 200 to 399 in time is alive. Each time it makes a new connection.
 *
 * @param {string} name
 * @param {(target: Target) => string} url
 * @returns {Observer}
 */
function http(name, url) {
  const ask = (target) =>
    new Promise((settle) => {
      const signal = AbortSignal.timeout(HTTP_TIMEOUT_MS);
      get(url(target), { agent: false, signal }, (response) => {
        response.resume();
        const { statusCode } = response;
        settle({ alive: statusCode >= 200 && statusCode < 400, said: String(statusCode) });
      }).on('error', (error) => {
        settle({ alive: false, said: signal.aborted ? 'timeout' : error.code });
      });
    });
  return { name, ask };
}
