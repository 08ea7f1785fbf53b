// The pid/error protocol: our readers judge what other writers wrote, and other checkers judge what we wrote.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { patiently } from '../src/judge';
import { ProcessTimestamp } from '../src/process-timestamp';
import { serialise, type HeartbeatRecord } from '../src/record';
import { expectOneAnswer, type Case } from './support/cases';
import { describeIf, WIDE } from './support/describe-if';
import { ended, withoutFirstThread, living, ready, start, threadOfOurs, zombie } from './support/processes';
import { AS_NOBODY, ask, mounted, PYTHON, run, SHELLS } from './support/readers';
import { aged, directoryOf, open, record, scratch, startOf, type Holding } from './support/records';
import { until } from './support/until';

const { pid } = process;
const isRoot = process.geteuid?.() === 0;
const canMount = isRoot && spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status === 0;
const linux = describeIf(existsSync('/proc/self/stat'), 'Linux with /proc');

interface Row extends Omit<Case, 'path'> {
  readonly holds?: Holding;
  readonly path?: () => string | Promise<string>;
}

function rows(...all: Row[]): Case[] {
  return all.map(({ holds, path, ...the }) => ({
    directory: true,
    python: false,
    ...the,
    path: path ?? (() => directoryOf(holds ?? {})),
  }));
}

/** A process directory in which `name` is not a regular file. */
function spoiled(name: string, kind: 'directory' | 'FIFO' | 'link' | 'device'): string {
  const directory = directoryOf({ pid, error: 0, timestamp: record() });
  const path = join(directory, name);
  if (kind === 'link') {
    renameSync(path, `${path}.target`);
    symlinkSync(`${path}.target`, path);
    return directory;
  }
  rmSync(path);
  if (kind === 'directory') mkdirSync(path);
  if (kind === 'FIFO') execFileSync('mkfifo', [path]);
  if (kind === 'device') symlinkSync('/dev/zero', path);
  return directory;
}

const HEALTHY = rows(
  { name: 'a living pid and error 0', expect: 'alive', says: `alive: process ${pid} (`, holds: { pid, error: 0 } },
  { name: 'a newline behind each', expect: 'alive', holds: { pid: `${pid}\n`, error: '0\n' } },
  {
    name: 'a fresh beat beside them',
    expect: 'alive',
    says: 'alive: last beat ',
    holds: { pid, error: 0, timestamp: record() },
  },
  {
    name: 'a beat without a limit, long ago',
    expect: 'alive',
    says: 'limit none',
    holds: { pid, error: 0, timestamp: aged(7000, { limit: Infinity }) },
  },
  {
    name: 'a beat without an identity',
    expect: 'alive',
    holds: { pid, error: 0, timestamp: record({ pid: undefined, start: undefined }) },
  },
  {
    name: 'a process whose first thread has ended',
    expect: 'alive',
    path: async () => directoryOf({ pid: await withoutFirstThread(), error: 0 }),
  },
  { name: 'NULs, which a shell drops', expect: 'alive', holds: { pid, error: '\0' + '0\0' } },
  { name: 'a slash behind the directory', expect: 'alive', path: () => `${directoryOf({ pid, error: 0 })}/` },
  {
    name: 'a symbolic link to the directory',
    expect: 'alive',
    path: () => {
      const link = join(scratch(), 'unit');
      symlinkSync(directoryOf({ pid, error: 0 }), link);
      return link;
    },
  },
  {
    name: 'a touched timestamp, for a reader with a limit',
    expect: 'alive',
    limit: 3_600_000,
    directory: false,
    holds: { pid, error: 0, timestamp: '' },
  },
);

