import { LivenessError, shown } from './errors';
import { systemClock, type Clock } from './proc';

/** How a Timestamp beats and judges. */
export interface TimestampOptions {
  /** Where time comes from. Default: {@link systemClock}. */
  readonly clock?: Clock | undefined;
  /**
   * Leave a process directory's error number aside: for liveness, so that an outage which the error reports does not
   * restart the service. Readiness looks at it.
   */
  readonly ignoreError?: boolean | undefined;
  /**
   * The writer lives in another pid namespace or on another machine (a sidecar over a shared volume): its pid and
   * boot mean nothing here, so only wall time judges.
   */
  readonly otherPidNamespace?: boolean | undefined;
}

const CLOCK = Object.keys(systemClock);
const FLAGS = ['ignoreError', 'otherPidNamespace'];

/** A misspelt option would be left out without a word. */
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

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function refuse(expected: string, got: unknown): never {
  throw new LivenessError('ERR_ARGUMENT', `${expected}; got ${shown(got)}`);
}
