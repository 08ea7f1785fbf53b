import type { ChildProcess } from 'node:child_process';
import { formatLimit } from '../../duration';
import { judge, patiently, type Reader } from '../../judge';
import { LONGEST_TIMER } from '../../proc';
import { formatVerdict, type Verdict } from '../../verdict';

/** Milliseconds between two looks before the first beat. Later it is a quarter of the limit, as in `manifest`. */
const FIRST_INTERVAL = 250;
const [SHORTEST, LONGEST] = [100, 60_000];

/** Milliseconds. Both clocks count in steps of 10 ms, so a beat may look that much older than it is. */
const TOLERANCE = 20;

/** Decides when a command is dead: at two looks in a row after its first beat, or if that does not come in time. */
export class Watchdog {
  interval = FIRST_INTERVAL;
  #hasBeaten = false;
  #wasDead = false;

  /** @param startup milliseconds that the command may take to its first beat. */
  constructor(private readonly startup: number) {}

  /**
   * @param elapsed milliseconds since the command was started.
   * @returns why to end the command; undefined to let it run.
   */
  reasonToEnd(verdict: Verdict, elapsed: number): string | undefined {
    const { alive, limit } = verdict;
    // An earlier command's beat may still be young, but it is older than this command.
    if (alive && (verdict.value === undefined || verdict.age <= elapsed + TOLERANCE)) this.#hasBeaten = true;
    if (!this.#hasBeaten) {
      return elapsed < this.startup
        ? undefined
        : `no beat within ${formatLimit(this.startup)}: ${formatVerdict(verdict)}`;
    }
    if (limit !== undefined) this.interval = Math.min(Math.max(limit / 4, SHORTEST), LONGEST);
    const isSecond = this.#wasDead && !alive;
    this.#wasDead = !alive;
    return isSecond ? formatVerdict(verdict) : undefined;
  }
}

export interface GuardOptions {
  /** The heartbeat that the command beats. */
  readonly path: string;
  readonly reader: Reader;
  readonly startup: number;
  /** Milliseconds from SIGTERM to SIGKILL. With 0 there is no SIGTERM. */
  readonly grace: number;
}

/** Watches the heartbeat of a command, and ends the command when the heartbeat is dead. */
export class Guard {
  /** Whether we have ended the command. */
  hasKilled = false;
  readonly #watchdog: Watchdog;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly child: ChildProcess,
    private readonly options: GuardOptions,
    /** By the monotonic clock, just before the start of the command. */
    private readonly begun: number,
    private readonly say: (message: string) => void,
  ) {
    this.#watchdog = new Watchdog(options.startup);
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      this.#judge();
    }, this.#watchdog.interval);
  }

  #judge(): void {
    const { path, reader, grace } = this.options;
    const verdict = patiently(() => judge(path, reader));
    const reason = this.#watchdog.reasonToEnd(verdict, reader.clock.monotonic() - this.begun);
    if (reason === undefined) {
      this.#wait();
      return;
    }
    this.hasKilled = true;
    this.say(`${reason}; ${grace === 0 ? 'SIGKILL' : `SIGTERM, and SIGKILL after ${formatLimit(grace)}`}`);
    if (grace === 0) {
      this.child.kill('SIGKILL');
      return;
    }
    this.child.kill('SIGTERM');
    this.#timer = setTimeout(() => this.child.kill('SIGKILL'), Math.min(grace, LONGEST_TIMER));
  }
}
