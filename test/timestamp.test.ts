import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  copyFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Duration } from 'date-fns';
import { ProcessTimestamp, Timestamp, TIMESTAMP_PATH, type TimestampOptions } from '../src';
import type { HeartbeatRecord } from '../src/record';
import { manualClock, type ManualClock } from './support/clock';
import { describeIf } from './support/describe-if';
import { canMount, FILL, TMPFS, within } from './support/mounts';
import { ready, start } from './support/processes';
import { fileOf, OLD, open, record, recordAt, scratch } from './support/records';
import { thrown } from './support/thrown';
import { PATIENCE } from './support/until';

class TwoMinutes extends Timestamp {
  readonly maximumAge: number | Duration = { minutes: 2 };
}

const LIMIT = 120_000;
const WINDOW = 1000;
const TICK = 10;
const isRoot = process.geteuid?.() === 0;

let path: string;
let clock: ManualClock;
beforeEach(() => {
  path = join(scratch(), 'liveness', 'timestamp');
  clock = manualClock();
});

function beating(options: TimestampOptions = { clock }): TwoMinutes {
  return new TwoMinutes(path, options);
}

const recorded = (at = path): HeartbeatRecord => recordAt(at);

describe('alive', () => {
  test('is true just after a beat', () => {
    expect(beating().refresh().alive).toBe(true);
  });

  test('is true until the limit, its window and one tick of the clock have passed, then false', () => {
    const timestamp = beating().refresh();
    clock.advance(LIMIT + WINDOW + TICK);
    expect(timestamp.alive).toBe(true);
    clock.advance(TICK);
    expect(timestamp.alive).toBe(false);
  });

  test('is true again when the loop beats again', () => {
    const timestamp = beating().refresh();
    clock.advance(10 * LIMIT);
    expect(timestamp.alive).toBe(false);
    expect(timestamp.refresh().alive).toBe(true);
  });

  test('stays true for the whole limit after a beat that was not written', () => {
    const timestamp = beating().refresh();
    clock.advance(WINDOW - 1);
    timestamp.refresh();
    clock.advance(LIMIT);
    expect(timestamp.alive).toBe(true);
  });

  test('does not move with the wall clock', () => {
    const timestamp = beating().refresh();
    for (const step of [-315_360_000_000, 315_360_000_000]) {
      const stepped = TwoMinutes.byRef(path, {
        clock: { ...clock, wall: () => clock.wall() + step },
      });
      expect(stepped.alive).toBe(true);
    }
    expect(timestamp.alive).toBe(true);
  });

  test('is judged by wall clock if the uptime is unknown, and the verdict says so', () => {
    const walled = { ...clock, uptime: () => undefined };
    const timestamp = beating({ clock: walled }).refresh();
    expect(timestamp.verdict()).toMatchObject({ alive: true, clock: 'wall' });
    expect(String(timestamp)).toContain(', by wall clock');
    clock.advance(2 * LIMIT);
    expect(timestamp.verdict()).toMatchObject({ alive: false, reason: 'stale', clock: 'wall' });
  });
});

describe('verdict', () => {
  test('of a living heartbeat is written out in full', () => {
    const wall = clock.wall();
    const timestamp = beating().refresh();
    clock.advance(1500);
    timestamp.refresh();
    clock.advance(250);
    expect(timestamp.verdict()).toEqual({
      alive: true,
      path,
      clock: 'uptime',
      value: new Date(wall + 1500),
      age: expect.closeTo(250, -1) as number,
      limit: LIMIT,
      longestGap: 1500,
      longestTask: 0,
      pid: process.pid,
      task: undefined,
      inHand: 0,
    });
  });

  test('of a missing heartbeat states the limit and nothing else', () => {
    expect(beating().verdict()).toEqual({
      alive: false,
      reason: 'missing',
      detail: 'no such file',
      path,
      clock: undefined,
      value: undefined,
      age: Infinity,
      limit: LIMIT,
      longestGap: undefined,
      longestTask: undefined,
      pid: undefined,
      task: undefined,
      inHand: 0,
    });
    expect(beating().value).toBeUndefined();
    expect(beating().age).toBe(Infinity);
  });

  test('is alive if the loop beat while a probe paused between reading the file and the clock', () => {
    const timestamp = beating().refresh();
    let held = false;
    const probe = TwoMinutes.byRef(path, {
      clock: {
        ...clock,
        uptime: () => {
          if (!held) {
            held = true; // the reader has read the file, but not yet the clock
            clock.advance(2 * LIMIT);
            timestamp.refresh();
          }
          return clock.uptime();
        },
      },
    });
    expect(probe.verdict()).toMatchObject({ alive: true, age: 0 });
  });

  test('ignores pid and boot, and uses the wall clock, if the writer is in another pid namespace', () => {
    const foreign = fileOf(record({ pid: 999_999_999, boot: '0-0-0-0-1' }));
    expect(TwoMinutes.byRef(foreign).verdict()).toMatchObject({ reason: 'gone' });
    expect(TwoMinutes.byRef(foreign, { otherPidNamespace: true }).verdict()).toMatchObject({
      alive: true,
      clock: 'wall',
    });
    const old = fileOf(record({ wall: Date.now() - 2 * LIMIT }));
    expect(TwoMinutes.byRef(old, { otherPidNamespace: true }).verdict()).toMatchObject({
      reason: 'stale',
      clock: 'wall',
    });
  });

  test('as a string says when the last beat was, not how long ago', () => {
    const timestamp = beating().refresh();
    const words = String(timestamp);
    clock.advance(1000);
    expect(String(timestamp)).toBe(words);
    expect(words).toMatch(/^alive: last beat \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, limit 2m \(.*timestamp\)$/);
  });
});

describe('the limit that counts', () => {
  test("is the subclass's own, not the file's", () => {
    class Patient extends Timestamp {
      readonly maximumAge = { hours: 1 };
    }
    beating().refresh();
    clock.advance(2 * LIMIT);
    expect(TwoMinutes.byRef(path, { clock }).alive).toBe(false);
    expect(Patient.byRef(path, { clock }).verdict()).toMatchObject({ alive: true, limit: 3_600_000 });
  });

  test("is the file's for Timestamp itself", () => {
    beating().refresh();
    const view = Timestamp.byRef(path, { clock });
    expect(view.maximumAge).toBe(LIMIT);
    expect(view.alive).toBe(true);
    clock.advance(2 * LIMIT);
    expect(view.verdict()).toMatchObject({ alive: false, reason: 'stale', limit: LIMIT });
  });

  test("is a step's for every reader, until the next plain beat", () => {
    const timestamp = beating().refresh({ maximumAge: { minutes: 30 } });
    clock.advance(10 * LIMIT);
    for (const reader of [timestamp, TwoMinutes.byRef(path, { clock }), Timestamp.byRef(path, { clock })]) {
      expect(reader.verdict()).toMatchObject({ alive: true, limit: 1_800_000 });
    }
    timestamp.refresh();
    clock.advance(2 * LIMIT);
    expect(timestamp.verdict()).toMatchObject({ alive: false, limit: LIMIT });
  });

  test('is none with Infinity: it is dead only if its process has ended', () => {
    class Endless extends Timestamp {
      readonly maximumAge = Infinity;
    }
    const timestamp = new Endless(path, { clock }).refresh();
    clock.advance(1e12);
    expect(timestamp.verdict()).toMatchObject({ alive: true, limit: Infinity });
    expect(String(Timestamp.byRef(path, { clock }))).toContain('limit none');
  });
});

