// A node of one kubelet, for static pods, with an image of our own made from the packed package.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildSync } from 'esbuild';
import type { ContainerStatus, Pod } from 'kubernetes-types/core/v1';
import { until as untilOften } from '../support/until';
import { isTelling, read, type Log } from './log';

const { KUBELET, XDG_CACHE_HOME = join(homedir(), '.cache') } = process.env;
const KUBELET_PATH = resolve(KUBELET ?? join(XDG_CACHE_HOME, 'k8s-liveness/kubelet-1.20.2'));
const TOOLS = ['containerd', 'ctr', 'runc', 'busybox', 'dash', 'unshare', 'nsenter', 'ip', 'iptables', 'tar'];
/** Its tag 0.1.0 holds examples/worker, and `wedges` a service that does. */
export const CHART_IMAGE = 'registry.example.com/spool-worker';
/** How long one answer of the kubelet may take. */
const ANSWER_MS = 60_000;

/** What is missing for a node, in words for `describeIf`; empty if nothing is. */
export function missing(): string {
  const lacks = TOOLS.filter((tool) => find(tool) === '');
  if (lacks.length > 0)
    return `${lacks.join(', ')} (apt-get install containerd runc busybox-static dash iproute2 iptables)`;
  if (!existsSync('/usr/lib/cni/bridge')) return 'CNI (apt-get install containernetworking-plugins)';
  if (spawnSync('ldd', [find('busybox')]).status === 0) return 'a static busybox (apt-get install busybox-static)';
  if (process.geteuid?.() !== 0) return 'root';
  if (!existsSync('/sys/fs/cgroup/pids/cgroup.procs')) return 'cgroup v1';
  return existsSync(KUBELET_PATH) ? '' : `a kubelet at ${KUBELET_PATH} (sh test/kubelet/build.sh)`;
}

/** What a service said. */
export interface Said {
  readonly event: string;
  readonly at: number;
  readonly [key: string]: unknown;
}

/** Asks only four times a second, because each question costs the node time. */
export function until<T>(ask: () => T | Promise<T>, what: string): Promise<Exclude<T, false | undefined>> {
  return untilOften(ask, what, 250);
}

export class Node {
  readonly folder = mkdtempSync(join(tmpdir(), `kubelet-${process.pid}-`));
  /** Of all that runs here; has a child named node for the kubelet, containerd and the shims. */
  readonly cgroup = basename(this.folder);
  /** Keeps the namespaces. */
  readonly keeper: ChildProcess;
  /** Asks the kubelet, from inside its network namespace. */
  inside: ChildProcess | undefined;
  #insideEnd: Promise<unknown> | undefined;
  #asked = 0;
  readonly #kubeletLog = join(this.folder, 'kubelet.log');
  #readTo = 0;
  readonly #lines: string[] = [];
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  /** The package as a user has it, for its command line. */
  readonly package = join(this.folder, 'base/app/node_modules/k8s-liveness');

  static async open(): Promise<Node> {
    const node = new Node();
    try {
      await node.#open();
      return node;
    } catch (error) {
      const logs = ['containerd.log', 'import.log', 'kubelet.log'].map((log) => node.#log(log).slice(-3000));
      await node.close();
      throw new Error(`the node did not start: ${String(error)}\n${logs.join('\n')}`, { cause: error });
    }
  }

  private constructor() {
    try {
      makeImages(this.folder);
    } catch (error) {
      rmSync(this.folder, { recursive: true });
      throw error;
    }
    // Detached: else Ctrl-C would end it before it has cleaned up.
    const args = [join(__dirname, 'node.sh'), this.folder, this.cgroup, KUBELET_PATH];
    const env = { PATH: process.env.PATH, TZ: 'UTC' };
    this.keeper = spawn('sh', args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true, env });
  }

