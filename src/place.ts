import { ERROR, PID, TIMESTAMP } from './file';

/** What stands behind a path, and its words: what a heartbeat file and a process directory differ in. */
export interface Place {
  readonly noun: string;
  readonly isDirectory: boolean;
  readonly heartbeat: (path: string) => string;
  /** The files that are removed before the heartbeat. */
  readonly companions: (path: string) => readonly string[];
  /** What fails if a first beat cannot be written. */
  readonly failure: string;
  /** What to do if another living writer beats there. */
  readonly advice: string;
  /** What to do if it cannot be written. */
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
