import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Duration } from 'date-fns';
import { LivenessError, ProcessTimestamp, Timestamp, type HealthCheck, type TimestampOptions } from '../src';
import { manualClock, type ManualClock } from './support/clock';
import { describeIf } from './support/describe-if';
import { canMount, FILL, TMPFS, within } from './support/mounts';
import { ready, start } from './support/processes';
import { beforeRemoval, directoryOf, record, scratch } from './support/records';

class Daemon extends ProcessTimestamp {
  override readonly maximumAge: number | Duration = { minutes: 2 };
}

const LIBRARY = resolve('dist/index.js');
let directory: string;
let clock: ManualClock;
beforeEach(() => {
  directory = join(scratch(), 'run', 'unit');
  clock = manualClock();
});

async function thrown(act: () => unknown): Promise<LivenessError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof LivenessError) return error;
    throw error;
  }
  throw new Error('expected a LivenessError; nothing was thrown');
}

function there(): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

describe('load', () => {
  test('runs functions and objects in order, sync or async, with the arguments, and then writes the pid', async () => {
    const calls: unknown[] = [];
    const object = {
      limit: 5,
      health(...args: unknown[]) {
        calls.push(['object', this.limit, ...args, there()]);
        return true;
      },
    };
    const callable = Object.assign(
      () => {
        throw new Error('not this one');
      },
      {
        health: (...args: unknown[]) => {
          calls.push(['function with health', ...args]);
        },
      },
    );
    const slow = async (...args: unknown[]): Promise<boolean> => {
      await new Promise(setImmediate);
      calls.push(['slow', ...args]);
      return true;
    };
    const timestamp = await new ProcessTimestamp(directory).load([slow, object, callable, () => undefined], 'a', 7);
    expect(calls).toEqual([
      ['slow', 'a', 7],
      ['object', 5, 'a', 7, []],
      ['function with health', 'a', 7],
    ]);
    expect(timestamp.pid).toBe(process.pid);
    expect(there()).toEqual(['pid', 'timestamp']);
    timestamp.reset();
  });

  test('leaves the process unhealthy until set(): the error file is missing', async () => {
    const timestamp = await new ProcessTimestamp(directory).load([]);
    expect(timestamp.verdict()).toMatchObject({ alive: false, reason: 'missing', detail: 'error file: no such file' });
    expect(timestamp.error).toBeUndefined();
    expect(timestamp.set().alive).toBe(true);
    timestamp.reset();
  });

  const named = (): boolean => false;
  class Disk {
    health(): Promise<boolean> {
      return Promise.resolve(false);
    }
  }
  test.each<[string, HealthCheck, string]>([
    ['a function', named, 'named'],
    [
      'a function without a name',
      (
        () => () =>
          false
      )(),
      'anonymous function',
    ],
    ['an object with a name', Object.assign({ name: 'the peer' }, { health: () => false }), 'the peer'],
    ['an object of a class', new Disk(), 'Disk'],
    ['an object whose name has a newline', Object.assign({ name: 'two\nlines' }, { health: () => false }), 'two?lines'],
    ['an object', { health: () => false }, 'object'],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { health: () => false }), 'object'],
  ])('rejects when %s answers false, and names it', async (_, check, name) => {
    const later = jest.fn();
    const error = await thrown(() => new ProcessTimestamp(directory).load([() => true, check, later]));
    expect(error).toMatchObject({ code: 'ERR_HEALTH_CHECK', path: directory });
    expect(error.message).toBe(`health check 2 of 3 (${name}) answered false`);
    expect(later).not.toHaveBeenCalled();
    expect(there()).toEqual([]);
  });

  // As an error number 0 means healthy, but as a truth value 1 does.
  test.each([0, 1, -1, NaN, null, ''])('refuses the answer %p, which may mean healthy or unhealthy', async (answer) => {
    const error = await thrown(() => new ProcessTimestamp(directory).load([() => Promise.resolve(answer)]));
    expect(error.code).toBe('ERR_ARGUMENT');
    expect(error.message).toMatch(
      /^health check 1 of 1 \(anonymous function\) expected to answer true or false; got .+ \(\w+\)$/,
    );
    expect(there()).toEqual([]);
  });

  test.each([true, undefined, 'PONG', { ok: 1 }])('takes the answer %p as healthy', async (answer) => {
    const timestamp = await new ProcessTimestamp(directory).load([() => answer]);
    expect(there()).toEqual(['pid', 'timestamp']);
    timestamp.reset();
  });

  test.each(['sync', 'async'])('lets a %s exception through untouched', async (kind) => {
    const odd = Object.assign(new Error('mine'), { code: 'MINE' });
    const check = (): unknown => {
      if (kind === 'async') return Promise.reject(odd);
      throw odd;
    };
    await expect(new ProcessTimestamp(directory).load([check])).rejects.toBe(odd);
    expect(there()).toEqual([]);
  });

  test.each<[unknown, string]>([
    [undefined, 'load expected an array of health checks; got undefined (undefined)'],
    ['./check.js', "load expected an array of health checks; got './check.js' (string)"],
    [
      [() => true, 7],
      'health check 2 of 2 expected a function, an object with a method health, or a module that exports one; got 7 (number)',
    ],
    [
      [{ health: true }],
      'health check 1 of 1 expected a function, an object with a method health, or a module that exports one; got { health: true } (object)',
    ],
    [
      [null],
      'health check 1 of 1 expected a function, an object with a method health, or a module that exports one; got null (object)',
    ],
  ])('refuses %j as checks before it runs any', async (checks, message) => {
    expect(await thrown(() => new ProcessTimestamp(directory).load(checks as never[]))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message,
    });
  });

  test('removes the temporary files of killed writers, and nothing else', async () => {
    const leftovers = ['pid.1a.tmp', 'error.2b.tmp', 'timestamp.3c.tmp'];
    const others = ['mine.tmp', 'pid.tmp', 'pid.1.2.tmp', 'other.1a.tmp', 'error.log.tmp', 'pid.123456789.tmp'];
    mkdirSync(directory, { recursive: true });
    for (const name of [...leftovers, ...others]) writeFileSync(join(directory, name), '');
    const timestamp = await new ProcessTimestamp(directory).load([]);
    expect(there()).toEqual([...others, 'pid', 'timestamp'].sort());
    timestamp.reset();
  });

  test('lets in only one of two processes that call it at the same time in a new directory', async () => {
    const script = `process.stdin.once('data', () =>
      new (require(${JSON.stringify(LIBRARY)}).ProcessTimestamp)(process.argv[1])
        .load([]).then(() => 'loaded', (error) => error.code).then((said) => { process.stdout.write(said); setInterval(() => {}, 1e6); }));
      require(${JSON.stringify(LIBRARY)}); process.stdout.write('ready');`;
    for (let round = 0; round < 10; round++) {
      const both = [1, 2].map(() =>
        spawn(process.execPath, ['-e', script, `${directory}-${round}`], { stdio: ['pipe', 'pipe', 'inherit'] }),
      );
      for (const child of both)
        beforeRemoval.push(() => {
          child.kill('SIGKILL');
        });
      const said = (): Promise<string[]> =>
        Promise.all(
          both.map(
            (child) =>
              new Promise<string>((settle) =>
                child.stdout.once('data', (data) => {
                  settle(String(data));
                }),
              ),
          ),
        );
      await said();
      const outcomes = said();
      for (const child of both) child.stdin.write('go');
      expect((await outcomes).sort()).toEqual(['ERR_HEARTBEAT_IN_USE', 'loaded']);
      for (const child of both) child.kill('SIGKILL');
    }
  });

  test('removes a stale error before the checks, so that a leftover 0 does not stand for a reused pid', async () => {
    directory = directoryOf({ pid: process.pid, error: 0 });
    expect(ProcessTimestamp.byRef(directory).alive).toBe(true);
    let during: unknown;
    await new ProcessTimestamp(directory).load([
      () => {
        during = ProcessTimestamp.byRef(directory).verdict();
      },
    ]);
    expect(during).toMatchObject({ reason: 'missing', detail: 'error file: no such file' });
  });

  test('refuses a directory that another living process uses, and leaves it alone', async () => {
    const script = `new (require(${JSON.stringify(LIBRARY)}).ProcessTimestamp)(${JSON.stringify(directory)}).load([]).then((it) => { it.set(); process.stdout.write('.'); setInterval(() => {}, 1e6) })`;
    const other = start(process.execPath, ['-e', script]);
    const pid = await ready(other);
    const mine = new ProcessTimestamp(directory);
    const check = jest.fn();
    expect(await thrown(() => mine.load([check]))).toMatchObject({
      code: 'ERR_HEARTBEAT_IN_USE',
      message: expect.stringMatching(
        `^process directory ${directory} is in use by a Timestamp of process ${pid};.* or reset\\(\\) the other first$`,
      ) as string,
    });
    expect(check).not.toHaveBeenCalled();
    mine.reset(); // as in a finally block: it must not throw, and must not remove the files of the other process
    expect(mine.verdict()).toMatchObject({ alive: true, pid });
    other.kill('SIGKILL');
    await new Promise((settle) => other.once('exit', settle));
    expect(mine.verdict()).toMatchObject({ reason: 'gone', pid });
    expect((await mine.load([])).set().verdict()).toMatchObject({ alive: true, pid: process.pid });
    mine.reset();
  });

  test('again runs the checks again; if one fails, all files are removed', async () => {
    const timestamp = (await new ProcessTimestamp(directory).load([])).set();
    await expect(timestamp.load([named])).rejects.toMatchObject({ code: 'ERR_HEALTH_CHECK' });
    expect((await thrown(() => timestamp.set())).code).toBe('ERR_NOT_LOADED');
    expect(there()).toEqual([]);
    expect((await timestamp.load([])).set().alive).toBe(true);
    timestamp.reset();
  });

  test('again keeps the beats of the loop, and restores files that were removed', async () => {
    const timestamp = (await new ProcessTimestamp(directory).load([])).set();
    await timestamp.load([
      () => {
        rmSync(join(directory, 'timestamp'));
        timestamp.refresh({ maximumAge: 3_600_000 }); // written at once
        expect(there()).toEqual(['pid', 'timestamp']);
      },
    ]);
    expect(ProcessTimestamp.byRef(directory, { ignoreError: true }).alive).toBe(true);
    rmSync(directory, { recursive: true });
    await timestamp.load([]);
    expect(there()).toEqual(['pid', 'timestamp']);
    rmSync(join(directory, 'timestamp'));
    mkdirSync(join(directory, 'timestamp'));
    expect((await thrown(() => timestamp.load([]))).code).toBe('ERR_HEARTBEAT_WRITE');
  });

  test('rejects and writes nothing if reset() was called while the checks ran', async () => {
    const timestamp = new ProcessTimestamp(directory);
    expect(
      await thrown(() =>
        timestamp.load([
          () => {
            timestamp.reset();
          },
        ]),
      ),
    ).toMatchObject({ code: 'ERR_NOT_LOADED' });
    expect(there()).toEqual([]);
  });

  test('rejects if a later load() finished first, whose files stay', async () => {
    const timestamp = new ProcessTimestamp(directory);
    expect(await thrown(() => timestamp.load([() => timestamp.load([])]))).toMatchObject({ code: 'ERR_NOT_LOADED' });
    expect(timestamp.set().alive).toBe(true);
    await expect(
      timestamp.load([
        async () => {
          timestamp.reset();
          (await timestamp.load([])).set();
          return false;
        },
      ]),
    ).rejects.toThrow('answered false');
    expect(timestamp.alive).toBe(true);
    timestamp.reset();
  });

  describeIf(process.geteuid?.() === 0, 'root, to make a link of another user')("another user's symbolic link", () => {
    test('is refused, and the files behind it are not touched', async () => {
      const victim = directoryOf({ error: 0 });
      mkdirSync(join(directory, '..'));
      symlinkSync(victim, directory);
      lchownSync(directory, 65534, 65534);
      expect((await thrown(() => new ProcessTimestamp(directory).load([]))).message).toContain(
        'is a symbolic link of another user (uid 65534)',
      );
      expect(readdirSync(victim)).toEqual(['error']);
    });
  });

  test('throws if the directory cannot be written, and says what to do', async () => {
    mkdirSync(join(directory, '..'), { recursive: true });
    writeFileSync(directory, 'in the way');
    const error = await thrown(() => new ProcessTimestamp(directory).load([]));
    expect(error).toMatchObject({ code: 'ERR_HEARTBEAT_WRITE', path: directory });
    expect(error.message).toContain('expected a writable directory: set LIVENESS_RUNDIR or pass a path');
    expect(error.message).not.toContain('\n');
  });

  test('throws if a directory is in the place of the pid', async () => {
    mkdirSync(join(directory, 'pid'), { recursive: true });
    const error = await thrown(() => new ProcessTimestamp(directory).load([]));
    expect(error).toMatchObject({
      code: 'ERR_HEARTBEAT_WRITE',
      message: expect.stringContaining('cannot write the pid') as string,
    });
    // It left no living timestamp either: that would make the next load() throw.
    rmSync(join(directory, 'pid'), { recursive: true });
    await new ProcessTimestamp(directory).load([]);
  });

  test.each(['pid', 'error', 'timestamp'])(
    'refuses a directory whose %s holds text, and touches nothing',
    async (name) => {
      directory = directoryOf({ pid: 4711, error: 1, [name]: 'first line\nsecond line\n' });
      const before = there().map((name) => readFileSync(join(directory, name), 'latin1'));
      const check = jest.fn();
      const error = await thrown(() => new ProcessTimestamp(directory).load([check]));
      expect(error).toMatchObject({
        code: 'ERR_HEARTBEAT_WRITE',
        message: expect.stringContaining(`${name} file: it holds other content (23 bytes); expected a `) as string,
      });
      expect(check).not.toHaveBeenCalled();
      expect(there().map((name) => readFileSync(join(directory, name), 'latin1'))).toEqual(before);
    },
  );

  test('refuses an empty path', async () => {
    expect(await thrown(() => new ProcessTimestamp('').load([]))).toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(ProcessTimestamp.byRef('').alive).toBe(false);
  });
});

