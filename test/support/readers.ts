import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, chmodSync, constants, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { patiently } from '../../src/judge';
import { ProcessTimestamp } from '../../src/process-timestamp';
import { Timestamp } from '../../src/timestamp';
import { formatVerdict } from '../../src/verdict';
import { WIDE } from './need';
import { beforeRemoval, scratch } from './records';
import { PATIENCE } from './until';

/** `alive`, a reason, `cannot ask`, or `killed` if its own limit on processor time ended it. */
export interface Answer {
  readonly reader: string;
  readonly verdict: string;
  readonly exit: number | null;
  /** The line as it was printed. */
  readonly line: string;
}

// A copy that every user can read, because the checkout may be in a private folder.
const shipped = scratch();
chmodSync(shipped, 0o755);
for (const file of ['dist/index.js', 'dist/liveness.js', 'dist/liveness.sh', 'test/python/heartbeat.py']) {
  copyFileSync(resolve(file), join(shipped, basename(file)));
  chmodSync(join(shipped, basename(file)), 0o644);
}

// A file, because `node -e` reads the working directory, which another user may not be allowed to.
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

/** The shells that we support and that this machine has. */
export const SHELLS: readonly (readonly string[])[] = Object.values(PROBES)
  .filter((command) => command.at(-1) === 'liveness.sh')
  .map((command) => command.slice(0, -1))
  .filter(([shell = '', ...rest]) => spawnSync(shell, [...rest, '-c', ':']).status === 0);

/** The names and commands of the probes in that folder that this machine can run. */
export function probesIn(folder: string, node = process.execPath): [string, string[]][] {
  return Object.entries(PROBES)
    .filter(([, [program]]) => program === 'node' || SHELLS.some(([shell]) => shell === program))
    .map(([name, command]) => [
      name,
      command.map((word) => (word === 'node' ? node : word.startsWith('liveness.') ? join(folder, word) : word)),
    ]);
}

/** The system's Python first, because another user cannot start one in somebody's home; undefined if there is none. */
export const PYTHON = ['/usr/bin/python3', 'python3'].find((python) => spawnSync(python, ['-c', '']).status === 0);

export const LIVENESS_JS = join(shipped, 'liveness.js');
export const LIVENESS_SH = join(shipped, 'liveness.sh');
/** The format's second implementation, made from docs/heartbeat-file.md alone. */
export const HEARTBEAT_PY = [PYTHON ?? 'python3', '-I', join(shipped, 'heartbeat.py')] as const;

export interface Asking {
  /** A command that runs the reader, for example as another user or in another mount namespace. */
  readonly within?: readonly string[];
  /** The reader's own limit in milliseconds, of a subclass or by `--maximum-age`. Shells have none and are not asked. */
  readonly limit?: number;
  readonly cwd?: string;
  readonly ignoreError?: boolean;
  readonly otherPidNamespace?: boolean;
  /** Asks heartbeat.py too, which prints the verdict's word only. */
  readonly python?: boolean;
  /** The path is a process directory, so ProcessTimestamp is asked too. */
  readonly directory?: boolean;
  /** Asks liveness.sh under this shell only. Default: under every shell. */
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
  const byPython = python && PYTHON !== undefined;
  const isAlone = within.length > 0 || cwd !== undefined || WIDE;
  if (byPython && isAlone) {
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
  const there = [
    ...commands.map(([reader, command]) => run(reader, [...within, ...command], cwd)),
    ...(byPython && !isAlone ? [askPython(path, limit)] : []),
  ];
  return Promise.all(there).then((answers) => [...here, ...answers]);
}

let python: ChildProcess | undefined;
const waiting: ((word: string) => void)[] = [];

/** Asks one process of heartbeat.py about path after path, because its start takes as long as many answers. */
async function askPython(path: string, limit: number | undefined): Promise<Answer> {
  if (python === undefined) {
    const script = `import heartbeat, json, sys
for line in sys.stdin: print(heartbeat.verdict(*json.loads(line), False), flush=True)`;
    const env = { ...process.env, PYTHONPATH: shipped, PYTHONDONTWRITEBYTECODE: '1' };
    const child = spawn(PYTHON ?? 'python3', ['-c', script], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(child.stdout)
      .on('line', (word) => waiting.shift()?.(word))
      .on('close', () => {
        python = undefined;
        for (const settle of waiting.splice(0)) settle('killed');
      });
    beforeRemoval.push(() => child.kill());
    python = child;
  }
  const word = await new Promise<string>((settle) => {
    waiting.push(settle);
    python?.stdin?.write(`${JSON.stringify([path, limit === undefined ? null : limit / 10])}\n`);
  });
  return { reader: 'heartbeat.py', verdict: word, exit: word === 'alive' ? 0 : 1, line: word };
}

/**
 * Asks about many paths by one process of each reader: the judge of liveness.js, and the shipped script under each shell.
 * Settles with the answers about each path.
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

/** Runs one probe and settles with its answer. */
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

/** The first word of the line: `alive`, a reason, `cannot ask`. */
function verdictOf(line: string): string {
  return /^(?:dead: (?=[a-z]+:))?(alive|cannot ask|[a-z]+):/.exec(line)?.[1] ?? line;
}

let copy: string | undefined;

/** This Node, or a copy of it if another user cannot start it. */
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

/** A command that runs another as a user who owns nothing here. */
export const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
