import {
  assertDirectoryReplaceable,
  ERROR,
  PID,
  randomHex,
  remove,
  removeTemporaries,
  replaceText,
  TIMESTAMP,
} from '../../file';
import type { Clock } from '../../proc';
import { readLine } from '../../read-line';
import type { Writer } from '../../writer';
import { writerFor } from '../beat';

/** The process directory that we write for a command. */
export class CommandDirectory {
  readonly #nonce = randomHex();
  #pid = process.pid;

  constructor(
    private readonly directory: string,
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /** Call it before the command starts. Throws if we cannot write, or if a living process beats here. */
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
      this.#setPid(process.pid); // if pid file and beat named two processes, the living command would look dead
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
