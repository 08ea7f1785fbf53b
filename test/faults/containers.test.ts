/** The verdict in real containers, locked down like a careful pod, with Node as PID 1 and probes that are killed. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BUSYBOX, type Container, DASH, HEARTBEAT, MIB, NODE, type Run, Sandbox, textOf } from '../support/containers';
import { until } from '../support/until';
import { canMount } from '../support/mounts';
import { describeIf } from '../support/describe-if';
import { ready, start } from '../support/processes';
import { scratch } from '../support/records';

const NEEDED = ['unshare', 'nsenter', 'runc', 'podman', 'busybox', 'dash'];
const missing = NEEDED.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
if (!existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes')) missing.unshift('cgroup v1');
if (!canMount) missing.unshift('root');

const RUNTIMES = ['runc', 'podman'] as const;
const PROBES = [
  ['liveness.js', NODE],
  ['liveness.sh (busybox sh)', BUSYBOX],
  ['liveness.sh (dash)', DASH],
] as const;
const EVERY_PROBE = PROBES.map(([, command]) => command);

/** Gives a shell many paths, because it would have judged one path before it could be killed. */
const long = (probe: readonly string[]): readonly string[] => {
  return probe === NODE ? NODE : [...probe, ...Array<string>(50).fill(HEARTBEAT)];
};

interface Outcome {
  /** From probes that were not killed, or that had ended before. */
  readonly answers: Run[];
  readonly killed: Run[];
}

