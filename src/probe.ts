import { writeSync } from 'node:fs';
import { shown } from './errors';
import { patiently } from './judge';
import type { Timestamp } from './timestamp';
import { formatVerdicts, printable, type Verdict } from './verdict';

/** What an exec probe exits with: alive, dead, could not ask. */
export type ExitCode = 0 | 1 | 2;

const QUIET = ['warn', 'warning', 'error', 'critical', 'fatal', 'alert', 'emerg', 'off', 'none', 'silent'];

/**
 * The whole of a service's `liveness.ts`: judges, prints one line, and exits 0 when every timestamp is alive,
 * 1 when one is dead, 2 when it could not ask. It exits at once, whatever the import graph holds open.
 *
 * `LOG_LEVEL` at `warning` or above silences the alive line; the dead line is never silenced.
 */
export function probe(...timestamps: readonly Timestamp[]): never {
  return conclude(() => {
    if (timestamps.length === 0) throw new Error('probe expected at least one Timestamp; got none');
    // By what it does, not by its class: a service may hold two copies of this library.
    const wrong = timestamps.findIndex((timestamp) => typeof (timestamp as Partial<Timestamp> | null)?.verdict !== 'function');
    if (wrong >= 0) {
      throw new Error(`probe expected Timestamps such as WorkerTimestamp.byRef(); got ${shown(timestamps[wrong])}`);
    }
    return timestamps.map((timestamp) => timestamp.verdict());
  });
}

/** Prints what `ask` found and exits. */
export function conclude(ask: () => readonly Verdict[]): never {
  let code: ExitCode;
  try {
    const verdicts = patiently(ask);
    code = verdicts.every((verdict) => verdict.alive) ? 0 : 1;
    const quiet = QUIET.includes((process.env.LOG_LEVEL ?? '').toLowerCase());
    if (code !== 0 || !quiet) print(1, formatVerdicts(verdicts));
  } catch (error) {
    code = 2;
    print(2, printable(`cannot ask: ${error instanceof Error ? error.message : String(error)}`).slice(0, 300));
  }
  // An exit listener somewhere in the import graph must not turn the answer round, nor clean up after the service.
  process.removeAllListeners('exit');
  process.exit(code);
}

/** By writeSync: console.log costs 5 to 9 % of a probe's start-up. */
export function print(fd: 1 | 2, line: string): void {
  try {
    writeSync(fd, `${line}\n`);
  } catch {
    // A closed or full pipe: the exit code is the answer.
  }
}
