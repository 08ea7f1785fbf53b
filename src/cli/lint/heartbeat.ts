import { parseLimit } from '../../duration';
import type { CommandLine, Program } from './command-line';

/** What a probe of ours judges. */
export interface Heartbeat {
  /** Absolute paths of heartbeat files and process directories; none if only the service's code knows. */
  readonly paths: readonly string[];
  readonly isFromEnvironment: boolean;
  readonly otherPidNamespace: boolean;
}

const FLAGS = ['--process', '--ignore-error', '--other-pid-namespace', '--maximum-age'];
const DEFAULT_PATH = '/tmp/liveness/timestamp';

/** What a variable holds: undefined if it is not set, null if the manifest does not show its value. */
export type Variable = string | null | undefined;

/** Recognises liveness.sh, liveness.js, `k8s-liveness check`, and a liveness.js of one's own beside our variables. */
export function heartbeatOf(command: CommandLine, variable: (name: string) => Variable): Heartbeat | undefined {
  for (const program of command.programs) {
    const args = argumentsOf(program);
    if (args === undefined) continue;
    const { words, assigned } = program;
    const inherited = (name: string): Variable => (assigned.has(name) ? assigned.get(name) : variable(name));
    const [path, rundir] = [inherited('LIVENESS_PATH'), inherited('LIVENESS_RUNDIR')];
    const options = args.filter((word) => word.startsWith('-'));
    const isShipped =
      words.some((word) => word.includes('k8s-liveness')) ||
      options.some((option) => FLAGS.includes(option.split('=', 1)[0] ?? ''));
    if (!isShipped && path === undefined && rundir === undefined) continue;
    const named = pathsAmong(args);
    const isFromEnvironment = named.length === 0 && (path ?? rundir ?? undefined) !== undefined;
    const folder = isShipped && rundir === undefined ? '/run' : rundir;
    const file = isShipped && path === undefined ? DEFAULT_PATH : path;
    const asksDirectory = options.includes('--process') || (!isShipped && path === undefined);
    const usual = asksDirectory ? folder && `${folder}/unit` : named.length === 0 ? file : undefined;
    const paths = [...(usual ? [usual] : []), ...named].filter((each) => each.startsWith('/'));
    return { paths, isFromEnvironment, otherPidNamespace: options.includes('--other-pid-namespace') };
  }
  return undefined;
}

/** What follows the probe's name; undefined for another program. */
function argumentsOf({ words }: Program): string[] | undefined {
  const script = words.findIndex((word) => /(?:^|\/)liveness\.(?:sh|js)$/.test(word));
  if (script >= 0) return words.slice(script + 1);
  const check = words.findIndex((word, at) => /(?:^|\/)k8s-liveness$/.test(word) && words[at + 1] === 'check');
  return check >= 0 ? words.slice(check + 2) : undefined;
}

function pathsAmong(args: readonly string[]): string[] {
  return args.filter((word, at) => !word.startsWith('-') && args[at - 1] !== '--maximum-age');
}

/** Each `--maximum-age` in the command, in seconds. */
export function statedLimits({ programs }: CommandLine): number[] {
  return programs.flatMap(({ words }) =>
    words.flatMap((word, at) => {
      const [, text = word === '--maximum-age' ? words[at + 1] : ''] = /^--maximum-age=(.*)$/.exec(word) ?? [];
      const ms = parseLimit(text ?? '');
      return ms === undefined ? [] : [ms / 1000];
    }),
  );
}
