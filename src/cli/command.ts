import type { Argv, Options } from 'yargs';
import { LIMIT_FORMS, parseLimit } from '../duration';
import { shown } from '../errors';
import type { Io } from './io';

/** One command: its words, its options, and what it does; the number is the exit code. */
export interface Command {
  readonly command: string;
  readonly describe: string;
  /** What it exits with where it throws anything but a UsageError. */
  readonly failure: number;
  readonly builder: (yargs: Argv) => Argv;
  readonly handler: (given: Given, io: Io) => number | Promise<number>;
}

/** What the command line says, as yargs hands it over. */
export type Given = Readonly<Record<string, unknown>> & {
  /** The words after a `--`. */
  readonly '--'?: readonly string[];
};

/** A command line that cannot be meant: exit 2. */
export class UsageError extends Error {}

/** The --maximum-age in milliseconds, if there is one. Not by `coerce`, which would refuse what is still being completed. */
export function limitOf({ 'maximum-age': text }: Given): number | undefined {
  const limit = typeof text === 'string' ? parseLimit(text) : undefined;
  if (text !== undefined && limit === undefined) throw new UsageError(`--maximum-age expected ${LIMIT_FORMS}; got ${shown(text)}`);
  return limit;
}

/** The same of a command that needs one. */
export function requiredLimitOf(given: Given): number {
  const limit = limitOf(given);
  if (limit === undefined) throw new UsageError('expected --maximum-age; got none');
  return limit;
}

/** The --maximum-age of a command that writes. */
export function required(describe: string): Options {
  return { type: 'string', requiresArg: true, demandOption: true, describe: `${describe}: 500ms, 90s, 2m, 1h30m, 1d, PT2M` };
}

/** The paths of a command line, those after a `--` too. */
export function pathsOf({ path, paths, '--': rest = [] }: Given): readonly string[] {
  return [...(path === undefined ? [] : [path as string]), ...((paths as readonly string[] | undefined) ?? []), ...rest];
}

/** The options of those that read. */
export const READING = {
  process: {
    type: 'boolean',
    describe: 'The default process directory: $LIVENESS_UNIT_NAME, else the host name, below $LIVENESS_RUNDIR, else /run',
  },
  'ignore-error': { type: 'boolean', describe: 'Leave the error of process directories aside, as liveness does' },
  'other-pid-namespace': {
    type: 'boolean',
    describe: 'The writer is in another container: leave its pid and boot aside and judge by wall time',
  },
  'maximum-age': {
    type: 'string',
    requiresArg: true,
    describe: 'Judge plain files too, touched or holding an epoch, which state no limit; a heartbeat keeps its own',
  },
} as const;
