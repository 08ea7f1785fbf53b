// Containers by runc. They are in the namespaces of a sandbox, so they end with the process that started them, however it ends.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PATIENCE, until } from './until';

/** The folder of all cgroups. In version 1 each controller has one, and any of them is enough. */
const CGROUPS = existsSync('/sys/fs/cgroup/cgroup.procs') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';

// Ends when its input closes, which happens when our process ends. When the first process of a PID namespace ends, all its
// processes end, and the mounts go with them. Then only the cgroups and our folder must be removed.
const KEEPER = `
unshare --mount --pid --fork --kill-child --mount-proc sh -c 'echo ready; cat; :'
for group in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
  while [ -d "$group" ] && ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.05; done
done
rm -rf "$2"
`;

export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), `containers-${process.pid}-`));
  /** Its cgroups have this name too. */
  readonly name = basename(this.folder);
  /** The root folder of its containers. */
  readonly image = join(this.folder, 'image');
  readonly #keeper: ChildProcess;
  #first = 0;
  #closing = false;

  constructor() {
    mkdirSync(this.image);
    // Detached, because Ctrl-C would end it before it has cleaned up.
    const args = ['-c', KEEPER, 'sh', this.name, this.folder];
    this.#keeper = spawn('sh', args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  }

  /** Settles when its namespaces exist. */
  async open(): Promise<this> {
    const keeper = this.#keeper;
    await Promise.race([once(keeper.stdout ?? keeper, 'data'), once(keeper, 'close')]);
    if (keeper.exitCode !== null) throw new Error('expected unshare to make namespaces; it did not');
    const [unshare = 0] = childrenOf(keeper.pid ?? 0);
    [this.#first = 0] = childrenOf(unshare);
    return this;
  }

  /** Ends every container, and waits until nothing is left. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#keeper.stdin?.end();
    if (this.#keeper.exitCode === null) await once(this.#keeper, 'close');
  }

  /** Starts a process in the sandbox's namespaces. */
  spawn(command: readonly string[]): ChildProcess {
    this.refuseIfClosing();
    const args = ['--target', String(this.#first), '--mount', '--pid', '--', ...command];
    const { PATH } = process.env;
    // Detached, so that Ctrl-C reaches only our process, which then closes the sandbox.
    return spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH }, detached: true });
  }

  /** Call this before you write into the folder, because a file that is written after its removal would stay. */
  refuseIfClosing(): void {
    if (this.#closing) throw new Error('the sandbox is closing');
  }
}

export interface Spec {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The id of its user and of its group. */
  readonly user: number;
  readonly mounts: readonly object[];
  readonly resources?: object;
  /** The container whose PID namespace it joins. */
  readonly pause?: Container | undefined;
}

let containers = 0;

export class Container {
  protected readonly id = `container-${++containers}`;
  #runner: ChildProcess | undefined;
  #output = () => '';
  /** The pid of its first process in this process's namespace. */
  #pid = 0;
  #execs = 0;

  constructor(
    protected readonly sandbox: Sandbox,
    protected readonly runtime: readonly string[] = ['runc', '--root', join(sandbox.folder, 'state')],
  ) {}

  /** Starts it with runc, and settles when its program runs. */
  async run(spec: Spec): Promise<this> {
    this.sandbox.refuseIfClosing();
    const bundle = join(this.sandbox.folder, this.id);
    mkdirSync(bundle);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(this.#configuration(spec)));
    return this.launch([...this.runtime, 'run', '--bundle', bundle, this.id]);
  }

  protected async launch(command: readonly string[]): Promise<this> {
    this.#runner = this.sandbox.spawn(command);
    this.#output = outputOf(this.#runner);
    await until(() => this.isRunning() && (this.#pid = this.#find()[0] ?? 0) > 0, 'a container');
    return this;
  }

  isRunning(): boolean {
    if (this.#runner && !hasEnded(this.#runner)) return true;
    throw new Error(`the container ended: ${this.#output() || 'it printed nothing'}`);
  }

  /** Kills its first process if it still runs, and waits for the end of the container. */
  async kill(): Promise<void> {
    killed(this.#pid);
    await until(() => !this.#runner || hasEnded(this.#runner), 'an end of a container');
  }

  /**
   * Runs a command in the running container, as the kubelet runs exec probes.
   *
   * @param patience seconds until we give it up
   */
  exec(command: readonly string[], patience = PATIENCE / 1000): Exec {
    const mark = `MARK=${++this.#execs}`;
    const whole = [...this.runtime, 'exec', `--env=${mark}`, this.id, ...command];
    return new Exec(
      () => this.sandbox.spawn(whole),
      () => this.#find(mark),
      command.join(' '),
      patience,
    );
  }

  /** Signals its first process, or the named program, from outside, because inside the container PID 1 cannot be stopped or killed. */
  signal(signal: NodeJS.Signals, program?: string): void {
    const pid = program ? this.#find().find((pid) => textOf(`/proc/${pid}/comm`) === `${program}\n`) : this.#pid;
    if (pid === undefined) throw new Error(`expected ${program} in its container; it is not there`);
    process.kill(pid, signal);
  }

  /** The processes in the container's /proc except PID 1. A zombie stays there until a parent reaps it. */
  others(): { pid: number; state: string }[] {
    const proc = this.path('/proc');
    return readdirSync(proc)
      .filter((name) => /^\d+$/.test(name) && name !== '1')
      .flatMap((pid) => {
        const state = stateIn(join(proc, pid));
        return state === undefined ? [] : [{ pid: Number(pid), state }];
      });
  }

  /** The path of a file of the container on this machine. */
  protected path(file: string): string {
    return `/proc/${this.#pid}/root${file}`;
  }

  /** The path of its cgroup. */
  protected get group(): string {
    return join(this.sandbox.name, this.id);
  }

  /**
   * The pids of the container's processes in this process's namespace, the first process first. Without runc, which becomes one of them.
   *
   * @param mark of the exec that started them; without it, the container's own
   */
  #find(mark?: string): number[] {
    const pids = (textOf(join(CGROUPS, this.group, 'cgroup.procs')).match(/\d+/g) ?? []).map(Number);
    return pids
      .sort((one, other) => one - other)
      .filter((pid) => {
        const [program = ''] = textOf(`/proc/${pid}/cmdline`).split('\0');
        if (program === '' || basename(program) === 'runc') return false;
        return (
          textOf(`/proc/${pid}/environ`)
            .split('\0')
            .find((variable) => variable.startsWith('MARK=')) === mark
        );
      });
  }

  /** https://github.com/opencontainers/runtime-spec/blob/main/config.md */
  #configuration({ command, env, user, mounts, resources = {}, pause }: Spec): object {
    // runc runs in the sandbox, where this process has another pid.
    const [, paused] = /^NSpid:\t\d+\t(\d+)/m.exec(textOf(`/proc/${pause ? pause.#pid : 0}/status`)) ?? [];
    return {
      ociVersion: '1.0.2',
      root: { path: this.sandbox.image, readonly: true },
      process: {
        args: command,
        cwd: '/',
        user: { uid: user, gid: user },
        env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
        capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
        noNewPrivileges: true,
      },
      mounts: [
        { destination: '/proc', source: 'proc', type: 'proc' },
        { destination: '/dev', source: 'tmpfs', type: 'tmpfs', options: ['size=64k'] },
        ...mounts,
      ],
      linux: {
        cgroupsPath: `/${this.group}`,
        namespaces: [
          { type: 'pid', ...(pause && { path: `/proc/${paused ?? ''}/ns/pid` }) },
          ...['mount', 'network', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })),
        ],
        resources,
      },
    };
  }
}

export interface Run {
  readonly code: number | null;
  readonly output: string;
  /** From the runtime's start to its end. */
  readonly milliseconds: number;
}

export class Exec {
  /** Settles when the command and all its children have closed its output. */
  readonly ended: Promise<Run>;
  readonly #child: ChildProcess;
  readonly #find: () => number[];

  constructor(start: () => ChildProcess, find: () => number[], command: string, patience: number) {
    const begun = performance.now();
    const child = start();
    const output = outputOf(child);
    this.#child = child;
    this.#find = find;
    this.ended = once(child, 'close', { signal: AbortSignal.timeout(patience * 1000) }).then(
      () => ({ code: child.exitCode, output: output().trim(), milliseconds: performance.now() - begun }),
      () => {
        throw new Error(`expected ${command} to end within ${patience} s; it did not: ${output()}`);
      },
    );
    this.ended.catch(() => undefined); // no unhandled rejection if nobody waits
  }

  get hasEnded(): boolean {
    return hasEnded(this.#child);
  }

  /** Whether the command or one of its children runs and passes the test. */
  reaches(test: (pid: number) => boolean = () => true): boolean {
    return this.#find().some(test);
  }

  /** Kills only the command's first process, as containerd does at a probe's timeout. False if it has ended. */
  kill(): boolean {
    const [pid = 0] = this.#find();
    return !this.hasEnded && killed(pid);
  }
}

function outputOf(child: ChildProcess): () => string {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  return () => output;
}

function hasEnded(child: ChildProcess): boolean {
  return (child.exitCode ?? child.signalCode) !== null;
}

/** False if the process has just ended. */
function killed(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  return (textOf(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? []).map(Number);
}

/** The state in a process's folder in /proc; undefined if the process has ended. */
export function stateIn(folder: string): string | undefined {
  return /.*\) (.)/s.exec(textOf(join(folder, 'stat')))?.[1];
}

/** The content of a file; empty if there is no such file, for example because the process has just ended. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
