// The command line in memory, by main(argv, io). test/wide/cli-installed.test.ts tests the installed program.

import { spawn, spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { serialise, type HeartbeatRecord } from '../src/record';
import { self, systemClock, type Clock } from '../src/proc';
import { cli } from './support/cli';
import { manualClock } from './support/clock';
import { blocksOf } from './support/markdown';
import { describeIf } from './support/describe-if';
import { ended, living } from './support/processes';
import { ask, LIVENESS_SH } from './support/readers';
import { aged, directoryOf, fileOf, OLD, record, recordAt, scratch } from './support/records';
import { until } from './support/until';

const COMMANDS = ['check', 'touch', 'run', 'status', 'stack', 'doctor', 'manifest', 'lint', 'completion'];

/** Runs the command line as a process, with its own working directory and environment. */
function asProcess(
  argv: readonly string[],
  { cwd, env, within = [] }: { cwd?: string; env?: Record<string, string>; within?: readonly string[] },
): { code: number | null; said: string } {
  const [command = '', ...args] = [...within, process.execPath, resolve('dist/cli.js'), ...argv];
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, LOG_LEVEL: '', ...env },
    encoding: 'utf8',
  });
  return { code: status, said: stdout + stderr };
}

describe('check', () => {
  test('prints a line for each path, exits 0 when all are alive and 1 when one is dead', async () => {
    const [alive, stale, missing] = [fileOf(record()), fileOf(aged(10_000)), join(scratch(), 'none')];
    const well = await cli(['check', alive, alive]);
    expect([well.code, well.err, well.out.split('\n').length]).toEqual([0, '', 3]);
    const { code, out } = await cli(['check', alive, stale, missing]);
    expect(code).toBe(1);
    expect(out.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'alive: last',
      'dead: stale:',
      'dead: missing:',
      '',
    ]);
  });

  test('prints the same line for a path as the shipped probes', async () => {
    for (const path of [
      fileOf(record()),
      fileOf('x'),
      fileOf(aged(7000)),
      directoryOf({ pid: process.pid, error: 3 }),
      scratch(),
    ]) {
      const { out } = await cli(['check', path]);
      const answers = await ask(path);
      expect(answers.map(({ line }) => `${line}\n`)).toEqual(answers.map(() => out));
    }
  });

  test('--quiet prints nothing', async () => {
    expect(await cli(['check', '--quiet', fileOf(record())])).toEqual({ code: 0, out: '', err: '' });
    expect(await cli(['check', '--quiet', fileOf('x')])).toEqual({ code: 1, out: '', err: '' });
  });

  test('--ignore-error ignores the error of a process directory', async () => {
    const directory = directoryOf({ pid: process.pid, error: 1 });
    expect((await cli(['check', directory])).out).toBe(`dead: failed: error 1 (${directory})\n`);
    expect((await cli(['check', '--ignore-error', directory])).code).toBe(0);
  });

  test('--other-pid-namespace ignores pid and boot', async () => {
    const elsewhere = fileOf(record({ pid: ended(), boot: '0-1-2-3-4' }));
    expect((await cli(['check', elsewhere])).out).toMatch(/^dead: gone: /);
    expect((await cli(['check', '--other-pid-namespace', elsewhere])).out).toMatch(/^alive: .*by wall clock/);
  });

  test('--maximum-age is a limit for plain files', async () => {
    const touched = fileOf('');
    expect((await cli(['check', touched])).out).toMatch(/^dead: malformed: /);
    expect((await cli(['check', '--maximum-age', '90s', touched])).out).toMatch(/^alive: .*limit 1m30s/);
    const clock = { ...systemClock, wall: () => Date.now() + 91_000 };
    expect((await cli(['check', '--maximum-age=90s', touched], { clock })).out).toMatch(/^dead: stale: /);
  });

  test('takes several paths, paths of digits, and after -- paths that begin with -', async () => {
    for (const [argv, paths] of [
      [
        ['08', '1e3', '-', '---'],
        ['08', '1e3', '-', '---'],
      ],
      [
        ['1e3', '--', '-x', '--json'],
        ['1e3', '-x', '--json'],
      ],
    ] as const) {
      const { code, out } = await cli(['check', ...argv]);
      expect([code, [...out.matchAll(/\((.*)\)/g)].map(([, path]) => path)]).toEqual([1, paths]);
    }
  });

  test('an option without a value does not take the path as its value', async () => {
    const { heartbeats } = JSON.parse((await cli(['check', '--json', 'true', '--process', 'false'])).out) as {
      heartbeats: { path: string }[];
    };
    expect(heartbeats.map(({ path }) => path).slice(1)).toEqual(['true', 'false']);
  });

  test('a path cannot forge a line or reach the terminal', async () => {
    const { out } = await cli(['check', 'a\nalive: \u001b[2J']);
    expect(out).toBe('dead: missing: no such file (a?alive: ?[2J)\n');
  });
});

