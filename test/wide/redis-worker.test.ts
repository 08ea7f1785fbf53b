/** examples/redis-worker, run as processes with a real redis-server, which the tests kill and freeze. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { clientOf, type Client } from '../../examples/redis-worker/queue';
import { RedisServer } from '../../examples/redis-worker/story/redis-server';
import { ProcessTimestamp } from '../../src/process-timestamp';
import { decision } from '../../src/kubelet';
import { describeIf } from '../support/describe-if';
import { run, SHELLS, type Answer } from '../support/readers';
import { beforeRemoval, scratch } from '../support/records';
import { until } from '../support/until';

const EXAMPLE = resolve('examples/redis-worker');
const describeIfRedis = describeIf(
  spawnSync('redis-server', ['--version']).status === 0,
  'redis-server (apt-get install redis-server)',
);

let folder: string;
let server: RedisServer;
/** Every process of a test. */
const children = new Set<ChildProcess>();
/** The ids of all jobs of a test. */
let added: string[];
/** The workers' maximumAge, in seconds. */
let limit: number;
/** A limit in seconds so long that no worker takes over a job during a test. */
const NO_TAKING_OVER = 60;

beforeAll(() => {
  const tsc = require.resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', EXAMPLE], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tsc: ${stdout}`);
});

beforeEach(() => {
  folder = scratch({ memory: true });
  added = [];
  limit = 4;
});

afterEach(async () => {
  endAll();
  await Promise.all([...children].map((child) => ended(child)));
  children.clear();
});

