import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { shown } from '../errors';
import { ERROR, PID, processDirectory, randomHex, remove, replaceText, sweep, TIMESTAMP } from '../file';
import { printable } from '../verdict';
import { beat } from './beat';
import { duration, UsageError, type Command } from './command';
import type { Io } from './io';

export const run: Command = {
  command: 'run',
  describe: 'Keep a process directory around a command: for cron jobs and one-shots',
  builder: (yargs) =>
    yargs
      .usage('$0 run --maximum-age DURATION [--directory DIR] -- COMMAND...\n\nKeep a process directory around a command: for cron jobs and one-shots')
      .options({
        'maximum-age': {
          type: 'string',
          requiresArg: true,
          demandOption: true,
          coerce: duration('--maximum-age'),
          describe: 'How long the command may take: 500ms, 90s, 2m, 1h30m, 1d, PT2M. Past that it is stale',
        },
        directory: {
          type: 'string',
          requiresArg: true,
          describe: 'The process directory. Default: $LIVENESS_UNIT_NAME, else the host name, below $LIVENESS_RUNDIR, else /run',
        },
      })
      .example('$0 run --maximum-age 1h -- node report.js', 'A CronJob that may take an hour')
      .epilogue(
        `While the command runs, the directory holds its pid, error 0 and one beat, made at its start; when it has ended, its exit code as the error. The probe is liveness.sh --process.
Signals are passed on; those that a terminal sends to the command as well, SIGINT and SIGQUIT, are not.
Exit codes: the command's, or 128 + the number of the signal that ended it; 127 no such command, 126 it cannot be started, 125 the directory cannot be kept (then it is not started), 2 bad usage.`,
      ),
  handler: async (given, io) => {
    const [command = '', ...args] = given['--'] ?? [];
    if (command === '') throw new UsageError('expected -- COMMAND... after the options; got none');
    if (given.directory === '') throw new UsageError(`--directory expected a path; got ${shown('')}`);
    const directory = (given.directory as string | undefined) ?? processDirectory();
    return runIn(new Unit(directory, given['maximum-age'] as number, io), command, args, io);
  },
};

/** What `env`, `timeout` and shells exit with where it is not the command that failed. */
const NOT_KEPT = 125;
const NOT_STARTED = 126;
const NOT_FOUND = 127;

async function runIn(unit: Unit, command: string, args: readonly string[], io: Io): Promise<number> {
  const complain = (message: string): void => void io.stderr.write(`k8s-liveness run: ${printable(message)}\n`);
  try {
    unit.open();
  } catch (error) {
    complain((error as Error).message);
    return NOT_KEPT;
  }
  const stop: (() => void)[] = [];
  let child: ChildProcess | undefined;
  for (const signal of PASSED_ON) stop.push(io.onSignal(signal, () => child?.kill(signal)));
  for (const signal of FROM_A_TERMINAL) stop.push(io.onSignal(signal, () => isatty(0) || child?.kill(signal)));
  const code = await new Promise<number>((settle) => {
    child = spawn(command, args, { stdio: 'inherit' });
    child.once('error', (error: NodeJS.ErrnoException) => {
      complain(error.code === 'ENOENT' ? `no such command: ${command}` : `cannot start ${command}: ${error.code ?? error.message}`);
      settle(error.code === 'ENOENT' ? NOT_FOUND : NOT_STARTED);
    });
    child.once('exit', (status, signal) => { settle(status ?? 128 + constants.signals[signal ?? 'SIGKILL']); });
    if (child.pid !== undefined) unit.tryTo(() => { unit.started(child?.pid ?? 0); }, complain);
  });
  for (const end of stop) end();
  // The job has been done or not: a directory that cannot be written must not change its exit code.
  unit.tryTo(() => { unit.ended(code); }, complain);
  return code;
}

const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;
/** A terminal sends them to the command as well: twice, many programs take them for an order to give up at once. */
const FROM_A_TERMINAL = ['SIGINT', 'SIGQUIT'] as const;

/** The process directory of somebody else's command. */
class Unit {
  readonly #nonce = randomHex();

  constructor(
    private readonly directory: string,
    private readonly limit: number,
    private readonly io: Io,
  ) {}

  /** This process stands in for the command that it is about to start: where that cannot be written, it is not started. */
  open(): void {
    this.#beat(process.pid);
    // A predecessor's 0 must not stand beside our pid, if that is all that can be written.
    remove(this.#path(ERROR));
    sweep(this.directory, [PID, ERROR, TIMESTAMP]);
    replaceText(this.#path(PID), String(process.pid));
    replaceText(this.#path(ERROR), '0');
  }

  started(pid: number): void {
    this.#beat(pid);
    replaceText(this.#path(PID), String(pid));
  }

  ended(code: number): void {
    replaceText(this.#path(ERROR), String(code));
  }

  tryTo(act: () => void, complain: (message: string) => void): void {
    try {
      act();
    } catch (error) {
      complain((error as Error).message);
    }
  }

  #beat(pid: number): void {
    beat(this.#path(TIMESTAMP), { limit: this.limit, pid, nonce: this.#nonce }, this.io.clock);
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }
}
