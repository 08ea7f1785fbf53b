import { LivenessError, shown } from './errors';
import { systemClock, type Clock } from './proc';

/** Options of a `Timestamp`. */
export interface TimestampOptions {
  /** The clock that beats and verdicts use. Default: {@link systemClock}. */
  readonly clock?: Clock | undefined;
  /**
   * Ignore a process directory's error number. Default: false. Use it for liveness, so that an outage which the error
   * reports does not restart the service. Do not use it for readiness.
   */
  readonly ignoreError?: boolean | undefined;
  /**
   * The writer is in another pid namespace or on another machine, as for a sidecar that reads a shared volume: ignore
   * its pid and boot id, and judge by wall time alone. Default: false.
   */
  readonly otherPidNamespace?: boolean | undefined;
}

const CLOCK = Object.keys(systemClock);
const FLAGS = ['ignoreError', 'otherPidNamespace'];

/** Refuses unknown options too: a misspelt one would be ignored silently. */
export function assertArguments(name: string, path: unknown, options: unknown): void {
  if (typeof path !== 'string') refuse(`${name} expected its path as a string`, path);
  if (!isObject(options)) return refuse(`${name} expected options such as { ignoreError: true }`, options);
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (FLAGS.includes(option)) {
      if (typeof value !== 'boolean') refuse(`${name} expected true or false as ${option}`, value);
    } else if (option === 'clock') {
      const isClock = isObject(value) && CLOCK.every((part) => typeof value[part] === 'function');
      if (!isClock) refuse(`${name} expected a clock with the functions ${CLOCK.join(', ')}`, value);
    } else {
      refuse(`${name} expected the options clock, ${FLAGS.join(', ')}`, options);
    }
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function refuse(expected: string, got: unknown): never {
  throw new LivenessError('ERR_ARGUMENT', `${expected}; got ${shown(got)}`);
}