  async #open(): Promise<void> {
    const keeper = this.keeper;
    let complaint = '';
    keeper.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    await Promise.race([once(keeper.stdout ?? keeper, 'data'), once(keeper, 'close')]);
    if (keeper.exitCode !== null) throw new Error(complaint);
    const [unshare = 0] = childrenOf(keeper.pid ?? 0);
    const [first = 0] = childrenOf(unshare);
    const args = ['--target', String(first), '--net', '--', process.execPath, join(__dirname, 'inside.mjs')];
    const inside = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.inside = inside;
    this.#insideEnd = once(inside, 'exit');
    inside.stdin.on('error', () => undefined); // it has ended
    createInterface({ input: inside.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer & { id: number };
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** Ends everything, and waits until nothing is left. */
  async close(): Promise<void> {
    if (process.env.KEEP_LOGS) {
      mkdirSync(process.env.KEEP_LOGS, { recursive: true });
      for (const log of ['containerd.log', 'kubelet.log', 'log'].filter((log) => existsSync(join(this.folder, log))))
        cpSync(join(this.folder, log), join(process.env.KEEP_LOGS, log), { recursive: true });
    }
    this.inside?.stdin?.end();
    this.keeper.stdin?.end();
    if (this.keeper.exitCode === null && this.keeper.signalCode === null) await once(this.keeper, 'close');
  }

  /** Asks the kubelet. Throws if it does not answer. */
  async ask(url: string, method = 'GET', patience = ANSWER_MS): Promise<Answer> {
    const id = ++this.#asked;
    const answer = new Promise<Answer>((settle) => this.#waiting.set(id, settle));
    this.inside?.stdin?.write(`${JSON.stringify({ id, method, url })}\n`);
    const over = new AbortController();
    const silence = sleep(patience, `no answer within ${patience} ms`, { signal: over.signal });
    const end = this.#insideEnd?.then(() => 'inside.mjs has ended');
    try {
      const found = await Promise.race([answer, silence, end ?? 'the node is not open']);
      if (typeof found !== 'string') return found;
      throw new Error(`${method} ${url}: ${found}`);
    } finally {
      over.abort();
      this.#waiting.delete(id);
    }
  }

  /** What `k8s-liveness manifest` of the package prints. */
  manifest(...options: string[]): string {
    const cli = join(this.package, 'dist/cli.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'manifest', ...options], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }

  /** Gives the kubelet a pod, or a new version of one. */
  apply(pod: Pod): void {
    const name = pod.metadata?.name ?? '';
    writeFileSync(join(this.folder, `${name}.json`), JSON.stringify(pod));
    renameSync(join(this.folder, `${name}.json`), join(this.folder, 'manifests', `${name}.json`));
  }

  /** Takes a pod away, and waits until it has gone. */
  async remove(name: string): Promise<void> {
    rmSync(join(this.folder, 'manifests', `${name}.json`), { force: true });
    await until(
      async () => !(await this.#pods()).some(({ metadata }) => metadata?.name === `${name}-node`),
      `an end of ${name}`,
    );
  }

  async status(name: string, container = name): Promise<ContainerStatus | undefined> {
    const pod = (await this.#pods()).find(({ metadata }) => metadata?.name === `${name}-node`);
    return pod?.status?.containerStatuses?.find((status) => status.name === container);
  }

  /** The container that runs now. */
  async container(name: string, container = name): Promise<Container> {
    const status = await until(async () => {
      const status = await this.status(name, container);
      return status?.state?.running && status;
    }, `${container} of ${name} running`);
    return new Container(this.cgroup, (status.containerID ?? '').replace('containerd://', ''));
  }

  /** What the kubelet has done with a pod. */
  log(name: string): Log {
    const size = statSync(this.#kubeletLog).size;
    const added = Buffer.alloc(size - this.#readTo);
    const file = openSync(this.#kubeletLog, 'r');
    readSync(file, added, 0, added.length, this.#readTo);
    closeSync(file);
    const end = added.lastIndexOf('\n') + 1; // the rest of a line may follow
    this.#readTo += end;
    this.#lines.push(...added.toString('utf8', 0, end).split('\n').filter(isTelling));
    return read(this.#lines, name);
  }

  get containerdLog(): string {
    return this.#log('containerd.log');
  }

  /** How a container has ended; undefined if it has not. A status tells that of no deleted pod. */
  exitCode({ id }: Container): number | undefined {
    const [, code] =
      new RegExp(`TaskExit{ContainerID:${id},ID:${id},Pid:\\d+,ExitStatus:(\\d+),`).exec(this.containerdLog) ?? [];
    return code === undefined ? undefined : Number(code);
  }

  /** The CPU time that kubelet, containerd and its shims have used, in seconds. */
  get cpu(): number {
    return Number(readFileSync(`/sys/fs/cgroup/cpuacct/${this.cgroup}/node/cpuacct.usage`, 'utf8')) / 1e9;
  }

  async #pods(): Promise<Pod[]> {
    const { status, body } = await this.ask('http://127.0.0.1:10255/pods');
    if (status !== 200) throw new Error(`the kubelet answered ${status}: ${body}`);
    return (JSON.parse(body) as { items: Pod[] | null }).items ?? [];
  }

  /** What a container's service has said, all its runs in a row. */
  said(name: string, container = name): Said[] {
    const folder = readdirSync(join(this.folder, 'log/pods')).find((pod) => pod.startsWith(`default_${name}-node_`));
    const logs = folder === undefined ? '' : join(this.folder, 'log/pods', folder, container);
    if (logs === '' || !existsSync(logs)) return [];
    return readdirSync(logs)
      .sort((one, other) => parseInt(one) - parseInt(other))
      .flatMap((log) => readFileSync(join(logs, log), 'utf8').split('\n'))
      .flatMap((line) => {
        const [, json] = /^\S+ stdout F (\{.*\})$/.exec(line) ?? [];
        return json === undefined ? [] : [JSON.parse(json) as Said];
      });
  }

  #log(name: string): string {
    const file = join(this.folder, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }
}

/** A container as this machine sees it, with its cgroups of version 1. */
export class Container {
  readonly #path: string;

  constructor(
    cgroup: string,
    readonly id: string,
  ) {
    const root = join('/sys/fs/cgroup/pids', cgroup);
    const found = spawnSync('find', [root, '-name', id], { encoding: 'utf8' }).stdout.trim();
    if (found === '') throw new Error(`expected a cgroup of container ${id}`);
    this.#path = found.replace('/sys/fs/cgroup/pids/', '');
  }

  /** A file of its cgroup, such as `memory/memory.limit_in_bytes`. */
  read(file: string): string {
    return readFileSync(this.#file(file), 'utf8').trim();
  }

  write(file: string, content: string | number): void {
    writeFileSync(this.#file(file), String(content));
  }

  /** How often the kernel has killed a process in it because memory ran out. */
  get outOfMemory(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.read('memory/memory.oom_control'))?.[1]);
  }

  /** The CPU time that it has used, in seconds. */
  get cpu(): number {
    return Number(this.read('cpuacct/cpuacct.usage')) / 1e9;
  }

  /** The pid of its service, as this machine knows it. */
  get pid(): number {
    const pids = this.read('pids/cgroup.procs').split('\n').map(Number);
    return Math.min(...pids);
  }

  /** Where this machine sees a file of the container. */
  path(file: string): string {
    return `/proc/${this.pid}/root${file}`;
  }

  /** How many of the processes that its /proc shows are zombies. */
  get zombies(): number {
    return readdirSync(this.path('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readFileSync(this.path(`/proc/${pid}/stat`), 'utf8').includes(') Z ');
        } catch {
          return false; // it has just gone
        }
      }).length;
  }

  #file(file: string): string {
    const [controller = '', name = ''] = file.split('/');
    return join('/sys/fs/cgroup', controller, this.#path, name);
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

function find(program: string): string {
  return spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
}

function childrenOf(pid: number): number[] {
  return (readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []).map(Number);
}

/** `images.tar`: what is made of this machine's programs and the packed package, as `docker save` would. */
function makeImages(folder: string): void {
  const base = join(folder, 'base');
  for (const path of [
    'proc',
    'dev',
    'tmp',
    'sys',
    'etc',
    'usr/bin',
    'run',
    'var/spool',
    'app/dist',
    'app/node_modules',
  ]) {
    mkdirSync(join(base, path), { recursive: true });
  }
  chmodSync(join(base, 'tmp'), 0o1777);
  for (const name of ['bin', 'sbin']) symlinkSync('usr/bin', join(base, name));
  writeFileSync(join(base, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/app:/bin/sh\n');
  writeFileSync(join(base, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  for (const program of [process.execPath, find('busybox')]) {
    cpSync(program, join(base, 'usr/bin', basename(program)), { dereference: true });
    for (const [library] of spawnSync('ldd', [program], { encoding: 'utf8' }).stdout.matchAll(/\/\S+/g)) {
      cpSync(library, join(base, library), { dereference: true });
    }
  }
  for (const name of ['sh', 'env', 'sleep', 'true', 'touch']) symlinkSync('busybox', join(base, 'usr/bin', name));
  const packed = spawnSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new Error(packed.stderr);
  const installed = join(base, 'app/node_modules/k8s-liveness');
  mkdirSync(installed);
  run('tar', ['-xzf', join(folder, packed.stdout.trim()), '-C', installed, '--strip-components=1']);
  cpSync(join(__dirname, 'probe.js'), join(base, 'app/dist/liveness.js'));
  for (const script of ['loop.sh', 'orphan.sh']) cpSync(join(__dirname, script), join(base, 'app/dist', script));
  cpSync(join(__dirname, 'service.js'), join(base, 'app/dist/main.js'));
  const all = [layer(folder, base)];
  const worker = join(folder, 'worker');
  buildSync({
    entryPoints: ['main', 'timestamp', 'liveness'].map((name) => `examples/worker/${name}.ts`),
    platform: 'node',
    format: 'cjs',
    outdir: join(worker, 'app/dist'),
  });
  const withWorker = [...all, layer(folder, worker)];
  const images = join(folder, 'images');
  const image = (tags: readonly string[], config: object, layers: readonly Layer[]) => {
    const text = JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Env: ['PATH=/usr/bin'], ...config },
      rootfs: { type: 'layers', diff_ids: layers.map(({ hash }) => `sha256:${hash}`) },
    });
    const name = `${hashOf(text)}.json`;
    writeFileSync(join(images, name), text);
    return { Config: name, RepoTags: tags.map(fullName), Layers: layers.map(({ hash }) => `${hash}.tar`) };
  };
  // It reaps as the usual one does.
  const pause = ['sh', '-c', "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait; done"];
  const manifest = [
    image(['worker:1'], {}, all),
    image([`${CHART_IMAGE}:wedges`], { Env: ['PATH=/usr/bin', 'WISHES=limit=10 wedge=15'] }, all),
    image([`${CHART_IMAGE}:0.1.0`], {}, withWorker),
    image(['pause:1'], { Entrypoint: pause }, all),
  ];
  writeFileSync(join(images, 'manifest.json'), JSON.stringify(manifest));
  run('tar', ['-cf', join(folder, 'images.tar'), '-C', images, '.']);
  rmSync(images, { recursive: true });
}

interface Layer {
  readonly hash: string;
}

function layer(folder: string, root: string): Layer {
  const images = join(folder, 'images');
  mkdirSync(images, { recursive: true });
  const file = join(images, 'layer.tar');
  run('tar', ['-cf', file, '--owner=0', '--group=0', '-C', root, '.']);
  const hash = hashOf(readFileSync(file));
  renameSync(file, join(images, `${hash}.tar`));
  return { hash };
}

function hashOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function fullName(tag: string): string {
  return tag.includes('/') ? tag : `docker.io/library/${tag}`;
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`);
}
