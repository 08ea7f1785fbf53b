// npm run bench:containers [-- --only 22,24 | --except 20]: measures what a probe costs in a real container with this Node, and
// with each Node how much room the container must have for it. Needs root and runc.

import { buildSync } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosen, nodes } from '../test/support/nodes.mjs';
import { median, print } from './report.mjs';

process.chdir(join(import.meta.dirname, '..'));
const { BUSYBOX, DASH, MIB, NODE, Sandbox, until } = tests();

const EMPTY = ['node', '/app/empty.js'];
const PROBES = { 'busybox sh': BUSYBOX, dash: DASH, 'liveness.js': NODE };
const COMMANDS = { true: ['busybox', 'true'], 'node, empty script': EMPTY, ...PROBES };
const ROUNDS = 100;
const OF = 20;
/** How often each headroom is measured. */
const TIMES = 3;

/** A service that beats once with a long limit, so that only the probe costs anything. */
const QUIET = { env: { LIMIT: '3600000', TURN: '1000000' } };

/** Compiles and imports the tests' containers, which are TypeScript. */
function tests() {
  const folder = mkdtempSync(join(tmpdir(), 'liveness-bench-'));
  try {
    const outfile = join(folder, 'containers.cjs');
    buildSync({
      entryPoints: [join(process.cwd(), 'test/support/containers.ts')],
      bundle: true,
      platform: 'node',
      outfile,
    });
    return createRequire(import.meta.url)(outfile);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const row = (name, ...cells) => {
  print(name.padEnd(30) + cells.map((cell) => String(cell).padStart(18)).join(''));
};

/** @param {import('../test/support/containers').Sandbox} sandbox */
async function costs(sandbox) {
  const container = await sandbox.runc({ ...QUIET, memory: 64 * MIB });
  await container.says(0, BUSYBOX);
  const measured = Object.keys(COMMANDS).map((name) => ({ name, time: [], cpu: [], charge: [], kernel: [] }));
  const usage = (name) => Number(container.read(`memory/memory.${name}_in_bytes`));
  for (let round = -2; round < ROUNDS; round++) {
    // In random order, because memory that the kernel frees late counts for the next probe.
    for (const { name, time, cpu, charge, kernel } of measured.toSorted(() => Math.random() - 0.5)) {
      container.write('memory/memory.force_empty', 0); // also frees the reserve of each processor
      container.write('memory/memory.max_usage_in_bytes', 0);
      container.write('memory/memory.kmem.max_usage_in_bytes', 0);
      const burnt = Number(container.read('cpuacct/cpuacct.usage'));
      const before = { charge: usage('usage'), kernel: usage('kmem.usage') };
      const { code, milliseconds } = await container.exec(COMMANDS[name]).ended;
      if (code !== 0) throw new Error(`${name} exited ${code}`);
      if (round < 0) continue; // the first two warm the page cache
      time.push(milliseconds);
      cpu.push((Number(container.read('cpuacct/cpuacct.usage')) - burnt) / 1e6);
      charge.push((usage('max_usage') - before.charge) / MIB);
      kernel.push((usage('kmem.max_usage') - before.kernel) / MIB);
    }
  }
  row(`runc exec, median of ${ROUNDS}`, 'time', 'CPU', 'charge', 'of the kernel');
  for (const { name, time, cpu, charge, kernel } of measured) {
    const mebibytes = [charge, kernel].map((values) => `${median(values).toFixed(2)} MiB`);
    row(name, `${median(time).toFixed(0)} ms`, `${median(cpu).toFixed(1)} ms`, ...mebibytes);
  }
  await container.kill();
}

/** How long a probe takes under several processor limits. */
async function limits(sandbox) {
  const [names, rounds] = [Object.keys(PROBES), 10];
  const cases = [
    ['no limit', {}],
    ['100m', { cpu: 100 }],
    ['50m', { cpu: 50 }],
    ['50m, all of it used', { cpu: 50, env: { BUSY: '20', TURN: '1' } }],
  ];
  row(`time, median (longest) of ${rounds}`, ...names);
  for (const [name, limit] of cases) {
    const container = await sandbox.runc({ ...limit, memory: 64 * MIB });
    await container.says(0, BUSYBOX);
    const taken = names.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, probe] of names.entries())
        taken[index].push((await container.exec(PROBES[probe]).ended).milliseconds);
    }
    row(name, ...taken.map((times) => `${median(times).toFixed(0)} (${Math.max(...times).toFixed(0)}) ms`));
    await container.kill();
  }
}