/** Runs `total` probes, and kills a third of them at a random time. */
async function run(container: Container, probe: readonly string[], total: number, atOnce = 1): Promise<Outcome> {
  const outcome: Outcome = { answers: [], killed: [] };
  // The shortest of three runs, because after a slow one most kills would come too late.
  const lives: number[] = [];
  for (let one = 0; one < 3; one++) lives.push((await container.exec(long(probe)).ended).milliseconds);
  const life = Math.min(...lives);
  const toKill = Math.ceil(total / 3);
  const one = async (): Promise<void> => {
    while (outcome.answers.length < total - toKill || outcome.killed.length < toKill) {
      const kill = outcome.killed.length * 2 <= outcome.answers.length || outcome.answers.length >= total - toKill;
      const exec = container.exec(kill ? long(probe) : probe);
      if (kill) await until(() => exec.hasEnded || exec.reaches());
      if (kill) await sleep(Math.random() * life);
      const killed = kill && exec.kill();
      const done = await exec.ended;
      (killed && done.code === 128 + 9 ? outcome.killed : outcome.answers).push(done);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return outcome;
}

/** Expects this verdict from every probe that was not killed, and no other output from a killed one. */
function expectNoFalseVerdict({ answers, killed }: Outcome, verdict: 'alive: ' | 'dead: stale: '): void {
  const code = verdict === 'alive: ' ? 0 : 1;
  expect(answers.filter((answer) => answer.code !== code || !answer.output.startsWith(verdict))).toEqual([]);
  expect(killed.filter(({ output }) => output !== '' && !output.startsWith(verdict))).toEqual([]);
}

async function expectNothingLeft(container: Container): Promise<void> {
  await until(() => container.others().every(({ state }) => state === 'Z'));
  expect(container.others()).toEqual([]);
  expect(container.outOfMemory).toBe(0);
}

describeIf(
  missing.length === 0,
  `${missing.join(', ')} (apt-get install runc podman busybox-static dash util-linux), so not verified: in containers, probes ` +
    'that are killed leave no zombie, none gives a false verdict, and a new container is gone until it beats',
)('in containers', () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await Sandbox.open();
  });
  afterAll(async () => {
    await sandbox.close();
    expect(tracesOf(sandbox.folder)).toEqual([]);
  });

  const locked = { memory: 64 * MIB, pids: 64 };

  test.each(RUNTIMES)(
    '%s runs Node as PID 1, not root, without capabilities, over a read-only root',
    async (runtime) => {
      const container = await sandbox[runtime](locked);
      await container.says(0, NODE);
      const shell = 'busybox cat /proc/1/cmdline /proc/self/status; echo >/x; echo >/tmp/x';
      const { output } = await container.exec(['busybox', 'sh', '-c', shell]).ended;
      expect(output).toContain('node\0/app/service.js\0');
      expect(output).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
        expect(output).toMatch(new RegExp(`^Cap${set}:\t0{16}$`, 'm'));
      expect(output).toMatch(/^NoNewPrivs:\t1$/m);
      expect(output).toMatch(runtime === 'podman' ? /^Seccomp:\t2$/m : /^Seccomp:\t0$/m);
      for (const file of ['/x', '/tmp/x']) expect(output).toContain(`can't create ${file}: Read-only file system`);
      expect(container.read('memory/memory.limit_in_bytes')).toBe(String(64 * MIB));
      await container.kill();
    },
  );

  describe('in 64 MiB', () => {
    let container: Container;
    beforeAll(async () => {
      container = await sandbox.runc(locked);
      await container.says(0, BUSYBOX);
    });

    test.each(PROBES)('1,000 times %s, a third killed, says alive and leaves no zombie', async (_, probe) => {
      const outcome = await run(container, probe, 1000, 4);
      expect(outcome.killed.length).toBeGreaterThanOrEqual(334);
      expectNoFalseVerdict(outcome, 'alive: ');
      await expectNothingLeft(container);
    });

    test.each(PROBES)(
      'of a wedged loop, 60 times %s, a third killed, says dead and leaves no zombie',
      async (_, probe) => {
        container.signal('SIGUSR2');
        await container.says(1, BUSYBOX);
        expectNoFalseVerdict(await run(container, probe, 60, 4), 'dead: stale: ');
        await expectNothingLeft(container);
      },
    );

    test('the check for zombies sees what a bad probe leaves behind', async () => {
      for (let run = 0; run < 3; run++)
        await container.exec(['busybox', 'sh', '-c', 'busybox sleep 0.05 & exit 0']).ended;
      await until(() => container.others().every(({ state }) => state === 'Z'));
      expect(container.others()).toHaveLength(3);
    });
  });

  test('a few dozen of each, a third killed, are also right with a processor limit of 100m and of 50m', async () => {
    // Four probes at a time can keep the service from the processor for more than 10 s, the limit in the other containers.
    const LIMIT = '60000';
    const limits = [
      { cpu: 100, probes: 24, env: { LIMIT } },
      { cpu: 50, probes: 12, env: { LIMIT } },
      { cpu: 50, probes: 3, env: { LIMIT, BUSY: '20', TURN: '1' } }, // a service that uses all its processor time
    ];
    await Promise.all(
      limits.map(async ({ probes, ...limit }) => {
        const container = await sandbox.runc({ ...locked, ...limit });
        await container.says(0, BUSYBOX);
        for (const probe of EVERY_PROBE) expectNoFalseVerdict(await run(container, probe, probes), 'alive: ');
        expect(Number(/^nr_throttled (\d+)$/m.exec(container.read('cpu/cpu.stat'))?.[1])).toBeGreaterThan(0);
        await expectNothingLeft(container);
        await container.kill();
      }),
    );
  });

  test.each([
    ['liveness.js', NODE, 12 * MIB, 12],
    ['liveness.sh (busybox sh)', BUSYBOX, 3 * MIB, 8],
    ['liveness.sh (dash)', DASH, 3 * MIB, 8],
  ])('20 of 20 times %s is right with no more headroom than the docs ask for', async (_, probe, memory, threads) => {
    const container = await sandbox.runc();
    await container.says(0, probe);
    container.leave({ memory, threads });
    for (let run = 0; run < 20; run++) expect(await container.exec(probe).ended).toMatchObject({ code: 0 });
    await expectNothingLeft(container);
    await container.kill();
  });

  test('24 of each by podman, a third killed, are right and leave no zombie, with its seccomp filter', async () => {
    const container = await sandbox.podman(locked);
    await container.says(0, BUSYBOX);
    for (const probe of EVERY_PROBE) expectNoFalseVerdict(await run(container, probe, 24, 2), 'alive: ');
    await expectNothingLeft(container);
    container.signal('SIGUSR2');
    await container.says(1, BUSYBOX);
    for (const probe of EVERY_PROBE) expectNoFalseVerdict(await run(container, probe, 6), 'dead: stale: ');
    await container.kill();
  });

  test.each(RUNTIMES)(
    'a new container of %s over a leftover on its volume is gone until its first beat',
    async (runtime) => {
      const volume = newVolume(sandbox, runtime);
      const first = await sandbox[runtime]({ ...locked, volume, env: { LIMIT: '600000' } });
      for (const probe of EVERY_PROBE) await first.says(0, probe);
      await first.kill();

      const second = await sandbox[runtime]({ ...locked, volume, env: { LIMIT: '600000', WAITS: 'yes' } });
      expect(second.heartbeat).toMatch(/ 60000 +own +100 1 /); // a fresh record of PID 1
      for (const probe of EVERY_PROBE) {
        expect(await second.exec(probe).ended).toMatchObject({
          code: 1,
          output: expect.stringMatching(/^dead: gone: /) as string,
        });
      }
      second.signal('SIGHUP');
      for (const probe of EVERY_PROBE) await second.says(0, probe);
      await second.kill();
    },
  );

  test('a sidecar judges another container by the age alone, with --other-pid-namespace', async () => {
    const volume = newVolume(sandbox, 'sidecar');
    const sidecar = await sandbox.runc({ ...locked, volume, command: ['busybox', 'sleep', '600'] });
    const other = (probe: readonly string[]): string[] => [...probe, '--other-pid-namespace'];
    const service = await sandbox.runc({ ...locked, volume, env: { LIMIT: '5000' } });
    for (const probe of EVERY_PROBE) {
      await sidecar.says(0, other(probe));
      // Without the option the probe looks for the writer among the processes of the sidecar.
      expect(await sidecar.exec(probe).ended).toMatchObject({
        code: 1,
        output: expect.stringMatching(/^dead: gone: /) as string,
      });
    }
    // The probe cannot see that the other container has ended, so it says alive until the beat is too old.
    await service.kill();
    expect(await sidecar.exec(other(BUSYBOX)).ended).toMatchObject({ code: 0 });
    for (const probe of EVERY_PROBE) expect((await sidecar.says(1, other(probe))).output).toMatch(/^dead: stale: /);

    const anew = await sandbox.runc({ ...locked, volume, env: { LIMIT: '5000' } });
    for (const probe of EVERY_PROBE) await sidecar.says(0, other(probe));
    anew.signal('SIGUSR2');
    for (const probe of EVERY_PROBE) expect((await sidecar.says(1, other(probe))).output).toMatch(/^dead: stale: /);
    await Promise.all([sidecar.kill(), anew.kill()]);
  });

  test('leaves nothing behind if it is killed at work', async () => {
    const folder = scratch();
    const esbuild = resolve('node_modules/.bin/esbuild');
    const library = join(folder, 'containers.js');
    spawnSync(esbuild, ['test/support/containers.ts', '--bundle', '--platform=node', `--outfile=${library}`]);
    writeFileSync(
      join(folder, 'program.js'),
      `
      const { Sandbox, NODE } = require('./containers.js');
      (async () => {
        const sandbox = await Sandbox.open();
        const container = await sandbox.runc();
        await sandbox.podman();
        sandbox.podman();
        sandbox.runc();
        for (let probe = 0; probe < 4; probe++) container.exec(NODE);
        process.stdout.write(sandbox.folder);
      })();`,
    );
    const program = start(process.execPath, [join(folder, 'program.js')]);
    let opened = '';
    program.stdout?.setEncoding('utf8').on('data', (text: string) => (opened += text));
    await ready(program);
    expect(tracesOf(opened)).not.toEqual([]);
    program.kill('SIGKILL');
    if (program.exitCode === null) await once(program, 'exit');
    await until(() => tracesOf(opened).length === 0);
  });
});

function newVolume(sandbox: Sandbox, name: string): string {
  const volume = join(sandbox.folder, `volume-${name}`);
  mkdirSync(volume);
  chmodSync(volume, 0o777);
  return volume;
}

/** The processes, mounts, cgroups and files that the sandbox left. */
function tracesOf(folder: string): string[] {
  const name = basename(folder);
  const processes = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      return ['cgroup', 'cmdline', 'mountinfo'].some((file) => textOf(`/proc/${pid}/${file}`).includes(name));
    });
  const cgroups = readdirSync('/sys/fs/cgroup').flatMap((controller) =>
    readdirSync(join('/sys/fs/cgroup', controller)),
  );
  return [...processes, ...[...cgroups, ...readdirSync(tmpdir())].filter((entry) => entry.includes(name))];
}
