import type { Duration } from './duration';
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

/** What a class may call its `maximumAge` by mistake, such as `max_age` in Python's k8s-liveness. */
const MISNAMED = ['max_age', 'maximum_age', 'max_age_seconds', 'maximumage', 'maximumAgeMs'];

function misnamedLimit(timestamp: object): string | undefined {
  return MISNAMED.find((name) => name in timestamp);
}

/** The limit of a process directory; undefined if the class has it by a wrong name: the default would hide that. */
export function limitOfDirectory(timestamp: { readonly maximumAge: number | Duration }): number | Duration | undefined {
  const { maximumAge } = timestamp;
  return maximumAge === Infinity && misnamedLimit(timestamp) !== undefined ? undefined : maximumAge;
}

/** The limit's name in error messages. */
export function limitName(timestamp: object): string {
  const wrong = misnamedLimit(timestamp);
  return `${timestamp.constructor.name}.maximumAge${wrong === undefined ? '' : ` (not ${wrong})`}`;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function refuse(expected: string, got: unknown): never {
  throw new LivenessError('ERR_ARGUMENT', `${expected}; got ${shown(got)}`);
}
