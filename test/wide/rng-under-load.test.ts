/** examples/rng-under-load: replicas, prober, balancer and ab run in real time, for about 40 seconds. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Timestamp } from '../../src/timestamp';
import { describeIf } from '../support/describe-if';
import { start } from '../support/processes';
import { run } from '../support/readers';
import { beforeRemoval, scratch } from '../support/records';
import { until } from '../support/until';

const EXAMPLE = resolve('examples/rng-under-load');
const EXPERIMENT = join(EXAMPLE, 'dist', 'experiment');
const readme = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');
const [, command = ''] = /```sh\n(.*)\n```/.exec(readme) ?? [];

const hasAb = spawnSync('ab', ['-V']).status === 0;

/** The command of README, with fewer requests. */
let whole: Running;
/** The same, with too few requests to break anything. */
let small: Running;

beforeAll(() => {
  const tsc = require.resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', EXAMPLE], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tsc: ${stdout}`);
  const shown = command.replace(/^npm run build && npx tsc .*? && /, ''); // left out: it is compiled already, and npx would ask a registry
  if (!hasAb) return;
  // Runs during the other tests, because it mostly waits.
  whole = experiment(['bash', '-c', `exec ${shown}`], { REQUESTS: '100' });
  small = experiment([process.execPath, EXPERIMENT, join(scratch(), 'load.svg')], { CLIENTS: '1', REQUESTS: '20' });
});

describe('the service', () => {
  let child: ChildProcess;
  let port: number;
  let path: string;

  beforeEach(async () => {
    path = join(scratch(), 'timestamp');
    const env = { ...process.env, NODE_OPTIONS: '', PORT: '0', LIVENESS_PATH: path };
    child = start(process.execPath, [join(EXAMPLE, 'dist', 'service.js')], env);
    if (!child.stdout) throw new Error('expected a pipe');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    port = Number(line.replace('listening on ', ''));
  });

  const ask = (url: string): Promise<string> =>
    new Promise((settle, fail) => {
      get({ port, path: url, agent: false }, (response) => {
        let body = '';
        response.setEncoding('latin1').on('data', (text: string) => (body += text));
        response.on('end', () => {
          settle(body);
        });
      }).on('error', fail);
    });

  test('takes 0.1 s for each request, one at a time, and a request for / waits in the same queue', async () => {
    const answered: string[] = [];
    const asked = async (url: string): Promise<void> => {
      const body = await ask(url);
      answered.push(url === '/' ? body : String(body.length));
    };
    const began = performance.now();
    const numbers = [32, 32, 32, 32, 32, 32].map((bytes) => asked(`/${bytes}`));
    await Promise.race(numbers);
    await Promise.all([...numbers, asked('/')]);
    expect(performance.now() - began).toBeGreaterThan(590);
    expect(answered).toEqual(['32', '32', '32', '32', '32', '32', 'rng is running\n']);
  });

  test('on SIGTERM answers the waiting requests, deletes its heartbeat and exits 0', async () => {
    const ended = once(child, 'exit');
    const answers = [1, 2, 3, 4].map((bytes) => ask(`/${bytes}`));
    await Promise.race(answers);
    child.kill('SIGTERM');
    expect((await Promise.all(answers)).map((body) => body.length)).toEqual([1, 2, 3, 4]);
    expect(await ended).toEqual([0, null]);
    expect(existsSync(path)).toBe(false);
  });

  test('on SIGTERM while idle deletes its heartbeat too and exits 0', async () => {
    const ended = once(child, 'exit');
    expect(existsSync(path)).toBe(true);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(existsSync(path)).toBe(false);
  });

  test('is alive when idle, and stale when wedged', async () => {
    const probe = () => run('liveness.sh', ['sh', 'dist/liveness.sh', path]);
    const beat = (): number => Timestamp.byRef(path).verdict().value?.getTime() ?? NaN;
    const first = beat();
    await until(() => beat() - first > 2000);
    expect(await probe()).toMatchObject({ verdict: 'alive', exit: 0 });
    ask('/wedge').catch(() => undefined);
    await until(async () => (await probe()).verdict !== 'alive');
    expect(await probe()).toMatchObject({ verdict: 'stale', exit: 1 });
  });
});

