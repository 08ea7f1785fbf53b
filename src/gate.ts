// The timer of refreshWhile(): it asks a check before each beat.

import { formatLimit } from './duration';
import { shown } from './errors';
import { LONGEST_TIMER } from './proc';
import { isThenable } from './task';

/** Intervals without an answer after which the check counts as saying no. One slow answer is no fault. */
const PATIENCE = 3;

/** Answers `true` while the consumer works. Any other answer, an error, or no answer yet gives no beat. */
export type GateCheck = () => boolean | PromiseLike<boolean>;

/** What `refreshWhile()` returns. */
export interface Gate {
  /** Stops asking and beating. */
  stop(): void;
  /** The same as `stop()`, for `using`. */
  [Symbol.dispose](): void;
}

/** Asks a check at regular intervals and beats if it says yes. It never keeps a process alive. */
export class AskingGate implements Gate {
  readonly #timer: NodeJS.Timeout;
  #isOpen = true;
  #isAsking = false;
  #unanswered = 0;
  #saysNo = false;

  constructor(
    private readonly check: GateCheck,
    private readonly every: number,
    private readonly beat: () => void,
    private readonly warn: (message: string, code: string) => void,
  ) {
    this.#timer = setInterval(
      () => {
        this.#ask();
      },
      Math.min(every, LONGEST_TIMER),
    );
    this.#timer.unref();
  }

  /** Whether it still runs. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  stop(): void {
    this.#isOpen = false;
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #ask(): void {
    if (this.#isAsking) {
      this.#unanswered++; // never two checks at once
      if (this.#unanswered >= PATIENCE)
        this.#answer(false, () => `has not answered for ${formatLimit(this.every * PATIENCE)}`);
      return;
    }
    this.#unanswered = 0;
    let answer: unknown;
    try {
      answer = this.check();
      if (!isThenable(answer)) {
        this.#answer(answer === true, () => `answered ${shown(answer)}`);
        return;
      }
    } catch (error) {
      this.#answer(false, () => `threw ${shown(error)}`);
      return;
    }
    this.#isAsking = true;
    const settle = (isYes: boolean, words: () => string): void => {
      this.#isAsking = false;
      this.#answer(isYes, words);
    };
    // A promise of our own tolerates a `then` that throws or answers twice.
    Promise.resolve(answer).then(
      (value) => {
        settle(value === true, () => `answered ${shown(value)}`);
      },
      (error: unknown) => {
        settle(false, () => `rejected with ${shown(error)}`);
      },
    );
  }

  /** Never throws, because an error in a timer or an unhandled rejection would end the service. */
  #answer(isYes: boolean, words: () => string): void {
    if (!this.#isOpen) return;
    const failure = isYes ? this.#beat() : `of refreshWhile ${attempted(words)}`;
    if (failure === undefined) {
      if (this.#saysNo) this.warn('the check of refreshWhile says yes again; beats go on', 'CHECK_SAYS_YES');
      this.#saysNo = false;
    } else if (!this.#saysNo) {
      this.#saysNo = true;
      this.warn(`the check ${failure}: no beats until it says true`, 'CHECK_SAYS_NO');
    }
  }

  /** Beats. If that fails, for example because `maximumAge` has become wrong, returns what to say. */
  #beat(): string | undefined {
    try {
      this.beat();
      return undefined;
    } catch (error) {
      return `of refreshWhile says yes, but the beat ${attempted(() => `threw ${shown(error)}`)}`;
    }
  }
}

/** Never throws, although `words` may: to show a value can run code of that value. */
function attempted(words: () => string): string {
  try {
    return words();
  } catch {
    return 'gave something that cannot be shown';
  }
}
