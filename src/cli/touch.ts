import { shown } from '../errors';
import { presence } from '../proc';
import { parsePid } from '../record';
import { touchAt } from '../replaceable';
import { writerFor } from './beat';
import { limitOf, pathsOf, requiredLimit, UsageError, value, type Command } from './command';

export const touch: Command = {
  command: 'touch',
  usage: 'PATH --maximum-age DURATION [--pid N]',
  describe: 'Beat once: for a shell loop, a cron job or another language',
  failure: 1,
  builder: (yargs) =>
    yargs
      .options({
        'maximum-age': requiredLimit('How old this beat may become'),
        pid: value(
          'The process that beats, such as $$: when it ends, the heartbeat is dead at once. Without --pid only the age counts',
        ),
      })
      .example('$0 touch /run/jobs --maximum-age 2m --pid $$', 'In a shell loop, on each turn')
      .example('$0 touch /run/backup --maximum-age 25h', 'After a daily job')
      .epilogue(
        `PATH is the heartbeat file. Missing folders are made.
There is no --every, on purpose: a beat from a timer proves that the timer runs, and keeps a hung loop alive for ever. Beat where the work is done.
Exit codes: 0 recorded, 1 not recorded (the line says why), 2 bad usage.`,
      ),
  handler: (args, { clock }) => {
    const [path, ...more] = pathsOf(args);
    if (path === undefined || more.length > 0) {
      throw new UsageError(`expected one PATH; got ${path === undefined ? 'none' : more.length + 1}`);
    }
    const limit = limitOf(args['maximum-age']);
    const pid = args.pid === undefined ? undefined : pidOf(args.pid as string);
    // One nonce per process, so that its next touch counts as the same writer.
    const nonce = (pid ?? 0).toString(16);
    const writer = writerFor(path, () => pid, clock, { nonce, rule: touchAt(clock.wall()) });
    writer.resume();
    writer.refresh(limit, false, '--maximum-age');
    return 0;
  },
};

function pidOf(text: string): number {
  const pid = parsePid(text);
  const found = pid === undefined ? undefined : presence(pid, undefined);
  if (pid !== undefined && found?.state !== 'gone') return pid;
  const got = found?.state === 'gone' ? found.detail : `got ${shown(text)}`;
  throw new UsageError(`--pid expected the number of a living process; ${got}`);
}
