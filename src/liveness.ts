// The shipped probe dist/liveness.js. The build makes one file of it that loads only Node's own modules.

import type { ParseArgsConfig } from 'node:util';
import { LIMIT_FORMS, parseLimit } from './duration';
import { processDirectory, TIMESTAMP_PATH } from './defaults';
import { judge } from './judge';
import HELP from './liveness/help.txt';
import { conclude, print } from './probe';
import { systemClock } from './proc';

declare const VERSION: string;

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
  /** Whether to judge the default process directory too, before the paths. */
  readonly askDefault: boolean;
  readonly ignoreError: boolean;
  readonly otherPidNamespace: boolean;
  readonly plainLimit: number | undefined;
}

const PLAIN_REQUEST = { askDefault: false, ignoreError: false, otherPidNamespace: false, plainLimit: undefined };

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