describe('JSON', () => {
  const fields = blocksOfFields(readFileSync('docs/cli.md', 'utf8'));

  test.each(['check', 'status'])(
    '%s --json has the fields that docs/cli.md lists, each of its type',
    async (command) => {
      const paths = [
        fileOf(record()),
        fileOf('x'),
        directoryOf({ pid: process.pid, error: 1, timestamp: record({ kind: 'step' }) }),
      ];
      const { out } = await cli([command, '--json', ...paths]);
      expect(out).toMatch(/^\{.*\}\n$/);
      const { version, alive, heartbeats } = JSON.parse(out) as {
        version: number;
        alive: boolean;
        heartbeats: Record<string, unknown>[];
      };
      expect([version, alive, heartbeats.length]).toEqual([1, false, 3]);
      for (const heartbeat of heartbeats) {
        expect(Object.keys(heartbeat)).toEqual(fields.map(([name]) => name));
        for (const [name, type] of fields)
          if (heartbeat[name] !== null) expect([name, typeof heartbeat[name]]).toEqual([name, type]);
      }
    },
  );

  test('is null if a value is unknown, and never NaN or Infinity', async () => {
    const { out } = await cli([
      'check',
      '--json',
      fileOf(record({ limit: Infinity, pid: undefined, start: undefined, gap: undefined })),
      scratch(),
    ]);
    const [endless, missing] = (JSON.parse(out) as { heartbeats: Record<string, unknown>[] }).heartbeats;
    expect(endless).toMatchObject({
      alive: true,
      limitMs: null,
      longestGapMs: null,
      pid: null,
      started: null,
      deadline: null,
    });
    expect(missing).toMatchObject({
      alive: false,
      reason: 'missing',
      ageMs: null,
      limitMs: null,
      beats: null,
      lastBeat: null,
      error: null,
    });
  });

  test('is null for a start that is no possible date, and for the deadline if no beat is expected', async () => {
    const far = fileOf(record({ pid: undefined, start: 999_999_999_999_999 }));
    const gone = fileOf(record({ pid: ended() }));
    const { code, out, err } = await cli(['check', '--json', far, gone]);
    expect([code, err]).toEqual([1, '']);
    const [first, second] = (JSON.parse(out) as { heartbeats: Record<string, unknown>[] }).heartbeats;
    expect(first).toMatchObject({ alive: true, started: null, deadline: expect.any(String) as string });
    expect(second).toMatchObject({ alive: false, reason: 'gone', deadline: null });
    expect((await cli(['status', far])).out).not.toContain('started');
  });

  test('names the task that is nearest to its deadline, and counts the tasks in hand', async () => {
    const task = fileOf(serialise(aged(7000, { kind: 'task' }), '3 in hand, mail#42'));
    const own = fileOf(serialise(record({ longestTask: undefined }), '2 in hand, mail#7'));
    const { heartbeats } = JSON.parse((await cli(['check', '--json', task, own, fileOf('x')])).out) as {
      heartbeats: unknown[];
    };
    expect(heartbeats).toMatchObject([
      {
        alive: false,
        reason: 'overdue',
        task: 'mail#42',
        inHand: 3,
        step: false,
        longestTaskMs: 340,
        deadline: expect.any(String) as string,
      },
      { alive: true, task: null, inHand: 2, longestTaskMs: null },
      { alive: false, task: null, inHand: null, longestTaskMs: null },
    ]);
  });

  test('states no start if only the wall clock is known', async () => {
    const { out } = await cli(['check', '--json', '--other-pid-namespace', fileOf(record())]);
    expect((JSON.parse(out) as { heartbeats: unknown[] }).heartbeats).toMatchObject([
      { alive: true, clock: 'wall', started: null },
    ]);
  });

  test('states when the process started and when it will be dead', async () => {
    const clock = manualClock();
    const { start = 0 } = self();
    const path = fileOf(
      record({ wall: clock.wall(), uptime: Math.floor((clock.uptime() ?? 0) / 10), limit: 6000, window: 60, start }),
    );
    clock.advance(10_000);
    const { out } = await cli(['check', '--json', path], { clock });
    const [{ started, deadline, ageMs }] = (
      JSON.parse(out) as { heartbeats: [{ started: string; deadline: string; ageMs: number }] }
    ).heartbeats;
    expect(ageMs).toBe(10_000);
    // The limit, the window in which a beat may stay unwritten, and one tick.
    expect(Date.parse(deadline) - clock.wall()).toBe(60_000 + 600 + 10 - 10_000);
    expect(Date.parse(started)).toBe(Math.floor(clock.wall() - (clock.uptime() ?? 0) + start * 10));
  });
});

