// Real containers by runc alone: namespaces and cgroups of their own, over this machine's programs.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Much longer than anything takes on an idle machine. */
const PATIENCE_SECONDS = 60;

/** Much longer than a reaper needs. */
const REAPING_SECONDS = 1;

const ROOT = join(__dirname, '..', '..', '..'); // this repository

const folder = mkdtempSync(join(tmpdir(), 'redis-probe-'));
const containers: Container[] = [];
const starting = new Set<Promise<void>>();
const running = new Set<ChildProcess>();
let ending = false;

/** However it ends: done, failed, or by Ctrl-C. What fails then for want of its container is not told. */
export async function end(code: number, message = ''): Promise<void> {
  if (ending) return;
  ending = true;
  if (message !== '') console.error(message);
  await Promise.allSettled(starting); // half started, a container cannot be removed
  await Promise.all(containers.map((container) => container.remove()));
  await until('an end of every runc', () => running.size === 0);
  rmSync(folder, { recursive: true, maxRetries: 20, retryDelay: 50 });
  process.exit(code);
}
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => void end(code));
}

/** What began after the removal would be left over. */
function refuseAtTheEnd(): void {
  if (ending) throw new Error('it is about to end');
}

function runc(args: string[], output: 'ignore' | 'pipe' | number): ChildProcess {
  // Detached: Ctrl-C is for us alone, who clean up in order.
  const child = spawn('runc', ['--root', join(folder, 'state'), ...args], { stdio: ['ignore', output, output], detached: true });
  running.add(child);
  return child.on('close', () => running.delete(child));
}

export class Container {
  readonly #id = `redis-probe-${process.pid}-${containers.push(this)}`;
  readonly #bundle = join(folder, this.#id);
  #runner: ChildProcess | undefined;
  #pid = 0;
  /** What runs in its PID namespace without any probe. */
  #own: number[] = [];
  #zombies = 0;

