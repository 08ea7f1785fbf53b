import type { Value } from './documents';
import type { Container, Probe } from './pods';

export interface Rule {
  readonly id: string;
  /** `error`: the manifest does not do what it says, whatever the service is like. */
  readonly severity: 'error' | 'warning';
  readonly describe: string;
  /** Also for containers that may have no probes. */
  readonly isForAll?: boolean;
  readonly check: (container: Container, settings: Settings) => Iterable<Fault>;
}

export interface Fault {
  readonly where: Value;
  /** What is wrong, what happens then, and what to write instead. */
  readonly message: string;
}

export interface Settings {
  /** The longest time in seconds from the last beat until a wedged container is gone. */
  readonly maxRestart: number | undefined;
}

/** Checks each probe by the function, which returns undefined for a probe without a fault. */
export function perProbe(faultOf: (probe: Probe, settings: Settings) => Fault | string | undefined): Rule['check'] {
  return function* (container, settings) {
    for (const probe of container.probes) {
      const fault = probe.value.isMap ? faultOf(probe, settings) : undefined;
      if (fault === undefined) continue;
      yield typeof fault === 'string' ? { where: commandOf(probe), message: `${probe.kind}Probe ${fault}` } : fault;
    }
  };
}

export function commandOf({ value }: Probe): Value {
  return value.get('exec').get('command');
}
