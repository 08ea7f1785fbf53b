import { describe } from '../verdict';
import { READING, type Command } from './command';
import { reports, toJson } from './report';

export const check: Command = {
  command: 'check [paths..]',
  describe: 'Judge heartbeat files and process directories, as a probe does',
  failure: 2,
  builder: (yargs) =>
    yargs
      .positional('paths', { type: 'string', array: true, describe: 'Heartbeat files and process directories', defaultDescription: '$LIVENESS_PATH, else /tmp/liveness/timestamp' })
      .options({
        ...READING,
        quiet: { type: 'boolean', describe: 'Print nothing: the exit code is the answer' },
        json: { type: 'boolean', describe: 'Print JSON on one line (docs/cli.md describes it)' },
      })
      .conflicts('quiet', 'json')
      .example('$0 check', 'What the kubelet sees')
      .example('$0 check /run/liveness/mail /run/liveness/jobs', 'Several loops: alive when all are')
      .example('$0 check --process --ignore-error', 'A process directory, as liveness looks at it')
      .example('$0 check --maximum-age 90s /tmp/touched', 'A file that a script only touches')
      .epilogue(
        `Exit codes: 0 all alive, 1 one is dead (its line says why), 2 could not ask.
In a probe use dist/liveness.sh or dist/liveness.js: they start several times faster.`,
      ),
  handler: (given, io) => {
    const all = reports(given, io);
    if (given.json === true) io.stdout.write(`${toJson(all)}\n`);
    else if (given.quiet !== true) for (const { verdict } of all) io.stdout.write(`${describe(verdict)}\n`);
    return all.every(({ verdict }) => verdict.alive) ? 0 : 1;
  },
};
