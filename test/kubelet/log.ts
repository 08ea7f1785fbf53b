// What a kubelet has done, as its log tells it. Times are milliseconds of the wall clock.

import type { ProbeKind } from '../../src/kubelet';

/** A probe that has been run. */
export interface Probed {
  readonly container: string;
  readonly kind: ProbeKind;
  readonly result: 'success' | 'failure' | 'error';
  readonly began: number;
  readonly at: number;
}

export interface NodeEvent {
  readonly at: number;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

export interface Killed {
  readonly at: number;
  /** In seconds. */
  readonly grace: number;
  /** When the container had ended. */
  gone?: number;
}

export interface Log {
  readonly probes: readonly Probed[];
  readonly events: readonly NodeEvent[];
  readonly kills: readonly Killed[];
}

const BEGAN = /^prober\.go:\d+\] Exec-Probe Pod: (\S+)-node, Container: (\S+), Command:/;
const PROBED = /^prober\.go:\d+\] (\w+) probe for "(\S+)-node_\w+\(\S+\):(\S+)" (succeeded|failed|errored)/;
const EVENT =
  /^event\.go:\d+\] "Event occurred" object="\w+\/(\S+)-node" .*type="(\w+)" reason="(\w+)" message=("(?:[^"\\]|\\.)*")/;
const UNWANTED = /^kuberuntime_manager\.go:\d+\] Killing unwanted container .*"(\w+)"\}\) for pod "(\S+)-node_/;
const KILLED =
  /^kuberuntime_container\.go:\d+\] Killing container "containerd:..(\w+)" with a (\d+) second grace period/;
const GONE = /^kuberuntime_container\.go:\d+\] Container "containerd:..(\w+)" exited normally/;

/** Whether `read` needs a line. Leaves out a warning that a kubelet without a DNS server repeats. */
export function isTelling(line: string): boolean {
  return (
    / (prober|event|kuberuntime_manager|kuberuntime_container)\.go:/.test(line) && !line.includes('MissingClusterDNS')
  );
}

const RESULTS = { succeeded: 'success', failed: 'failure', errored: 'error' } as const;

/**
 * What the log of a kubelet 1.20 says of a pod. `kills` are those of unwanted containers, not of deleted pods. If two
 * probes of a container run at once, both get the later start.
 */
export function read(lines: readonly string[], pod: string): Log {
  const probes: Probed[] = [];
  const events: NodeEvent[] = [];
  const kills = new Map<string, Killed>();
  const began = new Map<string, number>();
  const ours = new Set<string>();
  for (const line of lines) {
    const [, month, day, time, rest = ''] = /^[IWE](\d\d)(\d\d) (\S+) +\d+ (.*)$/.exec(line) ?? [];
    if (time === undefined) continue;
    const at = Date.parse(`${new Date().getUTCFullYear()}-${month ?? ''}-${day ?? ''}T${time}Z`);
    let match;
    if ((match = BEGAN.exec(rest)) && match[1] === pod) began.set(match[2] ?? '', at);
    else if ((match = PROBED.exec(rest)) && match[2] === pod) {
      const [, kind = '', , container = '', result] = match;
      probes.push({
        container,
        kind: kind.toLowerCase() as ProbeKind,
        result: RESULTS[result as keyof typeof RESULTS],
        began: began.get(container) ?? NaN,
        at,
      });
    } else if ((match = EVENT.exec(rest)) && match[1] === pod) {
      const [, , type = '', reason = '', message = '""'] = match;
      events.push({ at, type, reason, message: JSON.parse(message) as string });
    } else if ((match = UNWANTED.exec(rest)) && match[2] === pod) ours.add(match[1] ?? '');
    else if ((match = KILLED.exec(rest)) && ours.has(match[1] ?? '')) {
      kills.set(match[1] ?? '', { at, grace: Number(match[2]) });
    } else if ((match = GONE.exec(rest))) {
      const killed = kills.get(match[1] ?? '');
      if (killed) killed.gone = at;
    }
  }
  return { probes, events, kills: [...kills.values()] };
}