describe('touch', () => {
  test('records a beat that is alive to every reader', async () => {
    const path = join(scratch(), 'made', 'on the way', 'timestamp');
    expect(await cli(['touch', path, '--maximum-age', '2m'])).toEqual({ code: 0, out: '', err: '' });
    expect(statSync(path).mode & 0o777).toBe(0o644);
    for (const { reader, verdict, line } of await ask(path, { python: true })) {
      expect([reader, verdict]).toEqual([reader, 'alive']);
      if (reader !== 'heartbeat.py') expect(line).toContain('limit 2m');
    }
  });

  test('without --pid the record has no identity', async () => {
    const path = join(scratch(), 'timestamp');
    await cli(['touch', path, '--maximum-age', '2m']);
    expect(recordAt(path)).toMatchObject({
      pid: undefined,
      start: undefined,
      limit: 12_000,
      kind: 'own',
      boot: systemClock.bootId(),
    });
  });

  test('with --pid the heartbeat is gone as soon as the loop ends', async () => {
    const path = join(scratch(), 'timestamp');
    const loop = spawn('sleep', ['600']);
    expect((await cli(['touch', path, '--maximum-age', '2m', '--pid', String(loop.pid)])).code).toBe(0);
    expect((await cli(['check', path])).code).toBe(0);
    const left = new Promise((settle) => loop.once('exit', settle));
    loop.kill('SIGKILL');
    await left;
    expect((await cli(['check', path])).out).toMatch(/^dead: gone: process \d+ has ended/);
  });

  test.each(['heartbeat', './heartbeat', 'made/on/the way/heartbeat', '../heartbeat'])(
    'a relative path, %s, is the file that the other readers read',
    (path) => {
      const cwd = join(scratch(), 'here');
      mkdirSync(cwd);
      expect(asProcess(['touch', path, '--maximum-age', '2m'], { cwd })).toEqual({ code: 0, said: '' });
      expect(asProcess(['touch', path, '--maximum-age', '2m'], { cwd })).toEqual({ code: 0, said: '' });
      expect(recordAt(join(cwd, path)).beat).toBe(2);
      expect(asProcess(['check', path], { cwd }).code).toBe(0);
      expect(spawnSync('sh', [LIVENESS_SH, path], { cwd }).status).toBe(0);
    },
  );

  test('goes on counting, and measures the longest gap', async () => {
    const [path, clock] = [join(scratch(), 'timestamp'), manualClock()];
    const beat = (): Promise<unknown> =>
      cli(['touch', path, '--maximum-age', '2m', '--pid', String(process.pid)], { clock });
    for (const wait of [0, 5000, 20_000, 1000]) {
      clock.advance(wait);
      await beat();
    }
    expect(recordAt(path)).toMatchObject({ beat: 4, gap: 2000, window: 0 });
  });

  test('goes on counting if the uptime is unknown, without a gap', async () => {
    const [path, clock] = [join(scratch(), 'timestamp'), { ...systemClock, uptime: () => undefined }];
    for (let turn = 0; turn < 2; turn++)
      expect((await cli(['touch', path, '--maximum-age', '2m'], { clock })).err).toBe('');
    expect(recordAt(path)).toMatchObject({ beat: 2, gap: 0 });
  });

  test.each([
    ['whose number is in use again', { start: 1 }],
    ['of another boot', { boot: '0-1-2-3-4' }],
  ])('the beats of a loop %s are not counted on', async (_, changes) => {
    const nonce = process.pid.toString(16);
    const path = fileOf(record({ beat: 99, gap: 4000, writer: `${nonce}-${nonce}`, ...changes }));
    expect((await cli(['touch', path, '--maximum-age', '2m', '--pid', String(process.pid)])).code).toBe(0);
    expect(recordAt(path)).toMatchObject({ beat: 1, gap: 0 });
  });

  test('counts from 1 again if the loop before has ended', async () => {
    const path = fileOf(record({ beat: 99, pid: ended(), start: 1 }));
    expect((await cli(['touch', path, '--maximum-age', '2m', '--pid', String(process.pid)])).code).toBe(0);
    expect(recordAt(path)).toMatchObject({ beat: 1, gap: 0, pid: process.pid });
  });

  test('refuses the file of another living loop', async () => {
    const path = join(scratch(), 'timestamp');
    await cli(['touch', path, '--maximum-age', '2m', '--pid', String(process.pid)]);
    const before = readFileSync(path);
    for (const more of [[], ['--pid', String(await living(''))]]) {
      const { code, err } = await cli(['touch', path, '--maximum-age', '2m', ...more]);
      expect([code, err]).toEqual([
        1,
        `k8s-liveness touch: heartbeat file ${path} is in use by a Timestamp of process ${process.pid}; if two loops beat one file, each hides that the other hangs: give each its own path\n`,
      ]);
    }
    expect(readFileSync(path)).toEqual(before);
  });

  test.each<[string, string | Buffer, string]>([
    ['a table', 'name,value\n', 'other content'],
    ['lines of numbers', '1\n2\n', 'other content'],
    ['text after a newline', '\ntext', 'other content'],
    ['a pid', '4711\n', 'a number'],
    ['a number of bytes', '1073741824\n', 'a number'],
    ['a time of next year', String(Math.floor(Date.now() / 1000) + 31_536_000), 'a number'],
    ['a time in milliseconds', String(Date.now()), 'a number'],
    ['17 MiB of NULs and then text', Buffer.concat([Buffer.alloc(17 * 2 ** 20), Buffer.from('text')]), 'NUL bytes'],
    ['more NULs than a crash leaves', Buffer.alloc(257), 'NUL bytes'],
  ])('leaves %s alone, and says what was expected', async (_, content, what) => {
    const path = fileOf(content);
    const { code, err } = await cli(['touch', path, '--maximum-age', '2m']);
    const says = `it holds ${what} (${content.length} bytes); expected a heartbeat, seconds since the epoch, an empty file or none: remove it, or choose another path`;
    expect([code, err]).toEqual([1, `k8s-liveness touch: cannot write ${path}: ${says}\n`]);
    expect(readFileSync(path).equals(Buffer.from(content))).toBe(true);
  });

  test('leaves a sparse image alone', async () => {
    const path = fileOf('');
    truncateSync(path, 2 ** 40);
    expect((await cli(['touch', path, '--maximum-age', '2m'])).err).toContain(
      'it holds NUL bytes (1099511627776 bytes)',
    );
    expect(statSync(path).size).toBe(2 ** 40);
  });

  test.each<[string, string | Buffer | HeartbeatRecord]>([
    ['an empty file', ''],
    ['a recent epoch', '1700000000.5'],
    ['a torn heartbeat', 'k8s-liveness/1 torn'],
    ['another version', 'k8s-liveness/9 later'],
    ['what a crash leaves', Buffer.alloc(256)],
    ['a heartbeat from before there were tasks', OLD],
    ['a heartbeat', record({ pid: ended() })],
  ])('replaces %s', async (_, content) => {
    expect(await cli(['touch', fileOf(content), '--maximum-age', '2m'])).toEqual({ code: 0, out: '', err: '' });
  });

  test('leaves alone what it cannot read: a link, a FIFO, a file without permission', async () => {
    const [folder, target] = [scratch(), fileOf('precious')];
    symlinkSync(target, join(folder, 'link'));
    spawnSync('mkfifo', [join(folder, 'fifo')]);
    for (const [name, says] of [
      ['link', 'is a symbolic link'],
      ['fifo', 'is not a regular file'],
    ] as const) {
      const path = join(folder, name);
      const { code, err } = await cli(['touch', path, '--maximum-age', '2m']);
      expect([code, err]).toEqual([
        1,
        `k8s-liveness touch: cannot write ${path}: the existing file is left alone: ${says}\n`,
      ]);
    }
    expect([readdirSync(folder).sort(), readFileSync(target, 'utf8')]).toEqual([['fifo', 'link'], 'precious']);
  });

  describeIf(process.geteuid?.() === 0, 'root, to give a file to another user')("another user's", () => {
    test('file is left alone if it cannot be read', () => {
      const report = fileOf('name,value\n');
      chownSync(report, 65534, 65534);
      chmodSync(report, 0o600);
      const ordinary = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];
      expect(asProcess(['touch', report, '--maximum-age', '2m'], { within: ordinary })).toEqual({
        code: 1,
        said: `k8s-liveness touch: cannot write ${report}: the existing file is left alone: permission denied\n`,
      });
      expect(readFileSync(report, 'utf8')).toBe('name,value\n');
    });
  });

  test('says why the beat could not be recorded', async () => {
    const { code, err } = await cli(['touch', '/dev/null/x', '--maximum-age', '2m']);
    expect([code, err.split(':').slice(0, 3).join(':')]).toEqual([
      1,
      'k8s-liveness touch: cannot write /dev/null/x: ENOTDIR',
    ]);
  });

  test('its help says why there is no --every', async () => {
    expect((await cli(['touch', '--help'])).out.replaceAll(/\s+/g, ' ')).toContain(
      'There is no --every, on purpose: a beat from a timer',
    );
  });
});

describe('durations', () => {
  test.each([
    ['500ms', 50],
    ['90s', 9000],
    ['2m', 12_000],
    ['1h30m', 540_000],
    ['1d', 8_640_000],
    ['PT2M', 12_000],
    ['P1DT2H', 9_360_000],
    ['PT90S', 9000],
  ])('%s', async (given, centiseconds) => {
    const path = join(scratch(), 'timestamp');
    await cli(['touch', path, '--maximum-age', given]);
    expect(recordAt(path).limit).toBe(centiseconds);
  });

  test.each([
    '',
    '2',
    '-2m',
    '2M',
    '1.5h',
    '2x',
    'm',
    '30m1h',
    'P',
    'PT',
    'P1M',
    'P1Y',
    'pt2m',
    'PT-2M',
    '1h 30m',
    '999999999d',
    'Infinity',
    'abc',
  ])('%j is refused with what is accepted', async (given) => {
    const path = join(scratch(), 'timestamp');
    for (const argv of [
      ['touch', path, `--maximum-age=${given}`],
      ['check', path, `--maximum-age=${given}`],
      ['run', `--maximum-age=${given}`, '--', 'true'],
    ]) {
      const { code, out, err } = await cli(argv);
      expect([code, out]).toEqual([2, '']);
      expect(err).toBe(
        `k8s-liveness ${argv[0] ?? ''}: --maximum-age expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got '${given}' (string)\n`,
      );
    }
    expect(existsSync(path)).toBe(false);
  });
});