const ERRORS = rows(
  { name: 'error 1', expect: 'failed', says: 'dead: failed: error 1 (', holds: { pid, error: 1 } },
  { name: 'error 1 and a newline', expect: 'failed', holds: { pid, error: '1\n' } },
  { name: 'error -1', expect: 'failed', says: 'dead: failed: error -1 (', holds: { pid, error: -1 } },
  { name: 'error 256', expect: 'failed', holds: { pid, error: 256 } },
  { name: 'an error of 15 digits', expect: 'failed', holds: { pid, error: '999999999999999' } },
  ...[
    'None',
    'boom',
    '0.5',
    '00',
    '01',
    '-0',
    '+0',
    '--1',
    '-',
    '0x0',
    '1e0',
    '1e+21',
    '0 ',
    ' 0',
    '0\r\n',
    '0\n\n',
    '0\n0',
    '0\0\n1',
    '12345678901234567890',
    '',
    '\n',
    '\0',
    '\ufeff0',
    'a[$(touch${IFS}pwned)]',
    '$(touch pwned)',
    '*',
  ].map((error): Row => ({
    name: `error ${JSON.stringify(error)}`,
    expect: 'malformed',
    says: 'dead: malformed: error file: holds no integer (',
    holds: { pid, error },
  })),
  // Seconds of CPU in each shell.
  ...(WIDE
    ? [
        {
          name: 'an error that is a megabyte of zeros',
          expect: 'malformed',
          mayBeKilled: true,
          holds: { pid, error: '0'.repeat(1_000_000) },
        } as const,
      ]
    : []),
  { name: 'no error', expect: 'missing', says: 'dead: missing: error file: no such file (', holds: { pid } },
  {
    name: 'an error that is a directory',
    expect: 'unreadable',
    says: 'error file: is a directory',
    path: () => spoiled('error', 'directory'),
  },
  {
    name: 'an error that is a FIFO',
    expect: 'unreadable',
    says: 'error file: is not a regular file',
    path: () => spoiled('error', 'FIFO'),
  },
  {
    name: 'an error that is a symbolic link',
    expect: 'unreadable',
    says: 'error file: is a symbolic link',
    path: () => spoiled('error', 'link'),
  },
  { name: 'an error that leads to a device', expect: 'unreadable', path: () => spoiled('error', 'device') },
);

const PIDS = rows(
  ...[
    'self',
    '.',
    '..',
    '1 2',
    '0',
    '-1',
    '08',
    '1.0',
    '0x1',
    '1e+21',
    '+1',
    ' 1',
    '1\r\n',
    '1\n2',
    '1/',
    '../self',
    '',
    '*',
    '1234567890123456',
  ].map((pid): Row => ({
    name: `pid ${JSON.stringify(pid)}`,
    expect: 'malformed',
    says: 'dead: malformed: pid file: holds no pid (',
    holds: { pid, error: 0 },
  })),
  { name: 'no pid', expect: 'missing', says: 'dead: missing: pid file: no such file (', holds: { error: 0 } },
  { name: 'neither pid nor error', expect: 'missing', says: 'dead: missing: pid file: no such file (', holds: {} },
  { name: 'a pid that is a directory', expect: 'unreadable', path: () => spoiled('pid', 'directory') },
  { name: 'a pid that is a FIFO', expect: 'unreadable', path: () => spoiled('pid', 'FIFO') },
  { name: 'a pid that is a symbolic link', expect: 'unreadable', path: () => spoiled('pid', 'link') },
  {
    name: 'a process that has ended',
    expect: 'gone',
    says: ' has ended (',
    path: () => directoryOf({ pid: ended(), error: 0 }),
  },
  { name: 'a pid beyond every pid', expect: 'gone', holds: { pid: '999999999999999', error: 0 } },
  {
    name: 'a zombie',
    expect: 'gone',
    says: ' is a zombie (',
    path: async () => directoryOf({ pid: await zombie(), error: 0 }),
  },
  {
    name: "a thread's id",
    expect: 'gone',
    says: ' is a thread of another (',
    path: () => directoryOf({ pid: threadOfOurs().pid, error: 0 }),
  },
);

async function stopped(): Promise<number> {
  const stopped = await living('');
  process.kill(stopped, 'SIGSTOP');
  return stopped;
}

/** A task that a process has had in hand for 70 s, with a limit of 60 s. */
function overdue(changes: Partial<HeartbeatRecord> = {}): string {
  return serialise(aged(7000, { kind: 'task', ...changes }), '3 in hand, mail#42').toString();
}

/** What a process beat 700 s ago, with a limit of 600 s. */
async function stale(pid: number | Promise<number>, error: number): Promise<string> {
  const id = await pid;
  return directoryOf({ pid: id, error, timestamp: aged(7000, { pid: id, start: startOf(`/proc/${id}/stat`) }) });
}

