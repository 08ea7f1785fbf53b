import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { WriteStream } from 'node:tty';
import { pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';
import type { Context } from '../../src/cli/context';
import { systemClock, type Clock } from '../../src/proc';

// Imports dist/cli.js outside of jest, which cannot import ES modules. The file name is needed, because without it
// dist/cli.js would be the main module and run.
const importOutside = new Script('(url) => import(url)', {
  filename: __filename,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}).runInThisContext() as (
  url: string,
) => Promise<{ main: (argv: readonly string[], context: Context) => Promise<number> }>;

export interface World {
  readonly clock?: Clock;
  /** The width of the terminal; without it, the output is a pipe. */
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Record<string, string>;
  readonly signals?: EventEmitter;
  readonly isInForeground?: boolean;
  /** The error of a write to the terminal, if it is gone. */
  readonly failure?: () => Error | undefined;
  /** Is called with each piece of output. */
  readonly onOutput?: (text: string) => void;
}

/** Runs the command line in memory. */
export async function cli(
  argv: readonly string[],
  world: World = {},
): Promise<{ code: number; out: string; err: string }> {
  const {
    clock = systemClock,
    columns,
    rows,
    env = {},
    signals = new EventEmitter(),
    isInForeground = false,
    onOutput,
    failure,
  } = world;
  let [out, err] = ['', ''];
  const { main } = await importOutside(pathToFileURL(resolve('dist/cli.js')).href);
  const code = await main(argv, {
    stdout: {
      write: (text, done) => {
        out += text;
        onOutput?.(text);
        done?.(failure?.());
      },
      isTTY: columns !== undefined,
      columns,
      rows,
      ...(columns !== undefined && {
        hasColors: () => WriteStream.prototype.getColorDepth({ TERM: 'xterm', ...env }) > 1,
      }),
    },
    stderr: {
      write: (text) => {
        err += text;
      },
    },
    env,
    clock,
    isInForeground: () => isInForeground,
    onSignal: (signal, listener) => {
      signals.on(signal, listener);
      return () => signals.off(signal, listener);
    },
  });
  return { code, out, err };
}
