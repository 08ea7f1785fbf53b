// What the story uses: Redis, the pods and their kubelet, the probes.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientOf, type Client } from '../queue';
import { RedisServer } from './redis-server';

/** The worker's maximumAge in the story, because its minute would take too long. */
export const LIMIT_SECONDS = 4;

/** The kubelet probes with this period, and restarts after so many failures in a row. */
export const PERIOD_MS = 500;
export const FAILURES = 2;
const GRACE_MS = 1000;

/** Much longer than any step takes on an idle machine. */
const PATIENCE_SECONDS = 30;

const WORKER = join(__dirname, '..', '..'); // from dist/story
const LIVENESS_SH = join(WORKER, '..', '..', 'dist', 'liveness.sh');

const folder = mkdtempSync(join(tmpdir(), 'redis-worker-'));
const children = new Set<ChildProcess>();

// Runs at every end: success, failure or Ctrl-C.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

// Redis

const QUEUE = `k8s-liveness-story-${randomUUID()}`;
const { REDIS_URL: given = '' } = process.env;

/** Our own server, which can be killed and frozen; undefined if a given Redis is used. */
export let server: RedisServer | undefined;
let url = given;

/** @returns a description of the Redis. Rejects if there is none. */
export async function openRedis(): Promise<string> {
  if (!given) {
    server = await RedisServer.on(folder, (child) => children.add(child));
    ({ url } = server);
  }
  const [, version = '?'] = /redis_version:(\S+)/.exec(await redis((client) => client.info('server'))) ?? [];
  return given ? `Redis ${version} of REDIS_URL` : `redis-server ${version} on ${url}`;
}

/** Ends the workers, and removes our keys from a Redis that is not ours. */
export async function close(): Promise<void> {
  for (const pod of pods) await pod.die();
  if (given && pods.length > 0) await redis((client) => client.del([QUEUE, `${QUEUE}:results`]));
}

/** With a new client each time, because a client does not survive the kills of the story. */
async function redis<T>(act: (client: Client) => Promise<T>): Promise<T> {
  const client = clientOf(url);
  try {
    return await act(await client.connect());
  } finally {
    client.destroy();
  }
}

// Jobs

const jobs: string[] = [];

/** @returns the jobs' ids. */
export async function add(...added: { text: string; ms?: string }[]): Promise<string[]> {
  const ids = await redis((client) => Promise.all(added.map((job) => client.xAdd(QUEUE, '*', job))));
  jobs.push(...ids);
  return ids;
}

export interface Result {
  readonly id: string;
  readonly attempt: string;
  readonly consumer: string;
  readonly value: string;
}

export async function results(): Promise<Result[]> {
  const entries = await redis((client) => client.xRange(`${QUEUE}:results`, '-', '+'));
  return (entries ?? []).map(({ message }) => message as unknown as Result);
}

/** Waits until the job has its result. */
export function resultOf(id = ''): Promise<Result> {
  return until(`the result of ${id}`, async () => (await results()).find((result) => result.id === id));
}

/** Checks that every job has one result, and that the result of a repeated job says so. */
export async function checkResults(): Promise<{ jobs: number; redelivered: Result[] }> {
  const all = await results();
  for (const id of jobs) {
    const [result, ...more] = all.filter((each) => each.id === id);
    const attempts = begun.get(id) ?? [];
    expectEqual(`the results of ${id}`, more.length + (result ? 1 : 0), 1);
    // Each attempt has another number, and the last one is the result's.
    expectEqual(`the attempts at ${id}`, attempts.join(), [...new Set(attempts)].sort().join());
    expectEqual(`the attempt of ${id}'s result`, result?.attempt, attempts.at(-1));
  }
  expectEqual('the number of results', all.length, jobs.length);
  return { jobs: jobs.length, redelivered: all.filter(({ attempt }) => attempt !== '1') };
}

/** The attempts that workers reported, by job. */
const begun = new Map<string, string[]>();

/** Waits until a worker has begun the job. */
export async function hasBegun(id = ''): Promise<void> {
  await until(`the beginning of ${id}`, () => begun.has(id));
}

// Pods

const pods: Pod[] = [];

export class Pod {
  restarts = 0;
  readonly #name: string;
  readonly #environment: NodeJS.ProcessEnv;
  #worker: ChildProcess | undefined;
  #isOver = false;

