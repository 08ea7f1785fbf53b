// The shipped probe dist/liveness.js. The build makes one file of it that loads only Node's own modules.

import type { ParseArgsConfig } from 'node:util';
import { LIMIT_FORMS, parseLimit } from './duration';
import { processDirectory, TIMESTAMP_PATH } from './defaults';
import { examine, judge, patiently, type Reader } from './judge';
import HELP from './liveness/help.txt';
import { conclude, print } from './probe';
import { systemClock } from './proc';
import type { Verdict } from './verdict';

declare const VERSION: string;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  process: { type: 'boolean' },
  'ignore-error': { type: 'boolean' },
  'last-words': { type: 'boolean' },
  'maximum-age': { type: 'string' },
  'other-pid-namespace': { type: 'boolean' },
} satisfies ParseArgsConfig['options'];

interface Request {
  readonly paths: readonly string[];
  /** Whether to judge the default process directory too, before the paths. */
  readonly askDefault?: boolean | undefined;
  readonly ignoreError?: boolean | undefined;
  readonly lastWords?: boolean | undefined;
  readonly otherPidNamespace?: boolean | undefined;
  readonly plainLimit?: number | undefined;
}

/** How long a probe waits for last words before it answers without them: milliseconds since its start. */
const LAST_WORDS = 3000;

function parseCommandLine(args: string[]): Request {
  // Loaded only if there are options, so that other probes start faster.
  const { parseArgs } = process.getBuiltinModule('node:util');
  let parsed;
  try {
    parsed = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Error(`${firstSentence((error as Error).message)}; expected PATH... and the options that --help lists`);
  }
  const { values, positionals } = parsed;
  if (values.help) answer(HELP.trimEnd());
  if (values.version) answer(VERSION);
  const given = values['maximum-age'];
  const plainLimit = given === undefined ? undefined : parseLimit(given);
  if (given !== undefined && plainLimit === undefined) {
    throw new Error(`--maximum-age expected ${LIMIT_FORMS}; got ${JSON.stringify(given)}`);
  }
  return {
    paths: positionals,
    askDefault: values.process,
    ignoreError: values['ignore-error'],
    lastWords: values['last-words'],
    otherPidNamespace: values['other-pid-namespace'],
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

/** Judges what the command line names. */
function ask(): Answer {
  const args = process.argv.slice(2);
  const { paths, askDefault, lastWords, ...asked }: Request = args.some((argument) => argument.startsWith('-'))
    ? parseCommandLine(args)
    : { paths: args };
  const reader = { clock: systemClock, ...asked };
  const directory = askDefault ? [judge(processDirectory(), { ...reader, isDirectory: true })] : [];
  const named = askDefault || paths.length > 0 ? paths : [TIMESTAMP_PATH];
  return { verdicts: [...directory, ...named.map((path) => judge(path, reader))], reader, lastWords };
}

interface Answer {
  readonly verdicts: readonly Verdict[];
  readonly reader: Reader;
  readonly lastWords: boolean | undefined;
}

/** Prints the answer and exits. Adds last words if they are asked for and the loop does not turn. */
function printAnswer({ verdicts, reader, lastWords }: Answer): void {
  const withoutLastWords = (): never => conclude(() => verdicts);
  const dead = verdicts.find((verdict) => !verdict.alive);
  if (!lastWords || (dead?.reason !== 'stale' && dead?.reason !== 'overdue') || reader.otherPidNamespace)
    return withoutLastWords();
  // If anything goes wrong, it answers without last words.
  process.on('uncaughtException', withoutLastWords);
  setTimeout(withoutLastWords, LAST_WORDS - performance.now());
  void import('./stack.js')
    .then(({ withLastWords }) => withLastWords(examine(dead.path, reader)))
    .then((explained) => conclude(() => verdicts.map((verdict) => (verdict === dead ? explained : verdict))));
}

try {
  printAnswer(patiently(ask));
} catch (error) {
  conclude(() => {
    throw error as Error;
  });
}