const BEATS = rows(
  { name: 'a stopped process with a stale beat', expect: 'stale', path: () => stale(stopped(), 0) },
  {
    name: 'a stopped process without a beat, which looks like a running one',
    expect: 'alive',
    path: async () => directoryOf({ pid: await stopped(), error: 0 }),
  },
  {
    name: 'a step past its limit',
    expect: 'stale',
    holds: { pid, error: 0, timestamp: aged(7000, { kind: 'step', limit: 600 }) },
  },
  {
    name: 'a task past its limit',
    expect: 'overdue',
    says: 'dead: overdue: mail#42 in hand since ',
    holds: { pid, error: 0, timestamp: overdue() },
  },
  {
    name: 'a task past its limit, for a reader with a limit',
    expect: 'overdue',
    limit: 3_600_000,
    directory: false,
    holds: { pid, error: 0, timestamp: overdue() },
  },
  {
    name: 'a task within its limit',
    expect: 'alive',
    says: 'alive: mail#42 in hand since ',
    holds: { pid, error: 0, timestamp: overdue({ limit: 8_640_000 }) },
  },
  {
    name: 'a stale beat with tasks in hand',
    expect: 'stale',
    says: 'limit 1m, 3 in hand, mail#42 the oldest (',
    holds: { pid, error: 0, timestamp: overdue({ kind: 'own' }) },
  },
  { name: 'a beat an hour ahead', expect: 'future', holds: { pid, error: 0, timestamp: aged(-360_000) } },
  {
    name: 'a pid that was reused, as its timestamp tells',
    expect: 'gone',
    says: ' is not the one that beat; use --other-pid-namespace for another container (',
    holds: { pid, error: 0, timestamp: record({ start: 1, uptime: startOf('/proc/self/stat') + 500 }) },
  },
  {
    name: "another process's timestamp",
    expect: 'gone',
    says: ' is not the one that beat',
    holds: { pid, error: 0, timestamp: record({ pid: 1, start: startOf('/proc/1/stat') }) },
  },
  {
    name: 'a timestamp from another boot',
    expect: 'gone',
    says: 'beat in another boot',
    holds: { pid, error: 0, timestamp: record({ boot: '0-0-0-0-1' }) },
  },
  {
    name: 'a timestamp that is rubbish',
    expect: 'malformed',
    says: 'timestamp file: not a heartbeat',
    holds: { pid, error: 0, timestamp: 'boom' },
  },
  {
    name: 'a timestamp that is torn',
    expect: 'malformed',
    says: 'timestamp file: the checksum of the record is wrong',
    path: torn,
  },
  {
    name: 'a touched timestamp',
    expect: 'malformed',
    says: 'timestamp file: a plain file states no limit',
    holds: { pid, error: 0, timestamp: '' },
  },
  {
    name: 'a timestamp that is a directory',
    expect: 'unreadable',
    says: 'timestamp file: is a directory',
    path: () => spoiled('timestamp', 'directory'),
  },
  ...['pid', 'error', 'timestamp'].map((name): Row => ({
    name: `a ${name} that is a symbolic link to a directory`,
    expect: 'unreadable',
    says: `${name} file: is a symbolic link (`,
    path: () => linked(name),
  })),
  {
    name: 'a timestamp that is a symbolic link',
    expect: 'unreadable',
    says: 'timestamp file: is a symbolic link',
    path: () => spoiled('timestamp', 'link'),
  },
);

function linked(name: string): string {
  const directory = directoryOf({ pid, error: 0, timestamp: record() });
  rmSync(join(directory, name));
  symlinkSync(scratch(), join(directory, name));
  return directory;
}

function torn(): string {
  const directory = directoryOf({ pid, error: 0, timestamp: record() });
  const path = join(directory, 'timestamp');
  writeFileSync(path, readFileSync(path, 'latin1').replace(/ 7 /, ' 8 '));
  return directory;
}

const ORDER = rows(
  { name: 'a missing error before a pid that is none', expect: 'missing', says: 'error file', holds: { pid: 'boom' } },
  { name: 'a missing pid before a missing error', expect: 'missing', says: 'pid file', holds: {} },
  {
    name: 'an unreadable timestamp before a malformed pid',
    expect: 'unreadable',
    says: 'timestamp file',
    path: () => {
      const directory = spoiled('timestamp', 'directory');
      writeFileSync(join(directory, 'pid'), 'boom');
      return directory;
    },
  },
  {
    name: 'a malformed error before a process that has ended',
    expect: 'malformed',
    path: () => directoryOf({ pid: ended(), error: 'boom' }),
  },
  {
    name: 'a process that has ended before its error',
    expect: 'gone',
    path: () => directoryOf({ pid: ended(), error: 1 }),
  },
  {
    name: 'a process that has ended before its overdue task',
    expect: 'gone',
    path: () => directoryOf({ pid: ended(), error: 1, timestamp: overdue({ pid: undefined, start: undefined }) }),
  },
  { name: 'an error before an overdue task', expect: 'failed', holds: { pid, error: 1, timestamp: overdue() } },
  { name: 'an error before a stale beat', expect: 'failed', path: () => stale(pid, 1) },
  {
    name: 'an error before a beat ahead of the clock',
    expect: 'failed',
    holds: { pid, error: 2, timestamp: aged(-360_000) },
  },
);

