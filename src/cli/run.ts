import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { shown } from '../errors';
import { assertDirectoryReplaceable, ERROR, PID, processDirectory, randomHex, readLine, remove, replaceText, sweep, TIMESTAMP } from '../file';
import type { Clock } from '../proc';
import { printable } from '../verdict';
import { beat, isBeatOf } from './beat';
import { required, requiredLimitOf, UsageError, type Command } from './command';
import type { Io } from './io';
import { NO_COMMAND } from './usage';

/** What `env`, `timeout` and shells exit with where it is not the command that failed. */
const NOT_KEPT = 125;
const NOT_STARTED = 126;
const NOT_FOUND = 127;

export const run: Command = {
  command: 'run',
  describe: 'Keep a process directory around a command: for cron jobs and one-shots',
  failure: NOT_KEPT,
  builder: (yargs) =>
    yargs
      .usage('$0 run --maximum-age DURATION [--directory DIR] -- COMMAND...\n\nKeep a process directory around a command: for cron jobs and one-shots')
      .options({
        'maximum-age': required('How long the command may take before it is stale'),
        directory: {
          type: 'string',
          requiresArg: true,
          describe: 'The process directory. Default: $LIVENESS_UNIT_NAME, else the host name, below $LIVENESS_RUNDIR, else /run',
        },
      })
      .example('$0 run --maximum-age 1h -- node report.js', 'A CronJob that may take an hour')
      .epilogue(
        `While the command runs, the directory holds its pid, error 0 and one beat, made at its start; when it has ended, no pid, and its exit code as the error. The probe is liveness.sh --process.
SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH and SIGCONT are passed on; but not in the foreground of a terminal what that sends to the command itself, such as SIGINT.
Exit codes: the command's, or 128 + the number of the signal that ended it; 127 no such command, 126 it cannot be started, 125 the directory cannot be kept (then it is not started), 2 bad usage.`,
      ),
  handler: async (given, io) => {
    const [command, ...args] = given['--'] ?? [];
    if (command === undefined) throw new UsageError(NO_COMMAND);
    if (command === '') throw new UsageError(`expected a COMMAND after --; got ${shown('')}`);
    const limit = requiredLimitOf(given);
    if (given.directory === '') throw new UsageError(`--directory expected a path; got ${shown('')}`);
    const directory = (given.directory as string | undefined) ?? processDirectory();
    return runIn(new Unit(directory, limit, io.clock), command, args, io);
  },
};

const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;
/** A terminal sends them to the command as well: twice, many programs take them for an order to give up at once. */
const FROM_A_TERMINAL = ['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGCONT'] as const;

async function runIn(unit: Unit, command: string, args: readonly string[], io: Io): Promise<number> {
  const complain = (error: unknown): void => void io.stderr.write(`k8s-liveness run: ${printable((error as Error).message)}\n`);
  // The job is done or not: a directory that can no longer be written must not change its exit code.
  const tryTo = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      complain(error);
    }
  };
  unit.open();
  let child: ChildProcess | undefined;
  const release = [
    ...PASSED_ON.map((signal) => io.onSignal(signal, () => child?.kill(signal))),
    ...FROM_A_TERMINAL.map((signal) => io.onSignal(signal, () => io.isInForeground() || child?.kill(signal))),
  ];
  let code: number;
  try {
    const ended = start(command, args, (started) => {
      child = started;
      tryTo(() => { unit.started(started.pid ?? 0); });
    });
    code = await ended;
  } catch (error) {
    const { code: cause, message } = error as NodeJS.ErrnoException;
    complain(new Error(cause === 'ENOENT' ? `no such command: ${command}` : `cannot start ${command}: ${cause ?? message}`));
    code = cause === 'ENOENT' ? NOT_FOUND : NOT_STARTED;
  } finally {
    for (const letGo of release) letGo();
  }
  tryTo(() => { unit.ended(code); });
  return code;
}

/** Settles with the exit code of the command; rejects if it cannot be started, which spawn says in either of two ways. */
function start(command: string, args: readonly string[], onStart: (child: ChildProcess) => void): Promise<number> {
  return new Promise((settle, reject) => {
    const child = spawn(command, args, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (status, signal) => { settle(status ?? 128 + constants.signals[signal ?? 'SIGKILL']); });
    if (child.pid !== undefined) onStart(child);
  });
}

/** The process directory of somebody else's command. */
class Unit {
  readonly #nonce = randomHex();
  #pid = process.pid;

  constructor(
    private readonly directory: string,
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /** Before the command: it is started only where this can be written, and nobody else's loop beats. */
  open(): void {
    assertDirectoryReplaceable(this.directory);
    this.#beat(process.pid);
    // A predecessor's 0 must not stand beside our pid.
    this.#write(ERROR, undefined);
    sweep(this.directory, [PID, ERROR, TIMESTAMP]);
    this.#write(PID, String(process.pid));
  }

  started(pid: number): void {
    try {
      this.#is(pid);
    } catch (error) {
      this.#is(process.pid); // files that contradict one another would be a dead verdict on a living command
      throw error;
    }
  }

  /** Without a pid, so that nobody takes the next process of that number for the command. */
  ended(code: number): void {
    const hasOurBeat = isBeatOf(this.#path(TIMESTAMP), this.#nonce);
    // Where no beat tells, the pid does.
    if (!(hasOurBeat ?? this.#hasOurPid())) throw new Error(`${this.directory} is not this command's any more: the exit code ${code} is not recorded`);
    this.#write(PID, undefined);
    // Without our beat another one may be loading there, whose 0 is for it alone to say.
    if (hasOurBeat || code !== 0) this.#write(ERROR, String(code));
  }

  #hasOurPid(): boolean {
    const pid = readLine(this.#path(PID));
    return pid.kind === 'line' && pid.line === String(this.#pid);
  }

  #is(pid: number): void {
    this.#pid = pid;
    this.#beat(pid);
    this.#write(PID, String(pid));
    this.#write(ERROR, '0');
  }

  #beat(pid: number): void {
    beat(this.#path(TIMESTAMP), { limit: this.limit, pid, nonce: this.#nonce }, this.clock);
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
