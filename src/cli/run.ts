import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Arguments } from 'yargs';
import { processDirectory, TIMESTAMP_PATH } from '../defaults';
import type { Clock } from '../proc';
import { printable } from '../verdict';
import { flag, givenLimit, limitOf, UsageError, value, wordsOf, type Command } from './command';
import type { Context } from './context';
import { CommandDirectory } from './run/command-directory';
import { Guard, type GuardOptions } from './run/watchdog';

/** The exit codes of `env`, `timeout` and shells for failures that are not the command's own. */
const KILLED = 124;
const NOT_KEPT = 125;
const NOT_STARTED = 126;
const NOT_FOUND = 127;

export const run: Command = {
  command: 'run',
  usage: '(--maximum-age DURATION | --kill-dead) [OPTION...] -- COMMAND...',
  describe: 'Run a command: with a process directory around it, or ended when its heartbeat is dead',
  failure: NOT_KEPT,
  builder: (yargs) =>
    yargs
      .options({
        'maximum-age': value(
          'How long the command may take before its process directory is stale. With --kill-dead: the limit of a plain file, as in check',
        ),
        directory: value(
          'The process directory. Default: $LIVENESS_UNIT_NAME, else the host name, below $LIVENESS_RUNDIR, else /run',
        ),
        'kill-dead': flag(
          'Keep no directory: watch the heartbeat that the command beats, and end the command when it is dead',
        ),
        path: value('With --kill-dead: the heartbeat. Default: $LIVENESS_PATH, else /tmp/liveness/timestamp'),
        startup: value('With --kill-dead: how long the command may take to its first beat. Default: 5m'),
        grace: value('With --kill-dead: the time from SIGTERM to SIGKILL; 0s for SIGKILL at once. Default: 10s'),
      })
      .conflicts('kill-dead', 'directory')
      .example('$0 run --maximum-age 1h -- node report.js', 'A CronJob that may take an hour')
      .example('$0 run --kill-dead -- node dist/main.js', 'A service in Docker Compose, with restart: on-failure')
      .epilogue(
        `Without --kill-dead: while the command runs, the directory holds its pid, error 0 and one beat, made at its start. After its end there is no pid, and the error is its exit code. The probe is liveness.sh --process.
With --kill-dead: looks at the heartbeat every quarter of its limit, but at least every minute. If it is dead at two looks in a row after the first beat, or if there is no beat by --startup: one line says why, then SIGTERM, after the grace SIGKILL, and exit 124, so that a restart policy acts. The error of a process directory is ignored. After SIGTERM, SIGINT or SIGQUIT, which ask the command to end, it no longer looks.
SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH and SIGCONT are passed on to the command, but not if a terminal sends them to the command itself, as SIGINT by Ctrl-C.
Exit codes: the command's, or 128 + the number of the signal that ended it; 124 ended because it was dead, 127 no such command, 126 it cannot be started, 125 the directory cannot be written (then the command is not started), 2 bad usage.`,
      ),
  handler: (args, context) => {
    const { before, afterDashes } = wordsOf(args);
    if (afterDashes.length === 0 || before.length > 0) {
      throw new UsageError(`expected -- COMMAND... after the options; got ${before[0] ?? 'none'}`);
    }
    if (args['kill-dead'] === true) return runGuarded(guardOptionsOf(args, context.clock), afterDashes, context);
    for (const option of ['path', 'startup', 'grace']) {
      if (args[option] !== undefined) throw new UsageError(`--${option} expected --kill-dead beside it`);
    }
    if (args['maximum-age'] === undefined) throw new UsageError('expected --maximum-age or --kill-dead; got neither');
    const limit = limitOf(args['maximum-age']);
    const path = (args.directory as string | undefined) ?? processDirectory();
    if (path === '') throw new UsageError("--directory expected a path; got ''");
    return runIn(new CommandDirectory(path, limit, context.clock), afterDashes, context);
  },
};