/** How much of 64 MiB the service and its probes use, also if the page cache of the image is empty (cold). */
async function fit(sandbox) {
  row('of a memory limit of 64 MiB', 'then', 'at most', 'limit met', 'killed');
  for (const cold of [false, true]) {
    for (const [name, probe] of Object.entries({ 'service alone': undefined, ...PROBES })) {
      if (cold) sandbox.forgetImage();
      const container = await sandbox.runc({ memory: 64 * MIB });
      await until(() => container.heartbeat !== '');
      for (let round = 0; probe && round < OF; round++) {
        const { code } = await container.exec(probe).ended;
        if (code !== 0) throw new Error(`${name} exited ${code}`);
      }
      const usage = (name) => `${(Number(container.read(`memory/memory.${name}_in_bytes`)) / MIB).toFixed(1)} MiB`;
      const met = `${container.read('memory/memory.failcnt')} times`;
      const title = `${probe ? `… and ${OF} times ` : ''}${name}${cold ? ', cold' : ''}`;
      row(title, usage('usage'), usage('max_usage'), met, container.outOfMemory);
      await container.kill();
    }
  }
}

/** How much of a resource must be free so that 20 probes succeed, each within 10 s, and nothing is killed. */
async function headroom(sandbox, command, resource, { most, step }) {
  const suffices = async (spare) => {
    const container = await sandbox.runc(QUIET);
    try {
      await container.says(0, BUSYBOX);
      container.leave({ [resource]: spare });
      for (let round = 0; round < OF; round++) {
        const { code } = await container.exec(command, 10).ended;
        if (code !== 0 || container.outOfMemory > 0) return false;
      }
      return container.isRunning();
    } catch {
      return false;
    } finally {
      await container.kill();
    }
  };
  let low = 0;
  let high = most;
  while (high - low > step) {
    const middle = Math.round((low + high) / 2 / step) * step;
    if (await suffices(middle)) high = middle;
    else low = middle;
  }
  return high;
}

async function headrooms(sandbox, commands) {
  for (const [name, command] of Object.entries(commands)) {
    const memory = [];
    const threads = [];
    for (let time = 0; time < TIMES; time++) {
      const bytes = await headroom(sandbox, command, 'memory', { most: 16 * MIB, step: MIB / 4 });
      memory.push(bytes / MIB);
      threads.push(await headroom(sandbox, command, 'threads', { most: 32, step: 1 }));
    }
    row(name, `${memory.join(', ')} MiB`, threads.join(', '));
  }
}

/** Opens containers with this Node, and always closes them. */
async function inContainers(node, measure) {
  const sandbox = await Sandbox.open(node);
  try {
    await measure(sandbox);
  } finally {
    await sandbox.close();
  }
}

const own = Number(process.versions.node.split('.')[0]);
const { majors } = chosen(process.argv.slice(2));
if (majors.includes(own)) {
  await inContainers(process.execPath, async (sandbox) => {
    for (const measure of [costs, limits, fit]) {
      await measure(sandbox);
      print('');
    }
  });
}
row(`headroom for ${OF} of ${OF}, ${TIMES} times`, 'memory', 'threads');
if (majors.includes(own)) await inContainers(process.execPath, (sandbox) => headrooms(sandbox, COMMANDS));
for (const { version, path } of nodes(majors.filter((major) => major !== own))) {
  await inContainers(path, (sandbox) =>
    headrooms(sandbox, {
      [`node ${version}, empty script`]: EMPTY,
      [`liveness.js, node ${version}`]: NODE,
    }),
  );
}
print(
  'This is runc alone. Under a kubelet leave 6 MiB for liveness.sh, 12 MiB for liveness.js: any exec takes some 3 MiB.',
);
