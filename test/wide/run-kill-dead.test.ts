// run --kill-dead where something restarts: as PID 1 of a container with a restart policy, and under a supervisor as systemd is.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { BUSYBOX, Sandbox, textOf } from '../support/containers';
import { parse } from '../../src/record';
import { blocksOf } from '../support/markdown';
import { canMount } from '../support/mounts';
import { describeIf } from '../support/describe-if';
import { open, scratch } from '../support/records';
import { until } from '../support/until';

const missing = ['unshare', 'nsenter', 'runc', 'podman', 'conmon'].filter(
  (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
);
if (!canMount) missing.unshift('root');

/** The pid that a heartbeat states; undefined before the first beat. */
function pidIn(heartbeat: string): number | undefined {
  const parsed = parse(heartbeat.split('\n')[0] ?? '');
  return parsed.kind === 'record' ? parsed.record.pid : undefined;
}

test('the service of docs/cli.md restarts on failure, has an init, and is a command that run takes', () => {
  const [yaml] = blocksOf(readFileSync('docs/cli.md', 'utf8')).filter(({ code }) => code.includes('"--kill-dead"'));
  const { services } = parseYaml(yaml?.code ?? '') as { services: { worker: Record<string, unknown> } };
  expect(services.worker).toMatchObject({ init: true, restart: 'on-failure' });
  const [, ...words] = services.worker.command as string[];
  const command = [...words.slice(0, words.indexOf('--') + 1), process.execPath, '-e', 'process.exit(7)'];
  expect(spawnSync(process.execPath, ['dist/cli.js', ...command]).status).toBe(7);
});

describeIf(missing.length === 0, `${missing.join(', ')} (apt-get install podman runc conmon)`)('in a container', () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await Sandbox.open();
  });
  afterAll(async () => {
    await sandbox.close();
  });

  test.each(['USR2', 'STOP'])('a service wedged by SIG%s is restarted by podman, with run as PID 1', async (signal) => {
    const volume = open(scratch());
    chmodSync(volume, 0o777);
    const run = 'node /app/dist/cli.js run --kill-dead --grace 500ms -- node /app/service.js';
    const container = await sandbox.podman({
      command: ['busybox', 'sh', '-c', `echo started >>/run/liveness/log; exec ${run} 2>>/run/liveness/log`],
      env: { LIMIT: '2000' },
      volume,
      restart: 'on-failure:1',
    });
    const log = (): string[] => textOf(join(volume, 'log')).trim().split('\n');
    const heartbeat = (): string => textOf(join(volume, 'timestamp'));
    const pid = await until(() => pidIn(heartbeat()));
    expect((await container.exec(['busybox', 'cat', '/proc/1/cmdline']).ended).output).toContain('--kill-dead');
    await container.exec(['busybox', 'kill', `-${signal}`, String(pid)]).ended;
    await until(() => log().length === 3);
    const [, line = '', again] = log();
    expect(line).toMatch(
      /^k8s-liveness run: dead: stale: last beat \S+, limit 2s \(\S+\); SIGTERM, and SIGKILL after 500ms$/,
    );
    expect(again).toBe('started');
    await container.says(0, BUSYBOX);
  });
});

// What systemd does for Type=simple, KillMode=control-group, Restart=on-failure: a process group stands for the control
// group. A stop signals every process of the group; a restart follows an exit code that is not 0, once the rest is killed.
describe('under a supervisor', () => {
  const service = (folder: string): string => `
const { appendFileSync } = require('node:fs');
const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
class Service extends Timestamp { maximumAge = 1000; }
const timestamp = new Service(${JSON.stringify(join(folder, 'timestamp'))});
appendFileSync(${JSON.stringify(join(folder, 'starts'))}, process.pid + '\\n');
const isFirst = require('node:fs').readFileSync(${JSON.stringify(join(folder, 'starts'))}, 'utf8').split('\\n').length === 2;
let turns = 0;
setInterval(() => { if (!isFirst || ++turns < 60) timestamp.refresh(); }, 50);
process.on('SIGTERM', () => { if (!isFirst) { timestamp.delete(); process.exit(0); } });
`;

  test('a wedged service is restarted, its children with it, and a stop ends it with its own exit code', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'service.js'), service(folder));
    const guarded = [process.execPath, resolve('dist/cli.js'), 'run', '--kill-dead', '--grace', '300ms'];
    const command = [
      ...guarded,
      '--path',
      join(folder, 'timestamp'),
      '--',
      process.execPath,
      join(folder, 'service.js'),
    ];
    let errors = '';
    const codes: (number | null)[] = [];
    let group = 0;
    const supervise = async (): Promise<void> => {
      for (;;) {
        const main = spawn(command[0] ?? '', command.slice(1), { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
        group = -(main.pid ?? 0);
        main.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
        const [code] = (await once(main, 'exit')) as [number | null];
        codes.push(code);
        try {
          process.kill(group, 'SIGKILL');
        } catch {
          // nothing is left
        }
        if (code === 0) return;
      }
    };
    const supervised = supervise();
    const starts = (): string[] => textOf(join(folder, 'starts')).trim().split('\n');
    await until(() => starts().length === 2);
    await until(() => textOf(join(folder, 'timestamp')).includes(` ${starts()[1] ?? ''} `));
    process.kill(group, 'SIGTERM');
    await supervised;
    expect(codes).toEqual([124, 0]);
    expect(errors).toMatch(/^k8s-liveness run: dead: stale: last beat .*; SIGTERM, and SIGKILL after 300ms\n$/);
  });
});
