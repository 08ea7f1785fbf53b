// docs/kubernetes.md: the pod is what `manifest` prints, the figures follow from the model, and every command answers.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { Timestamp } from '../src';
import { coldStart, decision, seesEveryBeat } from '../src/kubelet';
import { cli } from './support/cli';
import { manualClock } from './support/clock';
import { blocksOf } from './support/markdown';
import { aged, fileOf, record, scratch } from './support/records';

const page = readFileSync('docs/kubernetes.md', 'utf8');
const block = (note: string): string => blocksOf(page).find((each) => each.note === note)?.code ?? '';

interface Probe {
  readonly periodSeconds: number;
  readonly failureThreshold: number;
  readonly timeoutSeconds: number;
  readonly terminationGracePeriodSeconds?: number;
}
const pod = parseYaml(block('manifest')) as {
  spec: { containers: [{ startupProbe: Probe; livenessProbe: Probe }] };
};
const [{ startupProbe, livenessProbe }] = pod.spec.containers;

test('the pod is what manifest prints', async () => {
  expect(await cli(['manifest', '--maximum-age', '2m'])).toMatchObject({ code: 0, out: block('manifest') });
});

test('the figures are those of the pod, by the model', () => {
  const { earliest, latest } = decision(120, livenessProbe);
  expect(page).toContain(`A + (F − 1)·P − T | ${earliest} s |`);
  expect(page).toContain(`A + F·P + T | ${latest} s |`);
  expect(page).toContain(`G + 0.2 s | ${livenessProbe.terminationGracePeriodSeconds ?? 0}.2 s |`);
  expect(seesEveryBeat(120, livenessProbe)).toBe(true);
  expect(coldStart(startupProbe).earliest).toBe(120);
});

test('a heartbeat lives longer by the time for which a beat may stay unwritten, as the page says', () => {
  expect(page).toContain('unwritten for a hundredth of the limit, at most 1 s.');
  for (const [limit, window] of [
    [50_000, 500],
    [200_000, 1000],
  ] as const) {
    class Service extends Timestamp {
      readonly maximumAge = limit;
    }
    const clock = manualClock();
    const service = new Service(join(scratch(), 'timestamp'), { clock });
    service.refresh();
    clock.advance(window - 10);
    service.refresh(); // stays unwritten
    clock.advance(limit);
    expect(service.alive).toBe(true);
    clock.advance(30);
    expect(service.alive).toBe(false);
    service.delete();
    service.refresh(); // is written
    clock.advance(limit + window);
    expect(service.alive).toBe(true);
    clock.advance(30);
    expect(service.alive).toBe(false);
  }
});