function guardOptionsOf(args: Arguments, clock: Clock): GuardOptions {
  const path = (args.path as string | undefined) ?? TIMESTAMP_PATH;
  if (path === '') throw new UsageError("--path expected a path; got ''");
  return {
    path,
    reader: {
      clock,
      ignoreError: true, // as for liveness: a restart does not end an outage
      plainLimit: givenLimit(args, 'maximum-age'),
    },
    startup: givenLimit(args, 'startup') ?? 300_000,
    grace: givenLimit(args, 'grace', 0) ?? 10_000,
  };
}

const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;
/** A terminal sends these to the command too. Many programs quit at once if such a signal comes twice. */
const FROM_A_TERMINAL = ['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGCONT'] as const;
/** These ask a command to end. */
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

/** Keeps a process directory while the command runs. */
async function runIn(directory: CommandDirectory, command: readonly string[], context: Context): Promise<number> {
  // If we can no longer write the directory, the command goes on, and its exit code counts.
  const attempt = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      complain(context, (error as Error).message);
    }
  };
  directory.claim();
  const code = await execute(command, context, {
    started: ({ pid }) => {
      if (pid === undefined) return;
      attempt(() => {
        directory.started(pid);
      });
    },
  });
  attempt(() => {
    directory.ended(code);
  });
  return code;
}

/** Ends the command when its own heartbeat is dead. */
async function runGuarded(options: GuardOptions, command: readonly string[], context: Context): Promise<number> {
  let guard: Guard | undefined;
  const begun = options.reader.clock.monotonic();
  const code = await execute(command, context, {
    started: (child) => {
      guard = new Guard(child, options, begun, (message) => {
        complain(context, message);
      });
    },
    // As the kubelet does: a command that is told to end is no longer judged.
    signalled: (signal) => {
      if (!guard?.hasKilled && ENDING.includes(signal)) guard?.stop();
    },
  });
  guard?.stop();
  return guard?.hasKilled ? KILLED : code;
}

function complain({ stderr }: Context, message: string): void {
  stderr.write(`k8s-liveness run: ${printable(message)}\n`);
}

interface Listener {
  readonly started: (child: ChildProcess) => void;
  readonly signalled?: (signal: NodeJS.Signals) => void;
}

/** Runs the command with our streams, passes signals on, and returns the exit code. */
async function execute(
  [command = '', ...args]: readonly string[],
  context: Context,
  listener: Listener,
): Promise<number> {
  const { onSignal, isInForeground } = context;
  let child: ChildProcess | undefined;
  const passOn = (signal: NodeJS.Signals, isSent = (): boolean => false): (() => void) =>
    onSignal(signal, () => {
      listener.signalled?.(signal);
      if (!isSent()) child?.kill(signal);
    });
  const listening = [
    ...PASSED_ON.map((signal) => passOn(signal)),
    ...FROM_A_TERMINAL.map((signal) => passOn(signal, isInForeground)),
  ];
  try {
    child = spawn(command, args, { stdio: 'inherit' }); // throws some errors, and emits others
    const exit = new Promise<number>((settle) => {
      child?.once('exit', (status, signal) => {
        settle(status ?? 128 + constants.signals[signal ?? 'SIGKILL']);
      });
    });
    listener.started(child);
    await once(child, 'spawn');
    child.on('error', (error: NodeJS.ErrnoException) => {
      complain(context, `cannot signal ${command}: ${error.code ?? error.message}`); // it runs as another user
    });
    return await exit;
  } catch (error) {
    const { code: cause, message } = error as NodeJS.ErrnoException;
    const isMissing = cause === 'ENOENT';
    complain(context, isMissing ? `no such command: ${command}` : `cannot start ${command}: ${cause ?? message}`);
    return isMissing ? NOT_FOUND : NOT_STARTED;
  } finally {
    for (const stopListening of listening) stopListening();
  }
}
