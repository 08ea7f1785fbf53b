import type { Arguments, Argv, Options } from 'yargs';
import { LIMIT_FORMS, parseDuration } from '../duration';
import { shown } from '../errors';
import type { Context } from './context';

/** A command, described as yargs expects it. */
export interface Command {
  readonly command: string;
  /** What follows the command's name. */
  readonly usage: string;
  readonly describe: string;
  readonly builder: (yargs: Argv) => Argv;
  /** Runs the command and returns the exit code. */
  readonly handler: (args: Arguments, context: Context) => number | Promise<number>;
  /** The exit code if the handler throws anything but a UsageError. */
  readonly failure: number;
  /** Answers an error in the command's own way and returns the exit code; undefined for a line on standard error. */
  readonly onError?: (words: readonly string[], message: string, context: Context) => number | undefined;
}

/** A wrong command line: exit 2. */
export class UsageError extends Error {}

/** An option without a value. With `nargs` 0 yargs refuses `--json=3`, and reads `true` in `--json true` as a path. */
export function flag(describe: string): Options {
  return { type: 'boolean', nargs: 0, describe };
}

/** An option with a value. */
export function value(describe: string, more: Options = {}): Options {
  return { type: 'string', requiresArg: true, describe, ...more };
}

/** The `--maximum-age` of a command that writes. */
export function requiredLimit(describe: string): Options {
  return value(`${describe}: 500ms, 90s, 2m, 1h30m, 1d, PT2M`, { demandOption: true });
}

/** Parses the duration of an option to milliseconds. Not yargs' `coerce`, which also runs during completion. */
export function limitOf(text: unknown, option = 'maximum-age', least = 1): number {
  const limit = parseDuration(String(text));
  if (limit !== undefined && limit >= least) return limit;
  throw new UsageError(`--${option} expected ${limit === 0 ? 'more than 0' : LIMIT_FORMS}; got ${shown(text)}`);
}

/** As {@link limitOf}; undefined if the option is not given. */
export function givenLimit(args: Arguments, option: string, least?: number): number | undefined {
  return args[option] === undefined ? undefined : limitOf(args[option], option, least);
}

/** The option's value if it is one of the choices. Not yargs' `choices`, whose error message has several lines. */
export function oneOf<T extends string>(args: Arguments, option: string, choices: readonly T[]): T | undefined {
  const text = args[option];
  const choice = choices.find((choice) => choice === text);
  if (choice !== undefined || text === undefined) return choice;
  throw new UsageError(
    `--${option} expected ${choices.slice(0, -1).join(', ')} or ${choices.at(-1) ?? ''}; got ${shown(text)}`,
  );
}

/** The words that are not options. Not yargs' positionals, which drop a path `-` and accept `--path` too. */
export function wordsOf(args: Arguments): { before: string[]; afterDashes: string[] } {
  return { before: args._.slice(1).map(String), afterDashes: (args['--'] ?? []) as string[] };
}

export function pathsOf(args: Arguments): string[] {
  const { before, afterDashes } = wordsOf(args);
  return [...before, ...afterDashes];
}
