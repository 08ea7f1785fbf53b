import { lstatSync } from 'node:fs';
import { processDirectory, TIMESTAMP_PATH } from '../defaults';
import { blocks } from './blocks';
import { flag, type Command } from './command';
import { READING, reports, toJson, type Report } from './report';
import { watch } from './watch';

export const status: Command = {
  command: 'status',
  usage: '[PATH...]',
  describe: 'Describe heartbeats for people: how old, how near to a restart',
  failure: 2,
  builder: (yargs) =>
    yargs
      .options({
        ...READING,
        watch: flag('Draw again every second until Ctrl-C'),
        'no-color': flag('No colours; NO_COLOR in the environment does the same'),
      })
      .conflicts('watch', 'json')
      .example('$0 status', 'The default heartbeat and process directory')
      .example('$0 status --watch /run/liveness/*', 'All loops of a service, live')
      .epilogue(
        `Without a PATH: the default heartbeat and the default process directory.
longest gap is the longest time between two beats so far, and its share of the limit: how near to a restart the loop ever was. in hand counts the tasks, and task is the one nearest to its deadline. deadline is when it is dead, unless it beats until then.
Exits 0 whatever it finds: describing is not judging. For an exit code there is check.`,
      ),
  handler: (args, context) => {
    const { stdout, clock } = context;
    const judgeAll = (): Report[] => reports(args, clock, defaultPaths());
    const colour = args['no-color'] !== true && stdout.hasColors?.() === true;
    const draw = (): string => blocks(judgeAll(), { colour, now: clock.wall() });
    if (args.watch === true) return watch(draw, context);
    stdout.write(args.json === true ? `${toJson(judgeAll())}\n` : draw());
    return 0;
  },
};

/** A service may have only a heartbeat or only a process directory. If LIVENESS_PATH is set, the probes use it. */
function defaultPaths(): string[] {
  const directory = processDirectory();
  if (!exists(directory)) return [TIMESTAMP_PATH];
  const hasHeartbeat = Boolean(process.env.LIVENESS_PATH) || exists(TIMESTAMP_PATH);
  return hasHeartbeat ? [TIMESTAMP_PATH, directory] : [directory];
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // we may not look
  }
}