describe('maximumAge', () => {
  const refused: [string, unknown][] = [
    ['0', 0],
    ['NaN', NaN],
    ['-1', -1],
    ['{}', {}],
    ['{ minute: 5 }', { minute: 5 }],
    ["'2m'", '2m'],
    ['undefined', undefined],
    ['null', null],
    ['{ minutes: -1 }', { minutes: -1 }],
    ['{ seconds: NaN }', { seconds: NaN }],
    ["{ minutes: '2' }", { minutes: '2' }],
    ['[ 5 ]', [5]],
    ['true', true],
    ['1e+300', 1e300],
  ];

  test.each(refused)('of %s is refused at first use, with what was expected and what came', (text, value) => {
    class Wrong extends Timestamp {
      readonly maximumAge = value as number;
    }
    const wrong = new Wrong(path);
    for (const use of [() => wrong.refresh(), () => wrong.alive, () => Wrong.byRef(path).verdict()]) {
      expect(thrown(use)).toMatchObject({
        code: 'ERR_MAXIMUM_AGE',
        message: expect.stringContaining(
          `Wrong.maximumAge must be milliseconds above 0, Infinity or a Duration`,
        ) as string,
      });
      expect(thrown(use).message).toContain(`got ${text} (`);
    }
    expect(existsSync(path)).toBe(false);
  });

  describe.each(['max_age', 'maximum_age', 'max_age_seconds', 'maximumage', 'maximumAgeMs'])(
    'that is called %s',
    (name) => {
      const expected = {
        code: 'ERR_MAXIMUM_AGE',
        message: expect.stringMatching(
          new RegExp(`^Misnamed\\.maximumAge \\(not ${name}\\) must be [^\n]*$`),
        ) as string,
      };

      test('is refused at first use', () => {
        class Misnamed extends Timestamp {
          declare readonly maximumAge: number;
          readonly [name] = 60;
        }
        const misnamed = new Misnamed(path);
        for (const use of [() => misnamed.refresh(), () => Misnamed.byRef(path).alive]) {
          expect(thrown(use)).toMatchObject(expected);
        }
        expect(existsSync(path)).toBe(false);
      });

      test('is refused by a ProcessTimestamp too, whose default would ignore it', async () => {
        class Misnamed extends ProcessTimestamp {
          get [name](): number {
            return this.path.length;
          }
        }
        let checks = 0;
        const check = () => ++checks > 0;
        await expect(new Misnamed(path).load([check])).rejects.toMatchObject(expected);
        expect(thrown(() => Misnamed.byRef(path).alive)).toMatchObject(expected);
        expect([checks, existsSync(path)]).toEqual([0, false]);
        class Named extends Misnamed {
          override readonly maximumAge = 60_000;
        }
        expect(Named.byRef(path).alive).toBe(false);
      });
    },
  );

  test.each<[number | Duration, number]>([
    [1500, 1500],
    [{ seconds: 1.5 }, 1500],
    [{ hours: 1, minutes: 30 }, 5_400_000],
    [{ months: 1 }, 2_629_746_000],
  ])('of %j is a limit of %d ms', (maximumAge, limit) => {
    class Any extends Timestamp {
      readonly maximumAge = maximumAge;
    }
    expect(new Any(path).refresh().verdict().limit).toBe(limit);
    expect(Timestamp.byRef(path).maximumAge).toBe(limit);
  });
});

test('a wrong Duration is refused each time, also after a similar valid one', () => {
  const timestamp = new TwoMinutes(path);
  timestamp.refresh({ maximumAge: { minutes: 2 } });
  timestamp.refresh({ maximumAge: Object.create({ minutes: 3 }) as Duration });
  timestamp.refresh({
    maximumAge: Object.create({ minutes: 4 }, { seconds: { value: 5, enumerable: true } }) as Duration,
  });
  const refused = [{}, { minutes: 0 }, { minutes: 2, minute: 2 }, { minutes: 2, minute: undefined }] as Duration[];
  for (const maximumAge of [...refused, ...refused]) {
    expect(thrown(() => timestamp.refresh({ maximumAge }))).toMatchObject({ code: 'ERR_MAXIMUM_AGE' });
  }
  expect(timestamp.refresh({ maximumAge: { seconds: 5 } }).verdict().limit).toBe(5000);
});

test('a maximumAge that is changed in place counts for writer and readers from the next written beat', () => {
  const maximumAge = { minutes: 2 };
  class Tuned extends Timestamp {
    readonly maximumAge = maximumAge;
  }
  const timestamp = new Tuned(path, { clock }).refresh();
  maximumAge.minutes = 5;
  clock.advance(WINDOW);
  timestamp.refresh();
  expect([recorded().limit * 10, timestamp.verdict().limit]).toEqual([5 * 60_000, 5 * 60_000]);
});

describe('the constructor', () => {
  test.each([null, 5, {}, Buffer.from('/x')])('refuses a path of %p', (given) => {
    expect(thrown(() => new TwoMinutes(given as never))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^TwoMinutes expected its path as a string; got /) as string,
    });
  });

  test.each([
    null,
    'clock',
    [],
    new Date(),
    { clok: 1 },
    { otherPidNamespace: 'false' },
    { ignoreError: 1 },
    { clock: null },
    { clock: { wall: Date.now } },
  ])('refuses options of %p', (given) => {
    for (const make of [
      () => new TwoMinutes(path, given as never),
      () => TwoMinutes.byRef(path, given as never),
      () => new ProcessTimestamp(path, given as never),
    ]) {
      expect(thrown(make)).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/^\w+ expected .*; got /) as string,
      });
    }
  });

  test('takes an undefined option as the default', () => {
    expect(new TwoMinutes(path, { clock: undefined, ignoreError: undefined, otherPidNamespace: undefined }).path).toBe(
      path,
    );
  });

  test('asks for an absolute path if the working directory is gone', () => {
    const gone = scratch();
    const script = `
      const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      try { Timestamp.byRef('beat') } catch ({ code, message }) { console.log(code, message) }
      console.log(Timestamp.byRef('/no/beat').verdict().reason)`;
    const file = join(scratch(), 'script.js');
    writeFileSync(file, script);
    const { stdout } = spawnSync('sh', ['-c', `rmdir ${gone} && exec ${process.execPath} ${file}`], { cwd: gone });
    expect(stdout.toString().trim().split('\n')).toEqual([
      "ERR_ARGUMENT expected an absolute path, because the working directory is gone; got 'beat' (string)",
      'missing',
    ]);
  });

  test('names the class as its user wrote it, also from plain JavaScript', () => {
    const script = `
      const { Timestamp, ProcessTimestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      for (const Class of [Timestamp, ProcessTimestamp, class Mine extends Timestamp {}]) {
        try { Class.byRef(7) } catch ({ message }) { console.log(message) }
      }`;
    expect(spawnSync(process.execPath, ['-e', script]).stdout.toString().trim().split('\n')).toEqual(
      ['Timestamp', 'ProcessTimestamp', 'Mine'].map((name) => `${name} expected its path as a string; got 7 (number)`),
    );
  });

  test('takes an empty path, although no beat can be written there', () => {
    expect(new TwoMinutes('').verdict()).toMatchObject({ reason: 'missing' });
    expect(thrown(() => new TwoMinutes('').refresh())).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('a path') as string,
    });
  });

  test('writes nothing and validates no maximumAge', () => {
    expect(new TwoMinutes('/proc/no/such/place').path).toBe('/proc/no/such/place');
    expect(existsSync(dirname(path))).toBe(false);
  });

  test.each([
    ['/elsewhere/beat', '/elsewhere/beat'],
    ['', '/tmp/liveness/timestamp'],
    [undefined, '/tmp/liveness/timestamp'],
  ])('goes by LIVENESS_PATH=%s to %s', (LIVENESS_PATH, expected) => {
    const script = `
      const { Timestamp, TIMESTAMP_PATH } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 1000 }
      console.log(TIMESTAMP_PATH === new T().path && T.byRef().path === TIMESTAMP_PATH && TIMESTAMP_PATH)`;
    const env = { ...process.env, LIVENESS_PATH };
    expect(spawnSync(process.execPath, ['-e', script], { env }).stdout.toString().trim()).toBe(expected);
    expect(new TwoMinutes().path).toBe(TIMESTAMP_PATH);
  });
});

