// Where a heartbeat is, and what room its probe has.

import { posix } from 'node:path';
import { ROOM } from '../../manifest/numbers';
import { AGENTS } from '../command-line';
import type { Value } from '../documents';
import { variableOf, wordsOf, type Container, type Probe } from '../pods';
import { commandOf, perProbe, type Rule } from '../rule';

interface Mount {
  readonly volume: string;
  /** The path in the volume. */
  readonly inside: string;
  readonly isReadOnly: boolean;
  /** The volume's source, such as `emptyDir`; undefined if the manifest does not hold the volume. */
  readonly source: string | undefined;
  readonly inMemory: boolean;
}

/** Volumes that are read-only whatever their mount says. */
const READ_ONLY = ['configMap', 'secret', 'downwardAPI', 'projected', 'image'];

/** The mount that holds the path. */
function mountOf({ value, pod }: Container, path: string): Mount | undefined {
  let best: { at: string; mount: Value } | undefined;
  for (const mount of value.get('volumeMounts').items) {
    const at = mount.get('mountPath').text ?? '';
    if (isWithin(path, at) && at.length > (best?.at.length ?? 0)) best = { at, mount };
  }
  if (!best) return undefined;
  const volume = best.mount.get('name').text ?? '';
  const found = pod.spec.get('volumes').items.find((each) => each.get('name').text === volume);
  const source = found?.entries.map(([name]) => name).find((name) => name !== 'name');
  const onDevShm = found?.get('hostPath').get('path').text?.startsWith('/dev/shm') ?? false;
  return {
    volume,
    inside: posix.join('/', best.mount.get('subPath').text ?? '', plain(path).slice(plain(best.at).length - 1)),
    isReadOnly: best.mount.get('readOnly').scalar === true || (source !== undefined && READ_ONLY.includes(source)),
    source: found ? (source ?? 'emptyDir') : undefined,
    inMemory: found?.get('emptyDir').get('medium').text === 'Memory' || onDevShm,
  };
}

function isWithin(path: string, folder: string): boolean {
  return plain(path).startsWith(plain(folder));
}