describe('run', () => {
  // The command starts a moment before its files are written; error is the last of them.
  // A failed test removes the folder, which ends its command.
  const known = (directory: string): string =>
    `until [ "$(cat ${directory}/error 2>/dev/null)" = 0 ]; do [ -d $(dirname ${directory}) ] || exit; sleep 0.01; done`;
  const limited = ['--maximum-age', '1h'];
  const runIn = (directory: string, ...command: string[]): string[] => [
    'run',
    ...limited,
    '--directory',
    directory,
    '--',
    ...command,
  ];

  test.each([0, 1, 3, 125, 255])('exits with %i as the command does, and records it as the error', async (status) => {
    const directory = join(scratch(), 'unit');
    const { code, err } = await cli(runIn(directory, 'sh', '-c', `exit ${status}`));
    expect([code, err, readFileSync(join(directory, 'error'), 'utf8')]).toEqual([status, '', String(status)]);
    expect((await cli(['check', directory])).out).toMatch(/^dead: missing: pid file/);
    // From another pid namespace only the young beat is seen, and it must not make an ended command alive.
    expect((await cli(['check', '--other-pid-namespace', directory])).code).toBe(1);
  });

  test('the directory is alive while the command runs, with its pid, error 0, and a beat with the limit', async () => {
    const directory = join(scratch(), 'unit');
    const seen = join(scratch(), 'seen');
    const probe = `LOG_LEVEL= sh dist/liveness.sh ${directory}`;
    await cli(
      runIn(
        directory,
        'sh',
        '-c',
        `${known(directory)}; (cat ${directory}/pid; echo " $$ $(cat ${directory}/error)"; ${probe}) > ${seen}`,
      ),
    );
    const [numbers = '', verdict = ''] = readFileSync(seen, 'utf8').split('\n');
    const [pid, own, error] = numbers.split(' ');
    expect([pid, error]).toEqual([own, '0']);
    expect(verdict).toMatch(/^alive: last beat .*, limit 1h /);
    expect(recordAt(join(directory, 'timestamp'))).toMatchObject({ pid: Number(pid), beat: 1, limit: 360_000 });
    expect(readdirSync(directory).sort()).toEqual(['error', 'timestamp']);
  });

  test('a command that takes longer than the limit is stale', async () => {
    const directory = join(scratch(), 'unit');
    const clock = manualClock();
    const running = cli(
      runIn(
        directory,
        'sh',
        '-c',
        `while [ ! -e ${directory}/stop ] && [ -d $(dirname ${directory}) ]; do sleep 0.05; done`,
      ),
      { clock },
    );
    while (!existsSync(join(directory, 'error'))) await new Promise(setImmediate);
    clock.advance(3_599_000);
    expect((await cli(['check', directory], { clock })).code).toBe(0);
    clock.advance(3000);
    expect((await cli(['check', directory], { clock })).out).toMatch(/^dead: stale: /);
    writeFileSync(join(directory, 'stop'), '');
    expect((await running).code).toBe(0);
  });

  test.each([
    'SIGTERM',
    'SIGHUP',
    'SIGUSR1',
    'SIGUSR2',
    'SIGALRM',
    'SIGINT',
    'SIGQUIT',
    'SIGWINCH',
    'SIGCONT',
  ] as const)('passes %s on', async (signal) => {
    const directory = join(scratch(), 'unit');
    const signals = new EventEmitter();
    const script = `trap 'exit 7' ${signal.slice(3)}; touch ${directory}/ready; while [ -d ${directory} ]; do sleep 0.05; done`;
    const running = cli(runIn(directory, 'sh', '-c', script), { signals });
    while (!existsSync(join(directory, 'ready'))) await new Promise(setImmediate);
    signals.emit(signal);
    expect((await running).code).toBe(7);
    expect(signals.listenerCount(signal)).toBe(0);
  });

  test('does not pass on a signal that the terminal also sent to the command', async () => {
    const directory = join(scratch(), 'unit');
    const signals = new EventEmitter();
    const script = `trap 'exit 7' INT; trap 'exit 8' TERM; touch ${directory}/ready; while [ -d ${directory} ]; do sleep 0.05; done`;
    const running = cli(runIn(directory, 'sh', '-c', script), {
      signals,
      isInForeground: true,
    });
    while (!existsSync(join(directory, 'ready'))) await new Promise(setImmediate);
    signals.emit('SIGINT');
    signals.emit('SIGTERM');
    expect((await running).code).toBe(8);
  });

  describeIf(process.geteuid?.() === 0, 'root, to run a command as another user')('without the right to signal', () => {
    test('the command, says so and goes on', async () => {
      const directory = join(scratch(), 'unit');
      const other = ['setpriv', '--reuid=65534', '--clear-groups', 'sh', '-c', 'read line; exit 7'];
      const words = [process.execPath, resolve('dist/cli.js'), ...runIn(directory, ...other)];
      const run = spawn('setpriv', ['--bounding-set=-kill', ...words], { stdio: ['pipe', 'ignore', 'pipe'] });
      const pid = (): string => readFileSync(join(directory, 'pid'), 'utf8');
      await until(() => existsSync(join(directory, 'error')) && statSync(`/proc/${pid()}`).uid === 65534);
      run.kill();
      const [said] = (await once(run.stderr, 'data')) as [Buffer];
      expect(said.toString()).toBe('k8s-liveness run: cannot signal setpriv: EPERM\n');
      run.stdin.end('\n');
      expect(await once(run, 'close')).toEqual([7, null]);
      expect(readFileSync(join(directory, 'error'), 'utf8')).toBe('7');
    });
  });

  test('exits with 128 plus the number of the signal that ended the command', async () => {
    const directory = scratch();
    expect((await cli(runIn(directory, 'sh', '-c', 'kill -9 $$'))).code).toBe(137);
    expect(readFileSync(join(directory, 'error'), 'utf8')).toBe('137');
  });

  test('exits with 0 if a real-time signal ended the command, because Node tells neither code nor signal', async () => {
    expect((await cli(runIn(scratch(), 'sh', '-c', 'kill -34 $$'))).code).toBe(0);
  });

  test('says why a command cannot be started, with the exit code of shells', async () => {
    for (const [command, code, says] of [
      ['no-such', 127, 'no such command: no-such'],
      ['/etc/passwd', 126, 'cannot start /etc/passwd: EACCES'],
      ['/etc/passwd/x', 126, 'cannot start /etc/passwd/x: ENOTDIR'], // spawn throws here
    ] as const) {
      const directory = scratch();
      expect(await cli(runIn(directory, command))).toEqual({
        code,
        out: '',
        err: `k8s-liveness run: ${says}\n`,
      });
      expect(readFileSync(join(directory, 'error'), 'utf8')).toBe(String(code));
    }
  });

  test('does not start the command if the directory cannot be written', async () => {
    const canary = join(scratch(), 'canary');
    const inUse = directoryOf({ pid: process.pid, error: 0, timestamp: record() });
    const before = readdirSync(inUse).map((name) => readFileSync(join(inUse, name), 'utf8'));
    for (const [directory, says] of [
      ['/dev/null/x', 'cannot write /dev/null/x/timestamp'],
      [inUse, `${inUse}/timestamp is in use by a Timestamp of process ${process.pid}`],
    ] as const) {
      const { code, err } = await cli(runIn(directory, 'touch', canary));
      expect([code, err.includes(says), existsSync(canary)]).toEqual([125, true, false]);
    }
    expect(readdirSync(inUse).map((name) => readFileSync(join(inUse, name), 'utf8'))).toEqual(before);
  });

  test.each([
    ['--directory', ['--directory', 'runs/unit'], {}],
    ['LIVENESS_RUNDIR', [], { LIVENESS_RUNDIR: './runs', LIVENESS_UNIT_NAME: 'unit' }],
  ] as const)('a relative %s is below the working directory', (_, options, env) => {
    const cwd = scratch();
    const directory = join(cwd, 'runs/unit');
    const probe = `${known(directory)}; sh ${LIVENESS_SH} runs/unit`;
    const { code, said } = asProcess(['run', ...limited, ...options, '--', 'sh', '-c', probe], { cwd, env });
    expect([code, said]).toEqual([0, expect.stringMatching(/^alive: .*limit 1h.*\(runs\/unit\)\n$/) as string]);
    expect(readdirSync(directory).sort()).toEqual(['error', 'timestamp']);
  });

  test('writes its own pid until the command has started, and again if the pid of the command cannot be written', async () => {
    const directory = join(scratch(), 'unit');
    const signals = new EventEmitter();
    let before = '';
    // Runs when the directory is open and the command has not started yet.
    signals.once('newListener', () => {
      before = readFileSync(join(directory, 'pid'), 'latin1');
      rmSync(join(directory, 'pid'));
      mkdirSync(join(directory, 'pid'));
    });
    const { code, err } = await cli(runIn(directory, 'true'), { signals });
    expect([code, before, recordAt(join(directory, 'timestamp')).pid]).toEqual([0, String(process.pid), process.pid]);
    expect(err).toContain(`cannot write ${directory}/pid: it is a directory`);
  });

  test('removes the temporary files of a run that was killed', async () => {
    const directory = scratch();
    for (const name of ['pid.1f.tmp', 'timestamp.2e.tmp', 'other.3d.tmp']) writeFileSync(join(directory, name), '');
    await cli(runIn(directory, 'true'));
    expect(readdirSync(directory).sort()).toEqual(['error', 'other.3d.tmp', 'timestamp']);
  });

  test.each([
    [3, ['error']],
    [0, []],
  ])('where the beat was taken away meanwhile, and the error, leaves no pid with %i, and %j', async (status, left) => {
    const directory = join(scratch(), 'unit');
    const { code, err } = await cli(
      runIn(directory, 'sh', '-c', `${known(directory)}; rm ${directory}/timestamp ${directory}/error; exit ${status}`),
    );
    // An exit code 0 is not recorded, because a service that loads there now may not be healthy yet.
    expect([code, err, readdirSync(directory)]).toEqual([status, '', left]);
  });

  test('says that its directory is gone if nothing is left of it', async () => {
    const directory = join(scratch(), 'unit');
    const { code, err } = await cli(runIn(directory, 'sh', '-c', `${known(directory)}; rm -r ${directory}; exit 3`));
    expect([code, err, existsSync(directory)]).toEqual([
      3,
      `k8s-liveness run: ${directory} no longer belongs to this command: its exit code 3 is not recorded\n`,
      false,
    ]);
  });

  test('starts the command over any leftover in its directory', async () => {
    const directory = scratch();
    symlinkSync('/nowhere', join(directory, 'timestamp'));
    writeFileSync(join(directory, 'pid'), 'rubbish');
    expect(await cli(runIn(directory, 'true'))).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect(readdirSync(directory).sort()).toEqual(['error', 'timestamp']);
  });

  test.each(['pid', 'error', 'timestamp'])(
    'does not start the command if the %s holds text, and changes nothing',
    async (name) => {
      const directory = directoryOf({ [name]: 'first line\nsecond line\n' });
      const { code, err } = await cli(runIn(directory, 'touch', join(directory, 'canary')));
      expect([code, err]).toEqual([
        125,
        expect.stringContaining(`${name} file: it holds other content (23 bytes); expected a `),
      ]);
      expect(readdirSync(directory)).toEqual([name]);
    },
  );

  test('leaves the directory alone if its beat is gone and the pid is another', async () => {
    const directory = join(scratch(), 'unit');
    const { code, err } = await cli(
      runIn(directory, 'sh', '-c', `${known(directory)}; cd ${directory}; rm timestamp; echo 1 > pid; exit 3`),
    );
    expect([code, err]).toEqual([
      3,
      `k8s-liveness run: ${directory} no longer belongs to this command: its exit code 3 is not recorded\n`,
    ]);
    expect(readFileSync(join(directory, 'error'), 'utf8')).toBe('0');
  });

  test('removes the error of an earlier run before it writes the new pid', async () => {
    const directory = directoryOf({ pid: ended(), error: 5, timestamp: record({ pid: ended(), start: 1 }) });
    const seen = join(scratch(), 'seen');
    expect(
      (
        await cli(
          runIn(directory, 'sh', '-c', `until cat ${directory}/error > ${seen} 2>/dev/null; do sleep 0.01; done`),
        )
      ).code,
    ).toBe(0);
    expect(readFileSync(seen, 'utf8')).toBe('0');
  });

  test('leaves the directory alone if another run has taken it over', async () => {
    const directory = join(scratch(), 'unit');
    const running = cli(
      runIn(
        directory,
        'sh',
        '-c',
        `${known(directory)}; rm -r ${directory}; touch ${directory}.gone; until [ -e ${directory}/error ]; do [ -d $(dirname ${directory}) ] || exit; sleep 0.02; done; exit 7`,
      ),
    );
    while (!existsSync(`${directory}.gone`)) await new Promise(setImmediate);
    mkdirSync(directory);
    for (const [name, text] of Object.entries({ timestamp: serialise(record()), pid: String(process.pid), error: '0' }))
      writeFileSync(join(directory, name), text);
    const { code, err } = await running;
    expect([code, err]).toEqual([
      7,
      `k8s-liveness run: ${directory} no longer belongs to this command: its exit code 7 is not recorded\n`,
    ]);
    expect((await cli(['check', directory])).code).toBe(0);
  });

  test('keeps the exit code if the directory is removed while the command runs, and says so', async () => {
    const directory = join(scratch(), 'unit');
    const { code, err } = await cli(
      runIn(directory, 'sh', '-c', `${known(directory)}; rm -r ${directory}; touch ${directory}; exit 4`),
    );
    expect([code, err.startsWith('k8s-liveness run: ')]).toEqual([4, true]);
  });

  test("options after -- are the command's", async () => {
    const seen = join(scratch(), 'seen');
    await cli(runIn(scratch(), 'sh', '-c', `echo "$@" > ${seen}`, 'sh', '--maximum-age', '--json', '-h', '--'));
    expect(readFileSync(seen, 'utf8')).toBe('--maximum-age --json -h --\n');
  });
});

