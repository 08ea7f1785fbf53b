import { writeFileSync } from 'node:fs';
import type { Arguments } from 'yargs';
import { shown } from '../errors';
import { printable } from '../verdict';
import { flag, givenLimit, limitOf, oneOf, requiredLimit, UsageError, value, wordsOf, type Command } from './command';
import { sizeOf } from './context';
import { numbersFor, type Wishes } from './manifest/numbers';
import type { Subject } from './manifest/yaml';

const FORMATS = ['pod', 'helm', 'kustomize', 'compose'] as const;
const PROBES = ['sh', 'node', 'own'] as const;
const DEFAULT_PATH = '/run/liveness/timestamp';
/** 30 days. A longer limit finds a wedge much too late, and a very long one does not fit into the API's numbers. */
const LONGEST = 30 * 86_400;

export const manifest: Command = {
  command: 'manifest',
  usage: '--maximum-age DURATION [OPTION...] [-- COMMAND...]',
  describe: 'Print a manifest whose numbers follow from the limit, or draw what they mean',
  failure: 1,
  builder: (yargs) =>
    yargs
      .options({
        'maximum-age': requiredLimit('The limit, as in the service'),
        probe: value('The probe: sh (liveness.sh), node (liveness.js) or own (dist/liveness.js). Default: sh'),
        path: value(`The heartbeat file. Default: ${DEFAULT_PATH}`),
        process: flag('A process directory in place of a heartbeat file; it gets a readiness probe too'),
        startup: value('How long the service may take to its first beat. Default: the limit'),
        period: value('periodSeconds. Default: a quarter of the limit, at most 1m'),
        timeout: value('timeoutSeconds, at most the period. Default: 5s'),
        'failure-threshold': value('failureThreshold, at least 2. Default: 2'),
        'restart-within': value(
          'The period follows from this: the time from the last beat to the end of a wedged container',
        ),
        format: value(
          'pod, helm (named templates for a _helpers.tpl), kustomize (a component) or compose. Default: pod',
        ),
        name: value('The name of pod and container. Default: worker'),
        image: value('Default: the name, with tag 1'),
        timeline: flag('Draw stall, probes and decision in place of the manifest'),
        svg: value('The same as a picture, into this file'),
      })
      .conflicts({ process: 'path', 'restart-within': 'period', svg: 'timeline' })
      .example('$0 manifest --maximum-age 2m', 'A pod; the service is node dist/main.js in /app')
      .example('$0 manifest --maximum-age 2m --format helm > templates/_liveness.tpl', 'For a chart')
      .example('$0 manifest --maximum-age 2m --timeline', 'What happens when the loop hangs?')
      .epilogue(
        `COMMAND is the service's. Default: node dist/main.js.
The comments say when a wedged loop is decided, and which stalls never restart it. These bounds hold if a timeout is at most its period and both together are at most the limit; so other values are refused, and the message says what is possible.
Exit codes: 0 printed, 1 the picture could not be written, 2 bad usage.`,
      ),
  handler: async (args, { stdout }) => {
    const wishes = wishesOf(args);
    const numbers = numbersFor(wishes);
    const subject = { ...subjectOf(args), numbers };
    const format = oneOf(args, 'format', FORMATS) ?? 'pod';
    if (format === 'helm') refuseInHelm(wishes);
    if (format === 'helm' || format === 'kustomize') refuseService(args, format);
    if (args.timeline === true) {
      const { timeline } = await import('./manifest/timeline.js');
      stdout.write(timeline(numbers, Math.min(sizeOf(stdout).columns, 100)));
    } else if (args.svg !== undefined) {
      const { picture } = await import('./manifest/svg.js');
      writeFileSync(args.svg as string, picture(numbers));
    } else if (format === 'helm') {
      const { helm } = await import('./manifest/helm.js');
      stdout.write(helm(subject, wishes));
    } else {
      const print = await import('./manifest/yaml.js'); // loads the YAML library
      stdout.write(print[format](subject));
    }
    return 0;
  },
};

