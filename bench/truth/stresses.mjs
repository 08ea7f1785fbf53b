// Rows of docs/truth.md in which the service should stay alive. Each does to it, or to its machine, what the row's name says.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { INSTRUMENTS, TEN_HANDLERS, until } from './harness.mjs';

const MIB = 2 ** 20;

/** A row in which a loop or handler gets a word. With `proof` it must also report that it does what the word says. */
function stress(id, row, how, { loop = 'main', word, proof, isProof = () => true, alone, asks, lost, ...options }) {
  const prepare = async (harness) => {
    const service = await harness.service(options);
    const act = async () => {
      const proven = proof && service.heard(proof);
      await service.tell(loop, word);
      const said = await proven;
      if (!isProof(said)) throw new Error(`expected ${word}; it said ${JSON.stringify(said)}`);
    };
    return { target: service.target, act };
  };
  return { id, row, how, alone, asks, lost, prepare };
}

/** Runs one probe at a time, because a container has one liveness probe, and here room for only one. */
function oneAtATime(ask) {
  let last = Promise.resolve();
  return (observer, target) => (last = last.then(() => ask(observer, target)));
}

function run(command) {
  const [program, ...args] = command;
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { ok: status === 0, said: `${stdout}${stderr}`.trim() };
}

function mustRun(command) {
  const { ok, said } = run(command);
  if (!ok) throw new Error(`${command.join(' ')}: ${said}`);
  return said;
}

const isRoot = process.geteuid() === 0;
const canFreeze = isRoot && ['mkfs.ext4', 'losetup', 'fsfreeze'].every((tool) => run([tool, '-V']).ok);
const WITHOUT_DISKS = canFreeze ? undefined : 'root, e2fsprogs or util-linux';
const without = (controller) =>
  isRoot && existsSync(`/sys/fs/cgroup/${controller}/cgroup.procs`)
    ? undefined
    : `root, or the ${controller} controller of cgroup v1`;

/** A control group of this row. Its `enter` runs a command there. */
function controlGroup(harness, controller, settings = {}) {
  const folder = `/sys/fs/cgroup/${controller}/liveness-${process.pid}-${groups++}`;
  mkdirSync(folder);
  harness.atTheEnd(`i=0; while [ -d ${folder} ] && ! rmdir ${folder} && [ $((i += 1)) -lt 300 ]; do sleep 0.1; done`);
  const get = (name) => readFileSync(join(folder, name), 'utf8');
  const set = (name, value) => {
    writeFileSync(join(folder, name), String(value));
  };
  for (const [name, value] of Object.entries(settings)) set(name, value);
  return { get, set, enter: ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(folder, 'cgroup.procs')] };
}
let groups = 0;

/** Disks that only commands run by `enter` see. */
async function disks(harness, kinds) {
  const folders = kinds.map((kind) => join(harness.folder, kind));
  const mounts = kinds.map((kind, index) => {
    mkdirSync(folders[index]);
    if (kind === 'tmpfs') return `mount -t tmpfs -o size=512k tmpfs ${folders[index]}`;
    const image = `${folders[index]}.image`;
    mustRun(['sh', '-c', `truncate -s 8M ${image} && mkfs.ext4 -q -m 0 ${image}`]);
    return `mount -o loop ${image} ${folders[index]}`;
  });
  const holder = harness.spawn([
    'unshare',
    '--mount',
    'sh',
    '-c',
    `${mounts.join(' && ')} && echo mounted && exec sleep 1000000`,
  ]);
  const [said] = await Promise.race([once(holder.stdout, 'data'), once(holder.stderr, 'data')]);
  if (!String(said).startsWith('mounted')) throw new Error(String(said));
  return { folders, enter: ['nsenter', '--target', String(holder.pid), '--mount'] };
}

