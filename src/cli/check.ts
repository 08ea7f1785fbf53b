import { patiently } from '../judge';
import { formatVerdict } from '../verdict';
import { flag, type Command } from './command';
import { allAlive, READING, reports, toJson } from './report';

export const check: Command = {
  command: 'check',
  usage: '[PATH...]',
  describe: 'Judge heartbeat files and process directories, as a probe does',
  failure: 2,
  builder: (yargs) =>
    yargs
      .options(READING)
      .option('quiet', flag('Print nothing: the exit code is the answer'))
      .conflicts('quiet', 'json')
      .example('$0 check', 'What the kubelet sees')
      .example('$0 check /run/liveness/mail /run/liveness/jobs', 'Several loops: alive when all are')
      .example('$0 check --process --ignore-error', 'A process directory, as liveness looks at it')
      .example('$0 check --maximum-age 90s /tmp/touched', 'A file that a script only touches')
      .epilogue(
        `Without a PATH: $LIVENESS_PATH, else /tmp/liveness/timestamp.
Exit codes: 0 all alive, 1 one is dead (its line says why), 2 could not ask.
In a probe use dist/liveness.sh or dist/liveness.js: they start several times faster.`,
      ),
  handler: (args, { stdout, clock }) => {
    const all = patiently(() => reports(args, clock));
    if (args.json === true) stdout.write(`${toJson(all)}\n`);
    else if (args.quiet !== true) {
      for (const { verdict } of all) stdout.write(`${formatVerdict(verdict)}\n`);
    }
    return allAlive(all) ? 0 : 1;
  },
};
