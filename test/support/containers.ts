// Containers by runc and podman, in namespaces that end with the process which opened them, however it ends.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE, until } from './until';

export { until };

export const NODE = ['node', '/app/dist/liveness.js'];
export const BUSYBOX = ['busybox', 'sh', '/app/dist/liveness.sh'];
export const DASH = ['dash', '/app/dist/liveness.sh'];

export const HEARTBEAT = '/run/liveness/timestamp';
export const MIB = 2 ** 20;

/** The container's PID 1. SIGHUP: goes on to its first beat. SIGUSR2: waits for what never comes, timers and all. */
const SERVICE = `
const { Timestamp } = require('/app/dist/index.js');
const { LIMIT = '10000', TURN = '100', BUSY = '0', WAITS } = process.env;
class Service extends Timestamp {
  maximumAge = Number(LIMIT);
}
let wedged = false;
process.on('SIGUSR2', () => (wedged = true));
const signalled = new Promise((settle) => process.on('SIGHUP', settle));
setInterval(() => {}, 1000);
async function main() {
  if (WAITS) await signalled;
  const timestamp = new Service();
  while (true) {
    timestamp.refresh();
    for (const end = process.cpuUsage().user + BUSY * 1000; process.cpuUsage().user < end; );
    await new Promise((settle) => wedged || setTimeout(settle, Number(TURN)));
  }
}
main();
`;

// Ends with whoever holds the other end of its input: the first process of the PID namespace takes all others along, and
// the mount namespace every mount. What then remains are cgroups and a folder.
const KEEPER = `
unshare --mount --pid --fork --kill-child --mount-proc sh -c '
  mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm && echo ready; cat; :'
for group in /sys/fs/cgroup/*/"$1"; do
  while [ -d "$group" ] && ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.05; done
done
rm -rf "$2"
`;

export interface Spec {
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** In bytes. */
  readonly memory?: number;
  /** In thousandths of a processor: 50 is what a pod calls 50m. */
  readonly cpu?: number;
  readonly pids?: number;
  /** A folder of this machine that stands where the heartbeat is; else memory of the container's own. */
  readonly volume?: string;
}

export interface Running {
  /** Milliseconds of its life after which it is killed: itself alone, as containerd does at a probe's timeout. */
  readonly killAfter?: number;
  /** Seconds until it is given up. */
  readonly patience?: number;
}

export interface Run {
  readonly code: number | null;
  readonly output: string;
  /** From the runtime's start to its end. */
  readonly milliseconds: number;
  /** Whether it still ran when we killed it. */
  readonly killed: boolean;
}

