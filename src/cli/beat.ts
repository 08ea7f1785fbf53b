import { startOf, type Clock, type Identity } from '../proc';
import { HEARTBEAT_FILE } from '../place';
import { Writer, type WriterOptions } from '../writer';

/**
 * Makes a writer that beats for another process.
 *
 * @param pidOf returns that process's pid; undefined for a record without identity.
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
    // The first thread's id is the pid. With it in the record, another writer can tell whether this one lives.
    return { pid, start: pid === undefined ? undefined : startOf(pid), thread: pid ?? 0 };
  };
  return new Writer(place, path, { ...options, clock, identify, everyBeat: true });
}
