import { ROOM } from '../manifest/numbers';
import { error, mounts, ok, warning, type Finding, type Read } from './finding';
import { isNode } from './probe';

export const MIB = 2 ** 20;
/** cgroup v1 writes about 2^63 for no limit. */
const NO_LIMIT = 2 ** 60;

export interface Share {
  readonly limit: number;
  /** How much of the limit is free, and how much would be free without this process. */
  readonly left: number;
  readonly leftWithoutUs: number;
}

/** The limits of the control group that we share with the service and its probes; undefined for none. */
export interface Limits {
  /** In processors. */
  readonly cpu: number | undefined;
  readonly memory: Share | undefined;
  readonly pids: Share | undefined;
  /** How many processes the kernel has killed here because memory ran out. */
  readonly kills: number;
}

/** Reads cgroup v1 or v2: the tightest limit of our group and of those above it that the container shows. */
export function limits(read: Read): Limits {
  const own = ownUse(read);
  const cpu = tightest(groups('cpu', read), (folder) => {
    const [quota, period] = (
      read(`${folder}/cpu.max`) ??
      `${read(`${folder}/cpu.cfs_quota_us`) ?? ''} ${read(`${folder}/cpu.cfs_period_us`) ?? ''}`
    )
      .trim()
      .split(/\s+/)
      .map(Number);
    return quota !== undefined && period !== undefined && quota > 0 ? { left: quota / period } : undefined;
  });
  const share = (limit: number, used: number, ours: number): Share | undefined =>
    limit < NO_LIMIT ? { limit, left: limit - used, leftWithoutUs: limit - used + ours } : undefined;
  const memoryGroups = groups('memory', read);
  const memory = tightest(memoryGroups, (folder) => {
    const number = numberIn(read, folder);
    const limit = number('memory.max') ?? number('memory.limit_in_bytes') ?? Infinity;
    const used = number('memory.current') ?? number('memory.usage_in_bytes') ?? NaN;
    // The kernel gives these pages back before it kills.
    const stat = read(`${folder}/memory.stat`) ?? '';
    const of = (name: string): number =>
      Number(
        (new RegExp(`^total_${name} (\\d+)$`, 'm').exec(stat) ?? new RegExp(`^${name} (\\d+)$`, 'm').exec(stat))?.[1] ??
          0,
      );
    return share(limit, used - of('inactive_file') - of('active_file'), own.memory);
  });
  const pids = tightest(groups('pids', read), (folder) => {
    const number = numberIn(read, folder);
    return share(number('pids.max') ?? Infinity, number('pids.current') ?? NaN, own.threads);
  });
  const [leaf = ''] = memoryGroups;
  const events = read(`${leaf}/memory.events`) ?? read(`${leaf}/memory.oom_control`) ?? '';
  return { cpu: cpu?.left, memory, pids, kills: Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0) };
}

export function limitFindings({ memory, pids, kills }: Limits, command: readonly string[]): Finding[] {
  const room = ROOM[isNode(command) ? 'node' : 'sh'];
  const findings = [
    shareFinding('memory', memory, room.mebibytes * MIB, (bytes) => `${(bytes / MIB).toFixed(1)} MiB`),
    shareFinding('pids', pids, room.threads, (count) => `${count} threads`),
  ];
  if (kills > 0) {
    const found = `processes that the kernel has killed here because memory ran out: ${kills}`;
    findings.push(warning('memory', found, 'raise the memory limit'));
  }
  return findings;
}

function shareFinding(
  about: string,
  share: Share | undefined,
  need: number,
  words: (amount: number) => string,
): Finding {
  if (!share || Number.isNaN(share.left)) return ok(about, 'no limit is seen from here');
  const found = `${words(Math.max(share.leftWithoutUs, 0))} left of ${words(share.limit)}; the probe needs ${words(need)}`;
  const advice = `raise the limit: leave ${words(need)} beside the service's peak, or use liveness.sh, which needs least`;
  if (share.leftWithoutUs < need) return error(about, found, advice);
  return share.leftWithoutUs < 2 * need ? warning(about, found, advice) : ok(about, found);
}

/** The folders of our control group for a controller: ours first, then those above it that we see. */
function groups(controller: string, read: Read): string[] {
  const all = mounts(read);
  const mount =
    all.find(({ type, options }) => type === 'cgroup' && options.includes(controller)) ??
    all.find(({ type }) => type === 'cgroup2');
  if (!mount) return [];
  const lines = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  const [, , path = '/'] =
    lines.find(([, names = '']) => (mount.type === 'cgroup' ? names.split(',').includes(controller) : names === '')) ??
    [];
  const root = mount.root === '/' ? '' : mount.root;
  const folders = [mount.point];
  if (path.startsWith(`${root}/`) && !path.startsWith('/..')) {
    for (const name of path.slice(root.length).split('/').filter(Boolean))
      folders.unshift(`${folders[0] ?? ''}/${name}`);
  }
  return folders;
}

function tightest<T extends { readonly left: number }>(
  folders: readonly string[],
  shareOf: (folder: string) => T | undefined,
): T | undefined {
  const shares = folders.flatMap((folder) => shareOf(folder) ?? []);
  return shares.sort((one, other) => one.left - other.left)[0];
}

function numberIn(read: Read, folder: string): (name: string) => number | undefined {
  return (name) => {
    const text = read(`${folder}/${name}`)?.trim();
    return text === undefined || text === '' ? undefined : text === 'max' ? Infinity : Number(text);
  };
}

/** What this process itself takes of its group. */
function ownUse(read: Read): { memory: number; threads: number } {
  const status = read('/proc/self/status') ?? '';
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { memory: of('RssAnon') * 1024, threads: of('Threads') };
}
