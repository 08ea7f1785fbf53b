import { setTimeout as pause } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { UsageError } from './command';
import { sizeOf, type Context, type Output } from './context';

/** The alternate screen without a cursor, and back to what stood on the terminal before. */
const OPEN = '\x1b[?1049h\x1b[?25l';
const CLOSE = '\x1b[?25h\x1b[?1049l';
const CLEAR = '\x1b[H\x1b[J';

/** Exit codes: Ctrl-C is the expected end, the others are as a shell tells them. */
const ENDS = { SIGINT: 0, SIGHUP: 129, SIGQUIT: 131, SIGTERM: 143 };

/** Draws each second until a signal, or the loss of the terminal, ends it. */
export async function watch(draw: () => string, context: Context): Promise<number> {
  const { stdout, env, onSignal, suspend } = context;
  if (stdout.isTTY !== true || env.TERM === 'dumb') {
    const got = stdout.isTTY === true ? 'TERM=dumb' : 'a file or a pipe, for which there is --json';
    throw new UsageError(`--watch expected a terminal to draw on; got ${got}`);
  }
  draw(); // refuses bad usage, so before we take the terminal
  const ending = new AbortController();
  const ignore = [
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
        if (error) ending.abort(ENDS.SIGHUP); // the terminal is gone, and no SIGHUP came
      });
      await pause(1000, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  } finally {
    stdout.write(CLOSE);
    for (const stopListening of ignore) stopListening();
  }
  return ending.signal.reason as number;
}

/** As many lines as there is room for. The terminal wraps a line that is longer than a row. */
function screen(text: string, stdout: Output): string {
  const { columns, rows } = sizeOf(stdout);
  const rowsOf = (line: string): number =>
    Math.max(Math.ceil(stripVTControlCharacters(line).length / columns), 1);
  const lines = text.trimEnd().split('\n');
  const end = (hidden: number): string =>
    hidden > 0 ? `Ctrl-C ends (${hidden} lines more)` : 'Ctrl-C ends';
  let room = rows - rowsOf(end(lines.length));
  const shown = lines.filter((line) => (room -= rowsOf(line)) >= 0);
  return CLEAR + [...shown, end(lines.length - shown.length)].join('\n');
}