describe('byRef', () => {
  test('is an instance of its subclass that neither beats nor deletes', () => {
    beating().refresh();
    const view = TwoMinutes.byRef(path, { clock });
    expect(view).toBeInstanceOf(TwoMinutes);
    expect(view.maximumAge).toEqual({ minutes: 2 });
    expect(thrown(() => view.refresh())).toMatchObject({ code: 'ERR_READ_ONLY', path });
    expect(
      thrown(() => {
        view.delete();
      }),
    ).toMatchObject({ code: 'ERR_READ_ONLY', path });
    expect(view.alive).toBe(true);
  });

  test('stays a view if its constructor makes another view', () => {
    class Curious extends TwoMinutes {
      constructor(at?: string) {
        TwoMinutes.byRef(at);
        super(at);
      }
    }
    expect(thrown(() => Curious.byRef(path).refresh()).code).toBe('ERR_READ_ONLY');
    expect(existsSync(path)).toBe(false);
  });

  test('throws if the constructor does not use the path that was given', () => {
    class Fixed extends Timestamp {
      readonly maximumAge = 1000;
      constructor() {
        super('/fixed');
      }
    }
    expect(Fixed.byRef().path).toBe('/fixed');
    expect(thrown(() => Fixed.byRef('/other')).message).toContain('/other was given, /fixed came out');
  });

  test('gives its options also to a subclass whose constructor takes only a path', () => {
    class PathOnly extends Timestamp {
      readonly maximumAge = { minutes: 2 };
      constructor(path?: string) {
        super(path, {});
      }
    }
    beating().refresh();
    clock.advance(2 * LIMIT);
    expect(PathOnly.byRef(path, { clock }).alive).toBe(false);
    expect(PathOnly.byRef(fileOf(record({ boot: '0-0-0-0-1' })), { otherPidNamespace: true }).alive).toBe(true);
  });
});

describe('refresh', () => {
  test('writes at most once in a window, by the monotonic clock', () => {
    const timestamp = beating();
    for (let turn = 0; turn < 10; turn++) timestamp.refresh();
    expect(recorded().beat).toBe(1);
    clock.advance(WINDOW - 1);
    expect(timestamp.refresh().beats).toBe(11);
    expect(recorded().beat).toBe(1);
    clock.advance(1);
    timestamp.refresh();
    expect(recorded().beat).toBe(12);
  });

  test.each([
    [200, 10],
    [50_000, 500],
    [3_600_000, 1000],
    [Infinity, 1000],
  ])('with a limit of %d ms has a window of %d ms', (limit, window) => {
    class Any extends Timestamp {
      readonly maximumAge = limit;
    }
    const timestamp = new Any(path, { clock }).refresh();
    expect(recorded().window).toBe(window / 10);
    clock.advance(window - 0.5);
    timestamp.refresh();
    expect(recorded().beat).toBe(1);
    clock.advance(0.5);
    timestamp.refresh();
    expect(recorded().beat).toBe(3);
  });

  test('writes a step at once, and the next plain beat at once', () => {
    const timestamp = beating().refresh();
    timestamp.refresh({ maximumAge: 600_000 });
    expect(recorded()).toMatchObject({ beat: 2, kind: 'step', limit: 60_000 });
    timestamp.refresh({ maximumAge: { minutes: 10 } });
    expect(recorded().beat).toBe(2);
    timestamp.refresh();
    expect(recorded()).toMatchObject({ beat: 4, kind: 'own', limit: 12_000 });
  });

  test.each([
    [5],
    [null],
    ['2m'],
    [[]],
    [{ maximumAge: null }],
    [{ maximumage: 5 }],
    [{ maximumAge: 0 }],
    [{ maximumAge: Infinity }],
    [{ maximumAge: '2m' }],
  ])('refuses %j, also after the first beat', (options) => {
    const timestamp = beating().refresh();
    expect(thrown(() => timestamp.refresh(options as never)).code).toMatch(/^ERR_(MAXIMUM_AGE|ARGUMENT)$/);
    expect(timestamp.beats).toBe(1);
  });

  test('writes a step at once, also if its limit is the usual one', () => {
    const timestamp = beating().refresh();
    timestamp.refresh({ maximumAge: LIMIT });
    expect(recorded()).toMatchObject({ beat: 2, kind: 'step' });
  });

  test('rounds limit, window and gap up, never down', () => {
    class Odd extends Timestamp {
      readonly maximumAge = 1234;
    }
    const timestamp = new Odd(path, { clock }).refresh();
    clock.advance(101);
    timestamp.refresh();
    expect(recorded()).toMatchObject({ limit: 124, window: 2, gap: 11 });
  });

  test('counts beats, and the longest gap without steps', () => {
    const timestamp = beating().refresh();
    clock.advance(3000);
    timestamp.refresh();
    clock.advance(1000);
    timestamp.refresh({ maximumAge: 600_000 });
    clock.advance(60_000);
    timestamp.refresh();
    expect(timestamp).toMatchObject({ beats: 4, longestGap: 3000, failedWrites: 0 });
    expect(recorded().gap).toBe(300);
  });

  test('overwrites the same file in place, always with 256 bytes', () => {
    const timestamp = beating().refresh();
    const { ino } = statSync(path);
    for (let turn = 0; turn < 5; turn++) {
      clock.advance(WINDOW);
      timestamp.refresh();
      expect(statSync(path)).toMatchObject({ ino, size: 256 });
    }
  });

  test('makes file and folder readable for any probe, whatever the umask', () => {
    const umask = process.umask(0o077);
    try {
      beating().refresh();
    } finally {
      process.umask(umask);
    }
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o755);
    expect(readdirSync(dirname(path))).toEqual(['timestamp']);
  });

  test('goes on writing the same file when the working directory changes', () => {
    const cwd = process.cwd();
    const folder = scratch();
    let timestamp;
    try {
      process.chdir(folder);
      timestamp = new TwoMinutes('timestamp', { clock }).refresh();
      process.chdir(cwd);
      clock.advance(WINDOW);
      timestamp.refresh();
    } finally {
      process.chdir(cwd);
    }
    expect(recorded(join(folder, 'timestamp')).beat).toBe(2);
    expect(timestamp.alive).toBe(true);
  });

  test('does not write into a reused descriptor if somebody closed its own', () => {
    const timestamp = beating().refresh();
    const ours = readdirSync('/proc/self/fd').find((fd) => link(fd) === path);
    closeSync(Number(ours));
    const other = fileOf('precious');
    // A new file gets the lowest free descriptor, so others may come before the one that was closed.
    const opened: number[] = [];
    while (opened.at(-1) !== Number(ours)) opened.push(openSync(other, 'r+'));
    const reused = opened.pop() ?? 0;
    for (const fd of opened) closeSync(fd);
    clock.advance(WINDOW);
    expect(timestamp.refresh().alive).toBe(true);
    expect(readFileSync(other, 'latin1')).toBe('precious');
    timestamp.delete();
    expect(fstatSync(reused).size).toBe(8); // throws if the descriptor was closed
    closeSync(reused);
  });

  function link(fd: string): string | undefined {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return undefined;
    }
  }
});

