// node_modules/k8s-liveness/dist/liveness.js: the shipped probe. Built into one file that loads node: builtins only.

import type { ParseArgsConfig } from 'node:util';
import { LIMIT_FORMS, parseLimit } from './duration';
import { processDirectory, TIMESTAMP_PATH } from './file';
import { judge } from './judge';
import { conclude, print } from './probe';
import { systemClock } from './proc';

declare const VERSION: string;

const HELP = `usage: node liveness.js [OPTION...] [PATH...]

Is every main loop that beats into these heartbeat files still making progress?
A PATH that is a directory is a process directory: its pid must live, its error be
0, and its last beat, if it has a timestamp, be young enough.
Without a PATH: $LIVENESS_PATH, else /tmp/liveness/timestamp.

  --process               the default process directory: $LIVENESS_UNIT_NAME, else
                          the host's name, below $LIVENESS_RUNDIR, else /run
  --ignore-error          leave the error of process directories aside: for
                          liveness, where readiness looks at it
  --maximum-age DURATION  judge plain files too (touched, or holding a time in
                          seconds since the epoch), which state no limit:
                          500ms, 90s, 2m, 1h30m, 1d, PT2M; a heartbeat keeps its own
  --other-pid-namespace   the writer is in another container: leave its pid and
                          boot aside and judge by wall time
  --help, --version

exit codes: 0 all alive, 1 one is dead (the line says which and why), 2 could not ask
LOG_LEVEL=warning or above silences the line of a probe that is alive.

  livenessProbe:
    exec: { command: ["env", "NODE_OPTIONS=", "NODE_EXTRA_CA_CERTS=", "node",
                      "node_modules/k8s-liveness/dist/liveness.js"] }
    timeoutSeconds: 5`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  process: { type: 'boolean' },
  'ignore-error': { type: 'boolean' },
  'maximum-age': { type: 'string' },
  'other-pid-namespace': { type: 'boolean' },
} satisfies ParseArgsConfig['options'];

interface Request {
  readonly paths: readonly string[];
  /** Ask about the default process directory, before the paths. */
  readonly askDefault: boolean;
  readonly ignoreError: boolean;
  readonly otherPidNamespace: boolean;
  readonly plainLimit: number | undefined;
}

const PLAIN_REQUEST = { askDefault: false, ignoreError: false, otherPidNamespace: false, plainLimit: undefined };

function parseCommandLine(args: string[]): Request {
  // Loaded only for options: a probe that has none starts without it.
  const { parseArgs } = process.getBuiltinModule('node:util');
  let parsed;
  try {
    parsed = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Error(`${firstSentence((error as Error).message)}; expected PATH... and the options that --help lists`);
  }
  const { values, positionals } = parsed;
  if (values.help) answer(HELP);
  if (values.version) answer(VERSION);
  const given = values['maximum-age'];
  const plainLimit = given === undefined ? undefined : parseLimit(given);
  if (given !== undefined && plainLimit === undefined) {
    throw new Error(`--maximum-age expected ${LIMIT_FORMS}; got ${JSON.stringify(given)}`);
  }
  return {
    paths: positionals,
    askDefault: values.process ?? false,
    ignoreError: values['ignore-error'] ?? false,
    otherPidNamespace: values['other-pid-namespace'] ?? false,
    plainLimit,
  };
}

function firstSentence(message: string): string {
  return message.split(/\. |\n/, 1)[0] ?? '';
}

function answer(text: string): never {
  print(1, text);
  process.exit(0);
}

conclude(() => {
  const args = process.argv.slice(2);
  const { paths, askDefault, ...asked }: Request = args.some((argument) => argument.startsWith('-'))
    ? parseCommandLine(args)
    : { paths: args, ...PLAIN_REQUEST };
  const reader = { clock: systemClock, limit: undefined, isDirectory: false, ...asked };
  if (!askDefault) return (paths.length > 0 ? paths : [TIMESTAMP_PATH]).map((path) => judge(path, reader));
  return [judge(processDirectory(), { ...reader, isDirectory: true }), ...paths.map((path) => judge(path, reader))];
});