  /**
   * Starts a container.
   *
   * @param ready a probe whose success to wait for
   * @param pause the container whose PID namespace it joins
   */
  static async start(command: string[], ready?: string[], pause?: Container): Promise<Container> {
    refuseAtTheEnd();
    const container = new Container();
    const start = container.#start(command, pause);
    starting.add(start);
    await start.finally(() => starting.delete(start));
    if (ready) await until('readiness', async () => container.#isRunning() && (await container.exec(ready).ended).code === 0);
    container.#own = container.#processes().alive;
    return container;
  }

  async #start(command: string[], pause?: Container): Promise<void> {
    mkdirSync(join(this.#bundle, 'rootfs'), { recursive: true });
    const config = configuration(this.#id, command, pause ? pause.#pid : 0);
    writeFileSync(join(this.#bundle, 'config.json'), JSON.stringify(config));
    const pidFile = join(this.#bundle, 'pid');
    const log = openSync(join(this.#bundle, 'log'), 'w');
    this.#runner = runc(['run', '--bundle', this.#bundle, '--pid-file', pidFile, this.#id], log);
    closeSync(log);
    await until('a container', () => this.#isRunning() && (this.#pid = pidIn(pidFile)) > 0);
  }

  #isRunning(): boolean {
    if (this.#runner && !hasEnded(this.#runner)) return true;
    throw new Error(`the container ended: ${textOf(join(this.#bundle, 'log')) || 'it printed nothing'}`);
  }

  /** Runs a command beside the container's own, as exec probes are run. */
  exec(command: string[]): Exec {
    refuseAtTheEnd();
    return new Exec(this.#id, command);
  }

  /** How many more zombies than last time there are when all that probes have started has ended, and nobody reaps them. */
  async newZombies(): Promise<number> {
    await until('an end of what probes have started', () => this.#processes().alive.every((pid) => this.#own.includes(pid)));
    const deadline = performance.now() + REAPING_SECONDS * 1000;
    const more = () => this.#processes().zombies - this.#zombies;
    while (more() > 0 && performance.now() < deadline) await sleep(2);
    const added = more();
    this.#zombies += added;
    return added;
  }

  /** What its own /proc shows. */
  #processes(): { alive: number[]; zombies: number } {
    const proc = `/proc/${this.#pid}/root/proc`;
    const alive: number[] = [];
    let zombies = 0;
    for (const pid of readdirSync(proc).filter((name) => /^\d+$/.test(name))) {
      const state = stateIn(join(proc, pid));
      if (state === 'Z') zombies++;
      else if (state !== undefined) alive.push(Number(pid));
    }
    return { alive, zombies };
  }

  /** Signals a program of the container. From outside: inside, nobody can stop PID 1. */
  signal(program: string, signal: NodeJS.Signals): void {
    const pid = tree(this.#pid).find((pid) => textOf(`/proc/${pid}/comm`) === `${program}\n`);
    if (pid === undefined) throw new Error(`expected ${program} in its container; it is not there`);
    process.kill(pid, signal);
  }

  async remove(): Promise<void> {
    // Again, where another Ctrl-C has hit what was not detached yet.
    await until('an end of a container', async () => {
      await once(runc(['delete', '--force', this.#id], 'ignore'), 'close');
      return !this.#runner || hasEnded(this.#runner);
    });
  }
}

let execs = 0;

export class Exec {
  readonly ended: Promise<{ code: number | null; output: string }>;
  readonly #child: ChildProcess;
  readonly #pidFile = join(folder, `exec-${++execs}`);

  constructor(id: string, command: string[]) {
    const child = runc(['exec', '--pid-file', this.#pidFile, id, ...command], 'pipe');
    this.#child = child;
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    this.ended = new Promise((settle, reject) => {
      const timer = setTimeout(() => {
        this.kill();
        child.kill('SIGKILL');
        reject(new Error(`expected ${command.join(' ')} to end within ${PATIENCE_SECONDS} s; it did not`));
      }, PATIENCE_SECONDS * 1000);
      child.on('close', (code) => {
        clearTimeout(timer);
        settle({ code, output: output.trim() });
      });
    });
    this.ended.catch(() => undefined); // of one that nobody waits for
  }

  get hasEnded(): boolean {
    return hasEnded(this.#child);
  }

  /** Whether it, or what it has started, is this command by now and has come so far: at first it is runc itself. */
  reaches(command: string[], point: (pid: number) => boolean): boolean {
    const commandLine = command.map((word) => `${word}\0`).join('');
    return tree(pidIn(this.#pidFile)).some((pid) => textOf(`/proc/${pid}/cmdline`) === commandLine && point(pid));
  }

  /** Kills the command's first process alone: so does containerd at a probe's timeout. False if there is none any more. */
  kill(): boolean {
    const pid = pidIn(this.#pidFile);
    try {
      return pid > 0 && !this.hasEnded && process.kill(pid, 'SIGKILL');
    } catch {
      return false;
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return (child.exitCode ?? child.signalCode) !== null;
}

/** A process, if it is there, and its children, and theirs. */
function tree(pid: number): number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? [];
  return existsSync(`/proc/${pid}`) ? [pid, ...children.flatMap((child) => tree(Number(child)))] : [];
}

/** By a process's folder in /proc; undefined if it has gone. */
function stateIn(folder: string): string | undefined {
  return /.*\) (.)/s.exec(textOf(join(folder, 'stat')))?.[1];
}

/** Connected, and asleep: it waits for the answer. */
export function awaitsAnswer(pid: number): boolean {
  const connections = textOf(`/proc/${pid}/net/tcp`).split('\n').map((line) => line.trim().split(/\s+/));
  const established = connections.filter(([, , , state]) => state === '01').map((fields) => `socket:[${fields[9] ?? ''}]`);
  return stateIn(`/proc/${pid}`) === 'S' && openIn(pid).some((link) => established.includes(link));
}

/** V8 has started its workers. */
export function hasThreads(pid: number): boolean {
  return /^Threads:\t(?!1$)/m.test(textOf(`/proc/${pid}/status`));
}

/** The first thing that liveness.sh does. */
export function hasLimitedItself(pid: number): boolean {
  return /^Max cpu time +\d+ /m.test(textOf(`/proc/${pid}/limits`));
}

function openIn(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((name) => readlinkSync(join(folder, name)));
  } catch {
    return []; // it has just gone, or closed one
  }
}

/** 0 until runc has written it. */
function pidIn(file: string): number {
  return Number(textOf(file));
}

/** Empty where there is no such file, as for a process that has just gone. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** https://github.com/opencontainers/runtime-spec/blob/main/config.md */
function configuration(id: string, args: string[], pause: number): object {
  const readOnly = (source: string, destination = source) => ({ source, destination, type: 'bind', options: ['rbind', 'ro'] });
  const programs = ['/usr', '/bin', '/sbin', '/lib', '/lib64'].filter((path) => existsSync(path));
  return {
    ociVersion: '1.0.2',
    root: { path: 'rootfs', readonly: true },
    process: { args, cwd: '/', user: { uid: 0, gid: 0 }, env: ['PATH=/opt:/usr/local/bin:/usr/bin:/bin'] },
    mounts: [
      { destination: '/proc', source: 'proc', type: 'proc' },
      { destination: '/dev', source: 'tmpfs', type: 'tmpfs', options: ['size=64k'] },
      { destination: '/tmp', source: 'tmpfs', type: 'tmpfs', options: ['size=8m'] },
      ...programs.map((path) => readOnly(path)),
      readOnly(process.execPath, '/opt/node'),
      readOnly(ROOT, '/app'),
    ],
    linux: {
      cgroupsPath: `/${id}`,
      namespaces: [
        { type: 'pid', ...(pause > 0 && { path: `/proc/${pause}/ns/pid` }) },
        ...['mount', 'network', 'ipc', 'uts'].map((type) => ({ type })),
      ],
    },
  };
}

/** Waits for something to become true, no longer than anybody should, also where the question itself hangs. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => { late.abort(); }, PATIENCE_SECONDS * 1000);
  const deadline = once(late.signal, 'abort').then(() => false);
  try {
    while (!late.signal.aborted && !(await Promise.race([isTrue(), deadline]))) await sleep(2);
  } finally {
    clearTimeout(timer);
  }
  if (late.signal.aborted) throw new Error(`expected ${what} within ${PATIENCE_SECONDS} s; it did not come`);
}
