import { examine, patiently } from '../judge';
import { TIMESTAMP_PATH } from '../defaults';
import { formatVerdict, printable } from '../verdict';
import { pathsOf, UsageError, type Command } from './command';

export const stack: Command = {
  command: 'stack',
  usage: '[PATH]',
  describe: 'Show which line of code the process behind a heartbeat is at',
  failure: 1,
  builder: (yargs) =>
    yargs.example('$0 stack', 'Where does the default loop hang?').epilogue(
      `Without a PATH: $LIVENESS_PATH, else /tmp/liveness/timestamp.
It sends SIGUSR1, so that Node opens its inspector on the loopback, asks for the frames without pausing, and closes the inspector again. A service that handles SIGUSR1 itself receives the signal instead.
Exit codes: 0 shown, 1 could not be had (a line says why), 2 bad usage.`,
    ),
  handler: async (args, { stdout, clock }) => {
    const [path = TIMESTAMP_PATH, ...others] = pathsOf(args);
    if (others.length > 0) throw new UsageError(`expected one PATH; got ${others.length + 1}`);
    const { verdict, record, work } = patiently(() => examine(path, { clock }));
    stdout.write(`${formatVerdict(verdict)}\n`);
    const { framesOf } = await import('../stack.js');
    const frames = await framesOf(record);
    for (const { name, file, line, column } of frames ?? []) {
      stdout.write(`    at ${printable(`${name} (${file}:${line}:${column})`)}\n`);
    }
    if (!frames) stdout.write('    waits for an event or a child process\n');
    if (frames?.length === 0) stdout.write('    runs promises that settle at once, one after another: no frame\n');
    if (work) stdout.write(`    ${work.count} in hand, ${work.name}\n`);
    return 0;
  },
};
