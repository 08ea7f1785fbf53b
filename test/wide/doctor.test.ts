// doctor in containers and behind mounts, with each fault really made. Without root: test/doctor.test.ts.

import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Finding } from '../../src/cli/doctor/finding';
import { type Container, MIB, Sandbox, type Spec } from '../support/containers';
import { canMount, TMPFS } from '../support/mounts';
import { describeIf } from '../support/describe-if';
import { mounted } from '../support/readers';
import { scratch } from '../support/records';
import { PATIENCE } from '../support/until';

const missing = ['unshare', 'nsenter', 'runc', 'podman', 'busybox', 'dash'].filter(
  (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
);
if (!existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes')) missing.unshift('cgroup v1');
if (!canMount) missing.unshift('root');

interface Answer {
  readonly code: number | null;
  /** By what it is about: the level, and what was found. */
  readonly about: (name: string) => string;
}

function answerOf(code: number | null, output: string): Answer {
  let findings: Finding[] = [];
  try {
    ({ findings } = JSON.parse(output) as { findings: Finding[] });
  } catch {
    throw new Error(`expected doctor to print JSON; it exited with ${code ?? 'a signal'} and printed ${output}`);
  }
  const about = (name: string): string =>
    findings
      .filter((finding) => finding.about === name)
      .map(({ level, found }) => `${level}: ${found}`)
      .join('\n');
  return { code, about };
}

const DOCTOR = ['node', '/app/dist/cli.js', 'doctor', '--json'];
const SH = ['--command', JSON.stringify(['sh', '/app/dist/liveness.sh'])];
const NODE = ['--command', JSON.stringify(['node', '/app/dist/liveness.js'])];

describeIf(missing.length === 0, `${missing.join(', ')} (apt-get install runc podman busybox-static dash util-linux)`)(
  'in a container',
  () => {
    let sandbox: Sandbox;
    beforeAll(async () => {
      sandbox = await Sandbox.open();
      symlinkSync('busybox', join(sandbox.image, 'usr/bin/sh'));
    });
    afterAll(async () => {
      await sandbox.close();
    });

    async function doctor(container: Container, ...words: string[]): Promise<Answer> {
      const { code, output } = await container.exec([...DOCTOR, ...words]).ended;
      return answerOf(code, output);
    }

    /** With a service that beats. */
    async function started(runtime: 'runc' | 'podman', spec: Spec = {}): Promise<Container> {
      const container = await sandbox[runtime]({ memory: 256 * MIB, ...spec });
      await container.says(0, ['sh', '/app/dist/liveness.sh']);
      return container;
    }

    describe.each(['runc', 'podman'] as const)('by %s', (runtime) => {
      test('finds no error in a service that is well, and each fault that is made', async () => {
        const container = await started(runtime);
        const well = await doctor(container);
        expect([well.code, well.about('answer')]).toEqual([0, expect.stringMatching(/^ok: .*alive: /) as string]);
        expect(well.about('folder')).toMatch(/^ok: \/run\/liveness is writable \(tmpfs at \/run\/liveness\)/);
        expect(well.about('disk')).toBe('');
        expect(well.about('memory')).toMatch(/^ok: [\d.]+ MiB left of 256\.0 MiB/);
        expect(well.about('clock')).toMatch(/^ok: /);
        expect(well.about('reaping')).toMatch(/^ok: PID 1 \(\S+\) does not reap/);

        const faults: [string[], string, RegExp][] = [
          [['--command', '/app/none'], 'start', /^error: no executable of this name/],
          [[...SH, '/app/none/timestamp'], 'folder', /^error: \/app is read-only/],
          [
            ['--command', '["sh","-c","busybox sleep 0.05 & exit 0"]'],
            'reaping',
            /^error: the probe leaves a process behind/,
          ],
        ];
        for (const [words, name, found] of faults) {
          const { code, about } = await doctor(container, ...words);
          expect([code, about(name)]).toEqual([1, expect.stringMatching(found) as string]);
        }
        expect((await doctor(container)).about('reaping')).toMatch(/^warning: .*; zombies so far: \d/);
        await container.kill();
      });

      test('sees too few threads, before the probe that needs them fails', async () => {
        const container = await started(runtime, { pids: 200 });
        expect((await doctor(container, ...NODE)).about('pids')).toMatch(/^ok: \d+ threads left of 200 threads/);
        container.leave({ threads: 11 });
        const { code, about } = await doctor(container, ...NODE, '--timeout', '2s');
        expect([code, about('pids')]).toEqual([1, expect.stringMatching(/^error: \d+ threads left/) as string]);
        await container.kill();
      });

      test('sees the CPU limit at which a probe of Node is too slow', async () => {
        const container = await started(runtime, { cpu: 50 });
        const { about } = await doctor(container, ...NODE, '--timeout', '1s');
        expect(about('time')).toMatch(/^(warning|error): .* at the CPU limit of 50m /);
        await container.kill();
      });

      test('is killed itself, and not the service, if the memory does not suffice for both', async () => {
        const container = await started(runtime);
        container.leave({ memory: 5 * MIB });
        // As docs/cli.md says it: before Node starts, which is what takes the memory.
        const offer = ['sh', '-c', 'echo 1000 >/proc/self/oom_score_adj; exec "$@"', 'sh'];
        const { code } = await container.exec([...offer, ...DOCTOR, ...SH]).ended;
        expect(code).toBe(137);
        expect(container.isRunning()).toBe(true);
        container.write('memory/memory.limit_in_bytes', 256 * MIB);
        const { code: after, about } = await doctor(container);
        expect([after, about('memory')]).toEqual([
          0,
          expect.stringMatching(/^ok: .*\nwarning: processes that the kernel has killed here .*: \d+/) as string,
        ]);
        await container.kill();
      });
    });

    test('an init that reaps is told from Node', async () => {
      const command = ['busybox', 'sh', '-c', 'while :; do busybox sleep 0.1; done'];
      const container = await sandbox.runc({ command });
      const { about } = await doctor(container, ...SH);
      expect(about('reaping')).toBe('ok: PID 1 (busybox) reaps');
      await container.kill();
    });
  },
);

describeIf(canMount, 'root')('behind a mount', () => {
  /** Runs doctor where the line of shell has made a fault; `@` stands for a folder. */
  function behind(setup: string, words: readonly string[] = ['@/timestamp'], flags: readonly string[] = []): Answer {
    const folder = scratch();
    const here = (text: string): string => text.replaceAll('@', folder);
    const doctor = [process.execPath, resolve('dist/cli.js'), 'doctor', '--json', ...words.map(here)];
    const [command = '', ...args] = [...mounted(here(setup), flags), ...doctor];
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE });
    return answerOf(status, stdout || stderr);
  }

  const OVER = (file: string, content: string): string => `echo '${content}' >@/fake; mount --bind @/fake ${file}`;

  test.each([
    [
      'a masked /proc/uptime',
      'mount --bind /dev/null /proc/uptime',
      'clock',
      /^warning: \/proc\/uptime cannot be read/,
    ],
    [
      'an uptime by lxcfs',
      OVER('/proc/uptime', '5.00 5.00'),
      'clock',
      /^warning: \/proc\/uptime is [\d.]+ s off from the start/,
    ],
    [
      'a boot id that is hidden',
      'mount --bind /dev/null /proc/sys/kernel/random/boot_id',
      'clock',
      /^warning: the boot id cannot be read/,
    ],
    [
      'a wall clock that disagrees',
      'sed "s/^btime .*/btime 1000/" /proc/stat >@/fake; mount --bind @/fake /proc/stat',
      'clock',
      /^warning: the wall clock is [\d.]+ s off from the kernel's/,
    ],
    ['hidepid', 'mount -o remount,hidepid=2 /proc', 'processes', /^warning: \/proc hides other users' processes/],
    ['a disk', 'true', 'disk', /^warning: the heartbeat is on a disk/],
    [
      'a disk that is nearly full',
      `${TMPFS}; head -c 40000 /dev/zero >@/fill`,
      'space',
      /^warning: \d+ KiB of 64 KiB are free/,
    ],
  ])('%s is a warning', (_, setup, name, found) => {
    const { code, about } = behind(
      setup,
      ['@/timestamp'],
      name === 'processes' ? ['--pid', '--fork', '--mount-proc'] : [],
    );
    expect([code, about(name)]).toEqual([0, expect.stringMatching(found) as string]);
  });

  test.each([
    ['a read-only mount', 'mount -t tmpfs -o ro tmpfs @', 'folder', /^error: \S+ is read-only \(tmpfs at /],
    ['a full disk', `${TMPFS}; cat /dev/zero >@/fill 2>/dev/null || :`, 'space', /^error: 0 KiB of 64 KiB are free/],
    ['no inode', 'mount -t tmpfs -o nr_inodes=1 tmpfs @', 'space', /^error: no inode is free/],
    [
      'a file that is mounted by itself',
      ': >@/timestamp; mount --bind @/timestamp @/timestamp',
      'folder',
      /error: \S+ is mounted by itself/,
    ],
  ])('%s is an error', (_, setup, name, found) => {
    const { code, about } = behind(setup);
    expect([code, about(name)]).toEqual([1, expect.stringMatching(found) as string]);
  });

  test('a tmpfs of its own is well', () => {
    const { code, about } = behind('mount -t tmpfs -o size=1m tmpfs @');
    expect([code, about('folder').slice(0, 3), about('disk'), about('space').slice(0, 3)]).toEqual([
      0,
      'ok:',
      '',
      'ok:',
    ]);
  });
});
