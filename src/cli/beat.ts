import { startOf, type Clock, type Identity } from '../proc';
import { HEARTBEAT_FILE } from '../place';
import { Writer, type WriterOptions } from '../writer';

/**
 * A writer that beats for another process.
 *
 * @param pidOf whose loop beats; undefined if the record shall have no identity.
 */
export function writerFor(
  path: string,
  pidOf: () => number | undefined,
  clock: Clock,
  options: Pick<WriterOptions, 'nonce' | 'rule'> = {},
): Writer {
  const place = {
    ...HEARTBEAT_FILE,
    failure: 'cannot write',
    advice: 'give each its own path',
    remedy: '',
  };
  const identify = (): Identity => {
    const pid = pidOf();
    // As the thread of that process, so that whoever finds the record can tell whether its writer lives.
    return { pid, start: pid === undefined ? undefined : startOf(pid), thread: pid ?? 0 };
  };
  return new Writer(place, path, { ...options, clock, identify, everyBeat: true });
}