export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'k8s-liveness-containers-'));
  /** Of its cgroups, too. */
  readonly name = basename(this.folder);
  readonly image = join(this.folder, 'image');
  readonly #keeper: ChildProcess;
  #first = 0;
  #count = 0;

  private constructor() {
    // Detached: Ctrl-C is for us alone. Its input closes with us.
    const args = ['-c', KEEPER, 'sh', this.name, this.folder];
    this.#keeper = spawn('sh', args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  }

  /** @param node the containers' Node. */
  static async open(node = process.execPath): Promise<Sandbox> {
    const sandbox = new Sandbox();
    const keeper = sandbox.#keeper;
    await Promise.race([once(keeper.stdout ?? keeper, 'data'), once(keeper, 'close')]);
    if (keeper.exitCode !== null) throw new Error('expected unshare to make namespaces; it did not');
    const [unshare = 0] = childrenOf(keeper.pid ?? 0);
    [sandbox.#first = 0] = childrenOf(unshare);
    makeImage(sandbox.image, node);
    writeFileSync(join(sandbox.folder, 'containers.conf'), CONTAINERS_CONF);
    writeFileSync(join(sandbox.folder, 'storage.conf'), STORAGE_CONF);
    return sandbox;
  }

  /** Has the image read from the disk again, on the account of the container that reads it first. */
  forgetImage(): void {
    const script = `find "$1" -type f -exec sync {} + -exec dd if={} iflag=nocache count=0 status=none ';'`;
    spawnSync('sh', ['-c', script, 'sh', this.image]);
  }

  /** Ends every container, and waits until nothing is left. */
  async close(): Promise<void> {
    this.#keeper.stdin?.end();
    if (this.#keeper.exitCode === null) await once(this.#keeper, 'close');
  }

  /** A process in the sandbox's namespaces. */
  spawn(command: readonly string[]): ChildProcess {
    const env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      CONTAINERS_CONF: join(this.folder, 'containers.conf'),
      CONTAINERS_STORAGE_CONF: join(this.folder, 'storage.conf'),
    };
    return spawn('nsenter', ['--target', String(this.#first), '--mount', '--pid', '--', ...command], { env });
  }

  /** Starts a container with runc and settles when its PID 1 is there. */
  async runc(spec: Spec = {}): Promise<Container> {
    const id = `runc-${++this.#count}`;
    const bundle = join(this.folder, id);
    mkdirSync(bundle);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(this.#configuration(id, spec)));
    const runc = ['runc', '--root', join(this.folder, 'state')];
    const runner = this.spawn([...runc, 'run', '--bundle', bundle, id]);
    return new Container(this, id, runc, runner).started();
  }

  /** Starts one with podman, which adds its own: the seccomp filter, masked paths. */
  async podman(spec: Spec = {}): Promise<Container> {
    const id = `podman-${++this.#count}`;
    const env = Object.entries({ ...ENVIRONMENT, ...spec.env });
    const runner = this.spawn([
      ...['podman', 'run', '--name', id, '--cgroup-parent', `/${this.name}/${id}`, '--network=none'],
      ...['--user=1000:1000', '--cap-drop=all', '--security-opt=no-new-privileges', '--read-only', '--read-only-tmpfs=false'],
      ...(spec.volume ? ['--volume', `${spec.volume}:${dirname(HEARTBEAT)}`] : ['--tmpfs', `${dirname(HEARTBEAT)}:rw,size=1m`]),
      ...(spec.memory ? [`--memory=${spec.memory}`] : []),
      ...(spec.cpu ? [`--cpus=${spec.cpu / 1000}`] : []),
      ...(spec.pids ? [`--pids-limit=${spec.pids}`] : []),
      ...env.flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ...['--rootfs', this.image, ...(spec.command ?? SERVE)],
    ]);
    return new Container(this, id, ['podman'], runner).started();
  }

  /** https://github.com/opencontainers/runtime-spec/blob/main/config.md */
  #configuration(id: string, { command = SERVE, env = {}, memory, cpu, pids, volume }: Spec): object {
    const environment = { ...ENVIRONMENT, ...env };
    const liveness = volume
      ? { source: volume, type: 'bind', options: ['bind'] }
      : { source: 'tmpfs', type: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'size=1m', 'mode=1777'] };
    return {
      ociVersion: '1.0.2',
      root: { path: this.image, readonly: true },
      process: {
        args: command,
        cwd: '/app',
        user: { uid: 1000, gid: 1000 },
        env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
        capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
        noNewPrivileges: true,
      },
      mounts: [
        { destination: '/proc', source: 'proc', type: 'proc' },
        { destination: '/dev', source: 'tmpfs', type: 'tmpfs', options: ['size=64k'] },
        { destination: '/sys/fs/cgroup', source: 'cgroup', type: 'cgroup', options: ['ro', 'nosuid', 'nodev', 'noexec'] },
        { destination: dirname(HEARTBEAT), ...liveness },
      ],
      linux: {
        cgroupsPath: `/${this.name}/${id}`,
        namespaces: ['pid', 'mount', 'network', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })),
        resources: {
          ...(memory !== undefined && { memory: { limit: memory } }),
          ...(cpu !== undefined && { cpu: { period: 100_000, quota: cpu * 100 } }),
          ...(pids !== undefined && { pids: { limit: pids } }),
        },
      },
    };
  }
}

const SERVE = ['node', '/app/service.js'];
const ENVIRONMENT = { PATH: '/usr/bin', LIVENESS_PATH: HEARTBEAT, MARK: '0' };

export class Container {
  #output = '';
  /** Of PID 1, as this machine knows it. */
  #pid = 0;
  #execs = 0;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly id: string,
    private readonly runtime: readonly string[],
    private readonly runner: ChildProcess,
  ) {
    for (const stream of [runner.stdout, runner.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
  }

  /** Settles when its program runs. */
  async started(): Promise<this> {
    await until(() => this.isRunning() && (this.#pid = this.#find(0)) > 0);
    return this;
  }

  isRunning(): boolean {
    if (hasEnded(this.runner)) throw new Error(`the container ended: ${this.#output || 'it printed nothing'}`);
    return true;
  }

  /** Kills PID 1 if it still runs, and waits for the end of the container. */
  async kill(): Promise<void> {
    killed(this.#pid);
    await until(() => hasEnded(this.runner));
  }

  /** Waits until this probe exits with that code. */
  async says(code: number, command: readonly string[]): Promise<Run> {
    return until(async () => {
      const run = await this.exec(command);
      return this.isRunning() && run.code === code && run;
    });
  }

  /** Runs a command beside the container's own, as exec probes are run. */
  async exec(command: readonly string[], { killAfter, patience = PATIENCE / 1000 }: Running = {}): Promise<Run> {
    const mark = ++this.#execs;
    const begun = performance.now();
    const child = this.sandbox.spawn([...this.runtime, 'exec', `--env=MARK=${mark}`, this.id, ...command]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const closed = once(child, 'close', { signal: AbortSignal.timeout(patience * 1000) }).catch(() => {
      throw new Error(`expected ${command.join(' ')} to end within ${patience} s; it did not: ${output}`);
    });
    const [signalled] = await Promise.all([killAfter !== undefined && this.#killAfter(killAfter, mark, child), closed]);
    const code = child.exitCode;
    return { code, output: output.trim(), milliseconds: performance.now() - begun, killed: signalled && code === 128 + 9 };
  }

  async #killAfter(milliseconds: number, mark: number, child: ChildProcess): Promise<boolean> {
    let pid = 0;
    while (!hasEnded(child) && (pid = this.#find(mark)) === 0) await sleep(1);
    await sleep(milliseconds);
    return this.#find(mark) === pid && killed(pid);
  }

  /** The process that was started with this mark, as this machine knows it; 0 as long as it is runc, which has not got it. */
  #find(mark: number): number {
    let pids: string[] = [];
    try {
      pids = this.read('pids/cgroup.procs').split('\n');
    } catch {
      // not made yet
    }
    return Number(pids.find((pid) => textOf(`/proc/${pid}/environ`).split('\0').includes(`MARK=${mark}`)) ?? 0);
  }

  /** Signals PID 1. From outside: inside, nobody can kill it. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal);
  }

  /** What stands in its heartbeat file, seen without a process of its own. */
  get heartbeat(): string {
    return textOf(`/proc/${this.#pid}/root${HEARTBEAT}`);
  }

  /** What the container's own /proc shows beside PID 1: zombies are among them for ever if nobody reaps them. */
  others(): { pid: number; state: string }[] {
    const proc = `/proc/${this.#pid}/root/proc`;
    return readdirSync(proc).filter((name) => /^\d+$/.test(name) && name !== '1').flatMap((pid) => {
      const state = /.*\) (.)/s.exec(textOf(join(proc, pid, 'stat')))?.[1];
      return state === undefined ? [] : [{ pid: Number(pid), state }];
    });
  }

  /** A file of the container's cgroup, as `memory/memory.limit_in_bytes`. */
  read(file: string): string {
    return readFileSync(this.#file(file), 'latin1').trim();
  }

  /** Limits it to what it uses now, and so much more: bytes that it cannot give back, threads. */
  leave({ memory, threads }: { memory?: number; threads?: number }): void {
    if (memory !== undefined) {
      this.write('memory/memory.force_empty', 0);
      this.write('memory/memory.limit_in_bytes', Number(this.read('memory/memory.usage_in_bytes')) + memory);
    }
    if (threads !== undefined) this.write('pids/pids.max', Number(this.read('pids/pids.current')) + threads);
  }

  write(file: string, content: string | number): void {
    writeFileSync(this.#file(file), String(content));
  }

  /** How often the kernel has killed in it for want of memory. */
  get outOfMemory(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.read('memory/memory.oom_control'))?.[1]);
  }

  #file(file: string): string {
    const [controller = '', name = ''] = file.split('/');
    const group = join('/sys/fs/cgroup', controller, this.sandbox.name, this.id);
    // podman puts one of its own into the group that it is given.
    const [libpod = ''] = readdirSync(group).filter((entry) => /^libpod-[0-9a-f]+$/.test(entry));
    return join(group, libpod, name);
  }
}

/** Debian's defaults want systemd, a network and limits that root has not got everywhere. */
const CONTAINERS_CONF = `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`;

const STORAGE_CONF = `[storage]
driver = "vfs"
graphroot = "/run/storage"
runroot = "/run/containers"
`;

/** A root folder with a Node, two shells, the built package and the service. */
function makeImage(root: string, node: string): void {
  for (const folder of ['proc', 'dev', 'tmp', 'sys/fs/cgroup', 'etc', 'usr/bin', 'run/liveness', 'app']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  chmodSync(join(root, 'run/liveness'), 0o1777); // podman gives a tmpfs the mode of what it covers
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nservice:x:1000:1000::/app:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nservice:x:1000:\n');
  writeFileSync(join(root, 'app/service.js'), SERVICE);
  writeFileSync(join(root, 'app/empty.js'), '');
  cpSync('dist', join(root, 'app/dist'), { recursive: true });
  for (const program of [node, find('busybox'), find('dash')]) {
    cpSync(program, join(root, 'usr/bin', basename(program)), { dereference: true });
    for (const [library] of spawnSync('ldd', [program], { encoding: 'utf8' }).stdout.matchAll(/\/\S+/g)) {
      cpSync(library, join(root, library), { dereference: true });
    }
  }
}

function find(program: string): string {
  return spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
}

function childrenOf(pid: number): number[] {
  return (textOf(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? []).map(Number);
}

/** False if it has just gone. */
function killed(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return (child.exitCode ?? child.signalCode) !== null;
}

/** Empty where there is no such file, as for a process that has just gone. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