describeIf(hasAb, 'ab (apt-get install apache2-utils)')('the experiment', () => {
  test('says what is left out without ab, and does not exit 0', async () => {
    const { code, stdout, stderr } = await ended(experiment([process.execPath, EXPERIMENT], { PATH: scratch() }));
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    expect(stdout).toBe(
      'Left out, all of it: it needs ab (apt-get install apache2-utils), and /proc to judge heartbeats by.\n',
    );
  });

  test('refuses a load of 0 clients', async () => {
    const { code, stderr } = await ended(experiment([process.execPath, EXPERIMENT], { CLIENTS: '0' }));
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'CLIENTS and REQUESTS expected whole numbers above 0; got 0 and 250\n',
    });
  });

  test('does not exit 0 if the load breaks nothing, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await ended(small);
    expect(code).toBe(1);
    expect(stderr).toBe('\nNot as README says: expected every replica of HTTP GET restarted; it was not so\n');
    expect(stdout).toMatch(/^restarts under load +0 +0$/m);
    expect(readdirSync(small.temporary)).toEqual([]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stopped by %s under load, leaves nothing behind', async (signal, expected) => {
    const stopped = experiment([process.execPath, EXPERIMENT]);
    await until(() => stopped.said.stdout.includes('fails its probe') || hasEnded(stopped));
    stopped.child.kill(signal);
    expect(await ended(stopped)).toMatchObject({ code: expected, stderr: '' });
    expect(readdirSync(stopped.temporary)).toEqual([]);
  });

  test('shows that HTTP GET restarts replicas until none is left, and the heartbeat only the wedged one', async () => {
    const { code, stdout, stderr } = await ended(whole);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const value = (row: string): string[] =>
      new RegExp(`^${row} +(\\S+)(?: s)? +(\\S+)(?: s)?$`, 'm').exec(stdout)?.slice(1) ?? [];
    const [answered, all] = value('answered when the load ended, of 400').map(Number);
    expect(all).toBe(400);
    expect(answered).toBeLessThan(400);
    expect(Number(value('refused or cut off')[0])).toBeGreaterThan(0);
    expect(value('refused or cut off')[1]).toBe('0');
    expect(Number(value('restarts under load')[0])).toBeGreaterThanOrEqual(4);
    expect(value('restarts under load')[1]).toBe('0');
    expect(Number(value('longest time with no replica')[0])).toBeGreaterThan(0);
    expect(value('longest time with no replica')[1]).toBe('0.0');
    // Slower than the timeout by which the probes of the other side fail.
    expect(Number(value('slowest answer')[1])).toBeGreaterThan(1);
    expect(readdirSync(whole.temporary)).toEqual([]);
  });

  test('restarts by the rules of a kubelet: after three failures in a row, at once, then after 10 s', async () => {
    const { stdout } = await ended(whole);
    const line =
      /^ *(\d+\.\d)(?: +\d+){4} +((?:HTTP GET|heartbeat) \d) (fails its probe \(\d of 3\)|ends|does not end|is up again)(.*)$/gm;
    const story = [...stdout.matchAll(line)].map(([, at, name = '', what = '', rest = '']) => ({
      at: Number(at),
      name,
      what,
      rest,
    }));
    const ends = story.filter(({ what }) => what === 'ends' || what === 'does not end');
    for (const name of ['HTTP GET 1', 'HTTP GET 2', 'HTTP GET 3', 'heartbeat 1', 'heartbeat 2', 'heartbeat 3']) {
      const own = story.filter((event) => event.name === name);
      for (const [nth, end] of ends.filter((event) => event.name === name).entries()) {
        const index = own.indexOf(end);
        const failures = own.slice(index - 3, index);
        expect(failures.map(({ what }) => what)).toEqual(
          [1, 2, 3].map((failure) => `fails its probe (${failure} of 3)`),
        );
        // They began two periods apart, but their times are those of their ends, and a slow first one ends up to 1 s (rounded: 0.9) late.
        expect((failures[2]?.at ?? NaN) - (failures[0]?.at ?? NaN)).toBeGreaterThan(0.85);
        const backOff = nth === 0 ? 0 : 10 * 2 ** (nth - 1);
        expect(end.rest).toContain(backOff === 0 ? 'started at once' : `started after a back-off of ${backOff} s`);
        const again = own[index + 1];
        expect(again?.what).toBe('is up again');
        expect((again?.at ?? NaN) - end.at).toBeGreaterThanOrEqual(backOff - 0.1);
      }
    }
    expect(ends.length).toBeGreaterThanOrEqual(5);
    expect(ends.filter(({ name }) => name.startsWith('heartbeat')).map(({ what }) => what)).toEqual(['does not end']);
    expect(stdout).toMatch(/heartbeat \d fails its probe \(3 of 3\): dead: stale: last beat .*, limit 2s \(/);
  });

  test('draws a picture that needs no other file, with every lane and the table in words', async () => {
    const { stdout } = await ended(whole);
    const svg = readFileSync(join(EXAMPLE, 'dist', 'load.svg'), 'utf8');
    expectPicture(svg, 'load begins: 4 × ab -c 10 -n 100');
    expect(stdout).toContain(tableOf(svg));
  });
});

