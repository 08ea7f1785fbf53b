import type { Argv } from 'yargs';
import { printable } from '../verdict';
import { check } from './check';
import { flag, UsageError, type Command } from './command';
import { sizeOf, type Context } from './context';
import { doctor } from './doctor';
import { lint } from './lint';
import { manifest } from './manifest';
import { run } from './run';
import { stack } from './stack';
import { status } from './status';
import { touch } from './touch';

declare const VERSION: string;

/** For a new command, add a file and an entry here. */
const COMMANDS: readonly Command[] = [check, touch, run, status, stack, doctor, manifest, lint];
const COMPLETION = 'completion';
const NAMES = [...COMMANDS.map(({ command }) => command), COMPLETION];

const BAD_USAGE = 2;

/** Runs a command line and returns its exit code. */
export async function main(words: readonly string[], context: Context): Promise<number> {
  const argv = words[0] === 'help' ? [...words.slice(1), '--help'] : words;
  const command = COMMANDS.find(({ command }) => command === argv[0]);
  try {
    const action = await parse(argv, context);
    return await action();
  } catch (error) {
    const name = NAMES.find((name) => name === argv[0]);
    const where = name === undefined ? 'k8s-liveness' : `k8s-liveness ${name}`;
    const message = error instanceof Error ? error.message : String(error);
    const code = command?.onError?.(argv, message, context);
    if (code !== undefined) return code;
    context.stderr.write(`${printable(`${where}: ${message}`)}\n`);
    return error instanceof UsageError ? BAD_USAGE : (command?.failure ?? BAD_USAGE);
  }
}

/** Parses a command line into the action that it asks for. */
async function parse(argv: readonly string[], context: Context): Promise<() => number | Promise<number>> {
  const [first = 'none'] = argv;
  const isCompleting = first === '--get-yargs-completions';
  const end = argv.indexOf('--');
  const options = end < 0 ? argv : argv.slice(0, end);
  const asksHelp = !isCompleting && options.some((word) => /^--?h(elp)?$/.test(word));
  // Refused here, because yargs would take a later word as the command.
  if (![...NAMES, '--version', '--help', '-h'].includes(first) && !isCompleting) {
    throw new UsageError(`expected a command: ${NAMES.join(', ')}; got ${first}`);
  }
  if (isCompleting && isPath(argv.slice(2))) return () => 0;

  const { default: yargs } = await import('yargs');
  let action: (() => number | Promise<number>) | undefined;
  // The folder keeps yargs from asking for the working directory, which may have been deleted.
  const cli: Argv = yargs([], '/')
    .scriptName('k8s-liveness')
    .usage('$0 COMMAND\n\nIs the main loop behind a heartbeat file still making progress?')
    .locale('en') // not the system's language
    .parserConfiguration({
      'boolean-negation': false, // refuse --no-json
      'camel-case-expansion': false,
      'dot-notation': false, // refuse --json.x
      'duplicate-arguments-array': false, // the last one counts
      'parse-positional-numbers': false, // a path may be 1e3
      'populate--': true,
    })
    .exitProcess(false)
    .strictOptions()
    .version(VERSION)
    .help(asksHelp) // always on, it would print help for `check help`, but help may be a path
    .option('help', { ...flag('Show help'), alias: 'h' })
    .hide('h') // from completion
    .example('$0 check', 'Does the default heartbeat live? Exits 0 or 1')
    .example('$0 status --watch', 'How near to a restart is it?')
    .epilogue('k8s-liveness COMMAND --help explains a command.')
    .wrap(Math.min(sizeOf(context.stdout).columns, 100))
    .fail((message: string | null, error: Error | undefined) => {
      if (isCompleting) return; // the user is still typing
      throw error instanceof UsageError ? error : new UsageError(`${message ?? error?.message ?? ''}; see --help`);
    });
  for (const { command, usage, describe, builder, handler } of COMMANDS) {
    cli.command(
      command,
      describe,
      (yargs) => builder(yargs.usage(`$0 ${command} ${usage}\n\n${describe}`)),
      (args) => {
        action = () => handler(args, context);
      },
    );
  }
  cli.command(
    COMPLETION,
    'Print a script that completes commands and options in the shell that $SHELL names',
    (yargs) =>
      yargs
        .strict() // refuse `completion zsh`, because only $SHELL counts
        .example(`source <($0 ${COMPLETION})`, 'In ~/.bashrc or ~/.zshrc')
        .epilogue('Exit codes: 0 printed, 2 bad usage.'),
    () => {
      cli.showCompletionScript();
    },
  );
  let output = '';
  await cli.parse(argv, {}, (_error, _args, printed) => {
    output = printed;
  });
  return (
    action ??
    (() => {
      if (output !== '') context.stdout.write(`${output}\n`);
      return 0;
    })
  );
}

/** Whether the user completes a path or an option's value. For these we offer nothing, so the shell offers files. */
function isPath(words: readonly string[]): boolean {
  return words.length > 1 && !(words.at(-1) ?? '').startsWith('-');
}