describe('status', () => {
  const world = frozen();

  test('exits 0 for every verdict', async () => {
    expect((await cli(['status', fileOf('x'), scratch(), '/dev/null', fileOf(record({ pid: ended() }))])).code).toBe(0);
  });

  test('prints a block for each path, for any width of the terminal', async () => {
    const paths = [world.file({ age: 34_000 }), fileOf('x'), scratch(), `/no/${'long/'.repeat(30)}path`];
    const { out } = await cli(['status', ...paths], { clock: world.clock });
    const blocks = out
      .trimEnd()
      .split('\n\n')
      .map((block) => block.split('\n'));
    expect(blocks.map(([path]) => path)).toEqual(paths);
    expect(blocks.map((lines) => lines.length)).toEqual([8, 2, 2, 2]);
    expect(await cli(['status', '--no-color', ...paths], { clock: world.clock, columns: 20 })).toEqual({
      code: 0,
      out,
      err: '',
    });
  });

  test.each([
    ['the heartbeat alone if there is no directory', [], {}, ['timestamp']],
    ['both', ['timestamp', 'unit'], {}, ['timestamp', 'unit']],
    ['the directory alone if there is no heartbeat', ['unit'], {}, ['unit']],
    [
      'a heartbeat that LIVENESS_PATH names, also if there is none',
      ['unit'],
      { LIVENESS_PATH: '/no/such/timestamp' },
      ['timestamp', 'unit'],
    ],
  ] as const)('without a path describes %s', (_, standing, named, described) => {
    // Without LIVENESS_PATH the default is in /tmp, so the test runs a copy whose default is in its own folder.
    const folder = scratch();
    mkdirSync(join(folder, 'liveness'));
    if (standing.some((name) => name === 'timestamp')) writeFileSync(join(folder, 'liveness/timestamp'), '');
    if (standing.some((name) => name === 'unit')) mkdirSync(join(folder, 'unit'));
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    const copy = join(folder, 'cli.js');
    writeFileSync(
      copy,
      readFileSync('dist/cli.js', 'utf8').replaceAll('/tmp/liveness/timestamp', `${folder}/liveness/timestamp`),
    );
    const env = { ...process.env, LIVENESS_PATH: '', LIVENESS_RUNDIR: folder, LIVENESS_UNIT_NAME: 'unit', ...named };
    const { stdout, stderr } = spawnSync(process.execPath, [copy, 'status', '--json'], { env, encoding: 'utf8' });
    expect(stderr).toBe('');
    const { heartbeats } = JSON.parse(stdout) as { heartbeats: { path: string }[] };
    expect(heartbeats.map(({ path }) => basename(path))).toEqual(described);
  });

  test('is green, yellow from three quarters of the limit on, and red when it is dead', async () => {
    const codes = async (age: number): Promise<string[]> => {
      const { out } = await cli(['status', world.file({ age })], { clock: world.clock, columns: 80 });
      return [...new Set([...out.matchAll(/\x1b\[(\d+)m/g)].map(([, code = '']) => code))];
    };
    expect([await codes(89_000), await codes(91_000), await codes(323_000)]).toEqual([
      ['32', '39'],
      ['33', '39'],
      ['31', '39'],
    ]);
  });

  test('prints counts in full, and a stated limit to the hundredth of a second', async () => {
    const path = world.file({ age: 0, changes: { beat: 12_345_678_901, limit: 5, gap: 0 } });
    const { out } = await cli(['status', path], { clock: world.clock });
    expect(out).toContain('  beats        12345678901\n');
    expect(out).toContain('0 seconds of 0.05 seconds');
  });

  test('is coloured on a terminal, and not with NO_COLOR, --no-color, TERM=dumb or in a pipe', async () => {
    const path = fileOf(record());
    const coloured = async (argv: string[], world: Parameters<typeof cli>[1]): Promise<boolean> =>
      (await cli(['status', path, ...argv], world)).out.includes('\x1b[');
    expect(await coloured([], { columns: 80 })).toBe(true);
    expect(await coloured([], { columns: 80, env: { NO_COLOR: '1' } })).toBe(false);
    expect(await coloured([], { columns: 80, env: { TERM: 'dumb' } })).toBe(false);
    expect(await coloured(['--no-color'], { columns: 80 })).toBe(false);
    expect(await coloured([], {})).toBe(false);
  });

  test.each([
    [0, '0 seconds'],
    [400, '0.4 seconds'],
    [1000, '1 second'],
    [1500, '1.5 seconds'],
    [59_990, '59 seconds'],
    [60_000, '1 minute'],
    [94_000, '1 minute 34 seconds'],
    [90 * 60_000, '1 hour 30 minutes'],
    [(86_400 + 60) * 1000, '1 day 1 minute'],
    [1530, '1.53 seconds'],
    [(2 * 86_400 + 7200) * 1000, '2 days 2 hours'],
  ])('%i ms are "%s"', async (age, words) => {
    const path = world.file({ age, changes: { limit: Infinity } });
    expect((await cli(['status', path], { clock: world.clock })).out).toContain(`last beat    ${words}, no limit\n`);
  });

  test("compares the gap with the loop's own limit, not with that of a step", async () => {
    for (const [gap, limit, share] of [
      [700, 10_000, '7 %'],
      [168_000, 1_200_000, '14 %'],
      [701, 10_000, '8 %'],
    ] as const) {
      const { out } = await cli(['status', world.file({ age: 0, changes: { gap, limit } })], { clock: world.clock });
      expect(out).toContain(`longest gap  ${share} (`);
    }
    const own = await cli(['status', world.file({ age: 0 })], { clock: world.clock });
    expect(own.out).toContain('longest gap  10 % (12 seconds)');
    const step = await cli(['status', world.file({ age: 0, changes: { kind: 'step' } })], { clock: world.clock });
    expect(step.out).toContain('longest gap  12 seconds');
    expect(step.out).toContain('of 2 minutes, a step');
    const first = await cli(['status', world.file({ age: 0, changes: { beat: 1, gap: 0 } })], { clock: world.clock });
    expect(first.out).not.toContain('longest gap'); // one beat has no gap
  });

  test('prints how many tasks are in hand, and which is nearest to its deadline or the oldest', async () => {
    const described = async (changes: Partial<HeartbeatRecord>, note: string): Promise<string[]> => {
      const path = fileOf(serialise(world.record(34_000, changes), note));
      const { out } = await cli(['status', path], { clock: world.clock });
      return [...out.matchAll(/^  (?:last beat|task|in hand|longest task) .*/gm)].map(([line]) => line);
    };
    expect(await described({ kind: 'task', limit: 30_000, longestTask: 34 }, '3 in hand, mail#42')).toEqual([
      '  task         [#---------] 34 seconds of 5 minutes',
      '  in hand      3, mail#42 nearest to its deadline',
      '  longest task 0.34 seconds',
    ]);
    expect(await described({ longestTask: 34 }, '12 in hand, mail#7')).toEqual([
      '  last beat    [##--------] 34 seconds of 2 minutes',
      '  in hand      12, mail#7 the oldest',
      '  longest task 0.34 seconds',
    ]);
    expect(await described({ kind: 'task', longestTask: 0 }, 'rubbish')).toEqual([
      '  task         [##--------] 34 seconds of 2 minutes',
    ]);
    expect(await described({ longestTask: undefined }, '')).toEqual([
      '  last beat    [##--------] 34 seconds of 2 minutes',
    ]);
  });

  test('--watch draws every second until Ctrl-C, and leaves no listener', async () => {
    const signals = new EventEmitter();
    const screens: string[] = [];
    const { code, err } = await cli(['status', '--watch', fileOf(record())], {
      columns: 80,
      rows: 10,
      signals,
      onOutput: (text) => {
        screens.push(text);
        if (screens.length === 2) setImmediate(() => signals.emit('SIGINT'));
      },
    });
    expect([code, err, screens.pop(), screens.length]).toEqual([0, '', '\n', 2]);
    for (const drawn of screens) expect(drawn).toMatch(/^\x1b\[H\x1b\[J\/[^]*\nCtrl-C ends$/);
    expect(signals.eventNames().filter((name) => signals.listenerCount(name) > 0)).toEqual([]);
  });

  test('--watch ends if its terminal is closed without a signal', async () => {
    const failure = (): Error => new Error('EIO');
    expect((await cli(['status', '--watch', fileOf('x')], { columns: 80, failure })).code).toBe(0);
  });

  test('--watch refuses a wrong limit before it draws', async () => {
    const { code, out, err } = await cli(['status', '--watch', '--maximum-age', '2x', 'y'], { columns: 80 });
    expect([code, out, err.split(';')[0]]).toEqual([
      2,
      '',
      'k8s-liveness status: --maximum-age expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M',
    ]);
  });

  test('prints no deadline that is no possible date', async () => {
    const path = world.file({ age: 0, changes: { limit: 999_999_999_999_999 } });
    expect((await cli(['status', path], { clock: world.clock })).out).not.toContain('deadline');
  });

  test.each([
    [12, 12],
    [0, 24],
  ])('--watch on %i rows draws %i lines at most', async (rows, most) => {
    const signals = new EventEmitter();
    const onOutput = (): void => void setImmediate(() => signals.emit('SIGINT'));
    const paths = Array.from({ length: 20 }, () => fileOf('x'));
    const { code, out } = await cli(['status', '--watch', ...paths], { columns: 80, rows, signals, onOutput });
    expect([code, out.trimEnd().split('\n').length]).toEqual([0, most]);
    expect(out).toMatch(/Ctrl-C ends \(\d+ lines more\)/);
  });

  test('--watch refuses an output that is no terminal', async () => {
    expect((await cli(['status', '--watch'], { columns: 80, env: { TERM: 'dumb' } })).err).toContain('TERM=dumb');
    const { code, err } = await cli(['status', '--watch']);
    expect([code, err]).toEqual([
      2,
      'k8s-liveness status: --watch expected a terminal to draw on; got a file or a pipe, for which there is --json\n',
    ]);
  });
});

describe('wrong usage is refused in one line with exit 2', () => {
  const oneOf = `expected a command: ${COMMANDS.join(', ')}; got`;
  const limits = '--maximum-age expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got';

  test.each([
    // No command, or a command that is not the first word: yargs would search for it.
    [[], `${oneOf} none`],
    [['chekc', '--json', 'x'], `${oneOf} chekc`],
    [['chekc', '--help'], `${oneOf} chekc`],
    [['help', 'chekc'], `${oneOf} chekc`],
    [['--', 'check', 'x'], `${oneOf} --`],
    [['--quiet', 'check', 'x'], `${oneOf} --quiet`],
    [['--maximum-age', '2m', 'touch', 'x'], `${oneOf} --maximum-age`],
    // Unknown options.
    [['check', '--quite'], 'Unknown argument: quite; see --help'],
    [['check', '-q'], 'Unknown argument: q; see --help'],
    [['check', '-json=3'], 'Unknown arguments: j, s, o, n; see --help'],
    [['check', '--=x'], 'Unknown argument: =x; see --help'],
    [['check', '--no-quiet'], 'Unknown argument: no-quiet; see --help'],
    [['check', '--json.x', 'y'], 'Unknown argument: json.x; see --help'],
    [['check', '--maximumAge', '2m'], 'Unknown argument: maximumAge; see --help'],
    [['check', '/x', '--paths', '/y'], 'Unknown argument: paths; see --help'],
    [['touch', 'x', '--path', 'y', '--maximum-age', '2m'], 'Unknown argument: path; see --help'],
    [['touch', 'x', '--maximum-age', '2m', '--every', '5s'], 'Unknown argument: every; see --help'],
    [['run', '--maximum-age', '1m', 'node', '--inspect', 'x.js'], 'Unknown argument: inspect; see --help'],
    [['run', '--maximum-age', '1m', '--bogus', '--', 'true'], 'Unknown argument: bogus; see --help'],
    [['completion', 'zsh'], 'Unknown argument: zsh; see --help'],
    // Missing, unexpected or repeated values.
    [['check', '--json=3'], 'Argument unexpected for: json; see --help'],
    [['check', '--json=false'], 'Argument unexpected for: json; see --help'],
    [['check', '--help=3'], 'Argument unexpected for: help; see --help'],
    [['check', '--maximum-age'], 'Not enough arguments following: maximum-age; see --help'],
    [['touch', 'x', '--pid', '--maximum-age', '2m'], 'Not enough arguments following: pid; see --help'],
    [['touch', 'x'], 'Missing required argument: maximum-age; see --help'],
    [['run', '--', 'true'], 'expected --maximum-age or --kill-dead; got neither'],
    [['run', '--maximum-age', '1m', '--grace', '5s', '--', 'true'], '--grace expected --kill-dead beside it'],
    [
      ['run', '--kill-dead', '--directory', 'x', '--', 'true'],
      'Arguments kill-dead and directory are mutually exclusive; see --help',
    ],
    [
      ['run', '--kill-dead', '--grace', '5', '--', 'true'],
      "--grace expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got '5' (string)",
    ],
    [['run', '--kill-dead', '--startup', '0s', '--', 'true'], "--startup expected more than 0; got '0s' (string)"],
    [['touch', 'x', '--maximum-age', 'PT0S'], "--maximum-age expected more than 0; got 'PT0S' (string)"],
    [['run', '--kill-dead', '--path', '', '--', 'true'], "--path expected a path; got ''"],
    [['run', '--kill-dead', 'true'], 'expected -- COMMAND... after the options; got true'],
    [['check', '--quiet', '--json'], 'Arguments quiet and json are mutually exclusive; see --help'],
    [['status', '--watch', '--json'], 'Arguments watch and json are mutually exclusive; see --help'],
    // Wrong values and arguments.
    [['check', '--format', 'xml'], "--format expected text, json, nagios or openmetrics; got 'xml' (string)"],
    [['touch', 'x', '--maximum-age', '-2m'], `${limits} '-2m' (string)`],
    [
      ['touch', 'x', '--maximum-age', '2m', '--pid', '-1'],
      "--pid expected the number of a living process; got '-1' (string)",
    ],
    [
      ['touch', 'x', '--maximum-age', '2m', '--pid', 'self'],
      "--pid expected the number of a living process; got 'self' (string)",
    ],
    [
      ['touch', 'x', '--maximum-age', '2m', '--pid', '0'],
      "--pid expected the number of a living process; got '0' (string)",
    ],
    [
      ['touch', 'x', '--maximum-age', '2m', '--pid', '99999999'],
      '--pid expected the number of a living process; process 99999999 has ended',
    ],
    [['touch', '--maximum-age', '2m'], 'expected one PATH; got none'],
    [['touch', 'x', 'y', '--maximum-age', '2m'], 'expected one PATH; got 2'],
    [['touch', 'x', '--maximum-age', '2m', '--', 'y'], 'expected one PATH; got 2'],
    [['run', '--maximum-age', '1m'], 'expected -- COMMAND... after the options; got none'],
    [['run', '--maximum-age', '1m', 'true'], 'expected -- COMMAND... after the options; got true'],
    [['run', '--maximum-age', '1m', 'x', '--', '-x'], 'expected -- COMMAND... after the options; got x'],
    [['run', '--maximum-age', '1m', '--directory', '', '--', 'true'], "--directory expected a path; got ''"],
  ])('%j', async (argv, says) => {
    const { code, out, err } = await cli(argv);
    const command = COMMANDS.includes(argv[0] ?? '') ? ` ${argv[0] ?? ''}` : '';
    expect([code, out, err]).toEqual([2, '', `k8s-liveness${command}: ${says}\n`]);
    expect(existsSync('x')).toBe(false);
  });
});

describe('completion', () => {
  test.each([
    ['', COMMANDS.join(' ')],
    ['touch ', ''], // the shell completes paths
    ['touch --maximum-age ', ''],
    ['touch x --maximum-age 9', ''],
    ['touch x --maximum-age 2 --', '--version --help --pid'],
    ['touch x --pid abc --', '--version --help --maximum-age'],
    ['run --maximum-age 1x --d', '--version --help --directory --kill-dead --path --startup --grace'],
    [
      'check --help --q',
      '--version --process --ignore-error --other-pid-namespace --maximum-age --json --format --quiet',
    ],
  ])('of %j, which may be bad usage as yet, says nothing else than %j', async (line, offered) => {
    const { code, out, err } = await cli(['--get-yargs-completions', 'k8s-liveness', ...line.split(' ')]);
    expect([code, out.trim().split('\n').join(' '), err]).toEqual([0, offered, '']);
  });
});

describe('help', () => {
  test.each([[], ...COMMANDS.map((name) => [name])])(
    '%s --help teaches: options, an example, exit codes; no wider than the terminal',
    async (...argv) => {
      const { code, out, err } = await cli([...argv, '--help']);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain('Examples:');
      expect(out).toMatch(argv.length === 0 ? /COMMAND --help/ : /Exit codes?:|Exits 0/);
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  test('a path may be called help or completion', async () => {
    for (const name of ['help', 'completion'])
      expect(await cli(['check', name])).toEqual({ code: 1, out: `dead: missing: no such file (${name})\n`, err: '' });
  });

  test('help COMMAND prints the same as COMMAND --help', async () => {
    expect(await cli(['help', 'touch'])).toEqual(await cli(['touch', '-h']));
    for (const argv of [['help'], ['-h']]) expect(await cli(argv)).toEqual(await cli(['--help']));
    // yargs reads these as -h. Without them this command line would do something.
    for (const word of ['--h', '-help'])
      expect(await cli(['touch', 'x', '--maximum-age', '2m', word])).toEqual(await cli(['touch', '--help']));
    expect(existsSync('x')).toBe(false);
  });

  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await cli(['--version', 'check'])).toEqual(await cli(['--version']));
    expect(await cli(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });
});

describe('README and docs/cli.md', () => {
  const pages = ['README.md', 'docs/cli.md'].flatMap((page) => blocksOf(readFileSync(page, 'utf8')));
  const transcripts = pages
    .filter(({ note }) => note === 'cli')
    .flatMap(({ code }) => [...code.matchAll(/^\$ k8s-liveness (.*)\n([^$]*)/gm)]);

  test('contain transcripts', () => {
    expect(transcripts.length).toBeGreaterThan(10);
  });

  test.each(transcripts.map(([, command = '', output = '']) => [command, output] as const))(
    'k8s-liveness %s',
    async (command, output) => {
      const world = frozen();
      const folder = scratch();
      writeFileSync(join(folder, 'mail'), serialise(world.record(34_000)));
      writeFileSync(join(folder, 'jobs'), serialise(world.record(323_000, { beat: 87, gap: 11_000 })));
      const task = world.record(323_000, { kind: 'task', limit: 30_000, longestTask: 5300 });
      writeFileSync(join(folder, 'consumer'), serialise(task, '3 in hand, mail#42'));
      mkdirSync(join(folder, 'forwarder'));
      for (const [name, text] of Object.entries({ pid: process.pid, error: 1 }))
        writeFileSync(join(folder, 'forwarder', name), String(text));
      const argv = command
        .replace('; echo $?', '')
        .split(' ')
        .map((word) => word.replace('/run/liveness', folder));
      const { code, out, err } = await cli(argv, { clock: world.clock });
      const shown = `${out}${err}`.replaceAll(folder, '/run/liveness').replaceAll(String(process.pid), '4711');
      expect(shown + (command.endsWith('echo $?') ? `${code}\n` : '')).toBe(`${output.trimEnd()}\n`);
    },
  );
});

/** A clock at the time of README's transcripts, when this process has run for three days and four hours. */
function frozen(): {
  clock: Clock;
  record: typeof recordOf;
  file: (the: { age: number; changes?: Partial<HeartbeatRecord> }) => string;
} {
  const now = Date.parse('2026-11-20T10:03:46.500Z');
  const uptime = (self().start ?? 0) * 10 + (3 * 24 + 4) * 3_600_000;
  const clock: Clock = { monotonic: () => 0, uptime: () => uptime, wall: () => now, bootId: systemClock.bootId };
  function recordOf(age: number, changes: Partial<HeartbeatRecord> = {}): HeartbeatRecord {
    return record({
      beat: 1042,
      uptime: Math.floor((uptime - age) / 10),
      wall: now - age,
      limit: 12_000,
      gap: 1200,
      longestTask: 0,
      window: 100,
      ...changes,
    });
  }
  return { clock, record: recordOf, file: ({ age, changes }) => fileOf(recordOf(age, changes)) };
}

function blocksOfFields(page: string): (readonly [string, string])[] {
  return [...page.matchAll(/^\| `(\w+)` \| (string|number|boolean) \|/gm)].map(([, name = '', type = '']) => [
    name,
    type,
  ]);
}
