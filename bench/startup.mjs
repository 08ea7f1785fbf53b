// Compares a Node probe with a script that does nothing, on the Node that runs this file.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { costs, DIST, times, withHeartbeat } from './children.mjs';
import { figure, median } from './report.mjs';

const ROUNDS = 150;
const major = Number.parseInt(process.versions.node, 10);
const milliseconds = (micro) => `${(micro / 1000).toFixed(1)} ms`;

// A probe removes the listeners and then calls process.exit; an empty script just ends.
const AT_EXIT = `const { readFileSync, writeSync } = require('node:fs');
const { exit } = process;
const tell = () => writeSync(2, readFileSync('/proc/self/smaps_rollup', 'utf8'));
process.on('exit', tell);
process.exit = (code) => (tell(), exit(code));
`;

/**
 * MiB of anonymous memory at the end of a script. This is what a probe adds to its container, because the service
 * already has the pages of node's binary in memory.
 *
 * @param {string} atExit a module of AT_EXIT
 * @param {string[]} script
 */
function anonymous(atExit, script) {
  const runs = Array.from({ length: 15 }, () => {
    const { stderr } = spawnSync(process.execPath, ['--require', atExit, ...script], { encoding: 'utf8', env: {} });
    return Number(/^Anonymous: +(\d+) kB$/m.exec(stderr)?.[1]) / 1024;
  });
  return median(runs);
}

withHeartbeat(({ folder, beat }) => {
  // A user's project in which the library is installed as npm does, without a symlink.
  const modules = join(folder, 'node_modules');
  const file = (path, text) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
    return join(folder, path);
  };
  cpSync(DIST, join(modules, 'k8s-liveness/dist'), { recursive: true });
  cpSync(join(DIST, '../package.json'), join(modules, 'k8s-liveness/package.json'));
  file('package.json', '{ "name": "service", "private": true }');
  file('node_modules/nothing/package.json', '{ "name": "nothing", "exports": { ".": { "default": "./index.js" } } }');
  file('node_modules/nothing/index.js', '');
  const service = (name, maximumAge) =>
    file(
      name,
      `const { Timestamp, probe } = require('k8s-liveness');
class WorkerTimestamp extends Timestamp { maximumAge = ${maximumAge}; }
probe(WorkerTimestamp.byRef(${JSON.stringify(beat)}));
`,
    );

  const node = process.execPath;
  const empty = [file('empty.js', '')];
  const shipped = [join(modules, 'k8s-liveness/dist/liveness.js'), beat];
  const cost = costs(ROUNDS, {
    empty: [node, ...empty],
    shipped: [node, ...shipped],
    own: [node, service('liveness.js', '3_600_000')],
    duration: [node, service('duration.js', '{ hours: 1 }')],
    floor: [node, file('floor.js', "require('nothing');")],
  });
  const beside = (name) => `${milliseconds(cost[name].cpu)} against ${milliseconds(cost.empty.cpu)}`;
  const cpu = (name) => times(cost[name], cost.empty);
  figure('shipped liveness.js, CPU', cpu('shipped'), { most: 1.03, beside: beside('shipped') });
  const atExit = file('at-exit.js', AT_EXIT);
  const [ours, theirs] = [anonymous(atExit, shipped), anonymous(atExit, empty)];
  figure('shipped liveness.js, memory of its own', ours - theirs, {
    most: 1,
    unit: 'MiB',
    beside: `${ours.toFixed(1)} MiB against ${theirs.toFixed(1)} MiB, anonymous`,
  });
  figure("  peak RSS: mostly pages of node's own binary", (cost.shipped.memory - cost.empty.memory) / 1024, {
    unit: 'MiB',
    beside: `${(cost.shipped.memory / 1024).toFixed(1)} MiB against ${(cost.empty.memory / 1024).toFixed(1)} MiB`,
  });
  figure("a service's own liveness.js, CPU", cpu('own'), { most: major === 20 ? 1.1 : 1.2, beside: beside('own') });
  figure('  the same with a Duration (date-fns)', cpu('duration'), { beside: beside('duration') });
  figure('  floor: a package with nothing in it', cpu('floor'), { beside: beside('floor') });
});
