// The service and its probes in containers of runc, as in examples/redis-probe, and of podman.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  Container as RuncContainer,
  Sandbox as RuncSandbox,
  textOf,
  type Run,
} from '../../examples/redis-probe/container';
import { until } from './until';

export { textOf, until, type Run };

export const NODE = ['node', '/app/dist/liveness.js'];
export const BUSYBOX = ['busybox', 'sh', '/app/dist/liveness.sh'];
export const DASH = ['dash', '/app/dist/liveness.sh'];

export const HEARTBEAT = '/run/liveness/timestamp';
export const MIB = 2 ** 20;

/** The container's PID 1. SIGHUP lets it make its first beat. SIGUSR2 blocks it for ever, with its timers. */
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

export interface Spec {
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** In bytes. */
  readonly memory?: number;
  /** In thousandths of a processor: 50 is 50m in a pod. */
  readonly cpu?: number;
  readonly pids?: number;
  /** A folder of this machine for the heartbeat. Default: a tmpfs of the container. */
  readonly volume?: string;
  /** Podman's restart policy. */
  readonly restart?: string;
}

const SERVE = ['node', '/app/service.js'];
const ENVIRONMENT = { PATH: '/usr/bin', LIVENESS_PATH: HEARTBEAT };

export class Sandbox extends RuncSandbox {
  /** @param node the containers' Node. */
  static async open(node = process.execPath): Promise<Sandbox> {
    const sandbox = await new Sandbox().open();
    fillImage(sandbox.image, node);
    writeFileSync(join(sandbox.folder, 'containers.conf'), CONTAINERS_CONF);
    writeFileSync(join(sandbox.folder, 'storage.conf'), STORAGE_CONF);
    await once(sandbox.spawn(['sh', '-c', 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm']), 'close'); // for podman
    return sandbox;
  }

  /** Empties the page cache of the image, so that the container that reads it next is charged for it. */
  forgetImage(): void {
    const script = `find "$1" -type f -exec sync {} + -exec dd if={} iflag=nocache count=0 status=none ';'`;
    spawnSync('sh', ['-c', script, 'sh', this.image]);
  }

  /** Starts a container with runc and settles when its program runs. */
  runc({ command = SERVE, env = {}, memory, cpu, pids, volume }: Spec = {}): Promise<Container> {
    const liveness = volume
      ? { source: volume, type: 'bind', options: ['bind'] }
      : { source: 'tmpfs', type: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'size=1m', 'mode=1777'] };
    return new Container(this).run({
      command,
      env: { ...ENVIRONMENT, ...env },
      user: 1000,
      mounts: [
        {
          destination: '/sys/fs/cgroup',
          source: 'cgroup',
          type: 'cgroup',
          options: ['ro', 'nosuid', 'nodev', 'noexec'],
        },
        { destination: dirname(HEARTBEAT), ...liveness },
      ],
      resources: {
        ...(memory !== undefined && { memory: { limit: memory } }),
        ...(cpu !== undefined && { cpu: { period: 100_000, quota: cpu * 100 } }),
        ...(pids !== undefined && { pids: { limit: pids } }),
      },
    });
  }

  /** Starts one with podman, which adds a seccomp filter and masked paths. */
  podman(spec: Spec = {}): Promise<Container> {
    const env = Object.entries({ ...ENVIRONMENT, ...spec.env });
    return new PodmanContainer(this).podman([
      ...['--network=none', '--user=1000:1000', '--cap-drop=all', '--security-opt=no-new-privileges'],
      ...['--read-only', '--read-only-tmpfs=false'],
      ...(spec.volume
        ? ['--volume', `${spec.volume}:${dirname(HEARTBEAT)}`]
        : ['--tmpfs', `${dirname(HEARTBEAT)}:rw,size=1m`]),
      ...(spec.memory ? [`--memory=${spec.memory}`] : []),
      ...(spec.cpu ? [`--cpus=${spec.cpu / 1000}`] : []),
      ...(spec.pids ? [`--pids-limit=${spec.pids}`] : []),
      ...(spec.restart ? [`--restart=${spec.restart}`] : []),
      ...env.flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ...['--rootfs', this.image, ...(spec.command ?? SERVE)],
    ]);
  }
}

/** Runs the service above, within limits of cgroups v1. */
export class Container extends RuncContainer {
  /** Waits until this probe exits with that code. */
  async says(code: number, command: readonly string[]): Promise<Run> {
    return until(async () => {
      const run = await this.exec(command).ended;
      return this.isRunning() && run.code === code && run;
    });
  }

  /** The content of its heartbeat file, read without a process in the container. */
  get heartbeat(): string {
    return textOf(this.path(HEARTBEAT));
  }

  /** A file of the container's cgroup, as `memory/memory.limit_in_bytes`. */
  read(file: string): string {
    return readFileSync(this.#file(file), 'latin1').trim();
  }

  /** Limits it to what it uses now plus so much memory and so many threads. Memory that it can give back does not count. */
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

  /** How often the kernel has killed a process in it because memory ran out. */
  get outOfMemory(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.read('memory/memory.oom_control'))?.[1]);
  }

  #file(file: string): string {
    const [controller = '', name = ''] = file.split('/');
    return join('/sys/fs/cgroup', controller, this.group, name);
  }
}

class PodmanContainer extends Container {
  constructor(sandbox: Sandbox) {
    const conf = ['CONTAINERS_CONF=containers.conf', 'CONTAINERS_STORAGE_CONF=storage.conf'];
    super(sandbox, ['env', '--chdir', sandbox.folder, `HOME=${sandbox.folder}`, ...conf, 'podman']);
  }

  async podman(args: readonly string[]): Promise<this> {
    return this.launch([...this.runtime, 'run', '--name', this.id, '--cgroup-parent', `/${super.group}`, ...args]);
  }

  /** podman makes a group of its own inside the given group. */
  protected override get group(): string {
    const parent = join('/sys/fs/cgroup/pids', super.group);
    const groups = existsSync(parent) ? readdirSync(parent) : [];
    return join(super.group, groups.find((name) => /^libpod-[0-9a-f]+$/.test(name)) ?? '');
  }
}

/** Replaces Debian's defaults, which need systemd, a network and limits that root may not have. */
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
function fillImage(root: string, node: string): void {
  for (const folder of ['proc', 'dev', 'tmp', 'sys/fs/cgroup', 'etc', 'usr/bin', 'run/liveness', 'app']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  chmodSync(join(root, 'run/liveness'), 0o1777); // podman gives a tmpfs the mode of the folder that it covers
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
