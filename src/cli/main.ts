import type { Argv } from 'yargs';
import { printable } from '../verdict';
import { check } from './check';
import { UsageError, type Command, type Given } from './command';
import type { Io } from './io';
import { run } from './run';
import { status } from './status';
import { touch } from './touch';
import { joined, refusal, refuseUnreadable, refuseValues } from './usage';

declare const VERSION: string;

const COMMANDS: readonly Command[] = [check, touch, run, status];
const COMPLETION = 'completion';
const COMPLETES = 'Print what completes its words in the shell that $SHELL names: source <(k8s-liveness completion)';
const NAMES = [...COMMANDS.map(nameOf), COMPLETION];

const BAD_USAGE = 2;

/** The whole command line; answers with the exit code. What it prints goes to `io`. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const command = COMMANDS.find((command) => nameOf(command) === argv[0]);
  try {
    const act = await read(argv, io);
    return await act();
  } catch (error) {
    const name = NAMES.find((name) => name === argv[0]);
    const message = error instanceof Error ? error.message : String(error);
    io.stderr.write(`${printable(`k8s-liveness${name === undefined ? '' : ` ${name}`}: ${message}`)}\n`);
    return error instanceof UsageError ? BAD_USAGE : (command?.failure ?? BAD_USAGE);
  }
}

/** What the command line asks for. */
async function read(given: readonly string[], io: Io): Promise<() => number | Promise<number>> {
  const argv = joined(given);
  const end = argv.indexOf('--');
  const completes = argv[0] === '--get-yargs-completions';
  const asksHelp = !completes && (argv[0] === 'help' || (end < 0 ? argv : argv.slice(0, end)).some((word) => ['--help', '-help', '-h', '--h'].includes(word)));
  const about = argv[argv[0] === 'help' ? 1 : 0] ?? '';
  if (asksHelp && /^[^-]/.test(about) && about !== 'help' && !NAMES.includes(about)) throw new UsageError(refusal('', [about], NAMES, []));
  if (!asksHelp && !completes) refuseUnreadable(argv, NAMES);
  if (argv[0] === COMPLETION && argv.length > 1 && !asksHelp) throw new UsageError(`unexpected ${argv[1] ?? ''}; --help says what is expected`);

  const { default: yargs } = await import('yargs');
  let act: (() => number | Promise<number>) | undefined;
  // With a folder, as else it asks for the working directory, which may be gone.
  const cli: Argv = yargs([], '/')
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
    .strict(!completes)
    .demandCommand(1, '')
    .version(VERSION)
    .help(asksHelp) // else it takes a path that is called help for a wish
    .option('help', { alias: 'h', type: 'boolean', describe: 'Show help' })
    .example('$0 check', 'Does the default heartbeat live? Exits 0 or 1')
    .example('$0 status --watch', 'How near to a restart is it?')
    .epilogue('k8s-liveness COMMAND --help explains a command.')
    .wrap(Math.min(io.stdout.columns || 80, 100)) // eslint-disable-line @typescript-eslint/prefer-nullish-coalescing -- may be 0
    .fail((message: string | null, error: Error | undefined) => {
      if (error instanceof UsageError) throw error;
      throw new UsageError(refusal(message ?? error?.message ?? '', argv, NAMES, Object.keys(optionsOf(cli).key)));
    });
  for (const { command, describe, builder, handler } of COMMANDS) {
    cli.command(command, describe, builder, (given: Given) => {
      refuseValues(argv, optionsOf(cli).boolean);
      act = () => handler(given, io);
    });
  }
  // Only where it is meant: yargs finds the word anywhere.
  if (asksHelp) {
    // As a command like the others: of its own, yargs prints the script.
    cli.command(COMPLETION, COMPLETES, (yargs) => yargs.example(`source <($0 ${COMPLETION})`, 'In ~/.bashrc or ~/.zshrc').epilogue('Exit codes: 0 printed, 2 bad usage.'));
  } else if (argv[0] === COMPLETION || completes) {
    cli.completion(COMPLETION, COMPLETES,
      (current: string, { _: words }: { _: string[] }, byDefault: (then: (error: unknown, offered?: string[]) => void) => void, done: (offered: string[]) => void) => {
        // Behind a command, a word without a dash is a path: with nothing to offer, the shell offers those.
        if (current.startsWith('-') || words.length < 3) byDefault((_error, offered = []) => { done(offered.filter((word) => !/^--h(?::|$)/.test(word))); });
        else done([]);
      });
  }
  let said = '';
  const asked = asksHelp ? [...NAMES.filter((name) => name === about), '--help'] : argv;
  await cli.parse(asked, {}, (_error, _given, output) => { said = output; });
  if (act) return act;
  if (said === '' && !completes) throw new UsageError(refusal('', argv, NAMES, Object.keys(optionsOf(cli).key))); // a `--` hides what follows
  return () => {
    if (said !== '') io.stdout.write(`${said}\n`);
    return 0;
  };
}

function nameOf({ command }: Command): string {
  return command.split(' ', 1)[0] ?? '';
}

/** yargs knows, but its types do not say so. */
function optionsOf(cli: Argv): { key: Record<string, unknown>; boolean: string[] } {
  return (cli as unknown as { getOptions(): { key: Record<string, unknown>; boolean: string[] } }).getOptions();
}