const LIVENESS = rows(
  { name: 'error 1', expect: 'alive', holds: { pid, error: 1 } },
  { name: 'no error', expect: 'alive', holds: { pid } },
  { name: 'an error that is rubbish', expect: 'alive', holds: { pid, error: 'boom' } },
  { name: 'an error that is a directory', expect: 'alive', path: () => spoiled('error', 'directory') },
  {
    name: 'error 1 and an overdue task',
    expect: 'overdue',
    says: 'mail#42',
    holds: { pid, error: 1, timestamp: overdue() },
  },
  { name: 'error 1 and a stale beat', expect: 'stale', path: () => stale(pid, 1) },
  { name: 'error 1 and a process that has ended', expect: 'gone', path: () => directoryOf({ pid: ended(), error: 1 }) },
  { name: 'no pid', expect: 'missing', holds: { error: 0 } },
).map((the): Case => ({ ...the, ignoreError: true }));

const ELSEWHERE = rows(
  {
    name: 'a pid that is not here, and a fresh beat',
    expect: 'alive',
    says: 'by wall clock',
    path: () => {
      const gone = ended();
      return directoryOf({ pid: gone, error: 0, timestamp: record({ pid: gone, start: 1, boot: '0-0-0-0-1' }) });
    },
  },
  { name: 'a stale beat', expect: 'stale', holds: { pid, error: 0, timestamp: aged(7000) } },
  {
    name: 'a task past its limit',
    expect: 'overdue',
    says: 'limit 1m, by wall clock (',
    holds: { pid, error: 0, timestamp: overdue({ boot: '0-0-0-0-1' }) },
  },
  { name: 'error 1', expect: 'failed', holds: { pid, error: 1, timestamp: record() } },
  {
    name: 'a beat without a limit, which would stay alive for ever',
    expect: 'malformed',
    says: 'timestamp file: states no limit, and its process cannot be seen',
    holds: { pid, error: 0, timestamp: record({ limit: Infinity }) },
  },
  {
    name: 'no beat: a pid of another namespace tells nothing',
    expect: 'missing',
    says: 'timestamp file: no such file',
    holds: { pid, error: 0 },
  },
).map((the): Case => ({ ...the, otherPidNamespace: true }));

linux('one answer from Timestamp, ProcessTimestamp, liveness.js and liveness.sh', () => {
  describe('healthy', () => {
    test.each(HEALTHY)('$name: $expect', expectOneAnswer);
  });
  describe('the error', () => {
    test.each(ERRORS)('$name: $expect', expectOneAnswer);
  });
  describe('the pid', () => {
    test.each(PIDS)('$name: $expect', expectOneAnswer);
  });
  describe('the timestamp', () => {
    test.each(BEATS)('$name: $expect', expectOneAnswer);
  });
  describe('the order of reasons', () => {
    test.each(ORDER)('$name: $expect', expectOneAnswer);
  });
  describe('with --ignore-error', () => {
    test.each(LIVENESS)('$name: $expect', expectOneAnswer);
  });
  describe('with --other-pid-namespace', () => {
    test.each(ELSEWHERE)('$name: $expect', expectOneAnswer);
  });

  test('no reader executes any content', () => {
    expect(existsSync('pwned')).toBe(false);
  });
});

describeIf(isRoot, 'root, to become another user')('as another user', () => {
  const closed = (mode: number): string => {
    const directory = join(scratch(), 'unit');
    renameSync(directoryOf({ pid, error: 0 }), directory);
    chmodSync(directory, mode);
    return open(directory);
  };
  test.each(
    rows(
      {
        name: 'a directory that may be entered but not listed',
        expect: 'alive',
        within: AS_NOBODY,
        path: () => closed(0o711),
      },
      {
        name: 'a directory that may be listed but not entered',
        expect: 'unreadable',
        says: 'pid file: permission denied',
        within: AS_NOBODY,
        path: () => closed(0o744),
      },
    ),
  )('$name: $expect', expectOneAnswer);
});