describe('health checks that are modules', () => {
  /** Makes a service's folder, and runs a script there. */
  function service(files: Record<string, string>): string {
    const folder = scratch();
    for (const [name, content] of Object.entries({ ...files, 'package.json': '{}' })) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    return folder;
  }

  function load(folder: string, check: string, args = '[]'): string {
    const script = `new (require(${JSON.stringify(LIBRARY)}).ProcessTimestamp)(${JSON.stringify(directory)})
      .load([${JSON.stringify(check)}], ...${args}).then(() => console.log('loaded'), (error) => console.log(error.code ?? '', error.message));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' });
    return (stdout + stderr).trim();
  }

  const SAYS = 'health = (...args) => console.log(JSON.stringify(args))';
  const files = {
    'cjs.js': `exports.${SAYS};`,
    'whole.js':
      'class Checker { constructor() { this.name = "mine" } health() { console.log("this is", this.name) } } module.exports = new Checker();',
    'esm.mjs': `export const ${SAYS}; export default class { health() {} };`,
    'default.mjs': `export default { ${SAYS.replace('=', ':')} };`,
    'waits.mjs': `await null; export const health = async () => { await null; console.log('waited') };`,
    'checks/index.js': `exports.${SAYS};`,
    'compiled.js': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { ${SAYS.replace('=', ':')} };`,
    'none.js': 'exports.unhealthy = () => true;',
    'false.js': 'exports.health = () => false;',
    'throws.js': 'throw Object.assign(new Error("at the top"), { code: "MINE" });',
    'needs.js': 'require("./not-there");',
    'node_modules/common/package.json': '{"main":"main.js"}',
    'node_modules/common/main.js': `exports.${SAYS};`,
    'node_modules/common/sub.js': `exports.${SAYS};`,
    'node_modules/both/package.json': '{"type":"module","exports":{".":{"import":"./i.js","default":"./i.js"}}}',
    'node_modules/both/i.js': `export const ${SAYS};`,
  };

  test.each([
    ['a CommonJS module', './cjs.js', '[1,"a"]\nloaded'],
    ['one without its extension', './cjs', '[1,"a"]\nloaded'],
    ['a folder', './checks', '[1,"a"]\nloaded'],
    ['one that exports an object of a class', './whole.js', 'this is mine\nloaded'],
    ['an ES module', './esm.mjs', '[1,"a"]\nloaded'],
    ['one that exports it by default', './default.mjs', '[1,"a"]\nloaded'],
    ['one that awaits', './waits.mjs', 'waited\nloaded'],
    ['a package', 'common', '[1,"a"]\nloaded'],
    ['a file of a package', 'common/sub.js', '[1,"a"]\nloaded'],
    ['a package of ES modules', 'both', '[1,"a"]\nloaded'],
    [
      'one without health',
      './none.js',
      "ERR_ARGUMENT health check 1 of 1 expected that './none.js' (string) exports a function health; it exports unhealthy",
    ],
    [
      'one that is part of Node',
      'node:fs',
      "ERR_ARGUMENT health check 1 of 1 expected that 'node:fs' (string) exports a function health; it exports appendFile, ",
    ],
    ['one that answers false', './false.js', 'ERR_HEALTH_CHECK health check 1 of 1 (./false.js) answered false'],
    ['one that throws', './throws.js', 'MINE at the top'],
    ['one whose own import is not there', './needs.js', "MODULE_NOT_FOUND Cannot find module './not-there'"],
    [
      'none at all',
      './nowhere.js',
      "ERR_ARGUMENT health check 1 of 1 expected a package, or a path that begins with . or /, to be found from @; got './nowhere.js' (string)",
    ],
    [
      'a file: URL of none',
      'file:///nowhere.js',
      "ERR_ARGUMENT health check 1 of 1 expected a package, or a path that begins with . or /, to be found from @; got 'file:///nowhere.js' (string)",
    ],
    ['an ES module that TypeScript has compiled', './compiled.js', '[1,"a"]\nloaded'],
    [
      'no package',
      'nowhere',
      "ERR_ARGUMENT health check 1 of 1 expected a package, or a path that begins with . or /, to be found from @; got 'nowhere' (string)",
    ],
  ])('%s', (_, specifier, says) => {
    const folder = service(files);
    expect(load(folder, specifier, '[1,"a"]').slice(0, says.replace('@', folder).length)).toBe(
      says.replace('@', folder),
    );
  });

  test('by absolute path and by file: URL', () => {
    const folder = service(files);
    expect(load(scratch(), join(folder, 'esm.mjs'))).toBe('[]\nloaded');
    expect(load(scratch(), pathToFileURL(join(folder, 'cjs.js')).href)).toBe('[]\nloaded');
  });

  test("a CommonJS module loads under a user's plain jest, which has no import()", () => {
    const folder = service({
      'check.js': 'exports.health = (...args) => { if (args[0] !== 7) throw new Error("which?"); };',
      'load.test.js': `const { ProcessTimestamp } = require(${JSON.stringify(LIBRARY)});
        test('loads', async () => { (await new ProcessTimestamp(${JSON.stringify(directory)}).load(['./check.js'], 7)).reset(); });`,
    });
    const { stderr } = spawnSync(process.execPath, [resolve('node_modules/jest/bin/jest.js'), '--rootDir', folder], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toContain('Tests:       1 passed, 1 total');
  });

  test('a package that has only an import condition loads, wherever the library is installed', () => {
    const folder = service({
      'node_modules/elsewhere/package.json': '{"type":"module","exports":{"import":"./i.js"}}',
      'node_modules/elsewhere/i.js': `export const ${SAYS};`,
    });
    expect(
      load(folder, 'elsewhere')
        .split('\n')
        .filter((line) => !/Warning|trace-warnings/.test(line)),
    ).toEqual(['[]', 'loaded']);
    expect(load(folder, 'elsewhere/nowhere')).toMatch(/^(?:ERR_PACKAGE_PATH_NOT_EXPORTED|ERR_MODULE_NOT_FOUND) /);
  });

  test('a package that has only an import condition loads from where the library is installed', () => {
    const folder = service({
      'node_modules/alone/package.json': '{"type":"module","exports":{"import":"./i.js"}}',
      'node_modules/alone/i.js': `export const ${SAYS};`,
      'node_modules/k8s-liveness/package.json': '{}',
      'node_modules/k8s-liveness/index.js': readFileSync(LIBRARY, 'utf8'),
    });
    symlinkSync(resolve('node_modules/date-fns'), join(folder, 'node_modules/date-fns'));
    const script = `new (require('k8s-liveness').ProcessTimestamp)(${JSON.stringify(directory)}).load(['alone']).then(() => console.log('loaded'))`;
    expect(spawnSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' }).stdout).toBe('[]\nloaded\n');
  });
});

describe('set', () => {
  test('makes the process healthy or failed', async () => {
    const timestamp = await new ProcessTimestamp(directory).load([]);
    expect(timestamp.set(3).verdict()).toMatchObject({ alive: false, reason: 'failed', detail: 'error 3' });
    expect(timestamp.error).toBe(3);
    expect(timestamp.set(-1).verdict()).toMatchObject({ reason: 'failed', detail: 'error -1' });
    expect(timestamp.set(-0).alive).toBe(true);
    timestamp.reset();
  });

  test.each([undefined, 0.5, NaN, Infinity, 1e21, 1e15, '1', null, true, 1n])('refuses %p', async (error) => {
    const timestamp = (await new ProcessTimestamp(directory).load([])).set(4);
    const refused = await thrown(() => timestamp.set(error as number));
    expect(refused.code).toBe('ERR_ARGUMENT');
    expect(refused.message).toMatch(/^set expected an integer of at most 15 digits, 0 for healthy; got /);
    expect(timestamp.error).toBe(4);
    timestamp.reset();
  });

  test('throws before load(), as does refresh()', async () => {
    const timestamp = new ProcessTimestamp(directory);
    for (const [method, call] of [
      ['set', () => timestamp.set()],
      ['refresh', () => timestamp.refresh()],
    ] as const) {
      const error = await thrown(call);
      expect(error).toMatchObject({ code: 'ERR_NOT_LOADED', path: directory });
      expect(error.message).toContain(`${method}() expected load() to have succeeded first`);
    }
    await expect(timestamp.load([() => false])).rejects.toThrow();
    expect((await thrown(() => timestamp.set())).code).toBe('ERR_NOT_LOADED');
    expect(there()).toEqual([]);
  });

  test('writes nothing if the error is the same, and restores files that somebody removed', async () => {
    const timestamp = (await new ProcessTimestamp(directory).load([])).set();
    const { ino } = statSync(join(directory, 'error'));
    timestamp.set();
    expect(statSync(join(directory, 'error')).ino).toBe(ino);
    rmSync(join(directory, 'error'));
    expect(timestamp.set().alive).toBe(true);
    timestamp.reset();
  });

  test('throws if the error cannot be written, because a lost error would look like health', async () => {
    const timestamp = (await new ProcessTimestamp(directory).load([])).set();
    rmSync(join(directory, 'error'));
    mkdirSync(join(directory, 'error'));
    const error = await thrown(() => timestamp.set(1));
    expect(error).toMatchObject({
      code: 'ERR_HEARTBEAT_WRITE',
      message: expect.stringContaining('cannot write the error') as string,
    });
  });

  test('does not throw for the same error if no descriptor is free, and writes it later', () => {
    const script = `const fs = require('node:fs');
      new (require(${JSON.stringify(LIBRARY)}).ProcessTimestamp)(${JSON.stringify(directory)}).load([]).then((it) => {
        it.set(3);
        const held = [];
        try { for (;;) held.push(fs.openSync('/dev/null')); } catch {}
        it.set(3).refresh();
        try { it.set(4); } catch (error) { console.log(error.code); }
        held.forEach((fd) => fs.closeSync(fd));
        fs.rmSync(it.path + '/error');
        console.log(it.set(3).error);
      });`;
    const { stdout } = spawnSync('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '-e', script], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('ERR_HEARTBEAT_WRITE\n3\n');
  });

  test('makes files that every user may read, under any umask', async () => {
    const umask = process.umask(0o077);
    try {
      (await new ProcessTimestamp(directory).load([])).set();
    } finally {
      process.umask(umask);
    }
    expect(statSync(directory).mode & 0o777).toBe(0o755);
    for (const name of there()) expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o644]);
  });
});

describeIf(spawnSync('strace', ['-V']).status === 0, 'strace (apt-get install strace)')('over quota', () => {
  test('a new error is written in place, and no reader sees the last digits of the old one', () => {
    const script = `new (require(${JSON.stringify(LIBRARY)}).ProcessTimestamp)(process.argv[1]).load([]).then((it) => {
      for (const error of [12345, 7, 0]) it.set(error);
      console.log(it.pid === process.pid, it.error, it.verdict().reason ?? 'alive');
    });`;
    const log = join(scratch(), 'strace');
    // Fails from the third replaced file on. libuv has no name for EDQUOT: its code is "Unknown system error -122".
    const refusing = [
      '-f',
      '-qq',
      '-o',
      log,
      '-e',
      'trace=rename,renameat,renameat2,pwrite64',
      '-e',
      'inject=rename,renameat,renameat2:error=EDQUOT:when=3+',
    ];
    const { stdout } = spawnSync('strace', [...refusing, process.execPath, '-e', script, directory], {
      encoding: 'utf8',
    });
    const trace = readFileSync(log, 'utf8');
    expect([stdout, trace.match(/EDQUOT/g)?.length]).toEqual(['true 0 alive\n', 2]);
    expect(trace).toMatch(/pwrite64\(\d+, "7\\0\\0\\0\\0", 5, 0\)/);
  });
});

describe('reset', () => {
  test('removes pid, error and timestamp, and can be called again', async () => {
    const timestamp = new ProcessTimestamp(directory);
    timestamp.reset();
    (await timestamp.load([])).set();
    expect(there()).toEqual(['error', 'pid', 'timestamp']);
    timestamp.reset();
    timestamp.reset();
    expect(there()).toEqual([]);
    expect(timestamp.verdict()).toMatchObject({ reason: 'missing', detail: 'pid file: no such file' });
    for (const call of [() => timestamp.set(), () => timestamp.refresh()])
      expect((await thrown(call)).code).toBe('ERR_NOT_LOADED');
    expect((await timestamp.load([])).set().alive).toBe(true);
    timestamp.delete();
    expect(there()).toEqual([]);
  });

  test('removes the leftover of a process that has ended', () => {
    directory = directoryOf({
      pid: spawnSync('true').pid,
      error: 0,
      timestamp: record({ pid: spawnSync('true').pid }),
    });
    writeFileSync(join(directory, 'mine'), '');
    new ProcessTimestamp(directory).reset();
    expect(there()).toEqual(['mine']);
  });

  test.each<[string, Parameters<typeof directoryOf>[0]]>([
    ['where nobody beats', { pid: 4711, error: 0 }],
    ['beside something else than a heartbeat', { pid: 4711, error: 0, timestamp: 'notes' }],
  ])('leaves the pid and error of others alone %s', (_, holds) => {
    directory = directoryOf(holds);
    const before = there();
    new ProcessTimestamp(directory).reset();
    expect(there()).toEqual(before);
  });

  test('removes its own pid and error, also if somebody else removed its beat', async () => {
    const timestamp = (await new ProcessTimestamp(directory).load([])).set();
    rmSync(join(directory, 'timestamp'));
    timestamp.reset();
    expect(there()).toEqual([]);
  });

  test('in try and finally serves a routine that runs once', async () => {
    const seen: string[] = [];
    const routine = new ProcessTimestamp(directory);
    const run = async (): Promise<void> => {
      try {
        (await routine.load([() => true])).set();
        seen.push(String(routine));
        throw new Error('in the middle');
      } finally {
        routine.reset();
      }
    };
    await expect(run()).rejects.toThrow('in the middle');
    expect(seen[0]).toMatch(/^alive: /);
    expect(there()).toEqual([]);
  });
});

describe('as a Timestamp', () => {
  test('a subclass with a maximumAge is stale if it no longer beats', async () => {
    const timestamp = (await new Daemon(directory, { clock }).load([])).set();
    clock.advance(100_000);
    expect(timestamp.alive).toBe(true);
    clock.advance(100_000);
    expect(timestamp.verdict()).toMatchObject({ alive: false, reason: 'stale', limit: 120_000, pid: process.pid });
    expect(timestamp.refresh().alive).toBe(true);
    clock.advance(150_000);
    expect(timestamp.refresh({ maximumAge: { hours: 1 } }).alive).toBe(true);
    clock.advance(3_000_000);
    expect(timestamp.alive).toBe(true);
    expect(timestamp.beats).toBe(3);
    timestamp.reset();
  });

  test('without a maximumAge it is judged by the limit that the file states', async () => {
    const timestamp = (await new Daemon(directory, { clock }).load([])).set();
    clock.advance(200_000);
    for (const view of [ProcessTimestamp.byRef(directory, { clock }), Timestamp.byRef(directory, { clock })]) {
      expect(view.verdict()).toMatchObject({ reason: 'stale', limit: 120_000 });
    }
    timestamp.reset();
  });

  test('if nobody beats, it is judged by pid and error alone, unless it has a limit', () => {
    directory = directoryOf({ pid: process.pid, error: 0 });
    const daemon = Daemon.byRef(directory);
    expect(daemon).toBeInstanceOf(Daemon);
    expect(daemon.verdict()).toMatchObject({ alive: false, reason: 'missing', detail: 'timestamp file: no such file' });
    const view = ProcessTimestamp.byRef(directory);
    expect(view.verdict()).toEqual({
      alive: true,
      path: directory,
      clock: undefined,
      value: undefined,
      age: Infinity,
      limit: Infinity,
      longestGap: undefined,
      longestTask: undefined,
      pid: process.pid,
      task: undefined,
      inHand: 0,
    });
    expect([view.alive, view.value, view.age, view.pid, view.error]).toEqual([
      true,
      undefined,
      Infinity,
      process.pid,
      0,
    ]);
    expect(String(view)).toBe(`alive: process ${process.pid} (${directory})`);
  });

  test("a subclass's own members may have any name", async () => {
    class Own extends ProcessTimestamp {
      file = 'mine';
      layout = 'mine';
      heartbeat(): string {
        return 'mine';
      }
      wrapped(): string {
        return 'mine';
      }
      assertWritable(): void {
        throw new Error('mine');
      }
    }
    const own = (await new Own(directory).load([])).set();
    expect([own.refresh().alive, own.file, there()]).toEqual([true, 'mine', ['error', 'pid', 'timestamp']]);
    own.reset();
  });

  test('restores files that somebody removed, also if all work is tasks', async () => {
    const daemon = (await new Daemon(directory, { clock }).load([])).set(0);
    const task = daemon.begin('loop', 10_000);
    rmSync(join(directory, 'pid'));
    rmSync(join(directory, 'error'));
    clock.advance(1000);
    task.refresh();
    expect(there()).toEqual(['error', 'pid', 'timestamp']);
    daemon.reset();
  });

  test('restores files that somebody removed with the next written beat', async () => {
    const timestamp = (await new Daemon(directory, { clock }).load([])).set(5);
    rmSync(directory, { recursive: true });
    clock.advance(2000);
    expect(timestamp.refresh().verdict()).toMatchObject({ reason: 'failed', detail: 'error 5', pid: process.pid });
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'in the way');
    const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    clock.advance(2000);
    timestamp.refresh();
    expect(warnings).toHaveBeenCalledTimes(1);
    warnings.mockRestore();
    rmSync(directory);
    clock.advance(2000);
    expect(timestamp.refresh().set(0).alive).toBe(true);
    timestamp.reset();
  });

  test('restores the number of the last set(), also if another program had already written it', async () => {
    const timestamp = (await new Daemon(directory, { clock }).load([])).set(0);
    writeFileSync(join(directory, 'error'), '7');
    timestamp.set(7);
    rmSync(join(directory, 'error'));
    clock.advance(2000);
    expect(timestamp.refresh().verdict()).toMatchObject({ reason: 'failed', detail: 'error 7' });
    timestamp.reset();
  });

  test('restores a file that somebody emptied, and leaves a file to which somebody wrote another number', async () => {
    const timestamp = (await new Daemon(directory, { clock }).load([])).set(0);
    for (const name of ['pid', 'error']) writeFileSync(join(directory, name), '');
    clock.advance(2000);
    // Another process may have opened this file to write there, so it must not be replaced.
    timestamp.refresh();
    for (const name of ['pid', 'error']) expect(readFileSync(join(directory, name), 'latin1')).toBe('');
    for (const name of ['pid', 'error']) utimesSync(join(directory, name), new Date(), Date.now() / 1000 - 2);
    clock.advance(2000);
    expect(timestamp.refresh().alive).toBe(true);
    writeFileSync(join(directory, 'error'), '1');
    clock.advance(2000);
    expect(timestamp.refresh().verdict()).toMatchObject({ reason: 'failed', detail: 'error 1' });
    timestamp.reset();
  });

  test('refuses a heartbeat file as a process directory', () => {
    const file = join(directoryOf({ timestamp: record() }), 'timestamp');
    expect(ProcessTimestamp.byRef(file).verdict()).toMatchObject({
      alive: false,
      reason: 'missing',
      detail: 'pid file: no such file',
    });
  });

  test('a view reads and does not write', async () => {
    const view = ProcessTimestamp.byRef(directory);
    for (const call of [
      () => view.load([]),
      () => view.set(),
      () => view.refresh(),
      () => {
        view.reset();
      },
      () => {
        view.delete();
      },
    ]) {
      expect((await thrown(call)).code).toBe('ERR_READ_ONLY');
    }
  });

  test('one directory answers two questions: readiness, and liveness, which ignores the error', async () => {
    const timestamp = (await new Daemon(directory, { clock }).load([])).set(1);
    const answers = (options: TimestampOptions): boolean => Daemon.byRef(directory, { clock, ...options }).alive;
    expect([answers({}), answers({ ignoreError: true })]).toEqual([false, true]);
    expect(new Daemon(directory, { ignoreError: true }).alive).toBe(true);
    clock.advance(200_000);
    expect([answers({}), answers({ ignoreError: true })]).toEqual([false, false]);
    timestamp.reset();
  });
});