function fill(enter, folder) {
  run([...enter, 'sh', '-c', '{ dd if=/dev/zero bs=4k; dd if=/dev/zero bs=1; } >> "$0/fill"', folder]);
  const { ok, said } = run([...enter, 'sh', '-c', 'head -c 5000 /dev/zero > "$0/new"', folder]);
  run([...enter, 'rm', join(folder, 'new')]);
  if (ok || !said.includes('No space left')) throw new Error(`expected a full disk; ${said}`);
}

/** Blocks writes there until the row ends, for a minute at most. A process that tries hangs so long and cannot be killed. */
function freeze(harness, enter, folder) {
  harness.atTheEnd(`fsfreeze --unfreeze ${folder}`, { within: enter, seconds: 60 });
  mustRun([...enter, 'fsfreeze', '--freeze', folder]);
  const { said } = run([...enter, 'fsfreeze', '--freeze', folder]);
  if (!said.includes('busy')) throw new Error(`expected a frozen disk; ${said}`);
}

/** A row on a full disk. */
function fullDisk(id, row, how, kind, { restart }) {
  const prepare = async (harness) => {
    const {
      folders: [folder],
      enter,
    } = await disks(harness, [kind]);
    const options = { folder, wrap: enter, within: enter };
    const service = await harness.service(options);
    const act = async () => {
      fill(enter, folder);
      if (!restart) return service.target;
      service.kill();
      await once(service.child, 'exit');
      fill(enter, folder);
      return (await harness.service(options)).target;
    };
    return { target: service.target, act };
  };
  return { id, row, how, missing: WITHOUT_DISKS, prepare };
}

/** A row in a container with a limit of so many thousandths of a processor. */
function cpuLimit(thousandths) {
  const prepare = async (harness) => {
    const group = controlGroup(harness, 'cpu', { 'cpu.cfs_period_us': 100_000, 'cpu.cfs_quota_us': thousandths * 100 });
    const { target } = await harness.service({ wrap: group.enter, within: group.enter });
    const act = async () => {
      if (/^nr_throttled 0$/m.test(group.get('cpu.stat'))) throw new Error('nothing had to wait for a processor');
    };
    return { target, act, ask: oneAtATime((observer, given) => observer.ask(given)) };
  };
  return {
    id: `cpu-${thousandths}m`,
    row: `CPU limit ${thousandths}m`,
    how: 'service and probes in one control group, one probe at a time',
    missing: without('cpu'),
    prepare,
  };
}

/** A row in which little of a resource is left when a probe starts. If this kills the service, it is started again. */
function squeezed(id, row, how, { controller, squeeze, loosen, settle = () => {}, proof = () => {}, lost }) {
  const prepare = async (harness) => {
    const group = controlGroup(harness, controller);
    const options = { wrap: group.enter, within: group.enter };
    let service = await harness.service(options);
    const { target } = service;
    let isTight = false;
    const ask = oneAtATime(async (observer) => {
      if (isTight) squeeze(group);
      const answer = await observer.ask(target);
      await sleep(20); // gives killed processes time to end
      loosen(group);
      if (service.child.exitCode === null && service.child.signalCode === null) return answer;
      service = await harness.service(options);
      Object.assign(target, service.target);
      settle(group);
      return { alive: false, said: 'dead: killed: the probe took what the service needed' };
    });
    const act = async () => {
      isTight = true;
      settle(group);
      proof(group);
    };
    return { target, act, ask };
  };
  return { id, row, how, missing: without(controller), lost, prepare };
}

const memory = (mib, lost) =>
  squeezed(
    `memory-${mib}`,
    `memory limit nearly reached: ${mib} MiB left`,
    `before each probe the limit is set to what is used and ${mib} MiB; one probe at a time`,
    {
      controller: 'memory',
      squeeze: (group) => {
        group.set(
          'memory.limit_in_bytes',
          Math.ceil(Number(group.get('memory.usage_in_bytes')) / 4096) * 4096 + mib * MIB,
        );
      },
      loosen: (group) => {
        group.set('memory.limit_in_bytes', -1);
      },
      settle: (group) => {
        group.set('memory.force_empty', 0);
      }, // because memory that can be reclaimed counts as room
      lost,
    },
  );

