import { setTimeout as pause } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { UsageError } from './command';
import { sizeOf, type Context, type Output } from './context';

/** Shows the alternate screen without a cursor; and the screen before it again. */
const OPEN = '\x1b[?1049h\x1b[?25l';
const CLOSE = '\x1b[?25h\x1b[?1049l';
const CLEAR = '\x1b[H\x1b[J';

/** The exit codes: 0 for Ctrl-C, which is the expected end; for other signals, those that a shell reports. */
const ENDS = { SIGINT: 0, SIGHUP: 129, SIGQUIT: 131, SIGTERM: 143 };

/** Draws once a second until a signal comes or the terminal is closed. */
export async function watch(draw: () => string, context: Context): Promise<number> {
  const { stdout, env, onSignal, suspend } = context;
  if (stdout.isTTY !== true || env.TERM === 'dumb') {
    const got = stdout.isTTY === true ? 'TERM=dumb' : 'a file or a pipe, for which there is --json';
    throw new UsageError(`--watch expected a terminal to draw on; got ${got}`);
  }
  draw(); // throws for bad usage before we change the terminal
  const ending = new AbortController();
  const listening = [
    ...Object.entries(ENDS).map(([name, code]) =>
      onSignal(name as keyof typeof ENDS, () => {
        ending.abort(code);
      }),
    ),
    onSignal('SIGTSTP', () => {
      stdout.write(CLOSE); // the shell needs its terminal while we are suspended
      suspend();
    }),
    onSignal('SIGCONT', () => stdout.write(OPEN)),
  ];
  stdout.write(OPEN);
  try {
    while (!ending.signal.aborted) {
      stdout.write(screen(draw(), stdout), (error) => {
        if (error) ending.abort(ENDS.SIGHUP); // the terminal was closed without a SIGHUP
      });
      await pause(1000, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  } finally {
    stdout.write(CLOSE);
    for (const stopListening of listening) stopListening();
  }
  return ending.signal.reason as number;
}

/** Keeps as many lines as fit. A line that is longer than a row takes several rows. */
function screen(text: string, stdout: Output): string {
  const { columns, rows } = sizeOf(stdout);
  const rowsOf = (line: string): number => Math.max(Math.ceil(stripVTControlCharacters(line).length / columns), 1);
  const lines = text.trimEnd().split('\n');
  const end = (hidden: number): string => (hidden > 0 ? `Ctrl-C ends (${hidden} lines more)` : 'Ctrl-C ends');
  let room = rows - rowsOf(end(lines.length));
  const shown = lines.filter((line) => (room -= rowsOf(line)) >= 0);
  return CLEAR + [...shown, end(lines.length - shown.length)].join('\n');
}