function wishesOf(args: Arguments): Wishes {
  const limit = limitOf(args['maximum-age']) / 1000;
  if (limit > LONGEST) throw new UsageError(`--maximum-age expected at most 30d; got ${String(args['maximum-age'])}`);
  return {
    limit,
    startup: secondsOf(args, 'startup'),
    period: secondsOf(args, 'period'),
    timeout: secondsOf(args, 'timeout'),
    failures: failuresOf(args['failure-threshold'] as string | undefined),
    restartWithin: secondsOf(args, 'restart-within'),
  };
}

/** A manifest holds whole seconds only. */
function secondsOf(args: Arguments, option: string): number | undefined {
  const ms = givenLimit(args, option);
  if (ms === undefined) return undefined;
  if (ms % 1000 === 0 && ms <= LONGEST * 1000) return ms / 1000;
  throw new UsageError(`--${option} expected whole seconds, at most 30d; got ${String(args[option])}`);
}

function failuresOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,3}$/.test(text) && Number(text) >= 2) return Number(text);
  throw new UsageError(
    `--failure-threshold expected a number from 2 to 999, because a resumed machine may look stale once; got ${shown(text)}`,
  );
}

function refuseInHelm({ limit, restartWithin }: Wishes): void {
  if (restartWithin !== undefined) {
    throw new UsageError(
      '--restart-within needs a fixed limit, but in a chart the limit is a value; expected --period or neither',
    );
  }
  if (!Number.isInteger(limit))
    throw new UsageError(`--maximum-age expected whole seconds for --format helm; got ${limit * 1000}ms`);
}

/** A chart and a Deployment have an image and a command already. */
function refuseService(args: Arguments, format: string): void {
  if (args.image === undefined && wordsOf(args).afterDashes.length === 0) return;
  throw new UsageError(`--image and COMMAND are for --format pod and compose; got --format ${format}`);
}

function subjectOf(args: Arguments): Omit<Subject, 'numbers'> {
  const { before, afterDashes } = wordsOf(args);
  if (before[0] !== undefined) throw new UsageError(`expected -- COMMAND... after the options; got ${before[0]}`);
  const name =
    matching(
      args,
      'name',
      /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
      'at most 63 of a-z, 0-9 and -, as Kubernetes does',
    ) ?? 'worker';
  return {
    invocation: invocationOf(args, afterDashes),
    name,
    image: matching(args, 'image', /^[\w./:@-]+$/, 'an image such as registry.example.com/worker:1') ?? `${name}:1`,
    // Kubernetes and Compose make one $ of two.
    command:
      afterDashes.length > 0 ? afterDashes.map((word) => word.replaceAll('$', '$$$$')) : ['node', 'dist/main.js'],
    probe: oneOf(args, 'probe', PROBES) ?? 'sh',
    // In a folder that can be mounted by itself. With `..` the path could lead out of the mount.
    path:
      args.process === true
        ? undefined
        : (matching(
            args,
            'path',
            /^(?!.*\/\.\.?(\/|$))(\/[\w.-]+){2,}$/,
            `an absolute path in a folder, such as ${DEFAULT_PATH}`,
          ) ?? DEFAULT_PATH),
  };
}

function matching(args: Arguments, option: string, pattern: RegExp, expected: string): string | undefined {
  const text = args[option];
  if (text === undefined || (typeof text === 'string' && pattern.test(text))) return text;
  throw new UsageError(`--${option} expected ${expected}; got ${shown(text)}`);
}

/** The command line again, for a comment. */
function invocationOf(args: Arguments, command: readonly string[]): string {
  const options = [
    'maximum-age',
    'probe',
    'path',
    'process',
    'startup',
    'period',
    'timeout',
    'failure-threshold',
    'restart-within',
    'format',
    'name',
    'image',
  ];
  const given = options.flatMap((option) => {
    const text = args[option] as string | boolean | undefined;
    if (text === undefined || text === false) return [];
    return [text === true ? `--${option}` : `--${option} ${text}`];
  });
  return printable(['k8s-liveness manifest', ...given, ...(command.length > 0 ? ['--', ...command] : [])].join(' '));
}
