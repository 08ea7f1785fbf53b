import { writeSync } from 'node:fs';
import { shown } from './errors';
import { patiently } from './judge';
import type { Timestamp } from './timestamp';
import { formatVerdicts, printable, type Verdict } from './verdict';

/** The exit code of an exec probe: 0 alive, 1 dead, 2 could not ask. */
export type ExitCode = 0 | 1 | 2;

/** The values of LOG_LEVEL that silence the alive line. */
const QUIET = ['warn', 'warning', 'error', 'critical', 'fatal', 'alert', 'emerg', 'off', 'none', 'silent'];

/**
 * Judges, prints one line, and ends the process: exit code 0 if every timestamp is alive, 1 if one is dead, 2 if it
 * could not ask. It never throws. It exits at once, even if imported modules keep timers or sockets open.
 *
 * `LOG_LEVEL` at `warning` or above silences the line of a probe that is alive; a dead one always prints.
 *
 * @param timestamps views made by `byRef`, at least one.
 * @example
 * ```ts
 * probe(WorkerTimestamp.byRef()); // the whole of a service's own liveness.js
 * ```
 */
export function probe(...timestamps: readonly Timestamp[]): never {
  return conclude(() => {
    if (timestamps.length === 0) throw new Error('probe expected at least one Timestamp; got none');
    // Not instanceof: a service may contain two copies of this library.
    const wrong = timestamps.findIndex(
      (timestamp) => typeof (timestamp as Partial<Timestamp> | null)?.verdict !== 'function',
    );
    if (wrong >= 0) {
      throw new Error(`probe expected Timestamps such as WorkerTimestamp.byRef(); got ${shown(timestamps[wrong])}`);
    }
    return timestamps.map((timestamp) => timestamp.verdict());
  });
}

/** Prints the answer of `ask` and exits. */
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
  // An exit listener of an imported module could change the exit code, or remove files of the running service.
  process.removeAllListeners('exit');
  process.exit(code);
}

/** Not console.log, which takes 5 to 9 % of a probe's start-up. */
export function print(fd: 1 | 2, line: string): void {
  try {
    writeSync(fd, `${line}\n`);
  } catch {
    // The pipe is closed or full. The exit code still answers.
  }
}
