// Makes one row of docs/truth.md: starts services, in containers if asked, and cleans up everything.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE } from './observers.mjs';

/** How old a beat may be, unless a row says otherwise. */
const LIMIT_MS = 3000;

/** The slots of a framework's consumer, each of which calls the handler for one job at a time. */
export const TEN_HANDLERS = Array.from({ length: 10 }, (_, index) => `mail${index + 1}`);

/** The ways in which a service can be asked. */
export const INSTRUMENTS = ['heartbeat', 'directory', 'touch', 'pid', 'lightship', 'terminus'];
const SERVICE = join(import.meta.dirname, 'service.mjs');
// When it ends, all its processes end, also if the run is killed.
const CONTAINER = ['unshare', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'];
const WITH_US = ['setpriv', '--pdeathsig', 'KILL'];

/**
 * @typedef {object} ServiceOptions
 * @property {string} [folder] the folder of its files; default: a new folder, the same for the whole row
 * @property {number} [limit] milliseconds
 * @property {readonly string[]} [loops] the loops' names
 * @property {readonly string[]} [instruments] the ways in which it is asked; default: all
 * @property {boolean} [container] in a pid and a mount namespace of its own
 * @property {readonly string[]} [wrap] a command that runs the service, in the container if there is one
 * @property {readonly string[]} [within] a command that runs exec probes; default: in the container if there is one
 * @property {readonly string[]} [node] flags of node
 * @property {Record<string, string>} [env]
 * @property {boolean} [thread] one more loop, in a worker thread
 * @property {boolean} [samePath] every loop beats the path of the first loop, each with its own Timestamp
 * @property {boolean} [shared] every loop is a task of the same Timestamp
 * @property {readonly string[]} [handlers] instead of loops of its own it has a framework's consumer, with these slots
 */

/**
 * @typedef {object} Service
 * @property {number} pid as this process sees it
 * @property {number} innerPid as its container sees it
 * @property {import('./observers.mjs').Target} target
 * @property {(loop: string, word: string) => Promise<unknown>} tell makes a loop go wrong; settles when the loop has read it
 * @property {(key: string) => Promise<any>} heard the next line that the service prints with this key
 * @property {(signal?: string) => void} kill
 * @property {import('node:child_process').ChildProcess} child
 */

export class Harness {
  #undo = [];
  #folder;

  /** The folder of this row. */
  get folder() {
    if (this.#folder === undefined) {
      this.#folder = mkdtempSync(join(tmpdir(), 'truth-'));
      this.atTheEnd(`i=0; until rm -rf ${this.#folder} || [ $((i += 1)) -ge 300 ]; do sleep 0.1; done`);
    }
    return this.#folder;
  }

  /** Registers what is done at the end, in reverse order. */
  undo(act) {
    this.#undo.push(act);
  }

  /**
   * Runs a line of shell when this row or the whole run ends, also by SIGKILL.
   *
   * @param {string} script
   * @param {{ within?: readonly string[], seconds?: number }} [options] `within`: a command that runs it; `seconds`: the
   *   longest wait for its end
   */
  atTheEnd(script, { within = [], seconds = 0 } = {}) {
    const [program, ...args] = [...within, 'sh', '-c', `timeout ${seconds} cat; { ${script}; } 2>/dev/null`];
    const janitor = spawn(program, args, { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
    const ended = once(janitor, 'exit');
    janitor.stdin.on('error', () => {
      /* the shell has ended */
    });
    this.undo(async () => {
      janitor.stdin.end();
      await ended;
    });
  }

  async end() {
    for (const act of this.#undo.splice(0).reverse()) await act();
  }

  /** Starts a process that ends with this row. */
  spawn(command, { env, stdio = ['pipe', 'pipe', 'pipe'] } = {}) {
    const [program, ...args] = [...WITH_US, ...command];
    const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio });
    child.stdin?.on('error', () => {
      /* it has ended */
    });
    this.undo(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    return child;
  }

  /**
   * Starts a service and waits until it works.
   *
   * @param {ServiceOptions} given
   * @returns {Promise<Service>}
   */
  async service(given = {}) {
    const { child, lines, target } = this.#start(given);
    const { pid: innerPid, lightship, terminus } = await lines.heard('pid');
    Object.assign(target, { lightship, terminus });
    if (given.container && !given.within) target.within = inside(childrenOf(child.pid)[0]);
    const pid = given.container ? descendants(child.pid).find((each) => pidsOf(each).at(-1) === innerPid) : innerPid;
    return {
      pid,
      innerPid,
      child,
      target,
      heard: lines.heard,
      kill: (signal = 'SIGKILL') => {
        process.kill(pid, signal);
      },
      tell: (loop, word) => {
        const heard = lines.heard('word');
        child.stdin.write(`${loop} ${word}\n`);
        return heard;
      },
    };
  }

  /** Starts a service that must refuse to start, and settles with its exit code and output. */
  async refused(given) {
    const { child, lines } = this.#start(given);
    await Promise.race([once(child, 'close'), sleep(30_000, undefined, { ref: false })]);
    if (child.exitCode === null) throw new Error('the service was to refuse to start');
    return { code: child.exitCode, said: lines.errors() };
  }

  /** Runs a command as the first process of a container; settles at its first output with its pid in our namespace. */
  async container(command) {
    const child = this.spawn([...CONTAINER, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    const failed = once(child, 'close').then(() => {
      throw new Error('the container did not start');
    });
    await Promise.race([once(child.stdout, 'data'), failed]);
    return childrenOf(child.pid)[0];
  }

  #start(given) {
    const {
      folder = this.folder,
      limit = LIMIT_MS,
      handlers,
      loops = handlers ? [] : ['main'],
      instruments = INSTRUMENTS,
      wrap = [],
      node = [],
    } = given;
    const names = given.shared || given.samePath ? loops.slice(0, 1) : given.thread ? [...loops, 'thread'] : loops;
    const target = {
      limit,
      within: given.within ?? [],
      heartbeats: names.length <= 1 ? [join(folder, 'timestamp')] : names.map((name) => join(folder, name)),
      directory: join(folder, 'process'),
      touch: join(folder, 'touched'),
      pidFile: join(folder, 'pid'),
    };
    const { thread, samePath, shared } = given;
    const options = { ...target, loops, instruments, thread, samePath, shared, handlers };
    const command = [...(given.container ? CONTAINER : []), ...wrap, NODE, ...node, SERVICE, JSON.stringify(options)];
    const child = this.spawn(command, { env: given.env });
    return { child, target, lines: listen(child) };
  }
}

/** Passes a service's lines to those who wait for their keys. */
function listen(child) {
  const waiting = [];
  let errors = '';
  child.stderr.on('data', (data) => {
    errors += data;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line);
    const index = waiting.findIndex(({ key }) => key in said);
    if (index >= 0) waiting.splice(index, 1)[0].settle(said);
  });
  child.on('close', (code, signal) => {
    for (const { key, fail } of waiting) fail(new Error(`ended (${code ?? signal}) before it said ${key}: ${errors}`));
  });
  const heard = (key) =>
    new Promise((settle, fail) => {
      waiting.push({ key, settle, fail });
    });
  return { heard, errors: () => errors };
}

/** Waits until `isSo` returns true. */
export async function until(what, isSo) {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(20)) if (isSo()) return;
  throw new Error(`expected within 30 s: ${what}`);
}

/** The command that runs another one in the container of this first process. */
export function inside(pid) {
  return ['nsenter', '--target', String(pid), '--pid', '--mount'];
}

/** @returns {number[]} */
export function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statusOf(name, 'PPid') === String(pid))
    .map(Number);
}

function descendants(pid) {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

/** The pids of a process in each namespace, from ours inwards. */
function pidsOf(pid) {
  return (statusOf(pid, 'NSpid') ?? '').split(/\s+/).map(Number);
}

/** A field of /proc/PID/status; undefined if the process has ended. */
export function statusOf(pid, field) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(status)?.[1];
  } catch {
    return undefined;
  }
}