const pids = (count, lost) =>
  squeezed(
    `pids-${count}`,
    `pids limit nearly reached: ${count} left`,
    `before each probe the limit is set to the threads there are and ${count}; one probe at a time`,
    {
      controller: 'pids',
      squeeze: (group) => {
        tighten(group, count);
      },
      loosen: (group) => {
        group.set('pids.max', 'max');
      },
      proof: (group) => {
        tighten(group, count);
        const { said } = run([...group.enter, 'sh', '-c', `${'sleep 0.5 & '.repeat(count + 1)} wait`]);
        if (!said.includes('fork')) throw new Error(`expected no room for ${count + 1} processes more; ${said}`);
        group.set('pids.max', 'max');
      },
      lost,
    },
  );
function tighten(group, count) {
  group.set('pids.max', Number(group.get('pids.current')) + count);
}

const LIBFAKETIME = '/usr/$LIB/faketime/libfaketime.so.1';
const anHourAgo = run(['env', `LD_PRELOAD=${LIBFAKETIME}`, 'FAKETIME=-1h', 'date', '+%s']).said;
const WITHOUT_FAKETIME = Number(anHourAgo) < Date.now() / 1000 - 3000 ? undefined : 'libfaketime';

/**
 * A row in which the service and its probes see another clock than the kernel. The loop waits for a quarter of the limit, as
 * README's does.
 *
 * @param {object} plan
 * @param {Record<string, string>} [plan.env]
 * @param {() => number} [plan.begin] seconds that the clock is off by when the service starts
 * @param {readonly number[]} [plan.steps] and then, in turns
 * @param {(date: (format: string) => string, service: import('./harness.mjs').Service) => Promise<void>} [plan.ready]
 */
