import { shown } from '../errors';
import { presence } from '../proc';
import { parsePid } from '../record';
import { assertHeartbeat, beat } from './beat';
import { pathsOf, required, requiredLimitOf, UsageError, type Command } from './command';

export const touch: Command = {
  command: 'touch [path]',
  describe: 'Beat once: for a shell loop, a cron job or another language',
  failure: 1,
  builder: (yargs) =>
    yargs
      .usage('$0 touch PATH --maximum-age DURATION [--pid N]\n\nBeat once: for a shell loop, a cron job or another language')
      .positional('path', { type: 'string', describe: 'The heartbeat file; its folder is made if need be' })
      .options({
        'maximum-age': required('How old this beat may become'),
        pid: {
          type: 'string',
          requiresArg: true,
          describe: 'Whose loop beats, such as $$: when that process ends, the heartbeat is dead at once. Without it the record has no identity, and only its age counts',
        },
      })
      .example('$0 touch /run/jobs --maximum-age 2m --pid $$', 'In a shell loop, on each turn')
      .example('$0 touch /run/backup --maximum-age 25h', 'After a daily job')
      .epilogue(
        `There is no --every, on purpose: a beat from a timer proves that the timer runs, and keeps a hung loop alive for ever. Beat where the work is done.
Exit codes: 0 recorded, 1 could not be (the line says why), 2 bad usage.`,
      ),
  handler: (given, io) => {
    const [path = '', ...more] = pathsOf(given);
    if (path === '' || more.length > 0) throw new UsageError(`expected one PATH; got ${path === '' ? 'none' : more.length + 1}`);
    const limit = requiredLimitOf(given);
    const pid = given.pid === undefined ? undefined : pidOf(given.pid as string);
    assertHeartbeat(path, io.clock);
    // The nonce is the loop's, so that the next touch is the same writer's. 0 where there is no loop to tell apart.
    beat(path, { limit, pid, nonce: (pid ?? 0).toString(16) }, io.clock);
    return 0;
  },
};

function pidOf(text: string): number {
  const pid = parsePid(text);
  if (pid === undefined) throw new UsageError(`--pid expected the number of a living process; got ${shown(text)}`);
  const found = presence(pid, undefined);
  if (found.state === 'gone') throw new UsageError(`--pid expected the number of a living process; ${found.detail}`);
  return pid;
}