test('docs/load.svg is such a picture of a whole run, and README shows its figures', () => {
  const svg = readFileSync('docs/load.svg', 'utf8');
  expectPicture(svg, 'load begins: 4 × ab -c 10 -n 250');
  expect(readme).toContain(`\`\`\`\n${tableOf(svg)}\`\`\`\n`);
  expect(readme.split('\n').length).toBeLessThanOrEqual(41);
});

function tableOf(svg: string): string {
  return /<desc id="table">\n([^]*?)<\/desc>/.exec(svg)?.[1] ?? 'no table';
}

function expectPicture(svg: string, load: string): void {
  const text = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, words]) => words);
  expect(text).toContain('Liveness by HTTP GET: an answer within 1 s');
  expect(text).toContain('Liveness by heartbeat: a beat within 2 s');
  for (const lane of ['replica 1', 'replica 2', 'replica 3', 'lost', load, 'load ends']) {
    expect(text.filter((words) => words === lane)).toHaveLength(2);
  }
  expect(text).toContain('a loop is wedged');
  expect(svg).toContain('prefers-color-scheme: dark');
  expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(
    /href|url\(|https?:|<script|NaN|Infinity|undefined/,
  );
  // Well-formed: every tag is closed, in order.
  const open: string[] = [];
  for (const [, end, name = '', empty] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (end) expect(open.pop()).toBe(name);
    else if (!empty) open.push(name);
  }
  expect(open).toEqual([]);
}

interface Running {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  /** Settles when its output is closed, which a replica that was left behind would prevent. */
  readonly closed: Promise<unknown>;
  readonly temporary: string;
}

function experiment([program = '', ...args]: string[], env: NodeJS.ProcessEnv = {}): Running {
  const temporary = join(scratch(), 'tmp');
  mkdirSync(temporary);
  const child = spawn(program, args, {
    env: { ...process.env, CLIENTS: undefined, REQUESTS: undefined, NODE_OPTIONS: '', TMPDIR: temporary, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  beforeRemoval.push(() => {
    try {
      process.kill(-(child.pid ?? NaN), 'SIGKILL'); // its process group, with replicas and ab
    } catch {
      // All processes of the group have ended.
    }
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  return { child, said, closed: once(child, 'close'), temporary };
}

function hasEnded({ child }: Running): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function ended({ child, said, closed }: Running) {
  await closed;
  return { code: child.exitCode, ...said };
}