describeIfRedis('the worker', () => {
  beforeEach(startServer);

  test('does each job once, also a job that fails, and beats if there is no job', async () => {
    const worker = start('a');
    await results(await add({ text: 'hello' }, { text: '' }, {}));
    expect(await values()).toEqual([
      ['1', 'a', '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'],
      ['1', 'a', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
      ['1', 'a', 'failed: expected a text; the job has none'],
    ]);
    const idle = Date.now();
    await until(() => Number(ProcessTimestamp.byRef(join(folder, 'a')).value) > idle + 1500);
    expect(await probes('a')).toEqual(both('alive 0'));
    expect(await end(worker, 'SIGTERM')).toBe(0);
    expect(readdirSync(join(folder, 'a'))).toEqual([]);
    expect(await probes('a')).toEqual(both('missing 1'));
    await expectNothingLeft();
  });

  test.each<[string, () => unknown, () => unknown, number]>([
    ['killed', () => server.kill(), () => server.start(), 4],
    // Each attempt to reach this address takes two seconds.
    [
      'frozen',
      () => {
        server.freeze();
      },
      () => {
        server.thaw();
      },
      6,
    ],
  ])(
    'outlives a Redis that is %s: alive, not ready, and the job in hand is done once',
    async (_, take, give, seconds) => {
      limit = seconds;
      const worker = start('a');
      const [id = ''] = await add({ text: 'in hand', ms: '300' });
      await begun(id);
      await take();
      await untilSaid('a', 'failed');
      await sleep(limit * 1000 + 500);
      expect(await probes('a')).toEqual({ liveness: 'alive 0', readiness: 'failed 1' });
      await give();
      await untilSaid('a', 'alive');
      expect(await probes('a')).toEqual(both('alive 0'));
      await results([id]);
      expect(attempts(id)).toEqual([1]);
      expect(worker.exitCode).toBe(null);
      expect(errors()).toHaveLength(1); // one line per outage
      await expectNothingLeft();
    },
  );

  test('no worker takes a job over because of a long outage: the worker that did the job records its result', async () => {
    limit = 1;
    for (const name of ['a', 'b']) start(name);
    for (let round = 0; round < 3; round++) {
      const [id = ''] = await add({ text: 'in hand', ms: '300' });
      await begun(id);
      await server.kill();
      await sleep(2 * limit * 1000 + 300);
      await server.start();
      await results([id]);
      expect(attempts(id)).toEqual([1]);
    }
    await expectNothingLeft();
  });

  test('records a result once if the answer of Redis was lost', async () => {
    start('a');
    const [id = ''] = await add({ text: 'x', ms: '200' });
    await begun(id);
    server.freeze();
    await until(() => errors().length > 0);
    server.thaw(); // handles what it was sent, but its answer is lost
    await until(() => said().includes(`${id} is in other hands, or recorded already`));
    expect(attempts(id)).toEqual([1]);
    expect(await values()).toEqual([['1', 'a', expect.any(String)]]);
    await expectNothingLeft();
  });

  test('does a job that Redis gave to it in an answer that was lost', async () => {
    limit = NO_TAKING_OVER;
    const relay = await Relay.to(server.port);
    start('a', { REDIS_URL: `redis://127.0.0.1:${relay.port}` });
    await blocked();
    relay.drops = true;
    const [id = ''] = await add({ text: 'x' });
    await until(() => errors().length > 0);
    relay.drops = false;
    await results([id]);
    relay.close();
    expect(attempts(id)).toEqual([2]);
    expect(await values()).toEqual([['2', 'a', expect.any(String)]]);
    await expectNothingLeft();
  });

  /** Milliseconds after a worker has begun the first job: during a job, between two jobs, and after the last. */
  const MOMENTS = [0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 50, 60];
  const JOBS = [{ text: '1', ms: '15' }, { text: '2', ms: '15' }, { text: '3' }];

  test('loses and repeats no job if Redis is killed at any of these moments', async () => {
    limit = NO_TAKING_OVER;
    start('a');
    start('b');
    for (const ms of MOMENTS) {
      const ids = await add(...JOBS);
      await begun(ids[0] ?? '');
      await sleep(ms);
      await server.kill();
      await server.start();
      for (const { id, attempt } of await results(ids)) {
        expect(attempts(id)).toEqual([attempt]); // an outage does not repeat a job
      }
    }
    await expectNothingLeft();
  });

  test.each([
    ['it is', false],
    ['both it and Redis are', true],
  ])('loses nothing and says what it does again when %s killed, at one moment after the other', async (_, redisToo) => {
    limit = NO_TAKING_OVER;
    let worker = start('a');
    let again = 0;
    for (const ms of MOMENTS) {
      const ids = await add(...JOBS);
      await begun(ids[0] ?? '');
      await sleep(ms);
      worker.kill('SIGKILL');
      if (redisToo) {
        await server.kill();
        await server.start();
      }
      await ended(worker);
      worker = start('a');
      for (const { id, attempt } of await results(ids)) {
        // Each attempt has a higher number, and the last one is the result's.
        expect(attempts(id)).toEqual([...new Set(attempts(id))].sort());
        expect(attempt).toBe(attempts(id).at(-1));
        if (attempts(id).length > 1) again++;
      }
    }
    expect(again).toBeGreaterThan(0);
    await expectNothingLeft();
  });

  test.each([
    ['another', 'b'],
    ['a namesake on another node', 'a'], // like a StatefulSet's pod that was deleted by force
  ])('its result does not count if %s has taken over its job', async (_, name) => {
    limit = 1;
    const first = start('a');
    const [id = ''] = await add({ text: 'x', ms: '1000' });
    await begun(id);
    first.kill('SIGSTOP');
    start(name, { LIVENESS_RUNDIR: join(folder, 'elsewhere') });
    await until(() => attempts(id).length === 2);
    first.kill('SIGCONT');
    await until(() => said().includes(`${id} is in other hands, or recorded already`));
    const [result] = await results([id]);
    // The first worker may have connected again, and have taken the job back from its namesake.
    expect(attempts(id)).toEqual(name === 'a' && result?.attempt === 3 ? [1, 2, 3] : [1, 2]);
    expect(await values()).toEqual([[String(attempts(id).at(-1)), name, expect.any(String)]]);
    await expectNothingLeft();
  });

  test('is dead to every probe if it is wedged, and finds its job again after a restart', async () => {
    limit = 2;
    const worker = start('a');
    const [id = ''] = await add({ text: 'WEDGE' });
    await untilSaid('a', 'stale');
    expect(await probes('a')).toEqual(both('stale 1'));
    expect(await end(worker, 'SIGKILL')).toBe('SIGKILL');
    expect(await probes('a')).toEqual(both('gone 1'));
    limit = NO_TAKING_OVER;
    start('a');
    await results([id]);
    expect(attempts(id)).toEqual([1, 2]);
    expect(await values()).toEqual([['2', 'a', expect.any(String)]]);
    await untilSaid('a', 'alive');
    await expectNothingLeft();
  });

  test('gives up a job that has ended three workers, also if Redis is killed each time', async () => {
    const [id = ''] = await add({ text: 'x', ms: '60000' });
    for (const attempt of [1, 2, 3]) {
      const worker = start('a');
      await until(() => attempts(id).includes(attempt));
      await end(worker, 'SIGKILL');
      await server.kill();
      await server.start();
    }
    start('a');
    await results([id]);
    expect(await values()).toEqual([['4', 'a', 'given up after 3 attempts']]);
    expect(attempts(id)).toEqual([1, 2, 3]);
    await expectNothingLeft();
  });

  test('on SIGTERM finishes the job in hand, leaves the next one to others, removes its files and exits 0', async () => {
    const worker = start('a');
    const [id = '', next = ''] = await add({ text: 'x', ms: '500' }, { text: 'y' });
    await begun(id);
    expect(await end(worker, 'SIGTERM')).toBe(0);
    expect(readdirSync(join(folder, 'a'))).toEqual([]);
    expect([attempts(id), attempts(next)]).toEqual([[1], []]);
    start('b');
    await results([next]);
    expect((await values()).map(([attempt, consumer]) => [attempt, consumer])).toEqual([
      ['1', 'a'],
      ['1', 'b'],
    ]);
    await expectNothingLeft();
  });

  test('goes on with a Redis that has lost everything', async () => {
    start('a');
    await blocked();
    await redis((client) => client.flushAll());
    await results(await add({ text: 'x' }));
    await untilSaid('a', 'alive');
    await expectNothingLeft();
  });

  test.each<[string, () => unknown, string]>([
    ['is away', () => server.kill(), 'ECONNREFUSED'],
    [
      'does not answer',
      () => {
        server.freeze();
      },
      'Socket timeout',
    ],
  ])('ends when Redis %s at the start, says so, and was never there', async (_, spoil, says) => {
    await spoil();
    expect(await ended(start('a'))).toBe(1);
    expect(errors().join('\n')).toContain(says);
    expect(existsSync(join(folder, 'a'))).toBe(false);
    expect(await probes('a')).toEqual(both('missing 1'));
  });
});

describeIfRedis('the story', () => {
  const readme = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');
  const TOLD = [process.execPath, 'examples/redis-worker/dist/story'];

  test('runs by the command in README; it leaves a given Redis as it was', async () => {
    const [, command = ''] = /```sh\n(.*)\n```/.exec(readme) ?? [];
    const compile = 'npm run build && npx tsc -p examples/redis-worker && '; // left out: it is compiled already, and npx would ask a registry
    expect(command.slice(0, compile.length)).toBe(compile);
    const told = story(['bash', '-c', command.slice(compile.length)]);

    await startServer();
    await redis((client) => client.set('jobs', 'of somebody else'));
    const [given, stopped] = [story(TOLD, { REDIS_URL: server.url }), story(TOLD, { REDIS_URL: server.url })];
    await until(() => stopped.said().includes('alive: '));
    stopped.child.kill('SIGINT');
    expect(await stopped.closed).toMatchObject({ exit: 130, stderr: '' });
    expect(await given.closed).toMatchObject({ exit: 0, stderr: '' });
    expect(given.said()).toContain('Left out: an outage and a freeze of Redis.');
    expect(await redis((client) => client.keys('*'))).toEqual(['jobs']);
    await server.kill();

    expect(await told.closed).toMatchObject({ exit: 0, stderr: '' });
    expect(told.said()).toContain(
      '25 jobs, 25 results: none lost, none twice. 2 of them were delivered again and say so:',
    );
    expect(told.said()).not.toContain('Left out');
    await expectNothingRemains();
  });

  test('leaves nothing behind if it is stopped', async () => {
    const { child, said, closed } = story(TOLD);
    await until(() => said().includes('alive: '));
    child.kill('SIGTERM');
    expect(await closed).toMatchObject({ exit: 143, stderr: '' });
    await expectNothingRemains();
  });

  test.each([
    [
      'no redis-server',
      { PATH: '/nonexistent' },
      'there is no redis-server (apt-get install redis-server), and no REDIS_URL',
    ],
    ['a REDIS_URL that does not answer', { REDIS_URL: 'redis://127.0.0.1:1' }, 'connect ECONNREFUSED 127.0.0.1:1'],
  ])('with %s says so, and fails', async (_, env, says) => {
    const { exit, stdout, stderr } = await story(TOLD, env).closed;
    expect({ exit, stdout, stderr }).toEqual({
      exit: 2,
      stdout: '',
      stderr: `Cannot be told without Redis: ${says}\n`,
    });
    await expectNothingRemains();
  });

  /** Runs the story with its own folder for temporary files. */
  function story([command = '', ...args]: string[], env: NodeJS.ProcessEnv = {}) {
    const temporary = join(folder, 'tmp');
    mkdirSync(temporary, { recursive: true });
    const child = spawn(command, args, {
      env: { ...process.env, REDIS_URL: '', TMPDIR: temporary, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = once(child, 'close').then(() => ({ exit: child.exitCode, stdout, stderr }));
    return { child, said: () => stdout, closed };
  }

  /** Expects no file, and waits until no process has the story's TMPDIR. */
  async function expectNothingRemains(): Promise<void> {
    const temporary = join(folder, 'tmp');
    expect(readdirSync(temporary)).toEqual([]);
    await until(() => !readdirSync('/proc').some((pid) => environmentOf(pid).includes(`TMPDIR=${temporary}`)));
  }

  function environmentOf(pid: string): string[] {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    } catch {
      return []; // not a process, or it has ended, or it is another user's
    }
  }
});

// Processes

beforeRemoval.push(endAll);

function endAll(): void {
  for (const child of children) child.kill('SIGKILL');
}

async function startServer(): Promise<void> {
  server = await RedisServer.on(folder, (child) => children.add(child));
}

function start(name: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  // Output goes to files, so that it can be read as soon as a result can be read.
  const output = ['stdout', 'stderr'].map((file) => openSync(join(folder, file), 'a'));
  const child = spawn(process.execPath, [join(EXAMPLE, 'dist', 'worker.js')], {
    env: { ...process.env, REDIS_URL: server.url, NODE_OPTIONS: '', ...environment(name), ...env },
    stdio: ['ignore', ...output],
  });
  for (const file of output) closeSync(file);
  children.add(child);
  return child;
}

/** The lines that the workers printed. */
function said(): string[] {
  return readFileSync(join(folder, 'stdout'), 'utf8').split('\n').slice(0, -1);
}

function errors(): string[] {
  return readFileSync(join(folder, 'stderr'), 'utf8').split('\n').slice(0, -1);
}

function environment(name: string): NodeJS.ProcessEnv {
  return { QUEUE: 'jobs', LIVENESS_RUNDIR: folder, LIVENESS_UNIT_NAME: name, MAXIMUM_AGE_SECONDS: String(limit) };
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | string | null> {
  child.kill(signal);
  return ended(child);
}

/** Its exit code, or the signal that ended it. */
async function ended(child: ChildProcess): Promise<number | string | null> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode ?? child.signalCode;
}

/** Relays between a worker and Redis, without Redis's answers while `drops` is set. */
class Relay {
  drops = false;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((worker) => {
    const redis = connect(this.target, '127.0.0.1');
    for (const [socket, other] of [
      [worker, redis],
      [redis, worker],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => other.destroy());
    }
    worker.pipe(redis);
    redis.on('data', (data) => this.drops || worker.write(data));
  });

  static async to(port: number): Promise<Relay> {
    const relay = new Relay(port);
    await once(relay.#server.listen(0, '127.0.0.1'), 'listening');
    return relay;
  }

  private constructor(readonly target: number) {}

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

// Jobs

async function redis<T>(act: (client: Client) => Promise<T>): Promise<T> {
  const client = clientOf(server.url);
  try {
    return await act(await client.connect());
  } finally {
    client.destroy();
  }
}

async function add(...jobs: { text?: string; ms?: string }[]): Promise<string[]> {
  const ids = await redis((client) =>
    Promise.all(jobs.map((job) => client.xAdd('jobs', '*', { kind: 'test', ...job }))),
  );
  added.push(...ids);
  return ids;
}

/** The attempts at a job, in the order in which workers have begun them. */
function attempts(id: string): number[] {
  const begun = said().filter((line) => line.startsWith(`${id} attempt `));
  return begun.map((line) => Number(line.slice(`${id} attempt `.length)));
}

function begun(id: string): Promise<unknown> {
  return until(() => attempts(id).length > 0);
}

/** Waits until a worker waits for a job. */
function blocked(): Promise<unknown> {
  return until(() => redis(async (client) => (await client.clientList()).some(({ flags }) => flags.includes('b'))));
}

async function recorded(): Promise<Record<string, string>[]> {
  const entries = await redis((client) => client.xRange('jobs:results', '-', '+'));
  return (entries ?? []).map(({ message }) => message);
}

/** Waits until each of the jobs has its result. */
async function results(ids: string[]): Promise<{ id: string; attempt: number }[]> {
  let found: { id: string; attempt: number }[] = [];
  await until(async () => {
    const all = await recorded();
    found = all.map(({ id = '', attempt }) => ({ id, attempt: Number(attempt) })).filter(({ id }) => ids.includes(id));
    return found.length >= ids.length;
  });
  return found;
}

async function values(): Promise<(string | undefined)[][]> {
  return (await recorded()).map(({ attempt, consumer, value }) => [attempt, consumer, value]);
}

/** Expects one result for each job, and no job that waits or is in hand. */
async function expectNothingLeft(): Promise<void> {
  expect((await recorded()).map(({ id }) => id).sort()).toEqual([...added].sort());
  await redis(async (client) => {
    expect(await client.xLen('jobs')).toBe(0);
    expect(await client.xPending('jobs', 'workers')).toMatchObject({ pending: 0 });
  });
}

// Probes

/** The answers to both questions. Every probe must give the same. */
async function probes(name: string): Promise<{ liveness: string; readiness: string }> {
  const shipped = [[process.execPath, 'dist/liveness.js'], ...SHELLS.map((shell) => [...shell, 'dist/liveness.sh'])];
  const asked = async (own: string, ...options: string[]): Promise<string> => {
    const ofProcess = shipped.map((command) => [...command, '--process', ...options]);
    const commands = [[process.execPath, join(EXAMPLE, 'dist', own)], ...ofProcess];
    const answers = await Promise.all(commands.map((command) => ask(name, command)));
    const verdicts = new Set(answers.map(({ verdict, exit }) => `${verdict} ${String(exit)}`));
    if (verdicts.size !== 1) throw new Error(`expected one answer; got ${JSON.stringify(answers, null, 2)}`);
    return [...verdicts].join();
  };
  return { liveness: await asked('liveness.js', '--ignore-error'), readiness: await asked('readiness.js') };
}

const both = (verdict: string) => ({ liveness: verdict, readiness: verdict });

function ask(name: string, command: string[]): Promise<Answer> {
  const variables = Object.entries(environment(name)).map(([variable, value = '']) => `${variable}=${value}`);
  return run(command.join(' '), ['env', ...variables, ...command]);
}

/** Waits until the cheapest probe says this about readiness. */
async function untilSaid(name: string, verdict: string): Promise<void> {
  await until(async () => (await ask(name, ['sh', 'dist/liveness.sh', '--process'])).verdict === verdict);
}

test('the API server would accept the pod, whose probe ends a worker that hangs before its job is taken over', () => {
  const pod = new Pod(
    parseYaml(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')) as ConstructorParameters<typeof Pod>[0],
  );
  pod.validate();
  const { containers: [container] = [], terminationGracePeriodSeconds: G = 30 } = pod.spec ?? {};
  const { readinessProbe, livenessProbe } = container ?? {};
  const probe = ['sh', 'node_modules/k8s-liveness/dist/liveness.sh', '--process'];
  expect(readinessProbe?.exec?.command).toEqual(probe);
  expect(livenessProbe?.exec?.command).toEqual([...probe, '--ignore-error']);
  const { periodSeconds = 10, failureThreshold = 3, timeoutSeconds = 1 } = livenessProbe ?? {};
  const A = 60;
  const sum = decision(A, { periodSeconds, failureThreshold, timeoutSeconds }).latest + 2 + G;
  expect(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')).toContain(` this make ${sum}.\n`);
  expect(sum).toBeLessThan(2 * A);
});
