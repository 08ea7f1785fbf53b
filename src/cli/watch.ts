import { setTimeout as pause } from 'node:timers/promises';
import { UsageError } from './command';
import { sizeOf, type Context } from './context';

const CLEAR = '\x1b[H\x1b[J';

/** Draws once a second until Ctrl-C or until the terminal is closed. Leaves nothing to restore, however it ends. */
export async function watch(draw: () => string, { stdout, env, onSignal }: Context): Promise<number> {
  if (stdout.isTTY !== true || env.TERM === 'dumb') {
    const got = stdout.isTTY === true ? 'TERM=dumb' : 'a file or a pipe, for which there is --json';
    throw new UsageError(`--watch expected a terminal to draw on; got ${got}`);
  }
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
  };
  const stopListening = onSignal('SIGINT', end);
  while (!ending.signal.aborted) {
    const lines = draw().trimEnd().split('\n');
    const shown = lines.slice(0, sizeOf(stdout).rows - 1);
    const hidden = lines.length > shown.length ? ` (${lines.length - shown.length} lines more)` : '';
    stdout.write(`${CLEAR}${shown.join('\n')}\nCtrl-C ends${hidden}`, (error) => {
      if (error) end();
    });
    await pause(1000, undefined, { signal: ending.signal }).catch(() => undefined);
  }
  stopListening();
  stdout.write('\n');
  return 0;
}
