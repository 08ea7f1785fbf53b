import type { Clock } from '../proc';

/** What a command needs of the world: a process's own, or a test's. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Pick<Output, 'write'>;
  /** Where the defaults stand is not asked here, but of the process itself, as by the probes. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Calls the listener at every such signal, until what it returns is called. */
  readonly onSignal: (signal: NodeJS.Signals, listener: () => void) => () => void;
  /** Whether a terminal sends its signals, as by Ctrl-C, to this process and to those that it starts. */
  readonly isInForeground: () => boolean;
  /** Stops this process until it is sent a SIGCONT. */
  readonly suspend: () => void;
}

export interface Output {
  /** Calls `done` when that is printed, or cannot be. */
  readonly write: (text: string, done?: (error?: Error | null) => void) => unknown;
  readonly isTTY?: boolean | undefined;
  /** Of the terminal, if it is one; 0 where it does not say. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}
