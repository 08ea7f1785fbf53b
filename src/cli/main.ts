import leven from 'leven';
import type { Argv } from 'yargs';
import { printable } from '../verdict';
import { check } from './check';
import { UsageError, type Command, type Given } from './command';
import type { Io } from './io';
import { run } from './run';
import { status } from './status';
import { touch } from './touch';

declare const VERSION: string;

const COMMANDS: readonly Command[] = [check, touch, run, status];
const NAMES = [...COMMANDS.map(nameOf), 'completion'];

/** The whole command line; answers with the exit code. What it prints goes to `io`. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const { default: yargs } = await import('yargs');
  const end = argv.indexOf('--');
  const options = (end < 0 ? argv : argv.slice(0, end)).filter((word) => word.startsWith('--'));
  let act = (): number | Promise<number> => 0; // what --help and --version exit with
  const cli: Argv = yargs()
    .scriptName('k8s-liveness')
    .usage('$0 COMMAND\n\nIs the main loop behind a heartbeat file still making progress?')
    .locale('en') // else its messages follow the system's
    .parserConfiguration({
      'boolean-negation': false, // --no-quiet is a mistake
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false, // a path may be 08
      'parse-positional-numbers': false,
      'populate--': true,
      'short-option-groups': false,
    })
    .exitProcess(false)
    .strict()
    .demandCommand(1, '')
    .version(VERSION)
    .help()
    .alias('h', 'help')
    .example('$0 check', 'Does the default heartbeat live? Exits 0 or 1')
    .example('$0 status --watch', 'How near to a restart is it?')
    .epilogue('k8s-liveness COMMAND --help explains a command.')
    .wrap(Math.min(io.stdout.columns ?? 80, 100))
    .fail((message: string | null, error: Error | undefined) => {
      if (error instanceof UsageError) throw error;
      throw new UsageError(refusal(message ?? error?.message ?? '', argv, Object.keys(optionsOf(cli).key)));
    });
  for (const command of COMMANDS) {
    cli.command(command.command, command.describe, command.builder, (given: Given) => {
      refuseValues(options, optionsOf(cli).boolean);
      act = () => command.handler(given, io);
    });
  }
  cli.completion('completion', 'Print a script that completes its words: source <(k8s-liveness completion), in bash or zsh');

  const complain = (error: unknown): void => {
    const name = NAMES.find((command) => command === argv[0]);
    const message = error instanceof Error ? error.message : String(error);
    io.stderr.write(`${printable(`k8s-liveness${name === undefined ? '' : ` ${name}`}: ${message}`)}\n`);
  };
  try {
    refuseRepetition(options);
    await cli.parse([...argv], {}, (_error, _given, output) => {
      if (output) io.stdout.write(`${output}\n`);
    });
  } catch (error) {
    complain(error);
    return 2;
  }
  try {
    return await act();
  } catch (error) {
    complain(error);
    return error instanceof UsageError ? 2 : 1;
  }
}

function nameOf({ command }: Command): string {
  return command.split(' ', 1)[0] ?? '';
}

/** One of yargs' messages as this command line says it: what was expected, what came, and the nearest that there is. */
function refusal(message: string, argv: readonly string[], options: readonly string[]): string {
  if (message === '') return `expected a command: ${NAMES.join(', ')}; --help explains them`;
  const [, name = ''] = /: ([^,]*)/.exec(message) ?? [];
  if (message.startsWith('Unknown ')) {
    const isOption = argv.some((word) => word.startsWith('-') && word.replace(/^--?/, '').split('=', 1)[0] === name);
    if (isOption) return `unknown option ${dashed(name)}${nearest(name, options, dashed)}`;
    if (argv[0] !== name) return `unexpected ${name}; --help says what is expected`;
    return `unknown command ${name}${nearest(name, NAMES, String)}`;
  }
  if (message.startsWith('Missing required ')) return `expected ${dashed(name)}; got none`;
  if (message.startsWith('Not enough arguments following')) return `${dashed(name)} expected a value; got none`;
  const [, one, other] = /^Arguments (\S+) and (\S+) are mutually exclusive/.exec(message) ?? [];
  return one !== undefined && other !== undefined ? `--${one} and --${other} exclude each other` : message;
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

function nearest(name: string, known: readonly string[], shown: (name: string) => string): string {
  const [best] = known.map((other) => ({ other, distance: leven(name, other) })).sort((one, other) => one.distance - other.distance);
  const isNear = best !== undefined && best.distance < Math.max(name.length, best.other.length) / 2;
  return isNear ? `; did you mean ${shown(best.other)}?` : '; --help lists what there is';
}

/** yargs would make an array of them: for the paths of a command it must. */
function refuseRepetition(options: readonly string[]): void {
  const names = options.map((word) => word.split('=', 1)[0] ?? '');
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw new UsageError(`${twice} expected once; got ${names.filter((name) => name === twice).length} times`);
}

/** yargs takes `--json=3` for no `--json`. */
function refuseValues(options: readonly string[], booleans: readonly string[]): void {
  for (const word of options) {
    const [name = '', ...value] = word.slice(2).split('=');
    if (value.length > 0 && booleans.includes(name)) throw new UsageError(`--${name} expected no value; got ${value.join('=')}`);
  }
}

/** yargs knows, but its types do not say so. */
function optionsOf(cli: Argv): { key: Record<string, unknown>; boolean: string[] } {
  return (cli as unknown as { getOptions(): { key: Record<string, unknown>; boolean: string[] } }).getOptions();
}
