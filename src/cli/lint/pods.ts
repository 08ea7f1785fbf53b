import { parseLimit } from '../../duration';
import { decision, PROBES, type ProbeKind, type ProbeTiming } from '../../kubelet';
import { CommandLine } from './command-line';
import type { Value } from './documents';
import { heartbeatOf, statedLimits, type Heartbeat, type Variable } from './heartbeat';

/** A pod's spec, of a Pod or of any template. */
export interface Pod {
  readonly spec: Value;
  /** What it belongs to: `Deployment/web`. */
  readonly owner: string;
  readonly containers: readonly Container[];
}

export interface Container {
  readonly pod: Pod;
  readonly value: Value;
  readonly name: string;
  /** `sidecar`: an init container that runs beside the others. */
  readonly role: 'main' | 'init' | 'sidecar' | 'ephemeral';
  readonly probes: readonly Probe[];
  /** What PID 1 runs; undefined if only the image knows. */
  readonly command: CommandLine | undefined;
  /** The limits that the manifest states for this container's heartbeats, in seconds. */
  readonly limits: readonly number[];
  /** Whether `k8s-liveness manifest` has written the numbers, for that limit. */
  readonly isGenerated: boolean;
}

export interface Probe {
  readonly container: Container;
  readonly kind: ProbeKind;
  readonly value: Value;
  /** With the API's defaults. */
  readonly timing: Required<Pick<ProbeTiming, 'initialDelaySeconds'>> & ProbeTiming;
  /** Of an exec probe. */
  readonly command: CommandLine | undefined;
  /** What the command judges, if it is one of ours. */
  readonly heartbeat: Heartbeat | undefined;
}

/** Finds the pods of a document: a Pod, each pod template of whatever kind, and those of a List. */
export function podsOf(value: Value, owner = '', seen = new Set<unknown>()): Pod[] {
  if (seen.has(value.node)) return []; // an alias
  if (value.isMap || value.isList) seen.add(value.node);
  if (value.isList) return value.items.flatMap((item) => podsOf(item, owner, seen));
  const kind = value.get('kind').text;
  const name = value.get('metadata').get('name').text ?? value.get('metadata').get('generateName').text;
  const here = kind !== undefined && name !== undefined ? `${kind}/${name}` : owner;
  return value.entries.flatMap(([key, inner]) => {
    const isPod = key === 'spec' && kind === 'Pod' && inner.get('containers').isList;
    if (isPod) return [podOf(inner, here)];
    const spec = inner.get('spec');
    const isTemplate = /template$/i.test(key) && spec.get('containers').isList;
    return isTemplate ? [podOf(spec, here)] : podsOf(inner, here, seen);
  });
}

function podOf(spec: Value, owner: string): Pod {
  const containers: Container[] = [];
  const pod = { spec, owner, containers };
  for (const value of spec.get('containers').items) containers.push(containerOf(pod, value, 'main'));
  for (const value of spec.get('ephemeralContainers').items) containers.push(containerOf(pod, value, 'ephemeral'));
  for (const value of spec.get('initContainers').items) {
    const isSidecar = value.get('restartPolicy').text === 'Always';
    containers.push(containerOf(pod, value, isSidecar ? 'sidecar' : 'init'));
  }
  return pod;
}

function containerOf(pod: Pod, value: Value, role: Container['role']): Container {
  const command = wordsOf(value.get('command'));
  const args = wordsOf(value.get('args'));
  const runs = new CommandLine([...command, ...args]);
  const probes: Probe[] = [];
  const limits: number[] = [];
  const container = {
    pod,
    value,
    name: value.get('name').text ?? '?',
    role,
    probes,
    command: command.length > 0 ? runs : undefined,
    limits,
    isGenerated: false,
  };
  for (const kind of PROBES) {
    const probe = value.get(`${kind}Probe`);
    if (probe.isPresent) probes.push(probeOf(container, kind, probe));
  }
  const stated = [runs, ...probes.map((probe) => probe.command)].flatMap((line) => (line ? statedLimits(line) : []));
  const promised = probes.flatMap(manifestLimit);
  container.isGenerated = promised.length > 0;
  limits.push(...(container.isGenerated ? promised : stated));
  return container;
}

function probeOf(container: Container, kind: ProbeKind, value: Value): Probe {
  const words = wordsOf(value.get('exec').get('command'));
  const command = words.length > 0 ? new CommandLine(words) : undefined;
  return {
    container,
    kind,
    value,
    timing: timingOf(value),
    command,
    heartbeat: command && heartbeatOf(command, (name) => variable(container, name)),
  };
}

function timingOf(probe: Value): Probe['timing'] {
  // The API takes 0 for unset.
  const numberOf = (key: string): number =>
    Number.isInteger(probe.get(key).scalar) ? Number(probe.get(key).scalar) : 0;
  return {
    periodSeconds: numberOf('periodSeconds') || 10,
    timeoutSeconds: numberOf('timeoutSeconds') || 1,
    failureThreshold: numberOf('failureThreshold') || 3,
    successThreshold: numberOf('successThreshold') || 1,
    initialDelaySeconds: numberOf('initialDelaySeconds'),
  };
}

/** The variable's entry in the container's `env`; its value may come from elsewhere. */
export function variableOf({ value }: Pick<Container, 'value'>, name: string): Value | undefined {
  return value.get('env').items.findLast((entry) => entry.get('name').text === name);
}

function variable(container: Container, name: string): Variable {
  const entry = variableOf(container, name);
  const isElsewhere = entry ? entry.get('valueFrom').isMap : container.value.get('envFrom').items.length > 0;
  return isElsewhere ? null : entry?.get('value').text;
}

export function wordsOf(list: Value): string[] {
  return list.items.map(({ scalar }) => String((scalar as string | number | boolean | null | undefined) ?? ''));
}

/** The limit behind what `k8s-liveness manifest` writes above its liveness probes. */
function manifestLimit({ value, timing }: Probe): number[] {
  const [, latest = ''] = /decided between \S+ and (\S+) after its last beat/.exec(value.comments) ?? [];
  const limit = (parseLimit(latest) ?? 0) / 1000 - decision(0, timing).latest;
  return limit > 0 ? [limit] : [];
}
