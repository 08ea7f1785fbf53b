// Rows of docs/truth.md in which the service should be dead. Each starts a healthy service, and does to it what the row's name says.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE, observers } from './observers.mjs';
import { INSTRUMENTS, inside, statusOf, TEN_HANDLERS, until } from './harness.mjs';

/**
 * A row. `prepare` starts a service that must be alive for every observer. Then `act` does what the row is about; it may
 * return another target to ask from then on.
 *
 * @typedef {object} Scenario
 * @property {string} id
 * @property {string} row its name in the table
 * @property {string} how what is done, in one line
 * @property {string} [missing] what this machine lacks for it; then the row is left out with a message
 * @property {Record<string, string>} [lost] why observers of this library give the wrong answer
 * @property {boolean} [alone] runs alone, because it would disturb other rows
 * @property {number} [asks] how often each observer is asked; default: see run.mjs
 * @property {(harness: import('./harness.mjs').Harness) => Promise<Prepared>} prepare
 */

/**
 * @typedef {object} Prepared
 * @property {import('./observers.mjs').Target} target
 * @property {() => Promise<import('./observers.mjs').Target | void>} act
 * @property {(observer: import('./observers.mjs').Observer, target: any) => Promise<import('./observers.mjs').Answer>} [ask]
 *   how an observer is asked, if not simply by `ask`
 * @property {readonly string[]} [refused] observers whose service refused to start
 */

const HEARTBEATS = ['liveness.js', 'liveness.sh'];
const DIRECTORY = 'process directory';

const NO_LIMIT = {
  [DIRECTORY]:
    'without a limit it says that the process is there and has set no error. A subclass of `ProcessTimestamp` ' +
    'with a `maximumAge` is `stale` here, as the two columns before it',
};
const ONE_DIRECTORY = {
  [DIRECTORY]:
    'one directory speaks for the whole process, and only the main loop beats there. Give each loop a heartbeat, or in one thread a task',
};
/** The same reason for several observers. */
const each = (names, reason) => Object.fromEntries(names.map((name) => [name, reason]));
const WITHOUT_ROOT = process.geteuid() === 0 ? undefined : 'root';

/** A row in which loops or handlers get a word. */
function wedge(id, row, how, { loop = 'main', word, orders = [[loop, word]], lost = NO_LIMIT, proof, ...options }) {
  const prepare = async (harness) => {
    const service = await harness.service(options);
    const act = async () => {
      const proven = proof && service.heard(proof);
      for (const order of orders) await service.tell(...order);
      await proven;
    };
    return { target: service.target, act };
  };
  return { id, row, how, lost, prepare };
}

/** A row in which handlers that a framework calls get words. */
function handlers(id, row, how, orders, { lost } = {}) {
  return wedge(id, row, how, { handlers: TEN_HANDLERS, orders, lost: lost ?? {} });
}

// A container's first process. It passes its input on, because a background job reads /dev/null, and the service ends with its input.
const REAPING = ['sh', '-c', 'exec 3<&0; "$@" <&3 & wait $!; exec sleep 1000000', 'sh'];
const NOT_REAPING = ['sh', '-c', 'exec 3<&0; "$@" <&3 & exec sleep 1000000', 'sh'];

/** A row in which the process is killed; `then` may do more. */
function killed(id, row, how, { init, lost, then }) {
  const prepare = async (harness) => {
    const service = await harness.service({ container: true, wrap: init });
    const act = async () => {
      service.kill();
      await then(service);
    };
    return { target: service.target, act };
  };
  return { id, row, how, missing: WITHOUT_ROOT, lost, prepare };
}

/** A row in which a container ends, and a new one with the same files hangs before it beats or listens. */
function restarted(id, row, how, { setup = () => [], says }) {
  const prepare = async (harness) => {
    const before = await harness.service({ container: true, limit: 60_000 });
    const act = async () => {
      before.kill();
      const init = await harness.container([
        ...setup(harness.folder),
        NODE,
        '-e',
        'console.log(); setInterval(() => {}, 1e6)',
      ]);
      const target = { ...before.target, within: inside(init) };
      await expectSaid(target, says);
      return target;
    };
    return { target: before.target, act };
  };
  return { id, row, how, missing: WITHOUT_ROOT, prepare };
}

/** Expects liveness.sh to give the reason that the row is about. */
async function expectSaid(target, words) {
  const { said } = await observers.find(({ name }) => name === 'liveness.sh').ask(target);
  if (!said.includes(words)) throw new Error(`liveness.sh was to say "${words}", and said "${said}"`);
}

const hasEnded = (pid) => () => statusOf(pid, 'State') === undefined;

