import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { processDirectory } from '../defaults';
import {
  assertDirectoryReplaceable,
  ERROR,
  PID,
  randomHex,
  readLine,
  remove,
  replaceText,
  removeTemporaries,
  TIMESTAMP,
} from '../file';
import type { Clock } from '../proc';
import { printable } from '../verdict';
import type { Writer } from '../writer';
import { writerFor } from './beat';
import { limitOf, requiredLimit, UsageError, value, wordsOf, type Command } from './command';
import type { Context } from './context';

/** The exit codes of `env`, `timeout` and shells for failures that are not the command's own. */
const NOT_KEPT = 125;
const NOT_STARTED = 126;
const NOT_FOUND = 127;

export const run: Command = {
  command: 'run',
  usage: '--maximum-age DURATION [--directory DIR] -- COMMAND...',
  describe: 'Keep a process directory around a command: for cron jobs and one-shots',
  failure: NOT_KEPT,
  builder: (yargs) =>
    yargs
      .options({
        'maximum-age': requiredLimit('How long the command may take before it is stale'),
        directory: value(
          'The process directory. Default: $LIVENESS_UNIT_NAME, else the host name, below $LIVENESS_RUNDIR, else /run',
        ),
      })
      .example('$0 run --maximum-age 1h -- node report.js', 'A CronJob that may take an hour')
      .epilogue(
        `While the command runs, the directory holds its pid, error 0 and one beat, made at its start. After its end there is no pid, and the error is its exit code. The probe is liveness.sh --process.
SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH and SIGCONT are passed on to the command, but not if a terminal sends them to the command itself, as SIGINT by Ctrl-C.
Exit codes: the command's, or 128 + the number of the signal that ended it; 127 no such command, 126 it cannot be started, 125 the directory cannot be written (then the command is not started), 2 bad usage.`,
      ),
  handler: (args, context) => {
    const { before, afterDashes } = wordsOf(args);
    const [command, ...rest] = afterDashes;
    if (command === undefined || before.length > 0) {
      throw new UsageError(`expected -- COMMAND... after the options; got ${before[0] ?? 'none'}`);
    }
    const limit = limitOf(args['maximum-age']);
    const path = (args.directory as string | undefined) ?? processDirectory();
    if (path === '') throw new UsageError("--directory expected a path; got ''");
    return runIn(new CommandDirectory(path, limit, context.clock), command, rest, context);
  },
};

const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;
/** A terminal sends these to the command too. Many programs quit at once if such a signal comes twice. */
const FROM_A_TERMINAL = ['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGCONT'] as const;

async function runIn(
  directory: CommandDirectory,
  command: string,
  args: readonly string[],
  { stderr, onSignal, isInForeground }: Context,
): Promise<number> {
  const complain = (message: string): void => {
    stderr.write(`k8s-liveness run: ${printable(message)}\n`);
  };
  // If we can no longer write the directory, the command still runs, and its exit code counts.
  const attempt = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      complain((error as Error).message);
    }
  };
  directory.claim();
  let child: ChildProcess | undefined;
  const listening = [
    ...PASSED_ON.map((signal) => onSignal(signal, () => child?.kill(signal))),
    ...FROM_A_TERMINAL.map((signal) => onSignal(signal, () => isInForeground() || child?.kill(signal))),
  ];
  let code: number;
  try {
    child = spawn(command, args, { stdio: 'inherit' }); // throws some errors, and emits others
    const { pid } = child;
    if (pid !== undefined)
      attempt(() => {
        directory.started(pid);
      });
    const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals];
    code = status ?? 128 + constants.signals[signal];
  } catch (error) {
    const { code: cause, message } = error as NodeJS.ErrnoException;
    const isMissing = cause === 'ENOENT';
    code = isMissing ? NOT_FOUND : NOT_STARTED;
    complain(isMissing ? `no such command: ${command}` : `cannot start ${command}: ${cause ?? message}`);
  } finally {
    for (const stopListening of listening) stopListening();
  }
  attempt(() => {
    directory.ended(code);
  });
  return code;
}

/** The process directory that we write for a command. */
class CommandDirectory {
  readonly #nonce = randomHex();
  #pid = process.pid;

  constructor(
    private readonly directory: string,
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /** Before the command starts. Throws if we cannot write, or if a living process beats here. */
  claim(): void {
    assertDirectoryReplaceable(this.directory);
    this.#beat();
    this.#write(ERROR, undefined); // an earlier process's 0 beside our pid would look healthy
    removeTemporaries(this.directory, [PID, ERROR, TIMESTAMP]);
    this.#write(PID, String(this.#pid));
  }

  started(pid: number): void {
    try {
      this.#setPid(pid);
    } catch (error) {
      this.#setPid(process.pid); // a pid file and a beat of two processes would look dead, but the command lives
      throw error;
    }
  }

  /** Removes the pid, because another process may get that number. */
  ended(code: number): void {
    const hasOurBeat = this.#writer().hasOurRecord();
    // Without a beat, the pid file tells whether the directory is still ours.
    if (!(hasOurBeat ?? this.#hasOurPid())) {
      throw new Error(`${this.directory} no longer belongs to this command: its exit code ${code} is not recorded`);
    }
    this.#write(PID, undefined);
    // Without our beat, another service may be loading here: a 0 would make it look healthy too soon.
    if (hasOurBeat || code !== 0) this.#write(ERROR, String(code));
  }

  #hasOurPid(): boolean {
    const pid = readLine(this.#path(PID));
    return pid.kind === 'line' && pid.line === String(this.#pid);
  }

  #setPid(pid: number): void {
    this.#pid = pid;
    this.#beat();
    this.#write(PID, String(pid));
    this.#write(ERROR, '0');
  }

  /** A new writer for each beat, so that each is a first beat, which throws if it fails. */
  #writer(): Writer {
    return writerFor(this.#path(TIMESTAMP), () => this.#pid, this.clock, { nonce: this.#nonce });
  }

  #beat(): void {
    this.#writer().refresh(this.limit, false, '--maximum-age');
  }

  #write(name: string, text: string | undefined): void {
    const path = this.#path(name);
    try {
      if (text === undefined) remove(path);
      else replaceText(path, text);
    } catch (error) {
      throw new Error(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }
}
