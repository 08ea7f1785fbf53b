/** examples/redis-probe, run as a program in real containers. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { canMount } from '../support/mounts';
import { describeIf } from '../support/describe-if';
import { PATIENCE, until } from '../support/until';

const EXAMPLE = resolve('examples/redis-probe');
const README = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');
const [, COMMAND = '', SHOWN = ''] = /```console\n\$ (.*)\n([^]*?)\.\.\.\n```/.exec(README) ?? [];
const NEEDED = ['runc', 'redis-server', 'redis-cli', 'tini', 'busybox'];
const tsc = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', EXAMPLE], { encoding: 'utf8' });
if (tsc.status !== 0) throw new Error(`tsc: ${tsc.stdout}`);
const present =
  canMount && NEEDED.every((program) => spawnSync(program, ['--version']).error === undefined) && runcWorks();

/** Whether it can run one container: root in another container often cannot. */
function runcWorks(): boolean {
  const script = `
    const { Sandbox } = require('./dist/container');
    const { HostContainer } = require('./dist/host-container');
    const sandbox = new Sandbox();
    sandbox.open().then(() => HostContainer.start(sandbox, ['sleep', '60'], ['true'])).finally(() => sandbox.close());`;
  return spawnSync(process.execPath, ['-e', script], { cwd: EXAMPLE, timeout: PATIENCE }).status === 0;
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  stdout: string;
  stderr: string;
}

let folder: string;
let run: Run | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redis-probe-test-'));
});

afterEach(async () => {
  // By SIGTERM, so that it ends its containers too.
  if (run?.child.kill()) await run.ended;
  run = undefined;
  rmSync(folder, { recursive: true });
});

/** Starts the program that README's command runs after the compilation. */
function example(probes: number, environment: NodeJS.ProcessEnv = {}): Run {
  const [program = ''] = COMMAND.split(' && node ').slice(1);
  const env = {
    ...process.env,
    NODE_OPTIONS: '',
    LOG_LEVEL: '',
    TMPDIR: folder,
    PROBES: String(probes),
    ...environment,
  };
  const child = spawn(process.execPath, [program], { env, detached: true }); // in a process group, for Ctrl-C
  const running: Run = { child, ended: once(child, 'close'), stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (running.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (running.stderr += text));
  return (run = running);
}

/** The processes in a run's containers, by name. */
function contained({ child }: Run): { pid: number; name: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const inside = readFileSync(`/proc/${pid}/cgroup`, 'latin1').includes(`/containers-${child.pid ?? 0}-`);
        return inside ? { pid: Number(pid), name: readFileSync(`/proc/${pid}/comm`, 'latin1').trim() } : [];
      } catch {
        return []; // the process has just ended
      }
    });
}

function expectNothingLeft(of: Run): void {
  expect(contained(of)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
  expect(readFileSync('/proc/self/mountinfo', 'latin1')).not.toContain(folder);
  const groups = readdirSync('/sys/fs/cgroup', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = groups.flatMap(({ name }) => [name, ...readdirSync(join('/sys/fs/cgroup', name))]);
  expect(names.filter((name) => name.startsWith(`containers-${of.child.pid ?? 0}-`))).toEqual([]);
}

const words = (text: string): string[][] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));

describeIf(present, 'root, a runc that works, or a program (apt-get install runc redis-server tini busybox-static)')(
  'in real containers',
  () => {
    test('prints the counts that README shows and the answers of Redis, and leaves nothing behind', async () => {
      const running = example(5);
      await running.ended;
      expect(running).toMatchObject({ stderr: '', child: { exitCode: 0 } });
      const [zombies = '', saves = '', answers = ''] = running.stdout.split('\n\n');
      expect(words(zombies)).toEqual(words(SHOWN.replaceAll(/\b50\b/g, '5')));

      const [, zombiesThen, slow] =
        /^An empty .* with (\d+) zombies in (.*) s, and then there are 0\.$/.exec(saves) ?? [];
      expect(zombiesThen).toBe('5');
      expect(Number(slow)).toBeGreaterThanOrEqual(0.5); // it looks every 0.1 s, and this was the sixth time

      expect(
        words(answers)
          .slice(2)
          .map((line) => line.slice(-4)),
      ).toEqual([
        ['PONG', '0', '0', '0'],
        ['NOAUTH', '0', '1', '1'],
        ['LOADING', '0', '1', '1'],
        ['MISCONF', '0', '1', '1'],
        ['BUSY', '0', '1', '1'],
        ['-', 'killed', 'killed', 'killed'],
        ['-', '1', '1', '1'],
      ]);
      expectNothingLeft(running);
    });

    test.each([
      [
        'while containers start',
        () => readdirSync(folder).some((name) => readdirSync(join(folder, name)).includes('state')),
      ],
      ['while Redis hangs', () => run?.stdout.includes('\nredis-cli ping') === true],
    ])('stopped by Ctrl-C %s, leaves nothing', async (_, reached) => {
      const running = example(5);
      await until(reached);
      process.kill(-(running.child.pid ?? 0), 'SIGINT');
      await running.ended;
      expect(running).toMatchObject({ stderr: '', child: { exitCode: 130 } });
      expectNothingLeft(running);
    });

    test('says what went wrong, and leaves nothing behind', async () => {
      const running = example(5);
      const redis = (): number | undefined => contained(running).find(({ name }) => name === 'redis-server')?.pid;
      await until(() => redis() !== undefined);
      process.kill(redis() ?? 0, 'SIGKILL');
      await running.ended;
      expect(running.child.exitCode).toBe(1);
      expect(running.stderr).toMatch(/^Not as it should be: /);
      expectNothingLeft(running);
    });
  },
);

test('says in one line what is missing, and exits 2', async () => {
  const running = example(5, { PATH: folder });
  await running.ended;
  expect(running).toMatchObject({ stdout: '', child: { exitCode: 2 } });
  expect(running.stderr).toMatch(/^Not run: missing .*runc, redis-server, redis-cli, tini, busybox \(.*\)\n$/);
  expect(readdirSync(folder)).toEqual([]);
});

test('the API server would accept the pod, which has only a liveness probe without a wrapper', () => {
  const pod = new Pod(
    parseYaml(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')) as ConstructorParameters<typeof Pod>[0],
  );
  pod.validate();
  const [container] = pod.spec?.containers ?? [];
  expect(container).toMatchObject({ livenessProbe: { exec: { command: ['redis-cli', 'ping'] } } });
  expect(Object.keys(container ?? {}).filter((key) => key.endsWith('Probe'))).toEqual(['livenessProbe']);
});

test('README shows the command', () => {
  expect(COMMAND).toBe('npm run build && npx tsc -p examples/redis-probe && node examples/redis-probe/dist');
});