describeIf(canMount, 'root, to mount')('under another /proc', () => {
  const hidden = [...mounted('mount -t proc -o hidepid=invisible proc /proc'), ...AS_NOBODY];
  const shown = (holds: Holding) => () => {
    const directory = directoryOf(holds);
    chmodSync(directory, 0o755);
    return directory;
  };
  // The shell becomes PID 1 of a new namespace, and stays until its child has asked.
  const restarted = [
    'unshare',
    '--mount',
    '--pid',
    '--fork',
    'sh',
    '-c',
    'mount -t proc proc /proc && "$@"; exit $?',
    'sh',
  ];

  test.each(
    rows(
      {
        name: 'hidepid: a pid alone is not enough if its process cannot be seen',
        expect: 'gone',
        says: ' has ended or is hidden (',
        within: hidden,
        path: shown({ pid, error: 0 }),
      },
      {
        name: 'hidepid: nor does a beat without a limit',
        expect: 'gone',
        says: ' has ended or is hidden (',
        within: hidden,
        path: shown({ pid, error: 0, timestamp: record({ limit: Infinity }) }),
      },
      {
        name: 'hidepid: a fresh beat does',
        expect: 'alive',
        within: hidden,
        path: shown({ pid, error: 0, timestamp: record() }),
      },
      {
        name: 'a leftover in a restarted container in which no process has its pid',
        expect: 'gone',
        says: ' has ended (',
        within: restarted,
        path: shown({ pid, error: 0 }),
      },
      {
        name: 'a leftover in a restarted container in which PID 1 is another process',
        expect: 'gone',
        says: ' is not the one that beat (',
        within: ['env', ...restarted], // other readers than in the row above, because their PID 1 must start after this
        path: leftoverOfPid1,
      },
    ),
  )('$name: $expect', expectOneAnswer);

  /** The directory that a daemon left behind: it was PID 1 of a container. */
  function leftoverOfPid1(): string {
    const directory = join(scratch(), 'unit');
    const script = `const { ProcessTimestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      new ProcessTimestamp(${JSON.stringify(directory)}).load([]).then((it) => it.set());`;
    execFileSync('unshare', [
      '--mount',
      '--pid',
      '--fork',
      'sh',
      '-c',
      'mount -t proc proc /proc && exec "$@"',
      'sh',
      process.execPath,
      '-e',
      script,
    ]);
    expect(readFileSync(join(directory, 'pid'), 'latin1')).toBe('1');
    return directory;
  }
});

describe('a directory that another writer empties and rewrites without a pause', () => {
  const python = `import os, sys
def write(name, text):
    with open(sys.argv[1] + '/' + name, 'w') as file:
        file.write(text)
first = True
while True:
    write('pid', str(os.getpid()))
    write('error', str(0))
    if first:
        print(flush=True)
        first = False`;
  const shell =
    'printf %s $$ >"$1/pid"; printf %s 0 >"$1/error"; echo; while :; do printf %s $$ >"$1/pid"; printf %s 0 >"$1/error"; done';
  const writers: [string, string, string[]][] = [
    ['Python', PYTHON ?? 'python3', ['-c', python]],
    ['a shell', 'sh', ['-c', shell, 'sh']],
  ];

  /** Asks again after malformed, because on a busy machine the writer may pause while a file is empty. */
  const untilAlive = (look: () => string[] | Promise<string[]>): Promise<true> =>
    until(async () => {
      const verdicts = await look();
      expect(verdicts.filter((verdict) => verdict !== 'malformed' && verdict !== 'alive')).toEqual([]);
      return !verdicts.includes('malformed');
    });

  for (const [name, command, args] of writers) {
    describeIf(spawnSync(command, ['-c', '']).status === 0, `${command} (apt-get install ${command})`)(name, () => {
      test('is alive to every reader, or malformed if its writer is held up', async () => {
        const directory = scratch({ memory: true });
        const writer = start(command, [...args, directory]);
        await ready(writer);
        for (let reads = 0; reads < (WIDE ? 5000 : 500); reads++) {
          await untilAlive(() =>
            [patiently(() => ProcessTimestamp.byRef(directory).verdict())].map((it) =>
              it.alive ? 'alive' : it.reason,
            ),
          );
        }
        for (let turn = 0; turn < (WIDE ? 30 : 3); turn++) {
          await untilAlive(async () => (await ask(directory, { directory: true })).map(({ verdict }) => verdict));
        }
        writer.kill('SIGKILL');
      });
    });
  }
});