test('the measured figures are the same on the other pages', () => {
  const words = (file: string): string => readFileSync(file, 'utf8').replaceAll(/\n(?:# )?/g, ' ');
  const [, shell = '', node = ''] =
    /leave (\d+ MiB) for liveness\.sh, (\d+ MiB) for liveness\.js/.exec(words('bench/containers.mjs')) ?? [];
  const here = words('docs/kubernetes.md').replaceAll(/ +/g, ' ');
  expect(here).toContain(`${shell} and 8 threads for \`liveness.sh\`, ${node} and 12 threads for \`liveness.js\``);
  const measured = words('docs/truth.md');
  for (const [command, ms] of [
    ['`busybox true` (runc alone)', '53'],
    ['`liveness.sh`, dash', '58'],
    ['`liveness.js`', '186'],
  ] as const) {
    expect(measured).toContain(`| ${command} | ${ms} ms |`);
    expect(here).toContain(` ${ms} ms`);
  }
  expect(measured).toContain('missed even 5 s in 4 of 16 probes');
});

/** A project in which the package is installed, with everything that the commands of the page name. */
function project(): string {
  const folder = scratch();
  for (const made of ['node_modules', 'dist', 'app']) mkdirSync(join(folder, made));
  symlinkSync(resolve('.'), join(folder, 'node_modules/k8s-liveness'));
  const own = `const { Timestamp, probe } = require('k8s-liveness');
    class Own extends Timestamp { maximumAge = 120000 }
    probe(Own.byRef());`;
  writeFileSync(join(folder, 'dist/liveness.js'), own);
  writeFileSync(join(folder, '.pnp.cjs'), ''); // stands for Yarn's loader
  for (const copy of ['.', 'app']) copyFileSync('dist/liveness.sh', join(folder, copy, 'liveness.sh'));
  return folder;
}

/** The exit code. The heartbeat's folder is the process directory too. */
function runs(
  command: readonly string[],
  folder: string,
  heartbeat: string,
  env: NodeJS.ProcessEnv = {},
): number | null {
  const [program = '', ...args] = command.map((word) =>
    word
      .replace('/nodejs/bin/node', process.execPath)
      .replace('/app/', `${folder}/app/`)
      .replace(/^\/run\/liveness\/.*|^\/tmp\/alive$/, heartbeat),
  );
  const directory = dirname(heartbeat);
  const broken = program === 'env' ? { NODE_OPTIONS: '--require ./nothing', NODE_EXTRA_CA_CERTS: './nothing' } : {};
  const variables = {
    LIVENESS_PATH: heartbeat,
    LIVENESS_RUNDIR: dirname(directory),
    LIVENESS_UNIT_NAME: basename(directory),
  };
  const { status, stderr } = spawnSync(program, args, {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', ...variables, ...broken, ...env },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return status;
}

const commands = [...page.matchAll(/^\| .*\|$/gm)].flatMap(([row]) =>
  Array.from(row.matchAll(/`(\[".*?\])`/g), ([, command = '']) => JSON.parse(command) as string[]),
);

test('there is a command for each image', () => {
  expect(commands).toHaveLength(11);
});

test.each(commands.map((command) => [command.join(' '), command] as const))('%s answers', (_, command) => {
  const folder = project();
  const alive = fileOf(record());
  for (const [name, text] of Object.entries({ pid: String(process.pid), error: '0' })) {
    writeFileSync(join(alive, '..', name), text);
  }
  expect(runs(command, folder, alive)).toBe(0);
  expect(runs(command, folder, fileOf(aged(13_000, { limit: 12_000 })))).toBe(1);
});

test('the command for Yarn PnP copies the shell probe out of the package', () => {
  const [, script = ''] = /`yarn node -e "(.*?)"`/.exec(page) ?? [];
  const folder = scratch();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/k8s-liveness'));
  expect(spawnSync(process.execPath, ['-e', script], { cwd: folder }).status).toBe(0);
  expect(readFileSync(join(folder, 'liveness.sh'))).toEqual(readFileSync('dist/liveness.sh'));
});

test("Consul's command makes dead critical, and ECS's is the shipped probe", () => {
  const folder = project();
  for (const [heartbeat, code] of [
    [fileOf(record()), 0],
    [fileOf('boom'), 2],
  ] as const) {
    expect(runs(['bash', '-c', block('exit 2')], folder, heartbeat)).toBe(code);
  }
  const [, ecs = '[]'] = /`"command": (\[.*?\])`/.exec(page) ?? [];
  const [kind, ...command] = JSON.parse(ecs) as string[];
  expect([kind, runs(command, folder, fileOf(record()))]).toEqual(['CMD', 0]);
});

test("systemd's command restarts only if the verdict is dead", () => {
  const folder = project();
  const systemctl = join(folder, 'systemctl');
  writeFileSync(systemctl, '#!/bin/sh\necho "$*" >"$0.said"\n');
  chmodSync(systemctl, 0o755);
  const restarts = (heartbeat: string, replace: readonly [string, string] = ['', '']): string => {
    const command = block('systemd')
      .replace('/app/node_modules', `${folder}/node_modules`)
      .replace('/run/worker/timestamp', heartbeat)
      .replace(...replace);
    spawnSync('bash', ['-c', command], { env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ''}` } });
    return existsSync(`${systemctl}.said`) ? readFileSync(`${systemctl}.said`, 'utf8') : '';
  };
  expect(restarts(fileOf(record()))).toBe('');
  expect(restarts(fileOf(record()), ['liveness.sh', 'liveness.sh --nonsense'])).toBe('');
  expect(restarts(fileOf('boom'))).toBe('restart worker\n');
});