/** Gives a pid of a container to another process. */
function reuse({ target, innerPid }) {
  const script = `echo ${innerPid - 1} > /proc/sys/kernel/ns_last_pid; sleep 1000000 > /dev/null & echo $!`;
  const [command, ...args] = [...target.within, 'sh', '-c', script];
  for (let tries = 0; tries < 100; tries++) {
    const { stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (Number(stdout) === innerPid) return;
  }
  throw new Error(`pid ${innerPid} was to be used again`);
}

/** Imitates another boot by a file over the kernel's boot id. */
function otherBoot(folder) {
  const file = join(folder, 'boot_id');
  writeFileSync(file, '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n');
  return ['sh', '-c', `mount --bind ${file} /proc/sys/kernel/random/boot_id && exec "$@"`, 'sh'];
}

/** @type {readonly Scenario[]} */
export const wedges = [
  wedge('busy-loop', 'busy loop', 'the loop calls a function that never returns', { word: 'busy' }),
  wedge('never-settles', 'await that never settles', 'the loop awaits a promise that nobody settles', {
    word: 'never',
  }),
  wedge('loop-exited', 'loop exited, timers go on', 'the loop returns; servers and timers keep the process up', {
    word: 'leave',
  }),
  wedge(
    'deadlock',
    'deadlock between two promises',
    'the loop awaits one of two async functions that await each other',
    {
      word: 'deadlock',
    },
  ),
  {
    id: 'sigstop',
    row: 'SIGSTOP',
    how: 'the process is stopped',
    lost: NO_LIMIT,
    prepare: async (harness) => {
      const service = await harness.service();
      const act = async () => {
        service.kill('SIGSTOP');
        await until('it is stopped', () => statusOf(service.pid, 'State')?.startsWith('T'));
      };
      return { target: service.target, act };
    },
  },
  killed('killed', 'killed, a supervisor stays', "SIGKILL, while the container's first process, its parent, lives on", {
    init: REAPING,
    then: ({ pid }) => until('it has ended', hasEnded(pid)),
  }),
  killed('zombie', 'zombie', "SIGKILL, and the container's first process never asks for its exit code", {
    init: NOT_REAPING,
    then: ({ pid }) => until('it is a zombie', () => statusOf(pid, 'State')?.startsWith('Z')),
  }),
  killed('pid-reused', 'pid reused', 'SIGKILL, and another process of the container gets its pid', {
    init: REAPING,
    then: async (service) => {
      await until('it has ended', hasEnded(service.pid));
      reuse(service);
      await expectSaid(service.target, 'is not the one that beat');
    },
  }),
  restarted(
    'restarted',
    'container restarted over leftovers',
    'a container on the same volume hangs before its first beat and before it listens; its pid is 1 as before, ' +
      'and the limit is 60 s',
    { says: 'process 1 is not the one that beat' },
  ),
  restarted('rebooted', 'node rebooted', 'the same, and the kernel names another boot', {
    setup: otherBoot,
    says: 'beat in another boot',
  }),
  wedge('error-set', 'error set', 'the service sets error 1, and its health check for terminus fails; its loop turns', {
    word: 'unwell',
    lost: each(
      HEARTBEATS,
      'a heartbeat says that the loop turns, not how the service is. A process directory says that',
    ),
  }),
  wedge(
    'one-of-three',
    'one of three loops dead',
    'the third loop returns; two go on, and touch the touch file as it did',
    {
      lost: ONE_DIRECTORY,
      loops: ['mail', 'jobs', 'sync'],
      loop: 'sync',
      word: 'leave',
    },
  ),
  wedge(
    'thread',
    'worker thread dead',
    'a worker thread with a loop of its own throws; the main thread logs that and goes on',
    {
      lost: ONE_DIRECTORY,
      thread: true,
      loop: 'thread',
      word: 'throw',
      proof: 'thread',
    },
  ),
  {
    id: 'same-path',
    row: 'two loops on one path, one wedged',
    how:
      'a `Timestamp` for each: the first beat of the second one throws `ERR_HEARTBEAT_IN_USE`, as does a second `load()`, ' +
      'and the service ends with exit code 1. The others are asked about a service without us, whose second loop awaits for ever',
    prepare: async (harness) => {
      const loops = ['mail', 'jobs'];
      for (const instrument of ['heartbeat', 'directory']) {
        const { code, said } = await harness.refused({ loops, samePath: true, instruments: [instrument] });
        if (code !== 1 || !said.includes('ERR_HEARTBEAT_IN_USE'))
          throw new Error(`the service ended with ${code}: ${said}`);
      }
      const instruments = INSTRUMENTS.filter((name) => !['heartbeat', 'directory'].includes(name));
      const service = await harness.service({ loops, instruments });
      const act = async () => {
        await service.tell('jobs', 'never');
      };
      return { target: service.target, act, refused: [...HEARTBEATS, DIRECTORY] };
    },
  },
  wedge(
    'shared',
    'two loops share one Timestamp, one wedged',
    'each loop begins a task and refreshes it on each turn, also in the process directory; the second loop awaits for ever',
    { loops: ['mail', 'jobs'], shared: true, loop: 'jobs', word: 'never' },
  ),
  handlers('one-of-ten', 'one of ten handlers hung', 'it awaits a promise that nobody settles; nine go on', [
    ['mail7', 'never'],
  ]),
  handlers(
    'all-hung',
    'all handlers hung',
    'all ten do',
    TEN_HANDLERS.map((name) => [name, 'never']),
  ),
  handlers('hung-idle', 'handler hung while the queue is idle', 'one does, and no more jobs come', [
    ['mail7', 'never'],
    ['mail1', 'idle'],
  ]),
  handlers(
    'consumer-stopped',
    'consumer stopped, process up',
    'it says that it no longer runs, and takes no more jobs',
    [['mail1', 'stop']],
    {
      lost: NO_LIMIT,
    },
  ),
  wedge(
    'jobs-fail',
    'every job failing while the loop turns',
    'each job throws, the loop logs that and takes the next',
    {
      word: 'fail',
      proof: 'failedJobs',
      lost: each(
        [...HEARTBEATS, DIRECTORY],
        'the loop turns, and a beat says no more; the service sets no error. Alert on failed jobs',
      ),
    },
  ),
];