describe('a file that stays empty', () => {
  const empty = (): string => directoryOf({ pid: '', error: '' });

  test('makes a probe wait for 250 ms, even if several files are empty', () => {
    let now = 1e6;
    const sleep = (ms: number): void => {
      now += ms;
    };
    const verdicts = patiently(
      () => Array.from({ length: 11 }, () => ProcessTimestamp.byRef(empty()).verdict()),
      () => now,
      sleep,
    );
    expect(now - 1e6).toBe(250);
    for (const verdict of verdicts)
      expect(verdict).toMatchObject({ reason: 'malformed', detail: 'pid file: holds no pid' });
  });

  test('does not make a service wait; a torn record does not either', () => {
    const wait = jest.spyOn(Atomics, 'wait');
    expect(ProcessTimestamp.byRef(empty()).alive).toBe(false);
    expect(ProcessTimestamp.byRef(torn()).alive).toBe(false);
    expect(wait).not.toHaveBeenCalled();
    expect(patiently(() => ProcessTimestamp.byRef(torn()).alive)).toBe(false);
    expect(wait).toHaveBeenCalled(); // the spy sees the probe's waits
    wait.mockRestore();
  });
});

describe('a checker that does only the three documented checks', () => {
  const checker = join(scratch(), 'check.sh');
  writeFileSync(
    checker,
    `pid=$(cat "$1/pid") || exit 1
case $pid in '' | *[!0-9]*) exit 1 ;; esac
[ -d "/proc/$pid" ] || exit 1
error=$(cat "$1/error") || exit 1
[ "$error" -eq 0 ]
`,
  );

  test.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
    'says healthy exactly while our process is healthy, under %s',
    async (_, shell) => {
      const check = async (directory: string): Promise<number | null> =>
        (await run('checker', [...shell, checker, directory])).exit;
      const timestamp = new ProcessTimestamp(join(scratch(), 'unit'));
      expect(await check(timestamp.path)).toBe(1);
      await timestamp.load([]);
      expect(await check(timestamp.path)).toBe(1);
      expect(await check(timestamp.set().path)).toBe(0);
      expect(await check(timestamp.set(7).path)).toBe(1);
      expect(await check(timestamp.refresh().set(0).path)).toBe(0);
      timestamp.reset();
      expect(await check(timestamp.path)).toBe(1);
    },
  );

  test('finds only the numbers, without a newline', async () => {
    const timestamp = await new ProcessTimestamp(join(scratch(), 'unit')).load([]);
    expect(readFileSync(join(timestamp.path, 'pid'), 'latin1')).toBe(String(process.pid));
    expect(readFileSync(join(timestamp.set(-3).path, 'error'), 'latin1')).toBe('-3');
    timestamp.reset();
  });

  test('never finds the files empty or mixed while a loop writes them', async () => {
    const directory = join(scratch(), 'unit');
    const script = `const { ProcessTimestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      (async () => {
        const it = await new ProcessTimestamp(${JSON.stringify(directory)}).load([]);
        it.set(); process.stdout.write('.');
        for (;;) { it.set(1234); it.set(0); }
      })();`;
    const writer = start(process.execPath, ['-e', script]);
    const id = await ready(writer);
    const found = new Set<string>();
    for (let reads = 0; reads < 50_000 || (found.size < 2 && reads < 5_000_000); reads++)
      found.add(readFileSync(join(directory, 'error'), 'latin1'));
    expect([...found].sort()).toEqual(['0', '1234']);
    expect(readFileSync(join(directory, 'pid'), 'latin1')).toBe(String(id));
    for (const [shell = '', ...rest] of SHELLS) {
      const loop =
        'i=0; while [ $i -lt 300 ]; do i=$((i + 1)); read -r error <"$1" || :; case $error in 0 | 1234) ;; *) echo "$error"; exit 1 ;; esac; done';
      expect(
        spawnSync(shell, [...rest, '-c', loop, 'sh', join(directory, 'error')], { encoding: 'utf8' }),
      ).toMatchObject({ status: 0, stdout: '' });
    }
    writer.kill('SIGKILL');
  });
});
