import type { Clock } from '../proc';

/** What a command uses of its process: streams, clock and signals. Tests pass their own. */
export interface Context {
  readonly stdout: Output;
  readonly stderr: Pick<Output, 'write'>;
  /** Decides how the output looks. Default paths come from `process.env`, not from here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Calls the listener at each such signal, until the returned function is called. */
  readonly onSignal: (signal: NodeJS.Signals, listener: () => void) => () => void;
  /** Whether we are in the foreground of a terminal, so that Ctrl-C sends a signal to us and to our children. */
  readonly isInForeground: () => boolean;
}

export interface Output {
  /** Calls `done` when the text is printed or has failed to print. */
  readonly write: (text: string, done?: (error?: Error | null) => void) => unknown;
  readonly isTTY?: boolean | undefined;
  /** The terminal's size; undefined without a terminal, 0 if the terminal does not know it. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** A terminal's method; Node answers false if NO_COLOR is set or TERM is dumb. */
  readonly hasColors?: (() => boolean) | undefined;
}

export function sizeOf({ columns, rows }: Output): { columns: number; rows: number } {
  // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing -- both may be 0
  return { columns: columns || 80, rows: rows || 24 };
}
