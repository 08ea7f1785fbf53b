// What a command line may not say: yargs lets much of it pass.

import { UsageError } from './command';

export const NO_COMMAND = 'expected -- COMMAND... after the options; got none';

const TAKES_A_VALUE = /^--(?:maximum-age|pid|directory)$/;

/** `--pid -1` is an option and its value to whoever writes it; yargs would take it for two options. */
export function joined(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const words: string[] = [];
  for (const [at, word] of argv.entries()) {
    const isValue = (end < 0 || at < end) && /^-\d/.test(word) && TAKES_A_VALUE.test(words.at(-1) ?? '');
    if (isValue) words.push(`${words.pop() ?? ''}=${word}`);
    else words.push(word);
  }
  return words;
}

/** The options of a command line: its words with a dash, up to a `--`. */
export function optionsIn(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).filter((word) => /^-./.test(word));
}

function nameIn(option: string): string {
  return option.replace(/^--?/, '').split('=', 1)[0] ?? '';
}

/** Before yargs has read it. */
export function refuseUnreadable(argv: readonly string[], commands: readonly string[]): void {
  const [first = '', ...rest] = argv;
  const behind = rest.find((word) => commands.includes(word));
  if (/^-./.test(first) && !['--', '--version'].includes(first) && behind !== undefined) throw new UsageError(`expected the command first; got ${first.split('=', 1)[0] ?? ''} before ${behind}`);
  const end = argv.indexOf('--');
  if (argv.slice(0, end < 0 ? argv.length : end).includes('-')) throw new UsageError('unexpected -; a path of that name is ./-');
  const odd = optionsIn(argv).find((option) => /^-(?:--|-?=)/.test(option)); // yargs drops them without a word
  if (odd !== undefined) throw new UsageError(`unknown option ${odd}; --help lists what there is`);
  const names = optionsIn(argv).map(nameIn);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  // yargs would make an array of it: for the paths of a command it must.
  if (twice !== undefined) throw new UsageError(`${dashed(twice)} expected once; got ${names.filter((name) => name === twice).length} times`);
  // To yargs a positional is an option as well, which the positional then overrules; and whoever asks for completions gets them.
  const other = names.find((name) => name === 'path' || name === 'paths' || name === 'get-yargs-completions');
  if (other !== undefined) throw new UsageError(`unknown option ${dashed(other)}; --help lists what there is`);
}

/** Once yargs knows the options of the command: it takes `--json=3`, and `--json false`, for no `--json`. */
export function refuseValues(argv: readonly string[], booleans: readonly string[]): void {
  for (const option of optionsIn(argv).filter((option) => booleans.includes(nameIn(option)))) {
    const [, value] = /=(.*)/s.exec(option) ?? [];
    const next = argv[argv.indexOf(option) + 1];
    const got = value ?? (next === 'true' || next === 'false' ? next : undefined);
    if (got !== undefined) throw new UsageError(`${dashed(nameIn(option))} expected no value; got ${got}`);
  }
}

/** One of yargs' messages as this command line says it: what was expected, what came, and the nearest that there is. */
export function refusal(message: string, argv: readonly string[], commands: readonly string[], options: readonly string[]): string {
  const [first = ''] = argv;
  if (!commands.includes(first) && /^[^-]/.test(first)) return `unknown command ${first}${nearest(first, commands)}`;
  // In `run node --inspect` what follows the first word is the command's.
  const command = first === 'run' && !argv.includes('--') ? argv.findIndex((word, at) => at > 0 && !word.startsWith('-') && !TAKES_A_VALUE.test(argv[at - 1] ?? '')) : -1;
  const unknown = optionsIn(argv).find((option) => !options.includes(nameIn(option)));
  if (unknown !== undefined) {
    if (command > 0 && command < argv.indexOf(unknown)) return NO_COMMAND;
    return `unknown option ${unknown.split('=', 1)[0] ?? ''}${nearest(nameIn(unknown), options.map(dashed))}`;
  }
  if (!commands.includes(first)) return `expected a command: ${commands.join(', ')}; --help explains them`;
  const [, name = ''] = /: ([^,]*)/.exec(message) ?? [];
  if (message.startsWith('Unknown ') && command > 0) return NO_COMMAND;
  if (message.startsWith('Unknown ')) return `unexpected ${name}; --help says what is expected`;
  if (message.startsWith('Missing required ')) return `expected ${dashed(name)}; got none`;
  if (message.startsWith('Not enough arguments following')) return `${dashed(name)} expected a value; got none`;
  const [, one, other] = /^Arguments (\S+) and (\S+) are mutually exclusive/.exec(message) ?? [];
  return one !== undefined && other !== undefined ? `${dashed(one)} and ${dashed(other)} exclude each other` : message;
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

function nearest(name: string, known: readonly string[]): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only a mistake needs it
  const leven = require('leven') as typeof import('leven');
  const [best] = known
    .map((other) => ({ other, distance: leven(name, other.replace(/^--?/, '')) }))
    .sort((one, other) => one.distance - other.distance);
  const isNear = best !== undefined && best.distance < Math.max(name.length, best.other.replace(/^--?/, '').length) / 2;
  return isNear ? `; did you mean ${best.other}?` : '; --help lists what there is';
}