function clock(id, row, how, { env = {}, begin = () => 0, steps = [], ready = () => {} }) {
  const prepare = async (harness) => {
    const file = join(harness.folder, 'clock');
    const set = (seconds) => {
      writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`);
      renameSync(`${file}.new`, file);
    };
    const faked = {
      ...env,
      LD_PRELOAD: LIBFAKETIME,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
    set(begin());
    // libfaketime leaves these behind if a process is killed.
    harness.atTheEnd(
      'sleep 1; for f in /dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_*; do [ -d "/proc/${f##*_}" ] || rm -f "$f"; done',
    );
    const within = ['env', ...Object.entries(faked).map(([name, value]) => `${name}=${value}`)];
    const service = await harness.service({ env: faked, within });
    await service.tell('main', 'wait 750');
    const date = (format) => mustRun([...within, 'date', `+${format}`]);
    const act = async () => {
      await ready(date, service);
      if (steps.length === 0) return;
      const [first, ...rest] = steps;
      set(first);
      const isFirst = (seconds) => Math.abs(seconds - Date.now() / 1000 - first) < 5;
      await until('a probe sees the step', () => isFirst(Number(date('%s'))));
      const timers = rest.map((seconds, index) => setTimeout(set, (index + 1) * 3300, seconds));
      harness.undo(() => {
        timers.forEach(clearTimeout);
      });
      // Not awaited: a probe may well come before the next beat.
      until('the service sees the step', () => isFirst(statSync(service.target.touch).mtimeMs / 1000)).catch(
        (error) => {
          if (error.code !== 'ENOENT') process.stderr.write(`truth: ${id}: ${error.message}\n`); // unless the row is over
        },
      );
    };
    return { target: service.target, act };
  };
  return { id, row, how, missing: WITHOUT_FAKETIME, prepare };
}

/** A row in which somebody does something to each of the service's files, again and again. */
function lostFiles(id, row, how, lose, lost) {
  const prepare = async (harness) => {
    const { target } = await harness.service();
    const inDirectory = ['pid', 'error', 'timestamp'].map((name) => join(target.directory, name));
    const files = [...target.heartbeats, ...inDirectory, target.touch, target.pidFile];
    const act = async () => {
      const loseAll = () => {
        files.forEach((file) => {
          lose(file);
        });
      };
      loseAll();
      const timer = setInterval(loseAll, 2500);
      harness.undo(() => {
        clearInterval(timer);
      });
    };
    return { target, act };
  };
  return { id, row, how, lost, prepare };
}

const HOUR = 3600;
const TEN_YEARS = 3652 * 24 * HOUR;
/** Europe sets its clocks back from 3 to 2 o'clock at this moment. */
const DST_ENDS = Date.UTC(2026, 9, 25, 1) / 1000;

/** By what an observer asks, and so what of a service it needs. */
const instrument = ({ name }) =>
  ({
    'liveness.js': 'heartbeat',
    'liveness.sh': 'heartbeat',
    'process directory': 'directory',
    lightship: 'lightship',
    terminus: 'terminus',
    pid: 'pid',
  })[name] ?? 'touch';

const NEEDS_MEMORY =
  'Node itself needs more to start (6 MiB on Node 20), and the kernel kills what is largest in the ' +
  'container, the service. Leave 12 MiB, or take `liveness.sh`';
const NEEDS_THREADS =
  'Node itself needs 6 threads to start, and hangs or aborts with fewer. Leave them, or take ' +
  '`liveness.sh`, which needs one';
const FROZEN =
  'a beat is a synchronous write, and waits for the disk with the whole loop. Use a directory in memory: see the ' +
  'row before';
const REPLACED =
  '`refresh()` puts back a pid and an error that are gone, and leaves alone what somebody has put in their ' +
  'place. Nobody but the service should write there';

/** @type {readonly import('./wedges.mjs').Scenario[]} */
export const stresses = [
  stress('slow-dependency', 'dependency slow for 30 s', 'every call hangs; the loop waits 750 ms for each', {
    word: 'outage 30000 750',
    proof: 'givenUp',
    asks: 30,
  }),
  clock('dst', 'daylight saving time ends', 'in Berlin, while it is watched', {
    env: { TZ: 'Europe/Berlin' },
    begin: () => Math.round(DST_ENDS - 30 - Date.now() / 1000),
    ready: async (date) => {
      if (date('%Z') !== 'CEST') throw new Error('expected to be ready before the end of daylight saving time');
      await until('it is near', () => Number(date('%s')) >= DST_ENDS - 3);
    },
  }),
  clock('step-hour', 'clock stepped ±1 h', 'forward, back and back again', { steps: [HOUR, 0, -HOUR] }),
  clock('step-years', 'clock stepped ±10 years', 'forward, back and back again', { steps: [TEN_YEARS, 0, -TEN_YEARS] }),
  clock('zone', 'time zone changed', 'of the running service', {
    env: { TZ: 'Pacific/Kiritimati' },
    ready: async (_, service) => {
      const changed = service.heard('zone');
      await service.tell('main', 'zone Pacific/Pago_Pago');
      if ((await changed).zone !== 660) throw new Error('expected another zone');
    },
  }),
  stress('long-step', 'long step, stated', 'turns of 9 s at a limit of 3 s, each by `refresh({ maximumAge })`', {
    word: 'step 9000',
    proof: 'step',
  }),
  stress('idle', 'idle queue', 'nothing to do; the loop waits 750 ms for it', { word: 'wait 750' }),
  stress(
    'long-job',
    'ten handlers, one long job with a limit of its own',
    'it takes 60 s, and its task may take 120 s; nine go on',
    {
      handlers: TEN_HANDLERS,
      loop: 'mail7',
      word: 'long 60000',
      proof: 'long',
    },
  ),
  stress('idle-gate', 'idle consumer with a gate', 'nothing to do for ten handlers', {
    handlers: TEN_HANDLERS,
    loop: 'mail1',
    word: 'idle',
  }),
  cpuLimit(100),
  cpuLimit(50),
  memory(2, { 'liveness.js': NEEDS_MEMORY }),
  memory(12),
  pids(2, { 'liveness.js': NEEDS_THREADS }),
  pids(8),
  fullDisk('full-tmpfs', 'full disk in memory', 'tmpfs, filled to the last byte', 'tmpfs', { restart: false }),
  fullDisk('full-ext4', 'full disk', 'ext4, filled to the last byte', 'ext4', { restart: false }),
  fullDisk('full-tmpfs-restart', 'full disk in memory, restart', 'killed, and started over its leftover', 'tmpfs', {
    restart: true,
  }),
  fullDisk('full-ext4-restart', 'full disk, restart', 'killed, and started over its leftover', 'ext4', {
    restart: true,
  }),
  lostFiles('deleted', 'files deleted', 'all of them, every 2.5 s', (path) => {
    rmSync(path, { force: true });
  }),
  lostFiles(
    'replaced',
    'files replaced',
    'all of them, every 2.5 s, by others that say "other"',
    (path) => {
      writeFileSync(`${path}.other`, 'other');
      renameSync(`${path}.other`, path);
    },
    { 'process directory': REPLACED },
  ),
  {
    id: 'stalled-disk',
    missing: WITHOUT_DISKS,
    row: 'frozen disk beside a directory in memory',
    how: 'the loop writes a log to it, and waits 750 ms at most',
    prepare: async (harness) => {
      const {
        folders: [disk, folder],
        enter,
      } = await disks(harness, ['ext4', 'tmpfs']);
      const service = await harness.service({ folder, wrap: enter, within: enter });
      await service.tell('main', `log ${join(disk, 'log')} 750`);
      const act = async () => {
        freeze(harness, enter, disk);
        await service.heard('givenUp');
      };
      return { target: service.target, act };
    },
    asks: 8,
  },
  {
    id: 'frozen-disk',
    missing: WITHOUT_DISKS,
    row: 'frozen disk under the heartbeat',
    how: 'a service for each observer, which does nothing on that disk for the others',
    asks: 8,
    prepare: async (harness) => {
      const {
        folders: [disk],
        enter,
      } = await disks(harness, ['ext4']);
      const services = new Map();
      for (const name of INSTRUMENTS) {
        const folder = join(disk, name);
        mustRun([...enter, 'mkdir', folder]);
        services.set(name, await harness.service({ folder, wrap: enter, within: enter, instruments: [name] }));
      }
      const ask = (observer) => observer.ask(services.get(instrument(observer)).target);
      return {
        target: {},
        ask,
        act: async () => {
          freeze(harness, enter, disk);
        },
      };
    },
    lost: { 'liveness.js': FROZEN, 'liveness.sh': FROZEN },
  },
  stress('lag', 'event-loop lag of half the limit', 'every turn blocks for 5 s at a limit of 10 s', {
    word: 'lag 5000',
    proof: 'lag',
    limit: 10_000,
    asks: 15,
  }),
  stress(
    'garbage',
    'garbage-collection pauses',
    'millions of objects are looked through in every turn: pauses of 0.25 s',
    {
      word: 'garbage 250',
      proof: 'pause',
      node: ['--expose-gc', '--single-threaded-gc'],
      alone: true,
    },
  ),
  stress('hot', 'hot writer', 'the loop beats without a pause, and every beat is written', {
    word: 'hot',
    proof: 'failedWrites',
    isProof: ({ failedWrites }) => failedWrites === 0,
    alone: true,
  }),
  {
    id: 'neighbours',
    row: '100 % CPU neighbours',
    how: 'two busy processes for each core',
    alone: true,
    prepare: async (harness) => {
      const { target } = await harness.service();
      const act = async () => {
        for (let busy = 0; busy < 2 * cpus().length; busy++) {
          harness.spawn(['sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });
        }
        const before = cpus();
        await sleep(500);
        const idle = cpus().reduce((sum, { times }, index) => sum + times.idle - before[index].times.idle, 0);
        if (idle > 0.1 * 500 * cpus().length) throw new Error('expected no processor to be idle');
      };
      return { target, act };
    },
  },
];
