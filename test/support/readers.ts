import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, chmodSync, constants, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { patiently } from '../../src/judge';
import { ProcessTimestamp } from '../../src/process-timestamp';
import { Timestamp } from '../../src/timestamp';
import { formatVerdict } from '../../src/verdict';
import { WIDE } from './describe-if';
import { beforeRemoval, scratch } from './records';
import { PATIENCE } from './until';

export interface Answer {
  readonly reader: string;
  /** `alive`, a reason, `cannot ask`, `killed` if its own limit on processor time ended it, or `host ended`. */
  readonly verdict: string;
  readonly exit: number | null;
  /** The line as it was printed. */
  readonly line: string;
}

// A copy that every user can read, because the checkout may be in a private folder.
const shipped = scratch();
chmodSync(shipped, 0o755);
const SHIPPED = ['dist/index.js', 'dist/liveness.js', 'dist/liveness.sh', 'test/python/heartbeat.py'];
const HOSTS = ['many.js', 'many.sh', 'many.py'].map((name) => join('test/support', name));
for (const file of [...SHIPPED, ...HOSTS]) {
  copyFileSync(resolve(file), join(shipped, basename(file)));
  chmodSync(join(shipped, basename(file)), 0o644);
}

// A file, because `node -e` reads the working directory, which another user may not be allowed to.
const TIMESTAMP_JS = join(shipped, 'timestamp.js');
writeFileSync(
  TIMESTAMP_JS,
  `const { ProcessTimestamp, Timestamp, probe } = require(${JSON.stringify(join(shipped, 'index.js'))});
   const [name, options, limit, path] = process.argv.slice(2);
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
    cwd = '.',
    python = false,
    directory = false,
    ignoreError = false,
    otherPidNamespace = false,
    shell = '',
  } = asking;
  const node = within.includes('setpriv') ? anyonesNode() : process.execPath;
  const seen = { ignoreError, otherPidNamespace };
  const options = [...(ignoreError ? ['--ignore-error'] : []), ...(otherPidNamespace ? ['--other-pid-namespace'] : [])];
  const maximumAge = limit === undefined ? [] : ['--maximum-age', `${limit}ms`];
  const isAsked = (name: string): boolean => name === 'liveness.js' || (limit === undefined && name.includes(shell));
  const classes = directory ? ([Timestamp, ProcessTimestamp] as const) : ([Timestamp] as const);
  const byLibrary = within.length > 0 ? [] : classes.map((Class) => askTimestamp(Class, path, limit, seen));
  const questions: Question[] = probesIn(shipped, node)
    .filter(([name]) => isAsked(name))
    .map(([reader, probe]) => ({ reader, probe, words: [...options, ...maximumAge, '--'] }));
  if (python && PYTHON !== undefined) {
    const limitCs = limit === undefined ? [] : ['--limit-cs', String(limit / 10)];
    questions.push({ reader: 'heartbeat.py', probe: HEARTBEAT_PY, words: ['read', ...limitCs] });
  }
  for (const { name } of within.length > 0 ? classes : []) {
    const words = [limit === undefined ? name : 'Own', JSON.stringify(seen), String(limit)];
    questions.push({ reader: name, probe: [node, TIMESTAMP_JS], words });
  }
  const isAlone = WIDE || path.includes('\n');
  const answers = questions.map(({ reader, probe, words }) =>
    isAlone
      ? run(reader, [...within, ...probe, ...words, path], cwd)
      : Host.of(reader, within, probe, cwd).ask(words, path),
  );
  return Promise.all(answers).then((theirs) => [...byLibrary, ...theirs]);
}

interface Question {
  readonly reader: string;
  /** Its command, which ends with its file. */
  readonly probe: readonly string[];
  readonly words: readonly string[];
}

/** What a host prints behind the output of a probe, before the exit code. */
const END = '\x1e';

/** The hosts at a time: each Node takes 10 MB. */
const MOST_HOSTS = 24;

/** One process of a reader that answers question after question, because its start takes as long as many answers. */
class Host {
  static readonly #all = new Map<string, Host>();

  static of(reader: string, within: readonly string[], probe: readonly string[], cwd: string): Host {
    const file = probe.at(-1) ?? '';
    const command = [...within, ...probe.slice(0, -1), join(shipped, `many${extname(file)}`), file];
    const key = JSON.stringify([reader, cwd, command]);
    const known = this.#all.get(key);
    const host = known && !known.#hasEnded ? known : new Host(reader, command, cwd);
    this.#all.delete(key);
    this.#all.set(key, host); // as the last one
    const [oldest] = this.#all;
    if (oldest && this.#all.size > MOST_HOSTS) {
      this.#all.delete(oldest[0]);
      oldest[1].#child.stdin?.end(); // it answers what it was asked, and ends
    }
    return host;
  }

  readonly #waiting: ((answer: Answer) => void)[] = [];
  readonly #child: ChildProcess;
  #hasEnded = false;

  private constructor(reader: string, [command = '', ...args]: readonly string[], cwd: string) {
    const child = spawn(command, args, { cwd, env: ENVIRONMENT, stdio: ['pipe', 'pipe', 'inherit'] });
    let line = '';
    createInterface(child.stdout)
      .on('line', (text) => {
        if (text.startsWith(END)) this.#waiting.shift()?.(answerOf(reader, line, Number(text.slice(1))));
        line = text.startsWith(END) ? '' : `${line}${line && '\n'}${text}`;
      })
      .on('close', () => {
        this.#hasEnded = true;
        // Not `killed`, which some rows accept from a probe: here the host itself ended.
        for (const settle of this.#waiting.splice(0)) settle({ reader, verdict: 'host ended', exit: null, line });
      });
    child.stdin.on('error', () => undefined); // it has ended, so 'close' comes
    beforeRemoval.push(() => child.stdin.end());
    this.#child = child;
  }

  ask(words: readonly string[], path: string): Promise<Answer> {
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
      this.#waiting.push((answer) => {
        clearTimeout(timer);
        settle(answer);
      });
      this.#child.stdin?.write(`${words.join(' ')}\n${path}\n`);
    });
  }
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

const ENVIRONMENT = { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: '', LIVENESS_PATH: '' };

/** Runs one probe and settles with its answer. */
export function run(reader: string, [command = '', ...args]: readonly string[], cwd?: string): Promise<Answer> {
  return new Promise((settle) => {
    const how = { cwd, env: ENVIRONMENT, timeout: PATIENCE };
    const child = execFile(command, args, how, (_, stdout, stderr) => {
      settle(answerOf(reader, (stdout + stderr).trimEnd(), child.signalCode === null ? child.exitCode : null));
    });
  });
}

/** @param exit the exit code; null if a signal ended the reader. */
function answerOf(reader: string, line: string, exit: number | null): Answer {
  return { reader, verdict: exit === null || exit > 128 ? 'killed' : verdictOf(line), exit, line };
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