describe('the default directory', () => {
  test.each([
    ['both variables', { LIVENESS_RUNDIR: '/r', LIVENESS_UNIT_NAME: 'u' }, '/r/u'],
    ['a rundir', { LIVENESS_RUNDIR: '/r' }, `/r/${hostname()}`],
    ['a unit', { LIVENESS_UNIT_NAME: 'u' }, '/run/u'],
    ['empty variables, which count as unset', { LIVENESS_RUNDIR: '', LIVENESS_UNIT_NAME: '' }, `/run/${hostname()}`],
  ])('by %s, for writer and probes alike', (_, variables, expected) => {
    const env = { PATH: process.env.PATH, ...variables } as NodeJS.ProcessEnv;
    const script = `const { ProcessTimestamp } = require(${JSON.stringify(LIBRARY)}); console.log(new ProcessTimestamp().path, ProcessTimestamp.byRef().path)`;
    expect(spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' }).stdout).toBe(
      `${expected} ${expected}\n`,
    );
    for (const [command = '', ...args] of [
      [process.execPath, 'dist/liveness.js'],
      ['sh', 'dist/liveness.sh'],
    ]) {
      const { stdout, status } = spawnSync(command, [...args, '--process'], { env, encoding: 'utf8' });
      expect([stdout, status]).toEqual([`dead: missing: pid file: no such file (${expected})\n`, 1]);
    }
  });
});