/** In most images /var/run is a link to /run. */
function plain(folder: string): string {
  return posix.normalize(`${folder}/`).replace(/^\/var\/run\//, '/run/');
}

/** Whether the probe reads what another container of the pod writes. */
function readsAnother({ container, heartbeat }: Probe): boolean {
  if (!heartbeat) return false;
  const { containers } = container.pod;
  const others = containers.filter((other) => other !== container && other.role !== 'init');
  if (heartbeat.otherPidNamespace) return others.length > 0;
  const asked = heartbeat.paths.flatMap((path) => mountOf(container, path) ?? []);
  const isOwn = (mount: Mount, owner: Container): boolean =>
    ownMounts(owner).some((own) => own.volume === mount.volume && isWithin(mount.inside, own.inside));
  return others.some((other) => {
    const mounted = other.value.get('volumeMounts').items.map((mount) => mount.get('name').text);
    // If both look like its writer, the first main container is.
    const isLater = container.role !== 'main' || containers.indexOf(other) < containers.indexOf(container);
    return asked.some((mount) => {
      if (mount.isReadOnly) return mounted.includes(mount.volume);
      return isOwn(mount, other) && (!isOwn(mount, container) || (other.role === 'main' && isLater));
    });
  });
}

/** Where the container's own heartbeats are, as far as its variables and its liveness probe say. */
function ownMounts(container: Container): Mount[] {
  const named = ['LIVENESS_PATH', 'LIVENESS_RUNDIR'].flatMap(
    (name) => variableOf(container, name)?.get('value').text ?? [],
  );
  const probed = container.probes.flatMap(({ kind, heartbeat }) =>
    kind === 'liveness' && heartbeat && !heartbeat.otherPidNamespace ? heartbeat.paths : [],
  );
  return [...named, ...probed].flatMap((path) => mountOf(container, path) ?? []);
}

export const sidecar: Rule = {
  id: 'sidecar-probe',
  severity: 'error',
  describe: "A sidecar judges another container's heartbeat without --other-pid-namespace, or not for readiness",
  check: perProbe((probe) => {
    const { kind, container, heartbeat, value } = probe;
    if (!heartbeat || !readsAnother(probe)) return undefined;
    if (kind !== 'readiness') {
      const happens =
        kind === 'liveness'
          ? 'a wedge restarts this container, and the service goes on hanging. Write it as its readinessProbe; liveness belongs to the service'
          : 'this container has not started until the service beats, and a native sidecar holds the service back until it has started. Write it as its readinessProbe';
      return { where: value, message: `${kind}Probe judges the heartbeat of another container: ${happens}` };
    }
    if (heartbeat.otherPidNamespace || container.pod.spec.get('shareProcessNamespace').scalar === true)
      return undefined;
    return 'judges the heartbeat of another container, whose pid means nothing here: it is dead, or judged by a stranger. Add --other-pid-namespace';
  }),
};

export const unwritable: Rule = {
  id: 'heartbeat-not-writable',
  severity: 'error',
  describe: 'The heartbeat is on a read-only mount, or below a read-only root without a mount',
  check: oncePerPlace((path, mount, isRootReadOnly) => {
    if (mount ? !mount.isReadOnly : !isRootReadOnly || isMemory(path)) return undefined;
    const where = mount ? `the read-only volume ${mount.volume}` : 'a read-only root file system';
    return `the heartbeat ${path} is on ${where}: the first beat throws, and the container ends. Mount an emptyDir with medium: Memory at ${posix.dirname(path)}`;
  }),
};

export const onDisk: Rule = {
  id: 'heartbeat-on-disk',
  severity: 'warning',
  describe: 'The heartbeat is on a disk',
  check: oncePerPlace((path, mount, isRootReadOnly) => {
    if (isMemory(path)) return undefined;
    if (mount ? mount.isReadOnly || mount.inMemory || mount.source === undefined : isRootReadOnly) return undefined;
    const where = mount ? `the volume ${mount.volume}, which is no memory` : "the container's own disk";
    return `the heartbeat ${path} is on ${where}: a slow or full disk stops the beats, and a healthy container is restarted. Mount an emptyDir with medium: Memory at ${posix.dirname(path)}`;
  }),
};

function isMemory(path: string): boolean {
  return path.startsWith('/dev/shm/');
}

/** All probes of a container look at the same places, so each is named once. */
function oncePerPlace(
  messageOf: (path: string, mount: Mount | undefined, isRootReadOnly: boolean) => string | undefined,
): Rule['check'] {
  return function* (container) {
    const isRootReadOnly = container.value.get('securityContext').get('readOnlyRootFilesystem').scalar === true;
    const seen = new Set<string>();
    for (const probe of container.probes) {
      if (!probe.heartbeat || readsAnother(probe)) continue;
      const { paths, isFromEnvironment } = probe.heartbeat;
      for (const path of paths) {
        const folder = posix.dirname(path);
        const message = seen.has(folder) ? undefined : messageOf(path, mountOf(container, path), isRootReadOnly);
        seen.add(folder);
        if (message === undefined) continue;
        const entry = ['LIVENESS_PATH', 'LIVENESS_RUNDIR'].flatMap((name) => variableOf(container, name) ?? [])[0];
        yield { where: isFromEnvironment && entry ? entry.get('value') : commandOf(probe), message };
      }
    }
  };
}

function execLiveness({ probes }: Container): Probe | undefined {
  return probes.find(({ kind, command }) => kind === 'liveness' && command !== undefined);
}

export const noRequest: Rule = {
  id: 'no-cpu-request',
  severity: 'warning',
  describe: 'A container with an exec liveness probe requests no CPU',
  check: function* (container) {
    const resources = container.value.get('resources');
    const states = (kind: string): boolean => resources.get(kind).get('cpu').isPresent;
    if (!execLiveness(container) || states('requests') || states('limits')) return; // a limit is a request too
    yield {
      where: resources,
      message:
        'an exec livenessProbe, but no resources.requests.cpu: a busy neighbour that has a request starves the service and the probe, and a healthy container is restarted. Request some, such as cpu: 100m',
    };
  },
};

const MIB = 1024 * 1024;

export const headroom: Rule = {
  id: 'memory-headroom',
  severity: 'warning',
  describe: 'The memory limit leaves no room for the exec probe beside what the container says that it needs',
  check: function* (container) {
    const { probes, value } = container;
    const commands = probes.flatMap(({ command }) => command ?? []);
    const where = value.get('resources').get('limits').get('memory');
    const limit = bytesOf(where);
    if (commands.length === 0 || limit === undefined) return;
    const room = ROOM[commands.some(({ nodes }) => nodes.length > 0) ? 'node' : 'sh'].mebibytes;
    const need = Math.max(...needs(container));
    if (limit - need >= room * MIB) return;
    yield {
      where,
      message: `limits.memory is ${mib(limit)} and the service says that it needs ${mib(need)}: with less than ${room} MiB for its exec probe beside that, the kernel may kill the service when it is probed. Write a higher limit`,
    };
  },
};

/** What the container says of its memory: its request, and the size of a heap. */
function* needs({ value }: Container): Iterable<number> {
  yield bytesOf(value.get('resources').get('requests').get('memory')) ?? 0;
  const texts = [...wordsOf(value.get('command')), ...wordsOf(value.get('args'))];
  for (const name of [AGENTS[0], 'JAVA_OPTS', 'JAVA_TOOL_OPTIONS', 'GOMEMLIMIT']) {
    const text = variableOf({ value }, name)?.get('value').text;
    if (text !== undefined) texts.push(name === 'GOMEMLIMIT' ? `${name}=${text}` : text);
  }
  const heap = /--max[-_]old[-_]space[-_]size[= ](\d+)|-Xmx(\d+[kmg]?)\b|^GOMEMLIMIT=(\d+[KMG]iB)/gi;
  for (const [, node, java, go] of texts.join('\n').matchAll(heap)) {
    yield (
      sizeOf(
        node === undefined
          ? (java ?? go ?? '').replace(/([kmg])(?:iB)?$/i, (_, unit: string) => `${unit.toUpperCase()}i`)
          : `${node}Mi`,
      ) ?? 0
    );
  }
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / MIB)} MiB`;
}

function bytesOf(quantity: Value): number | undefined {
  return quantity.isPresent ? sizeOf(String(quantity.scalar)) : undefined;
}

/** A quantity of the API: `128Mi`, `1G`, `134217728`, `1e9`. */
function sizeOf(text: string): number | undefined {
  const [, number, unit = '', binary] = /^(\d+(?:\.\d+)?(?:e\d+)?)([mkKMGTPE]?)(i?)$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const power = unit === 'm' ? -1 : ' KMGTPE'.indexOf(unit.toUpperCase() || ' ');
  return Number(number) * (binary ? 1024 : 1000) ** power;
}
