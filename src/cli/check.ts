import { patiently } from '../judge';
import { formatVerdict } from '../verdict';
import { asksNagios, nagios, unknown, type Answer } from './check/nagios';
import { openmetrics } from './check/openmetrics';
import { flag, oneOf, value, type Command } from './command';
import type { Output } from './context';
import { allAlive, READING, reports, toJson } from './report';

const FORMATS = ['text', 'json', 'nagios', 'openmetrics'] as const;

export const check: Command = {
  command: 'check',
  usage: '[PATH...]',
  describe: 'Judge heartbeat files and process directories, as a probe does',
  failure: 2,
  builder: (yargs) =>
    yargs
      .options(READING)
      .options({
        format: value(
          'text, json, nagios (one line with performance data; exit 0, 2, 3) or openmetrics (for a textfile collector). Default: text',
        ),
        quiet: flag('Print nothing: the exit code is the answer'),
      })
      .conflicts({ quiet: ['json', 'format'], json: 'format' })
      .example('$0 check', 'What the kubelet sees')
      .example('$0 check /run/liveness/mail /run/liveness/jobs', 'Several loops: alive when all are')
      .example('$0 check --process --ignore-error', 'A process directory, as liveness looks at it')
      .example('$0 check --maximum-age 90s /tmp/touched', 'A file that a script only touches')
      .example('$0 check --format nagios', 'For Nagios, Icinga, Sensu and Consul')
      .epilogue(
        `Without a PATH: $LIVENESS_PATH, else /tmp/liveness/timestamp.
Exit codes: 0 all alive, 1 one is dead (its line says why), 2 could not ask. With --format nagios: 0 OK, 2 CRITICAL, 3 UNKNOWN, because there 1 is a warning.
In a probe use dist/liveness.sh or dist/liveness.js: they start several times faster.`,
      ),
  handler: (args, { stdout, clock }) => {
    const format = args.json === true ? 'json' : (oneOf(args, 'format', FORMATS) ?? 'text');
    const all = patiently(() => reports(args, clock));
    if (format === 'nagios') return answer(nagios(all), stdout);
    if (format === 'json') stdout.write(`${toJson(all)}\n`);
    else if (format === 'openmetrics') stdout.write(openmetrics(all));
    else if (args.quiet !== true) {
      for (const { verdict } of all) stdout.write(`${formatVerdict(verdict)}\n`);
    }
    return allAlive(all) ? 0 : 1;
  },
  // Nagios shows standard output, and takes exit 2 for a dead service.
  onError: (words, message, { stdout }) => (asksNagios(words) ? answer(unknown(message), stdout) : undefined),
};

function answer({ line, code }: Answer, stdout: Output): number {
  stdout.write(`${line}\n`);
  return code;
}