describe('a child process', () => {
  test('writes its own pid if it was forked', async () => {
    const script = join(scratch(), 'forks.js');
    writeFileSync(
      script,
      `const { fork } = require('node:child_process');
       const { ProcessTimestamp } = require(${JSON.stringify(LIBRARY)});
       const [, , directory, child] = process.argv;
       new ProcessTimestamp(directory).load([]).then((it) => {
         it.set();
         if (child) return console.log(it.pid === process.pid && it.pid !== process.ppid);
         it.reset();
         fork(__filename, [directory, 'child']);
       });`,
    );
    const parent = start(process.execPath, [script, directory]);
    const said = await new Promise((settle) =>
      parent.stdout?.once('data', (data) => {
        settle(String(data));
      }),
    );
    expect(said).toBe('true\n');
  });
});

describeIf(canMount, 'root, to mount')('on a full disk', () => {
  test('an error can still be set and cleared, beats go on, and a restart over the leftover succeeds', () => {
    const output = within(
      TMPFS,
      `const { execFileSync } = require('node:child_process');
       const said = (_acted) => ProcessTimestamp.byRef(folder).verdict().reason ?? 'alive';
       (async () => {
         class P extends ProcessTimestamp { maximumAge = 60000 }
         const first = (await new P(folder, { clock }).load([])).set();
         ${FILL}
         console.log(said(), said(first.set(12345)), first.error, said(first.set(7)), first.error, said(first.set()));
         now += 1e4;
         console.log(first.refresh().failedWrites, fs.readdirSync(folder).sort().join());
         const another = "new (require('" + library + "').ProcessTimestamp)('" + folder + "').load([]).then((it) => console.log(String(it.set(0)).slice(0, 5)), console.log)";
         const again = () => console.log(String(execFileSync(process.execPath, ['-e', another])).trim(), fs.readdirSync(folder).sort().join());
         fs.rmSync(folder + '/fill');
         first.reset();
         again();
         ${FILL}
         again();
       })();`,
    );
    expect(output.split('\n')).toEqual([
      'ENOSPC',
      'alive failed 12345 failed 7 alive',
      '0 error,fill,pid,timestamp',
      'alive error,pid,timestamp',
      'ENOSPC',
      'alive error,fill,pid,timestamp',
    ]);
  });

  test('load() throws and leaves nothing behind if the disk was full before', () => {
    const output = within(
      TMPFS,
      `${FILL} new ProcessTimestamp(folder).load([]).catch((error) => console.log(error.code, error.cause.code, fs.readdirSync(folder).join()));`,
    );
    expect(output.split('\n')).toEqual(['ENOSPC', 'ERR_HEARTBEAT_WRITE ENOSPC fill']);
  });
});

describeIf(canMount, 'root, to mount')('without /proc', () => {
  test('a living pid is alive, and a pid that has ended or is impossible is gone', () => {
    const output = within(
      'mount -t tmpfs tmpfs /proc',
      `const say = (pid) => { fs.writeFileSync(folder + '/pid', String(pid)); fs.writeFileSync(folder + '/error', '0'); return ProcessTimestamp.byRef(folder).verdict(); };
       console.log([process.pid, 4194305, 2147483648, 4294967297].map((pid) => say(pid).reason ?? 'alive').join());
       new ProcessTimestamp(folder + '/unit').load([]).then((it) => console.log(it.set().alive, it.pid === process.pid));`,
    );
    expect(output.split('\n')).toEqual(['alive,gone,gone,gone', 'true true']);
  });
});
