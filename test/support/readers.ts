import { execFile, spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { patiently } from '../../src/judge';
import { ProcessTimestamp } from '../../src/process-timestamp';
import { Timestamp } from '../../src/timestamp';
import { formatVerdict } from '../../src/verdict';
import { scratch } from './records';
import { PATIENCE } from './until';

/** What a reader said: `alive`, a reason, `cannot ask`, or `killed` by its own limit on processor time. */
export interface Answer {
  readonly reader: string;
  readonly verdict: string;
  readonly exit: number | null;
  /** The line as it was printed. */
  readonly line: string;
}

// A copy that every user can read, wherever the checkout stands.
const shipped = scratch();
chmodSync(shipped, 0o755);
for (const file of ['dist/index.js', 'dist/liveness.js', 'dist/liveness.sh', 'test/python/heartbeat.py']) {
  copyFileSync(resolve(file), join(shipped, basename(file)));
  chmodSync(join(shipped, basename(file)), 0o644);
}

// As a file: `node -e` wants to read the working directory, which another user may not.
const TIMESTAMP_JS = join(shipped, 'timestamp.js');
writeFileSync(
  TIMESTAMP_JS,
  `const { ProcessTimestamp, Timestamp, probe } = require('./index.js');
   const [name, path, options, limit] = process.argv.slice(2);
   class Own extends Timestamp { maximumAge = Number(limit) }
   probe({ ProcessTimestamp, Timestamp, Own }[name].byRef(path, JSON.parse(options)));`,
);
chmodSync(TIMESTAMP_JS, 0o644);

const PROBES = JSON.parse(readFileSync('test/support/probes.json', 'utf8')) as Record<string, string[]>;

/** The shells that this machine has, of those we promise. */
export const SHELLS: readonly (readonly string[])[] = Object.values(PROBES)
  .filter((command) => command.at(-1) === 'liveness.sh')
  .map((command) => command.slice(0, -1))
  .filter(([shell = '', ...rest]) => spawnSync(shell, [...rest, '-c', ':']).status === 0);

/** The shipped probes, in that folder, as far as this machine can run them: names and commands. */
export function probesIn(folder: string, node = process.execPath): [string, string[]][] {
  return Object.entries(PROBES)
    .filter(([, [program]]) => program === 'node' || SHELLS.some(([shell]) => shell === program))
    .map(([name, command]) => [
      name,
      command.map((word) => (word === 'node' ? node : word.startsWith('liveness.') ? join(folder, word) : word)),
    ]);
}

/** The system's Python before one in somebody's home, which another user cannot start; undefined without any. */
export const PYTHON = ['/usr/bin/python3', 'python3'].find((python) => spawnSync(python, ['-c', '']).status === 0);

export const LIVENESS_JS = join(shipped, 'liveness.js');
export const LIVENESS_SH = join(shipped, 'liveness.sh');
/** The format's second implementation, made from docs/heartbeat-file.md alone. */
export const HEARTBEAT_PY = [PYTHON ?? 'python3', '-I', join(shipped, 'heartbeat.py')] as const;

export interface Asking {
  /** A command that runs the reader in other circumstances: as another user, in another mount namespace. */
  readonly within?: readonly string[];
  /** The reader's own limit for plain files, in milliseconds: a subclass, or `--maximum-age`. Shells have none. */
  readonly limit?: number;
  readonly cwd?: string;
  readonly ignoreError?: boolean;
  readonly otherPidNamespace?: boolean;
  /** Asks heartbeat.py too, which says no more than the word. */
  readonly python?: boolean;
  /** Asks ProcessTimestamp too: the path is a process directory's. */
  readonly directory?: boolean;
  /** Asks liveness.sh under this shell alone. Default: under each. */
  readonly shell?: string | undefined;
}

/**
 * Asks every reader about one path: Timestamp, liveness.js, liveness.sh under each shell, and perhaps heartbeat.py and
 * ProcessTimestamp.
 */
export function ask(path: string, asking: Asking = {}): Promise<Answer[]> {
  const {
    within = [],
    limit,
    cwd,
    python = false,
    directory = false,
    ignoreError = false,
    otherPidNamespace = false,
    shell = '',
  } = asking;
  const node = within.includes('setpriv') ? anyonesNode() : process.execPath;
  const options = [...(ignoreError ? ['--ignore-error'] : []), ...(otherPidNamespace ? ['--other-pid-namespace'] : [])];
  const maximumAge = limit === undefined ? [] : ['--maximum-age', `${limit}ms`];
  const isAsked = (name: string): boolean => name === 'liveness.js' || (limit === undefined && name.includes(shell));
  const probes = probesIn(shipped, node).filter(([name]) => isAsked(name));
  const commands = probes.map(([name, command]): [string, string[]] => [
    name,
    [...command, ...options, ...maximumAge, '--', path],
  ]);
  if (python && PYTHON !== undefined) {
    const limitCs = limit === undefined ? [] : ['--limit-cs', String(limit / 10)];
    commands.push(['heartbeat.py', [...HEARTBEAT_PY, 'read', ...limitCs, path]]);
  }
  if (within.length > 0) {
    const seen = JSON.stringify({ ignoreError, otherPidNamespace });
    const timestamp = (name: string): string[] => [node, TIMESTAMP_JS, name, path, seen, String(limit)];
    commands.push(['Timestamp', timestamp(limit === undefined ? 'Timestamp' : 'Own')]);
    if (directory) commands.push(['ProcessTimestamp', timestamp('ProcessTimestamp')]);
  }
  const inProcess =
    within.length > 0 ? [] : directory ? ([Timestamp, ProcessTimestamp] as const) : ([Timestamp] as const);
  const here = inProcess.map((Class) => askTimestamp(Class, path, limit, { ignoreError, otherPidNamespace }));
  return Promise.all(commands.map(([reader, command]) => run(reader, [...within, ...command], cwd))).then((there) => [
    ...here,
    ...there,
  ]);
}

/**
 * Asks about many paths at once, by one process of each reader: the judge of liveness.js, and the script that is shipped
 * under each shell. Settles with the answers about each path.
 */
export async function askMany(paths: readonly string[], cwd: string): Promise<Answer[][]> {
  const support = resolve('test/support');
  const commands = [
    [process.execPath, join(support, 'many.js')],
    ...SHELLS.map((shell) => [...shell, join(support, 'many.sh')]),
  ];
  const env = { ...process.env, SCRIPT: LIVENESS_SH, LIBRARY: join(shipped, 'index.js') };
  const byReader = await Promise.all(
    commands.map(async ([command = '', ...args]) => {
      const reader = `${command} of many`;
      const stdout = await new Promise<string>((settle) => {
        const child = execFile(command, args, { cwd, env, timeout: PATIENCE, maxBuffer: Infinity }, (_, said) => {
          settle(said);
        });
        child.stdin?.end(paths.map((path) => `\n${path}\n`).join(''));
      });
      const answers = [...stdout.matchAll(/([^\x1e]*)\n\x1e(.*)\n/g)];
      return answers.map(([, line = '', exit = '']) => ({
        reader,
        verdict: verdictOf(line),
        exit: Number(exit),
        line,
      }));
    }),
  );
  return paths.map((_, at) =>
    byReader.map((answers) => answers[at] ?? { reader: '', verdict: 'no answer', exit: null, line: '' }),
  );
}

/** The library itself, in this process. */
function askTimestamp(
  Class: typeof Timestamp | typeof ProcessTimestamp,
  path: string,
  limit: number | undefined,
  options: { ignoreError: boolean; otherPidNamespace: boolean },
): Answer {
  class Own extends Timestamp {
    readonly maximumAge = limit ?? NaN;
  }
  const verdict = patiently(() => (limit === undefined ? Class : Own).byRef(path, options).verdict());
  return {
    reader: Class.name,
    verdict: verdict.alive ? 'alive' : verdict.reason,
    exit: verdict.alive ? 0 : 1,
    line: formatVerdict(verdict),
  };
}

/** Runs one probe and says what it said. */
export function run(reader: string, [command = '', ...args]: readonly string[], cwd?: string): Promise<Answer> {
  const env = { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: '', LIVENESS_PATH: '' };
  return new Promise((settle) => {
    const child = execFile(command, args, { cwd, env, timeout: PATIENCE }, (_, stdout, stderr) => {
      const line = (stdout + stderr).trimEnd();
      const killed = child.signalCode !== null || (child.exitCode ?? 0) > 128;
      settle({ reader, verdict: killed ? 'killed' : verdictOf(line), exit: child.exitCode, line });
    });
  });
}

/** Its word: `alive`, a reason, `cannot ask`. */
function verdictOf(line: string): string {
  return /^(?:dead: (?=[a-z]+:))?(alive|cannot ask|[a-z]+):/.exec(line)?.[1] ?? line;
}

let copy: string | undefined;

/** This very Node, where another user can start it. */
export function anyonesNode(): string {
  if (copy !== undefined) return copy;
  const asNobody = spawnSync('setpriv', [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    process.execPath,
    '--version',
  ]);
  if (asNobody.status === 0) return (copy = process.execPath);
  copy = join(shipped, 'node');
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
  accessSync(copy, constants.X_OK);
  return copy;
}

/** Runs in a mount namespace of its own after `setup`, a line of shell. */
export function mounted(setup: string, flags: readonly string[] = []): readonly string[] {
  return ['unshare', '--mount', ...flags, 'sh', '-c', `${setup} && exec "$@"`, 'sh'];
}

/** As a user who owns nothing here. */
export const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
