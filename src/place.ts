import { ERROR, PID, TIMESTAMP } from './file';

/** Where a writer writes. A heartbeat file and a process directory differ in these files and words. */
export interface Place {
  /** Its name in messages. */
  readonly noun: string;
  readonly isDirectory: boolean;
  /** The path of the heartbeat file. */
  readonly heartbeat: (path: string) => string;
  /** Other files, which are removed before the heartbeat file. */
  readonly companions: (path: string) => readonly string[];
  /** The start of the message if a first beat cannot be written. */
  readonly failure: string;
  /** What to do if another living writer beats here. */
  readonly advice: string;
  /** What to do if a write fails. */
  readonly remedy: string;
}

export const HEARTBEAT_FILE: Place = {
  noun: 'heartbeat file',
  isDirectory: false,
  failure: 'cannot record the first heartbeat at',
  heartbeat: (path) => path,
  companions: () => [],
  advice: 'give each its own path, or delete() the other first',
  remedy: 'expected a writable directory for it: set LIVENESS_PATH or pass a path',
};

export const PROCESS_DIRECTORY: Place = {
  noun: 'process directory',
  isDirectory: true,
  failure: 'cannot record the first heartbeat at',
  heartbeat: (path) => `${path}/${TIMESTAMP}`,
  companions: (path) => [`${path}/${PID}`, `${path}/${ERROR}`],
  advice: 'give each its own path, or reset() the other first',
  remedy: 'expected a writable directory: set LIVENESS_RUNDIR or pass a path',
};