  constructor(name: string) {
    this.#name = name;
    // Worker and probes share one environment, as in a container. Variables of the caller must not silence or slow them.
    this.#environment = {
      ...process.env,
      REDIS_URL: url,
      QUEUE,
      LIVENESS_RUNDIR: folder,
      LIVENESS_UNIT_NAME: name,
      MAXIMUM_AGE_SECONDS: String(LIMIT_SECONDS),
      LOG_LEVEL: '',
      NODE_OPTIONS: '',
    };
    pods.push(this);
    void this.#run();
  }

  /** Restarts the worker as the kubelet does, but without back-off. */
  async #run(): Promise<void> {
    for (;;) {
      const worker = this.#start();
      await this.#probe(worker);
      if (this.#isOver) return;
      this.restarts++;
      this.#say(`restart ${this.restarts}`);
    }
  }

  /** Probes liveness on its own clock until the worker has ended, by itself or because its probe failed. */
  async #probe(worker: ChildProcess): Promise<void> {
    let hasStarted = false; // as with a startupProbe
    let failures = 0;
    while (ended(worker) === null) {
      await sleep(PERIOD_MS);
      const { code, line } = await run(this.#shipped('--ignore-error'), this.#environment);
      hasStarted ||= code === 0;
      failures = code === 0 ? 0 : failures + 1;
      if (!hasStarted || failures < FAILURES || this.#isOver || ended(worker) !== null) continue;
      this.#say(`liveness probe failed ${FAILURES} times: ${line}`);
      worker.kill('SIGTERM');
      await sleep(GRACE_MS);
      worker.kill('SIGKILL'); // a wedged loop runs no handler
      await until('the end of the worker', () => ended(worker) !== null);
    }
  }

  #start(): ChildProcess {
    const worker = spawn(process.execPath, ['dist/worker.js'], {
      cwd: WORKER,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(worker);
    this.#worker = worker;
    createInterface(worker.stderr).on('line', (line) => {
      this.#say(line);
    });
    createInterface(worker.stdout).on('line', (line) => {
      const [, id, attempt] = /^(\S+) attempt (\d+)$/.exec(line) ?? [];
      if (id && attempt) begun.set(id, [...(begun.get(id) ?? []), attempt]);
    });
    return worker;
  }

  #say(line: string): void {
    say(`  ${this.#name}: ${line.replace(folder, '…')}`);
  }

  #shipped(...options: string[]): string[] {
    return ['sh', LIVENESS_SH, '--process', ...options];
  }

  /** Asks all probes at once, prints their answers, and expects each to begin as stated. */
  async ask(expected: { liveness: string; readiness: string }): Promise<void> {
    const probes = [
      { name: 'liveness   liveness.sh', command: this.#shipped('--ignore-error'), verdict: expected.liveness },
      { name: "           the worker's", command: [process.execPath, 'dist/liveness.js'], verdict: expected.liveness },
      { name: 'readiness  liveness.sh', command: this.#shipped(), verdict: expected.readiness },
      {
        name: "           the worker's",
        command: [process.execPath, 'dist/readiness.js'],
        verdict: expected.readiness,
      },
    ];
    const asked = probes.map(async (probe) => ({ ...probe, ...(await run(probe.command, this.#environment)) }));
    const answers = await Promise.all(asked);
    for (const { name, code, line } of answers) say(`  ${name.padEnd(23)} ${code}  ${line.replace(folder, '…')}`);
    for (const { command, code, line, verdict } of answers) {
      if (line.startsWith(verdict) && code === (verdict.startsWith('alive') ? 0 : 1)) continue;
      throw new Error(`expected of ${command.join(' ')} "${verdict}..."; got exit ${code} and "${line}"`);
    }
  }

  /** Waits until the cheapest probe says this about readiness. */
  async until(readiness: string): Promise<void> {
    await until(readiness, async () => (await run(this.#shipped(), this.#environment)).line.startsWith(readiness));
  }

  /** Its node fails, so nobody restarts it. */
  async die(): Promise<void> {
    this.#isOver = true;
    await this.#end('SIGKILL');
  }

  /** @returns its worker's exit code or signal, and the files that it left in its directory. */
  async stop(): Promise<{ exit: Ending; left: string[] }> {
    this.#isOver = true;
    const exit = await this.#end('SIGTERM');
    return { exit, left: readdirSync(join(folder, this.#name)) };
  }

  async #end(signal: NodeJS.Signals): Promise<Ending> {
    const worker = this.#worker;
    if (!worker) return null;
    worker.kill(signal);
    await until(`the worker's end by ${signal}`, () => ended(worker) !== null);
    return ended(worker);
  }
}

async function run([command = '', ...args]: string[], env: NodeJS.ProcessEnv): Promise<{ code: Ending; line: string }> {
  const timeout = PATIENCE_SECONDS * 1000;
  const child = spawn(command, args, {
    cwd: WORKER,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
  });
  children.add(child);
  let line = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (line += text));
  }
  await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  children.delete(child);
  return { code: ended(child), line: line.trimEnd() };
}

/** An exit code or a signal; null while it runs. */
type Ending = number | string | null;

function ended(child: ChildProcess): Ending {
  return child.exitCode ?? child.signalCode;
}

// The output

let act = 0;

export function tell(text: string): void {
  act++;
  say(`\n${act}. ${text}`);
}

export function say(text: string): void {
  console.log(text);
}

export function expectEqual<T>(what: string, came: T, expected: T): void {
  if (came !== expected) throw new Error(`expected ${what} to be ${String(expected)}; got ${String(came)}`);
}

/** Waits until `look` returns something; throws after PATIENCE_SECONDS. */
async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = performance.now() + PATIENCE_SECONDS * 1000;
  for (;;) {
    const came = await look();
    if (came) return came;
    if (performance.now() > deadline) throw new Error(`expected ${what} within ${PATIENCE_SECONDS} s; it did not come`);
    await sleep(20);
  }
}
