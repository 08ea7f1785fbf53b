import { lstatSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { processDirectory, TIMESTAMP_PATH } from '../file';
import { READING, UsageError, type Command, type Given } from './command';
import type { Io } from './io';
import { reports, toJson } from './report';

export const status: Command = {
  command: 'status [paths..]',
  describe: 'Describe them for people: how old, how near to a restart',
  failure: 2,
  builder: (yargs) =>
    yargs
      .positional('paths', { type: 'string', array: true, describe: 'Heartbeat files and process directories', defaultDescription: 'the default heartbeat and process directory' })
      .options({
        watch: { type: 'boolean', describe: 'Draw it anew each second until Ctrl-C' },
        json: { type: 'boolean', describe: 'Print JSON on one line (docs/cli.md describes it)' },
        'no-color': { type: 'boolean', describe: 'No colours; NO_COLOR in the environment does the same' },
        ...READING,
      })
      .conflicts('watch', 'json')
      .example('$0 status', 'What stands where a service beats by default')
      .example('$0 status --watch /run/liveness/*', 'All loops of a service, live')
      .epilogue(
        `longest gap is the longest time between two beats so far, and its share of the limit: how near to a restart the loop ever was. deadline is when it is dead, unless it beats until then.
Exits 0 whatever it finds: describing is not judging. For an exit code there is check.`,
      ),
  handler: async (given, io) => {
    if (given.watch === true) return watch(given, io);
    io.stdout.write(given.json === true ? `${toJson(look(given, io))}\n` : await draw(given, io));
    return 0;
  },
};

function look(given: Given, io: Io): ReturnType<typeof reports> {
  const hasDirectory = stands(processDirectory());
  // A service may have only the one; but a heartbeat that somebody has named is what the kubelet asks about.
  const hasHeartbeat = !hasDirectory || Boolean(process.env.LIVENESS_PATH) || stands(TIMESTAMP_PATH);
  return reports(given, io, [...(hasHeartbeat ? [TIMESTAMP_PATH] : []), ...(hasDirectory ? [processDirectory()] : [])]);
}

function stands(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // something that may not be looked at
  }
}

function draw(given: Given, io: Io): Promise<string> {
  // Only here: no other command needs date-fns' words and cliui.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { table } = require('./table') as typeof import('./table');
  const { isTTY = false, columns } = io.stdout; // no columns where it is no terminal
  // An empty NO_COLOR counts as unset: no-color.org.
  const colour = isTTY && !io.env.NO_COLOR && io.env.TERM !== 'dumb' && given['no-color'] !== true;
  // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing -- 0 is a terminal that does not say
  return table(look(given, io), { columns: Math.max(columns || 80, NARROWEST), colour, now: io.clock.wall() });
}

/** A terminal narrower than this breaks the lines by itself. */
const NARROWEST = 20;

/** The alternate screen without a cursor, so that what stood on the terminal is there again afterwards. */
const [OPEN, CLOSE] = ['\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l'];
const [HOME, CLEAR_LINE, CLEAR_BELOW] = ['\x1b[H', '\x1b[K', '\x1b[J'];

/** What each way to end it exits with: Ctrl-C is the expected one, the others as a shell tells them. */
const ENDS = { SIGINT: 0, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const;

async function watch(given: Given, io: Io): Promise<number> {
  if (io.stdout.isTTY !== true) throw new UsageError('--watch expected a terminal to draw on; got a file or a pipe, for which there is --json');
  if (io.env.TERM === 'dumb') throw new UsageError('--watch expected a terminal that can be drawn on; got TERM=dumb');
  const first = await draw(given, io); // before the terminal is taken, as it may refuse
  const ending = new AbortController();
  const { signal } = ending;
  const release = Object.entries(ENDS).map(([name, code]) => io.onSignal(name as keyof typeof ENDS, () => { ending.abort(code); }));
  // Ctrl-Z: the shell gets its terminal back meanwhile.
  release.push(io.onSignal('SIGTSTP', () => { io.stdout.write(CLOSE); io.suspend(); }));
  release.push(io.onSignal('SIGCONT', () => { io.stdout.write(OPEN); }));
  // A terminal that has gone, and has sent no SIGHUP.
  const onWritten = (error?: Error | null): void => { if (error) ending.abort(ENDS.SIGHUP); };
  io.stdout.write(OPEN);
  try {
    for (let drawn = first; ; drawn = await draw(given, io)) {
      // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing -- as above
      io.stdout.write(screen(drawn, io.stdout.rows || 24), onWritten);
      await pause(1000, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
    }
  } finally {
    io.stdout.write(CLOSE);
    for (const letGo of release) letGo();
  }
  return signal.reason as number;
}

/** As many of the lines as there is room for, over whatever was drawn before. */
function screen(text: string, rows: number): string {
  const lines = text.trimEnd().split('\n');
  const room = Math.max(rows - 1, 1);
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `(${lines.length - room + 1} lines more)`];
  return `${HOME}${[...shown, 'Ctrl-C ends'].map((line) => line + CLEAR_LINE).join('\n')}${CLEAR_BELOW}`;
}