describe('the first beat', () => {
  test('throws if it cannot be recorded, and says what to do', () => {
    const below = join(fileOf('a file'), 'timestamp');
    const timestamp = new TwoMinutes(below);
    const error = thrown(() => timestamp.refresh());
    expect(error).toMatchObject({ name: 'LivenessError', code: 'ERR_HEARTBEAT_WRITE', path: below });
    expect(error.message).toMatch(
      /^cannot record the first heartbeat at .*: (ENOTDIR|EEXIST).*; expected a writable directory/,
    );
    expect(error.message).not.toContain('\n');
    expect(thrown(() => timestamp.refresh()).code).toBe('ERR_HEARTBEAT_WRITE');
  });

  test('that fails does not count', () => {
    const timestamp = new TwoMinutes(join(fileOf('a file'), 'timestamp'), { clock });
    thrown(() => timestamp.refresh());
    clock.advance(1000);
    thrown(() => timestamp.refresh());
    expect(timestamp).toMatchObject({ beats: 0, longestGap: 0, failedWrites: 0 });
  });

  test('leaves no descriptor open if it fails or is refused', () => {
    const other = beating().refresh();
    const full = fileOf('not 256 bytes');
    const throughLinks = join(scratch(), 'first', 'timestamp');
    symlinkSync('second', dirname(throughLinks));
    symlinkSync(scratch(), join(dirname(throughLinks), '../second'));
    const count = readdirSync('/proc/self/fd').length;
    for (let turn = 0; turn < 20; turn++) {
      thrown(() => beating().refresh());
      thrown(() => {
        beating().delete();
      });
      thrown(() => new TwoMinutes(dirname(path)).refresh());
      thrown(() => new TwoMinutes(join(full, 'below')).refresh());
      const linked = new TwoMinutes(throughLinks).refresh();
      linked.delete();
    }
    expect(readdirSync('/proc/self/fd').length).toBe(count);
    expect(other.alive).toBe(true);
  });

  test("works under Node's permission model", () => {
    const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      console.log(new T(process.env.HEARTBEAT).refresh().alive)`;
    const model =
      ['--permission', '--experimental-permission'].find((flag) => process.allowedNodeEnvironmentFlags.has(flag)) ?? '';
    const { stdout } = spawnSync(
      process.execPath,
      [
        model,
        '--allow-fs-read=*',
        `--allow-fs-write=${scratch()}/*`,
        `--allow-fs-write=${dirname(dirname(path))}/*`,
        '-e',
        script,
      ],
      {
        env: { ...process.env, HEARTBEAT: path, NODE_NO_WARNINGS: '1' },
      },
    );
    expect(stdout.toString().trim()).toBe('true');
  });

  test("works under Node's permission model with access to its own folders only, and under any umask", () => {
    const library = scratch();
    copyFileSync('dist/index.js', join(library, 'index.js'));
    const folder = scratch();
    writeFileSync(
      join(library, 'main.js'),
      `const { Timestamp } = require('./index.js');
       class T extends Timestamp { maximumAge = 60000 }
       process.umask(0o077);
       console.log(String(new T(process.env.HEARTBEAT).refresh()));`,
    );
    const model =
      ['--permission', '--experimental-permission'].find((flag) => process.allowedNodeEnvironmentFlags.has(flag)) ?? '';
    const grants = [`--allow-fs-read=${library}/*`, `--allow-fs-read=${folder}/*`, `--allow-fs-write=${folder}/*`];
    const { stdout, stderr } = spawnSync(process.execPath, [model, ...grants, join(library, 'main.js')], {
      env: { ...process.env, HEARTBEAT: join(folder, 'timestamp'), NODE_NO_WARNINGS: '1' },
    });
    // It may not read /proc, so it records no uptime.
    expect([stderr.toString(), stdout.toString()]).toEqual(['', expect.stringMatching(/^alive: .*, by wall clock/)]);
  });

  describeIf(spawnSync('strace', ['-V']).status === 0, 'strace (apt-get install strace)')(
    'if the kernel refuses',
    () => {
      test.each([
        ['links, as some file systems do', 'error=EPERM'],
        ['the first link, because the new file was removed', 'error=ENOENT:when=1'],
      ])('%s, is still recorded', (_, error) => {
        const folder = scratch();
        const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
        class T extends Timestamp { maximumAge = 60000 }
        console.log(new T('timestamp').refresh().alive)`;
        const log = join(scratch(), 'strace');
        const refusing = ['-f', '-qq', '-o', log, '-e', 'trace=link,linkat', '-e', `inject=link,linkat:${error}`];
        const { stdout } = spawnSync('strace', [...refusing, process.execPath, '-e', script], { cwd: folder });
        expect([stdout.toString().trim(), readdirSync(folder)]).toEqual(['true', ['timestamp']]);
        expect(readFileSync(log, 'utf8')).toContain('(INJECTED)');
      });

      test('O_PATH, is still recorded, but not through a link of another user', () => {
        const folder = scratch();
        const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
        class T extends Timestamp { maximumAge = 60000 }
        for (const name of ['deep/timestamp', 'theirs/timestamp']) {
          try { console.log(new T(name).refresh().alive) } catch (error) { console.log(error.code, error.message) }
        }`;
        mkdirSync(join(folder, 'target'));
        symlinkSync('target', join(folder, 'theirs'));
        if (isRoot) lchownSync(join(folder, 'theirs'), 65534, 65534);
        const refusing = [
          '-f',
          '-qq',
          '-o',
          join(folder, 'strace'),
          '-P',
          '/',
          '-e',
          'trace=openat',
          '-e',
          'inject=openat:error=EINVAL',
        ];
        const { stdout } = spawnSync('strace', [...refusing, process.execPath, '-e', script], { cwd: folder });
        const theirs = /^ERR_HEARTBEAT_WRITE .* is a symbolic link of another user \(uid 65534\)/;
        const [deep, link] = stdout.toString().trim().split('\n');
        expect(deep).toBe('true');
        expect(link).toMatch(isRoot ? theirs : /^true$/);
        expect(readFileSync(join(folder, 'strace'), 'utf8')).toMatch(/O_PATH.*\(INJECTED\)/);
      });
    },
  );

  test('a relative path through a link and .. is the file that the probes read', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'far', 'away'), { recursive: true });
    symlinkSync('far/away', join(folder, 'jump'));
    const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      new T('jump/../timestamp').refresh();
      const probe = (...command) => require('child_process').spawnSync(command[0], [...command.slice(1), 'jump/../timestamp']).status;
      console.log(probe('sh', ${JSON.stringify(resolve('dist/liveness.sh'))}), probe(process.execPath, ${JSON.stringify(resolve('dist/liveness.js'))}));`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], {
      cwd: folder,
      env: { ...process.env, LOG_LEVEL: '' },
    });
    expect([stdout.toString().trim(), existsSync(join(folder, 'far', 'timestamp'))]).toEqual(['0 0', true]);
  });

  test.each([
    [
      'is too long for any reader',
      () => `${scratch()}/${'abcdefghi/'.repeat(500)}x`,
      'the path is longer than 4095 bytes',
    ],
    ['ends in a slash', () => `${scratch()}/`, 'the path ends in a slash'],
    ['leads through a file', () => `${fileOf('x')}/below/timestamp`, 'below'],
  ])('a path that %s is refused, and the message says why', (_, the, says) => {
    const refresh = (): unknown => new TwoMinutes(the()).refresh();
    expect(refresh).toThrow(says);
    expect(refresh).not.toThrow('/proc/self/fd');
  });

  test('throws if no folder can be made there, and does not try for ever', () => {
    const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      try { new T('/proc/nope/timestamp').refresh() } catch (error) { console.log(error.code) }`;
    expect(spawnSync(process.execPath, ['-e', script], { timeout: PATIENCE }).stdout.toString().trim()).toBe(
      'ERR_HEARTBEAT_WRITE',
    );
  });

  test.each([
    ['symlink', symlinkSync],
    ['hard link', linkSync],
  ] as const)('never writes through a %s to a file of the right size', (_, plant) => {
    const precious = 'x'.repeat(256);
    const victim = fileOf(precious);
    mkdirSync(dirname(path));
    plant(victim, path);
    expect(beating().refresh().alive).toBe(true);
    expect(readFileSync(victim, 'latin1')).toBe(precious);
    expect(lstatSync(path)).toMatchObject({ nlink: 1 });
  });

  test('throws for a FIFO and a socket of our own user, and leaves them there, because another service may use them', () => {
    mkdirSync(dirname(path));
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    for (const plant of [() => execFileSync('mkfifo', [path]), () => spawnSync(process.execPath, ['-e', script])]) {
      plant();
      const { ino } = lstatSync(path);
      expect(thrown(() => beating().refresh()).message).toContain('is left alone: is not a regular file');
      expect(lstatSync(path).ino).toBe(ino);
      rmSync(path);
    }
  });

  test('replaces a symlink and a hard link, and does not change their targets', () => {
    const victim = fileOf('precious');
    const plant: (() => void)[] = [
      () => {
        symlinkSync(victim, path);
      },
      () => {
        linkSync(victim, path);
      },
      () => {
        symlinkSync('/nowhere/at/all', path);
      },
    ];
    mkdirSync(dirname(path));
    for (const planted of plant) {
      planted();
      const timestamp = beating();
      expect(timestamp.refresh().alive).toBe(true);
      expect(lstatSync(path)).toMatchObject({ nlink: 1, size: 256 });
      expect(readFileSync(victim, 'latin1')).toBe('precious');
      timestamp.delete();
    }
  });

  test('throws for a directory and leaves it there', () => {
    mkdirSync(path, { recursive: true });
    expect(thrown(() => beating().refresh()).message).toContain('it is a directory');
    expect(readdirSync(dirname(path))).toEqual(['timestamp']);
  });

  test.each(['/dev/null', '/dev/stdout'])(
    'throws for our own link to %s, a device or a pipe, and leaves it there',
    (target) => {
      const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      const timestamp = new T(process.env.HEARTBEAT);
      for (const act of ['refresh', 'delete']) try { timestamp[act]() } catch (error) { console.log(error.message) }`;
      mkdirSync(dirname(path));
      symlinkSync(target, path);
      const { stdout } = spawnSync(process.execPath, ['-e', script], {
        env: { ...process.env, HEARTBEAT: path },
        encoding: 'utf8',
      });
      expect(stdout.match(/it is a symbolic link to a device, a pipe or a socket/g)).toHaveLength(2);
      expect(readlinkSync(path)).toBe(target);
    },
  );

  test('throws for links that lead in a circle', () => {
    const folder = scratch();
    symlinkSync('b', join(folder, 'a'));
    symlinkSync('a', join(folder, 'b'));
    const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      try { new T('a/timestamp').refresh() } catch (error) { console.log(error.message) }`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], {
      cwd: folder,
      timeout: PATIENCE,
      encoding: 'utf8',
    });
    expect(stdout).toContain('too many symbolic links');
  });

  test.each([0, 192, 255, 257, 500])('replaces a leftover of %i bytes', (size) => {
    mkdirSync(dirname(path));
    writeFileSync(path, 'k8s-liveness/1'.padEnd(size).slice(0, size));
    expect(beating().refresh().alive).toBe(true);
    expect(statSync(path).size).toBe(256);
  });

  test.each<[string, string | Buffer]>([
    ['an empty file', ''],
    ['a lone newline', '\n'],
    ['the NULs that a crash leaves', Buffer.alloc(256)],
    ['a page of NULs', Buffer.alloc(4096)],
    ['a torn heartbeat', 'k8s-liveness/1 12 34'],
    ['a heartbeat from before there were tasks', OLD],
    ['its first bytes', 'k8s-li'],
    ['its first bytes, and the NULs of a crash', `k8s\0${'\0'.repeat(188)}`],
    ['another version of the format', 'k8s-liveness/2 whatever\nelse\n'],
    ['a heartbeat after spaces', '  k8s-liveness/1 x'],
    ['what date +%s writes', '1700000000\n'],
    ["what Python's time.time() writes", '1700000000.123456'],
    ['an epoch by a clock that is ahead', '9999999999'],
  ])('replaces %s', (_, content) => {
    mkdirSync(dirname(path));
    writeFileSync(path, content);
    expect(beating().refresh().alive).toBe(true);
    expect(statSync(path).size).toBe(256);
  });

  test.each<[string, string | Buffer, string]>([
    ['notes', 'call the bank\n', 'other content (14 bytes)'],
    ['a record-sized file of anything', 'x'.repeat(256), 'other content (256 bytes)'],
    ['a pid', '4711\n', 'a number (5 bytes)'],
    ['the largest pid', '4194304', 'a number (7 bytes)'],
    ["a version's number", '3.14', 'other content (4 bytes)'],
    ['a longer number', '123456789012', 'a number (12 bytes)'],
    ['several numbers', '1700000000\n1700000001\n', 'other content (22 bytes)'],
    ['text after an epoch', '1700000000\nnotes', 'other content (16 bytes)'],
    ['text after a newline', '\ntext', 'other content (5 bytes)'],
    ['many NULs', Buffer.alloc(4097), 'NUL bytes (4097 bytes)'],
    ['text behind NULs', Buffer.concat([Buffer.alloc(5000), Buffer.from('text')]), 'NUL bytes (5004 bytes)'],
    ['text that mentions a heartbeat', 'the k8s-liveness/1 format', 'other content (25 bytes)'],
    ['a line that begins like one', 'k8s\n', 'other content (4 bytes)'],
  ])('refuses %s, and says what was expected and what is there', (_, content, what) => {
    mkdirSync(dirname(path));
    writeFileSync(path, content);
    const before = statSync(path);
    const error = thrown(() => beating().refresh());
    expect(error).toMatchObject({
      code: 'ERR_HEARTBEAT_WRITE',
      message: `cannot record the first heartbeat at ${path}: it holds ${what}; expected a heartbeat, seconds since the epoch, an empty file or none: remove it, or choose another path`,
    });
    expect(thrown(() => beating().refresh({ maximumAge: 5 })).code).toBe('ERR_HEARTBEAT_WRITE');
    beating().delete();
    expect([readFileSync(path), statSync(path).ino, readdirSync(dirname(path))]).toEqual([
      Buffer.from(content),
      before.ino,
      ['timestamp'],
    ]);
  });

  test('replaces a file of ours that has a second name, under which the file stays', () => {
    const victim = fileOf('precious');
    mkdirSync(dirname(path));
    linkSync(victim, path);
    expect(beating().refresh().alive).toBe(true);
    expect(readFileSync(victim, 'latin1')).toBe('precious');
  });

  test('after delete() is checked as a first beat again', () => {
    const timestamp = beating().refresh();
    timestamp.delete();
    writeFileSync(path, 'notes');
    expect(thrown(() => timestamp.refresh()).message).toContain('it holds other content (5 bytes)');
    expect(readFileSync(path, 'latin1')).toBe('notes');
  });

  test('needs no global crypto', () => {
    const script = `delete globalThis.crypto;
      const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      console.log(new T(process.env.HEARTBEAT).refresh().alive);`;
    expect(
      spawnSync(process.execPath, ['-e', script], { env: { ...process.env, HEARTBEAT: path }, encoding: 'utf8' })
        .stdout,
    ).toBe('true\n');
  });

  test.each([
    ['/dev/stdout', '/dev/stdout'],
    ['the descriptor', '/proc/self/fd/1'],
    ['a relative link to it', 'second'],
    ['a folder that is a link into /proc', 'third/1'],
    ['a folder beside it', 'fourth/timestamp'],
  ])('refuses a link of our own that leads through %s, also if it ends at a plain file', (_, target) => {
    const folder = dirname(path);
    mkdirSync(folder);
    symlinkSync(target, path);
    symlinkSync('../liveness/./first', join(folder, 'second'));
    symlinkSync('/dev/stdout', join(folder, 'first'));
    symlinkSync('/proc/self/fd', join(folder, 'third'));
    symlinkSync(`/proc/self/root${folder}`, join(folder, 'fourth'));
    const script = `const { Timestamp, ProcessTimestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      const said = [];
      for (const act of ['refresh', 'delete']) try { new T(process.env.HEARTBEAT)[act]() } catch (error) { said.push(error.message) }
      console.error(JSON.stringify(said));`;
    const out = openSync(fileOf('plain'), 'r+');
    const { stderr } = spawnSync(process.execPath, ['-e', script], {
      env: { ...process.env, HEARTBEAT: path },
      stdio: ['ignore', out, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(out);
    const says = expect.stringMatching(/: it is a symbolic link that leads through \/proc or \/dev$/) as string;
    expect(JSON.parse(stderr)).toEqual([says, says]);
    expect(readlinkSync(path)).toBe(target);
  });

  test('replaces a link of our own to a plain file, also in /dev/shm', () => {
    mkdirSync(dirname(path));
    const victim = join(scratch({ memory: true }), 'timestamp');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, path);
    expect(beating().refresh().alive).toBe(true);
    expect(readFileSync(victim, 'latin1')).toBe('precious');
  });

  test('goes through a symlinked folder of our own', () => {
    const real = scratch();
    symlinkSync(real, dirname(path));
    expect(beating().refresh().alive).toBe(true);
  });

  test('overwrites a leftover in place, so that it works on a full disk', () => {
    mkdirSync(dirname(path));
    renameSync(fileOf(record({ pid: spawnSync('true').pid })), path);
    chmodSync(path, 0o600);
    const { ino } = statSync(path);
    beating().refresh();
    expect(statSync(path).ino).toBe(ino);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(recorded().pid).toBe(process.pid);
  });
});

describe('later beats', () => {
  let warnings: jest.SpiedFunction<typeof process.emitWarning>;
  beforeEach(() => {
    warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => {
    warnings.mockRestore();
  });

  test.each([1_800_000, { minutes: 30 }] as const)(
    'with a limit of %j are tried once in 10 ms, also if each call passes a new object',
    (limit) => {
      const timestamp = beating().refresh();
      rmSync(dirname(path), { recursive: true });
      writeFileSync(dirname(path), 'in the way');
      clock.advance(WINDOW);
      for (let turn = 0; turn < 3; turn++) {
        for (let beat = 0; beat < 100; beat++)
          timestamp.refresh({ maximumAge: typeof limit === 'number' ? limit : { ...limit } });
        clock.advance(10);
      }
      expect(timestamp.failedWrites).toBe(3);
    },
  );

  test('never throw: they warn once per outage, and recover by themselves', () => {
    const timestamp = beating().refresh();
    for (const outage of [1, 2]) {
      rmSync(dirname(path), { recursive: true });
      writeFileSync(dirname(path), 'in the way');
      clock.advance(WINDOW);
      for (let turn = 0; turn < 3; turn++) {
        for (let beat = 0; beat < 1000; beat++) timestamp.refresh(); // tried once in 10 ms, not a thousand times
        clock.advance(10); // a failed write does not advance the window
      }
      expect(warnings).toHaveBeenCalledTimes(outage);
      expect(warnings).toHaveBeenLastCalledWith(expect.stringContaining(`${path}: cannot record a heartbeat: `), {
        type: 'LivenessWarning',
        code: 'HEARTBEAT_NOT_WRITTEN',
      });
      expect(timestamp.failedWrites).toBe(outage * 3);
      rmSync(dirname(path));
      expect(timestamp.refresh().alive).toBe(true);
    }
  });

  test('with another limit are tried at once, also in an outage', () => {
    const timestamp = beating().refresh();
    rmSync(dirname(path), { recursive: true });
    writeFileSync(dirname(path), 'in the way');
    clock.advance(WINDOW);
    timestamp.refresh();
    rmSync(dirname(path));
    timestamp.refresh({ maximumAge: { hours: 1 } });
    expect(recorded().kind).toBe('step');
  });

  test('restore a file that was deleted, renamed away, replaced or truncated', () => {
    const timestamp = beating().refresh();
    const harm: (() => void)[] = [
      () => {
        rmSync(path);
      },
      () => {
        renameSync(path, `${path}.old`);
      },
      () => {
        renameSync(fileOf('another'), path);
      },
      () => {
        rmSync(dirname(path), { recursive: true });
      },
      () => {
        writeFileSync(path, '');
      },
      () => {
        writeFileSync(path, 'x'.repeat(500));
      },
      () => {
        rmSync(path);
        symlinkSync('/nowhere', path);
      },
    ];
    for (const done of harm) {
      done();
      expect(Timestamp.byRef(path, { clock }).alive).toBe(false);
      clock.advance(WINDOW);
      expect(timestamp.refresh().verdict()).toMatchObject({ alive: true });
    }
    expect(timestamp.failedWrites).toBe(0);
  });

  test('warn once if another writer beats the same file, and go on', () => {
    const timestamp = beating().refresh();
    for (let turn = 0; turn < 3; turn++) {
      renameSync(fileOf(record({ writer: '0-abc' })), path);
      clock.advance(WINDOW);
      expect(timestamp.refresh().alive).toBe(true);
    }
    expect(warnings).toHaveBeenCalledTimes(1);
    expect(warnings).toHaveBeenCalledWith(expect.stringContaining('beats the same file'), {
      type: 'LivenessWarning',
      code: 'HEARTBEAT_SHARED',
    });
  });
});

describe('one writer per file: the first beat', () => {
  const holder = `
    const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
    class T extends Timestamp { maximumAge = 60000 }
    new T(process.env.HEARTBEAT).refresh();`;

  test('refuses a file that another instance beats, until that instance lets go', () => {
    const first = beating().refresh();
    const second = beating();
    const error = thrown(() => second.refresh());
    expect(error).toMatchObject({ code: 'ERR_HEARTBEAT_IN_USE', path });
    expect(error.message).toContain(`a Timestamp of process ${process.pid}`);
    expect(error.message).toContain('give each its own path, or delete() the other first');
    expect(first.alive).toBe(true);
    first.delete();
    expect(second.refresh().alive).toBe(true);
  });

  test('refuses a file whose writer lives but is wedged', () => {
    beating().refresh();
    clock.advance(10 * LIMIT);
    expect(thrown(() => beating().refresh()).code).toBe('ERR_HEARTBEAT_IN_USE');
  });

  test('refuses a file that another process beats, and takes it over when that process has ended', () => {
    const script = `${holder}
      const child = require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(holder)}]);
      console.log(/ERR_HEARTBEAT_IN_USE/.test(child.stderr), child.status);`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { env: { ...process.env, HEARTBEAT: path } });
    expect(stdout.toString().trim()).toBe('true 1');
    expect(beating().refresh().alive).toBe(true);
  });

  test('refuses a file that another thread beats, and takes it over when that thread has ended', async () => {
    const script = `${holder} require('node:worker_threads').parentPort.postMessage('beaten'); setInterval(() => {}, 1e6)`;
    const thread = new Worker(script, { eval: true, env: { HEARTBEAT: path } });
    try {
      await new Promise((settle, fail) => thread.once('message', settle).once('error', fail));
      expect(thrown(() => beating().refresh()).code).toBe('ERR_HEARTBEAT_IN_USE');
    } finally {
      await thread.terminate();
    }
    expect(beating().refresh().alive).toBe(true);
  });

  test.each<[string, Partial<HeartbeatRecord>]>([
    ['of another boot', { boot: '0-0-0-0-1' }],
    ['without a pid', { pid: undefined, start: undefined }],
    ['whose pid was reused', { start: 1 }],
    ['of unknown start and an hour ahead', { start: undefined, wall: Date.now() + 3_600_000 }],
    ['of unknown start and without a limit', { start: undefined, limit: Infinity }],
    ['of unknown start and past its limit', { start: undefined, limit: 6000, wall: Date.now() - 3_600_000 }],
  ])('takes over a leftover %s', (_, changes) => {
    mkdirSync(dirname(path));
    renameSync(fileOf(record(changes)), path);
    expect(beating().refresh().alive).toBe(true);
  });

  test('refuses a fresh heartbeat whose writer has no known start time', () => {
    mkdirSync(dirname(path));
    renameSync(fileOf(record({ start: undefined })), path);
    expect(thrown(() => beating().refresh()).code).toBe('ERR_HEARTBEAT_IN_USE');
  });
});

describe('delete', () => {
  test('removes the heartbeat and frees its path; the next beat is a first one', () => {
    const timestamp = beating().refresh();
    timestamp.delete();
    expect(existsSync(path)).toBe(false);
    timestamp.delete();
    expect(timestamp.refresh().alive).toBe(true);
    timestamp.delete();
    mkdirSync(path);
    expect(thrown(() => timestamp.refresh()).code).toBe('ERR_HEARTBEAT_WRITE');
  });

  test.each<[string, string]>([
    ['a plain file', 'notes'],
    ['an empty one', ''],
    ['an epoch', '1700000000'],
    ['a torn heartbeat', 'k8s-liveness/1 7'],
    ['another version', 'k8s-liveness/2 x'],
  ])('leaves %s that somebody has put there, whether or not this instance has beaten', (_, content) => {
    for (const timestamp of [beating().refresh(), beating()]) {
      writeFileSync(path, content);
      timestamp.delete();
      expect(readFileSync(path, 'latin1')).toBe(content);
    }
  });

  test.each(['symlink', 'fifo', 'directory'])('leaves a %s that somebody has put there, and says so', (kind) => {
    const timestamp = beating().refresh();
    rmSync(path);
    if (kind === 'symlink') symlinkSync('/nowhere', path);
    else execFileSync(kind === 'fifo' ? 'mkfifo' : 'mkdir', [path]);
    expect(
      thrown(() => {
        timestamp.delete();
      }),
    ).toMatchObject({
      code: 'ERR_HEARTBEAT_WRITE',
      message: expect.stringContaining('the existing file is left alone: is ') as string,
    });
    expect(readdirSync(dirname(path))).toEqual(['timestamp']);
  });

  test('leaves the heartbeat of another writer that came later', () => {
    const timestamp = beating().refresh();
    renameSync(fileOf(record({ pid: undefined, start: undefined, writer: '0-abc' })), path);
    timestamp.delete();
    expect(recorded().writer).toBe('0-abc');
  });

  test('forgets the last beat: the time until the next one is no gap', () => {
    const timestamp = beating().refresh();
    timestamp.delete();
    clock.advance(3_600_000);
    timestamp.refresh();
    expect(timestamp.longestGap).toBe(0);
  });

  test('does not throw if the folder is gone or has become a file', () => {
    const timestamp = beating().refresh();
    rmSync(dirname(path), { recursive: true });
    writeFileSync(dirname(path), '');
    timestamp.delete();
    expect(existsSync(path)).toBe(false);
  });

  test('without a beat removes a leftover, and refuses what another living writer beats', () => {
    const other = beating().refresh();
    expect(
      thrown(() => {
        beating().delete();
      }).code,
    ).toBe('ERR_HEARTBEAT_IN_USE');
    expect(other.alive).toBe(true);
    other.delete();
    renameSync(fileOf(record({ pid: spawnSync('true').pid })), path);
    beating().delete();
    expect(existsSync(path)).toBe(false);
  });

  test('leaves no descriptor open', () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    beating().refresh().delete();
    const before = open();
    for (let turn = 0; turn < 20; turn++) {
      const timestamp = beating().refresh();
      rmSync(path);
      clock.advance(WINDOW);
      timestamp.refresh();
      timestamp.delete();
    }
    expect(open()).toBe(before);
  });
});

test('a Timestamp that is garbage-collected closes its file', () => {
  const script = `
    const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
    class T extends Timestamp { maximumAge = 60000 }
    const open = () => require('node:fs').readdirSync('/proc/self/fd').length;
    const before = open();
    for (let made = 0; made < 50; made++) new T(process.argv[1] + made).refresh();
    const held = open() - before;
    (async () => {
      while (open() > before) { gc(); await new Promise(setImmediate); } // jest ends it if this never comes true
      console.log(held);
    })();`;
  const { stdout } = spawnSync(process.execPath, ['--expose-gc', '-e', script, path], { timeout: 60_000 });
  expect(stdout.toString().trim()).toBe('50');
});

describeIf(isRoot, 'root, to give files to another user')('files of others', () => {
  test('a file of another user is replaced, not written', () => {
    mkdirSync(dirname(path));
    renameSync(fileOf(record({ pid: spawnSync('true').pid })), path);
    chownSync(path, 12345, 12345);
    const { ino } = statSync(path);
    expect(beating().refresh().alive).toBe(true);
    expect(statSync(path)).toMatchObject({ uid: 0 });
    expect(statSync(path).ino).not.toBe(ino);
  });

  test.each(['an empty folder', 'a leftover of ours'])('%s behind a symlink of another user is refused', (what) => {
    const folder = scratch();
    if (what !== 'an empty folder') renameSync(fileOf(record({ pid: undefined })), join(folder, 'timestamp'));
    symlinkSync(folder, dirname(path));
    lchownSync(dirname(path), 12345, 12345);
    expect(thrown(() => beating().refresh()).message).toContain('is a symbolic link of another user (uid 12345)');
  });

  test('a symlink of our own is refused if another user could replace it, and followed in a sticky folder', () => {
    const folder = dirname(dirname(path));
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', dirname(path));
    chmodSync(folder, 0o777);
    expect(thrown(() => beating().refresh()).message).toContain('is a symbolic link that another user can replace');
    chmodSync(folder, 0o1777);
    expect(beating().refresh().alive).toBe(true);
    expect(readdirSync(join(folder, 'real'))).toEqual(['timestamp']);
  });

  test('a link of another user to a device is replaced, because it would block the beats', () => {
    mkdirSync(dirname(path));
    symlinkSync('/dev/null', path);
    lchownSync(path, 65534, 65534);
    expect(beating().refresh().alive).toBe(true);
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test("root's link in another user's folder is refused, because that user could replace it", () => {
    const folder = scratch();
    mkdirSync(join(folder, 'real'));
    mkdirSync(join(folder, 'his'));
    symlinkSync('../real', join(folder, 'his', 'link'));
    chownSync(join(folder, 'his'), 65534, 65534);
    expect(thrown(() => new TwoMinutes(join(folder, 'his', 'link', 'timestamp')).refresh()).message).toContain(
      "its folder is uid 65534's",
    );
    expect(readdirSync(join(folder, 'real'))).toEqual([]);
  });

  test("an ordinary user's service follows root's link in root's folder, for example /var/run", () => {
    const folder = open(scratch());
    mkdirSync(join(folder, 'run'));
    chownSync(join(folder, 'run'), 65534, 65534);
    symlinkSync('run', join(folder, 'var-run'));
    const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 60000 }
      process.setgid(65534); process.setuid(65534);
      console.log(String(new T(${JSON.stringify(join(folder, 'var-run', 'timestamp'))}).refresh()));`;
    expect(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout).toMatch(/^alive: /);
    expect(readdirSync(join(folder, 'run'))).toEqual(['timestamp']);
  });

  test('a device is refused and left there', () => {
    mkdirSync(dirname(path));
    execFileSync('mknod', [path, 'c', '1', '3']);
    const timestamp = beating();
    expect(thrown(() => timestamp.refresh()).message).toContain('it is a device');
    expect(
      thrown(() => {
        timestamp.delete();
      }).message,
    ).toContain('it is a device');
    expect(lstatSync(path).isCharacterDevice()).toBe(true);
  });
});

describeIf(canMount, 'root, to mount')('on unusual mounts', () => {
  test('beats go on if the disk fills up, also after a restart over the leftover', () => {
    const output = within(
      TMPFS,
      `const first = new T(path, { clock }).refresh();
       ${FILL}
       now += 1e4;
       console.log(first.refresh().alive, first.failedWrites);
       const { execFileSync } = require('node:child_process');
       const again = "const { Timestamp } = require('" + ${JSON.stringify(resolve('dist/index.js'))} + "');" +
         "class T extends Timestamp { maximumAge = 60000 } console.log(new T('" + path + "').refresh().alive)";
       fs.writeFileSync(folder + '/fill', '');
       first.delete();
       console.log(String(execFileSync(process.execPath, ['-e', again])).trim());
       ${FILL}
       console.log(String(execFileSync(process.execPath, ['-e', again])).trim());`,
    );
    expect(output.split('\n')).toEqual(['ENOSPC', 'true 0', 'true', 'ENOSPC', 'true']);
  });

  test('a leftover from before there were tasks is taken over on a full disk', () => {
    const output = within(
      TMPFS,
      `fs.writeFileSync(path, ${JSON.stringify(OLD)});
       ${FILL}
       console.log(new T(path, { clock }).refresh().alive, fs.statSync(path).size);`,
    );
    expect(output.split('\n')).toEqual(['ENOSPC', 'true 256']);
  });

  const STATE = `const state = (name = 'timestamp') => JSON.stringify([fs.statSync(folder + '/' + name).size, Timestamp.byRef(folder + '/' + name, { clock }).verdict().reason ?? 'alive']);`;

  test.each([
    ['an empty file', ': >@/timestamp'],
    ['a leftover from before there were tasks', `printf "${OLD.trimEnd()} \\n" >@/timestamp`],
    ['a longer leftover', 'printf "k8s-liveness/1 %0300d" 7 >@/timestamp'],
  ])('%s that is itself a mount point is written in place, and cleared by delete()', (_, make) => {
    const output = within(
      `${make} && mount --bind @/timestamp @/timestamp`,
      `${STATE}
       const first = new T(path, { clock }).refresh();
       const { ino } = fs.statSync(path);
       console.log(state(), fs.readdirSync(folder).join());
       now += 1e4;
       first.refresh();
       console.log(state(), first.failedWrites);
       first.delete();
       console.log(state());
       console.log(new T(path, { clock }).refresh().alive, fs.statSync(path).ino === ino);`,
    );
    expect(output.split('\n')).toEqual(['[256,"alive"] timestamp', '[256,"alive"] 0', '[1,"malformed"]', 'true true']);
  });

  test('one in a read-only folder too', () => {
    const output = within(
      ': >@/file && mkdir @/ro && mount -t tmpfs tmpfs @/ro && : >@/ro/timestamp && mount --bind @/file @/ro/timestamp && mount -o remount,ro @/ro',
      `${STATE} const first = new T(folder + '/ro/timestamp', { clock }).refresh(); console.log(state('ro/timestamp')); first.delete(); console.log(state('ro/timestamp'));`,
    );
    expect(output.split('\n')).toEqual(['[256,"alive"]', '[1,"malformed"]']);
  });

  test("a mounted file that holds something else, or is another user's, is refused, and the message says why", () => {
    const output = within(
      'echo notes >@/a && mount --bind @/a @/a && : >@/b && chown 1:1 @/b && mount --bind @/b @/b',
      `for (const name of ['a', 'b']) try { new T(folder + '/' + name).refresh() } catch (error) { console.log(error.message.split(folder)[1], fs.readFileSync(folder + '/' + name, 'latin1').length) }`,
    );
    expect(output.split('\n')).toEqual([
      '/a: it holds other content (6 bytes); expected a heartbeat, seconds since the epoch, an empty file or none: remove it, or choose another path 6',
      '/b: it is a mount point: mount its folder 0',
    ]);
  });

  test('the pid and the error of a process directory are written in place if they are mount points', () => {
    const output = within(
      'for name in pid error timestamp; do : >@/$name && mount --bind @/$name @/$name || exit; done',
      `(async () => {
         const text = () => ['pid', 'error'].map((name) => JSON.stringify(fs.readFileSync(folder + '/' + name, 'latin1'))).join();
         const it = (await new ProcessTimestamp(folder).load([])).set(12345).set(7);
         console.log(text() === JSON.stringify(String(process.pid)) + ',"7"', it.verdict().reason);
         it.reset();
         console.log(text());
       })();`,
    );
    expect(output.split('\n')).toEqual(['true failed', '"\\n","\\n"']);
  });

  test('/dev/stdout is refused and left there if the user is root and stdout is a plain file', () => {
    const output = within(
      'mount -t tmpfs tmpfs /dev && ln -s /proc/self/fd/1 /dev/stdout && exec >@/out',
      `for (const act of ['refresh', 'delete']) try { new T('/dev/stdout')[act]() } catch (error) { console.error(error.message) }
       console.error(fs.readlinkSync('/dev/stdout'), fs.readdirSync('/dev').join());`,
    );
    expect(output.split('\n')).toEqual([
      'cannot record the first heartbeat at /dev/stdout: it is a symbolic link that leads through /proc or /dev',
      'cannot remove the heartbeat file at /dev/stdout: it is a symbolic link that leads through /proc or /dev',
      '/proc/self/fd/1 stdout',
    ]);
  });

  describeIf(
    spawnSync('bindfs', ['--version']).status === 0 && existsSync('/dev/fuse'),
    'bindfs (apt-get install bindfs) and /dev/fuse',
  )('on a mount with fixed modes, which refuses chmod', () => {
    // In a pid namespace of its own, so that bindfs ends with it.
    const OWN_PIDS = ['--pid', '--fork', '--kill-child', '--mount-proc'];
    const CLI = JSON.stringify(resolve('dist/cli.js'));

    test.each([
      ['0777', 'alive'],
      ['0755', 'alive'],
      ['0600', 'EPERM'],
    ])('of %s: Timestamp, ProcessTimestamp, touch and run', (perms, outcome) => {
      const output = within(
        `mkdir @/source @/mount && bindfs --perms=${perms} --chmod-deny @/source @/mount`,
        `const { spawnSync } = require('node:child_process');
         const at = folder + '/mount/made';
         const said = (act) => { try { return act() ? 'alive' : 'dead' } catch (error) { return error.cause?.code } };
         const cli = (...args) => { const { status, stderr } = spawnSync(process.execPath, [${CLI}, ...args], { encoding: 'utf8' }); return status === 0 ? 'alive' : /EPERM/.exec(stderr)?.[0] };
         (async () => {
           console.log(said(() => new T(at + '/timestamp').refresh().alive));
           console.log(await new ProcessTimestamp(at + '/unit').load([]).then((it) => it.set().alive ? 'alive' : 'dead', (error) => error.cause?.code));
           console.log(cli('touch', at + '/touched', '--maximum-age', '2m'));
           console.log(cli('run', '--maximum-age', '2m', '--directory', at + '/run', '--', 'true'));
         })();`,
        OWN_PIDS,
      );
      expect(output.split('\n')).toEqual([outcome, outcome, outcome, outcome]);
    });
  });

  test('the first beat throws on a full disk without a leftover, and leaves nothing behind', () => {
    const output = within(
      TMPFS,
      `${FILL} console.log(code(() => new T(path).refresh()), fs.readdirSync(folder).join());`,
    );
    expect(output.split('\n')).toEqual(['ENOSPC', 'ERR_HEARTBEAT_WRITE ENOSPC fill']);
  });

  test('if the folder of a mount was unlinked, the beat fails and the loop goes on', () => {
    const output = within(
      'mkdir @/source @/target && mount --bind @/source @/target',
      `const timestamp = new T(folder + '/target/live/timestamp', { clock }).refresh();
       fs.rmSync(folder + '/target/live', { recursive: true });
       fs.rmdirSync(folder + '/source');
       now += 1e4;
       timestamp.refresh();
       console.log(timestamp.failedWrites);`,
    );
    expect(output.split('\n')[0]).toBe('1');
  });

  test.each([
    ['/proc', (root: string) => root],
    [
      'another mount of proc',
      (root: string, pid: number, folder: string) => join(root, 'proc', String(pid), 'root', folder),
    ],
  ])('a path by PID/root in %s is a beat in that mount namespace, not in ours', async (_, by) => {
    const folder = scratch();
    const mounts = `mount -t tmpfs tmpfs '${folder}' && mkdir '${folder}/proc' && mount -t proc proc '${folder}/proc'`;
    const pid = await ready(start('unshare', ['--mount', 'sh', '-c', `${mounts} && echo && exec sleep 600`]));
    const root = join('/proc', String(pid), 'root', folder);
    const there = join(by(root, pid, folder), 'timestamp');
    expect(beating().refresh().alive).toBe(true);
    expect(new TwoMinutes(there, { clock }).refresh().alive).toBe(true);
    expect([existsSync(join(root, 'timestamp')), readdirSync(folder)]).toEqual([true, []]);
  });

  test('if /proc/uptime is masked, no descriptor stays open, and the uptime still judges', () => {
    const output = within(
      'mount --bind /dev/null /proc/uptime',
      `const open = () => fs.readdirSync('/proc/self/fd').length;
       const timestamp = new T(path, { clock }).refresh();
       const before = open();
       for (let turn = 0; turn < 50; turn++) { now += 1e4; timestamp.refresh().alive; }
       console.log(timestamp.verdict().clock, open() - before);`,
    );
    expect(output).toBe('uptime 0');
  });

  test('the first beat throws on a read-only mount', () => {
    const output = within('mount -t tmpfs -o ro tmpfs @', `console.log(code(() => new T(path).refresh()));`);
    expect(output).toBe('ERR_HEARTBEAT_WRITE EROFS');
  });

  test('the first beat throws in a folder that an ordinary user may not write to', () => {
    const output = within(
      ':',
      `fs.chmodSync(folder, 0o555); process.setuid(65534); console.log(code(() => new T(path).refresh()));`,
    );
    expect(output).toBe('ERR_HEARTBEAT_WRITE EACCES');
  });
});
