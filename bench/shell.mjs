// Compares the shell probe with a shell that does nothing, and with the Node probe on the Node that runs this file.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { costs, DIST, times, withHeartbeat } from './children.mjs';
import { figure, print } from './report.mjs';

const ROUNDS = 300;
const SCRIPT = join(DIST, 'liveness.sh');
const micro = (cost) => `${(cost.cpu / 1000).toFixed(2)} ms`;

/** @param {string} name */
function find(name) {
  return (process.env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const SHELLS = [
  { name: 'dash', argv: [find('dash')], most: 2.2 },
  { name: 'busybox sh', argv: [find('busybox'), 'sh'] },
  { name: 'bash', argv: [find('bash')] },
];

withHeartbeat(({ folder, beat }) => {
  for (const { name, argv, most } of SHELLS) {
    if (argv[0] === undefined) {
      print(`shell probe, ${name}: not measured, no ${name} on PATH`);
      continue;
    }
    const cost = costs(ROUNDS, { nothing: [...argv, '-c', ':'], probe: [...argv, SCRIPT, beat] });
    figure(`shell probe, ${name}, CPU`, times(cost.probe, cost.nothing), {
      most,
      beside: `${micro(cost.probe)} against ${micro(cost.nothing)}, ${name} -c :`,
    });
  }

  const dash = find('dash');
  if (dash === undefined) return;
  const cost = costs(60, { shell: [dash, SCRIPT, beat], node: [process.execPath, join(DIST, 'liveness.js'), beat] });
  figure('Node probe in shell probes, CPU', times(cost.node, cost.shell), {
    least: 25,
    beside: `${micro(cost.node)} against ${micro(cost.shell)}, dash`,
  });

  const strace = find('strace');
  if (strace === undefined) {
    print('shell probe, system calls: not measured, no strace on PATH');
    return;
  }
  const trace = join(folder, 'trace');
  spawnSync(strace, ['-f', '-qq', '-o', trace, dash, SCRIPT, beat], { stdio: 'ignore' });
  const calls = readFileSync(trace, 'utf8').split('\n');
  const count = (pattern) => calls.filter((call) => pattern.test(call)).length;
  figure('shell probe, execve', count(/^\d+ +execve\(/), { most: 1, unit: 'calls', beside: `of ${calls.length - 1}` });
  figure('shell probe, clone, fork and vfork', count(/^\d+ +(?:clone3?|v?fork)\(/), { most: 0, unit: 'calls' });
});
