// docs/migrating.md: runs each row, beside a small copy of the older way.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { ProcessTimestamp, Timestamp, TIMESTAMP_PATH } from '../src';
import { manualClock } from './support/clock';
import { cli } from './support/cli';
import { describeIf } from './support/describe-if';
import { ended, zombie } from './support/processes';
import { LIVENESS_JS, LIVENESS_SH, PYTHON, run } from './support/readers';
import { aged, beforeRemoval, directoryOf, fileOf, record, scratch } from './support/records';
import { thrown } from './support/thrown';
import { until } from './support/until';

class TwoMinutes extends Timestamp {
  readonly maximumAge = { minutes: 2 };
}

type Rows = Readonly<Record<string, () => unknown>>;

const page = readFileSync('docs/migrating.md', 'utf8');

/** Runs each row of a section. Each row has a test, and each test has a row. */
function runRows(section: string, rows: Rows): void {
  const [, text = ''] = page.split(`\n## ${section}\n`);
  const [table = ''] = text.split('\n## ');
  const names = Array.from(table.matchAll(/^\| ((?:\\\||[^|\n])+) \|/gm), ([, name = '']) => name);
  test('has a test for each row', () => {
    expect(names.filter((name) => !/^-+$/.test(name))).toEqual(Object.keys(rows));
  });
  test.each(Object.entries(rows))('%s', async (_, row) => {
    await row();
  });
}

function reasonOf(path: string): string {
  const verdict = TwoMinutes.byRef(path).verdict();
  return verdict.alive ? 'alive' : verdict.reason;
}

const sh = (script: string, cwd = '.'): number | null =>
  spawnSync('bash', ['-c', script], { cwd, stdio: 'ignore' }).status;

const HOUR = 3600;
const now = (): number => Date.now() / 1000;

const OLD_TIMESTAMP = `
import json, sys
from datetime import datetime, timedelta
class Timestamp:
    def __init__(self, path, when=None):
        self.path = path
        with open(path, 'w') as file:
            file.write(str((when or datetime.now()).timestamp()))
    @classmethod
    def byref(cls, path):
        self = cls.__new__(cls)
        self.path = path
        return self
    @property
    def value(self):
        try:
            with open(self.path) as file:
                return datetime.fromtimestamp(float(file.read().strip()))
        except (FileNotFoundError, ValueError):
            return datetime.fromtimestamp(0)
    @property
    def age(self):
        return datetime.now() - self.value
    @property
    def max_age(self):
        return timedelta(seconds=30)
    @property
    def alive(self):
        return self.age < self.max_age
path = sys.argv[1]
try:
    print(json.dumps(eval(sys.argv[2]), default=str))
except Exception as error:
    print(json.dumps(type(error).__name__))
`;

/** What the old class answers about a path. */
function python(path: string, expression = 'Timestamp.byref(path).alive'): unknown {
  const { stdout } = spawnSync(PYTHON ?? '', ['-I', '-S', '-c', OLD_TIMESTAMP, path, expression], { encoding: 'utf8' });
  return JSON.parse(stdout) as unknown;
}

describeIf(PYTHON !== undefined, 'python3 (apt-get install python3)')("from Python's k8s-liveness", () => {
  runRows("From Python's k8s-liveness", {
    'the limit': () => {
      expect(python(fileOf(''), 'Timestamp.byref(path).max_age.total_seconds()')).toBe(30);
      for (const old of ['maximum_age', 'max_age']) {
        class Service extends Timestamp {
          declare readonly maximumAge: number;
        }
        const service = Object.assign(new Service(join(scratch(), 'timestamp')), { [old]: 30_000 });
        const uses = [
          () => service.refresh(),
          () => service.begin('mail#42', 1000),
          () => service.wrap(() => 1, { name: 'mail#42', maximumAge: 1000 }),
          () => service.refreshWhile(() => true),
          () => service.alive,
        ];
        for (const use of uses) {
          expect(thrown(use)).toMatchObject({
            code: 'ERR_MAXIMUM_AGE',
            message: expect.stringMatching(
              new RegExp(`^Service.maximumAge \\(not ${old}\\) must be .*; got undefined`),
            ) as string,
          });
        }
      }
    },
    '`Timestamp(path)`': () => {
      const [old, ours] = [join(scratch(), 'old'), join(scratch(), 'ours')];
      python(old, 'Timestamp(path) and None');
      const timestamp = new TwoMinutes(ours);
      expect([existsSync(old), existsSync(ours)]).toEqual([true, false]);
      timestamp.refresh();
      expect(existsSync(ours)).toBe(true);
    },
    'a beat': () => {
      const path = join(scratch(), 'timestamp');
      expect(python(path, 'Timestamp(path) and Timestamp(path).alive')).toBe(true);
      const first = new TwoMinutes(join(scratch(), 'timestamp')).refresh().refresh();
      expect(thrown(() => new TwoMinutes(first.path).refresh()).code).toBe('ERR_HEARTBEAT_IN_USE');
    },
    '`when`': () => {
      const old = join(scratch(), 'timestamp');
      expect(python(old, 'Timestamp(path, datetime.fromtimestamp(1)).alive')).toBe(false);
      const clock = manualClock();
      const timestamp = new TwoMinutes(join(scratch(), 'timestamp'), { clock }).refresh();
      clock.advance(121_100);
      expect(timestamp.verdict()).toMatchObject({ reason: 'stale' });
    },
    '`byref(path)`': () => {
      const view = TwoMinutes.byRef();
      expect(view.path).toBe(TIMESTAMP_PATH);
      expect(thrown(() => view.refresh()).code).toBe('ERR_READ_ONLY');
      const { byref } = TwoMinutes as unknown as { byref: () => unknown };
      expect(thrown(() => byref.call(TwoMinutes))).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: 'TwoMinutes.byref is called byRef here',
      });
    },
    '`value`': () => {
      const path = join(scratch(), 'timestamp');
      expect(python(path, 'Timestamp.byref(path).value.timestamp()')).toBe(0);
      expect(TwoMinutes.byRef(path).value).toBeUndefined();
      expect(new TwoMinutes(path).refresh().value).toBeInstanceOf(Date);
    },
    '`age`': () => {
      const path = join(scratch(), 'timestamp');
      expect(python(path, 'Timestamp.byref(path).age > timedelta(days=50 * 365)')).toBe(true);
      expect(TwoMinutes.byRef(path).age).toBe(Infinity);
      expect(TwoMinutes.byRef(fileOf(aged(7000))).age).toBeGreaterThanOrEqual(70_000);
    },
    'a beat in the future, a clock set back': () => {
      const path = fileOf(String(now() + HOUR));
      expect([python(path), reasonOf(path)]).toEqual([true, 'future']);
      const clock = manualClock();
      const timestamp = new TwoMinutes(join(scratch(), 'timestamp'), { clock }).refresh();
      const setBack = { ...clock, wall: () => clock.wall() - HOUR * 1000 };
      expect(TwoMinutes.byRef(timestamp.path, { clock: setBack }).alive).toBe(true);
      clock.advance(121_100);
      expect(TwoMinutes.byRef(timestamp.path, { clock: setBack }).verdict()).toMatchObject({ reason: 'stale' });
    },
    'a fresh file whose writer has ended': () => {
      const path = fileOf('');
      python(path, 'Timestamp(path) and None'); // that Python has ended
      expect(python(path)).toBe(true);
      expect(reasonOf(fileOf(record({ pid: ended() })))).toBe('gone');
    },
    'the default path': () => {
      expect(TIMESTAMP_PATH).toBe(process.env.LIVENESS_PATH ?? '/tmp/liveness/timestamp');
      const path = join(scratch(), 'made', 'timestamp');
      expect(python(path, 'Timestamp(path)')).toBe('FileNotFoundError');
      expect(new TwoMinutes(path).refresh().alive).toBe(true);
    },
    'the old file at the new path': async () => {
      const path = join(scratch(), 'timestamp');
      python(path, 'Timestamp(path) and None');
      const probe = [process.execPath, LIVENESS_JS, '--maximum-age', '1h', path];
      expect((await run('liveness.js', probe)).exit).toBe(0); // the bridge
      new TwoMinutes(path).refresh();
      expect(readFileSync(path, 'latin1')).toMatch(/^k8s-liveness\/1 /);
      expect(python(path)).toBe(false); // the Python probe reads none of our files
    },
    'an empty file': () => {
      const path = fileOf('');
      expect([python(path), reasonOf(path)]).toEqual([false, 'alive']);
      expect(Timestamp.byRef(path).verdict()).toMatchObject({ reason: 'malformed' });
    },
    'a directory at the path': () => {
      const path = scratch();
      expect([python(path), reasonOf(path)]).toEqual(['IsADirectoryError', 'missing']);
    },
    '`inf` in the file': () => {
      const path = fileOf('inf');
      expect([python(path), reasonOf(path)]).toEqual(['OverflowError', 'malformed']);
    },
    'CRLF at the end': () => {
      const path = fileOf(`${now()}\r\n`);
      expect([python(path), reasonOf(path)]).toEqual([true, 'malformed']);
    },
    'why it is dead': () => {
      const path = fileOf(aged(13_000, { limit: 12_000 }));
      expect(String(TwoMinutes.byRef(path))).toMatch(/^dead: stale: last beat .*Z, limit 2m /);
    },
    'exit codes': async () => {
      const path = fileOf(record());
      const asked = [[path], [`${path}.none`], ['--none']].map((args) => run('sh', ['sh', LIVENESS_SH, ...args]));
      expect((await Promise.all(asked)).map(({ exit }) => exit)).toEqual([0, 1, 2]);
    },
    '`LOG_LEVEL=WARNING`': async () => {
      const probe = ['env', 'LOG_LEVEL=WARNING', 'sh', LIVENESS_SH, fileOf(record())];
      expect(await run('sh', probe)).toMatchObject({ exit: 0, line: '' });
    },
  });
});

const OLD_MODULE = `
import importlib, json, os, sys
def load(names, namespace, rundir='/run'):
    for name in names:
        if importlib.import_module(name).health((), {}) == False:
            raise RuntimeError(name)
    os.makedirs(os.path.join(rundir, namespace), exist_ok=True)
    write('pid', os.getpid(), namespace, rundir)
def write(name, value, namespace, rundir):
    with open(os.path.join(rundir, namespace, name), 'w') as file:
        file.write(str(value))
def set(error, namespace, rundir='/run'):
    write('error', error, namespace, rundir)
def reset(namespace, rundir='/run'):
    for name in ('pid', 'error'):
        os.unlink(os.path.join(rundir, namespace, name))
rundir = sys.argv[1]
sys.path.insert(0, rundir)
try:
    exec(sys.argv[2])
    print('"done"')
except Exception as error:
    print(json.dumps(type(error).__name__))
`;

function oldModule(rundir: string, code: string): unknown {
  const { stdout } = spawnSync(PYTHON ?? '', ['-I', '-S', '-c', OLD_MODULE, rundir, code], { encoding: 'utf8' });
  return JSON.parse(stdout) as unknown;
}

/** The old script's exit code. */
function oldScript(directory: string): number | null {
  return sh(
    `read p < pid; [ -n "$p" ] && [ -d /proc/$p ] && [ -f error ] || exit 1
     read e < error; [ -n "$e" ] || exit 1
     if [ $e -gt 0 ]; then exit 1; fi`,
    directory,
  );
}

describeIf(PYTHON !== undefined, 'python3 (apt-get install python3)')('from the pid/error module', () => {
  const { pid } = process;
  const checked = (body: string): string => {
    const rundir = scratch();
    writeFileSync(join(rundir, 'old_check.py'), `def health(args, kwargs):\n    ${body}\n`);
    return rundir;
  };
  const passes = (directory: string): unknown[] => [oldScript(directory), reasonOfDirectory(directory)];

  runRows('From the pid/error module and its script', {
    '`load(names, namespace, rundir)`': async () => {
      const rundir = checked('return True');
      expect(oldModule(rundir, `load(['old_check'], 'unit', rundir)`)).toBe('done');
      const ours = join(scratch(), 'unit');
      const file = join(scratch(), 'check.js');
      writeFileSync(file, 'exports.health = () => true;');
      await new ProcessTimestamp(ours).load([() => true, { health: () => true }, file]);
      expect(readFileSync(join(ours, 'pid'), 'utf8')).toBe(String(pid));
    },
    '`namespace` and `rundir`': async () => {
      const rundir = scratch();
      oldModule(rundir, `load([], 'unit', rundir); set(0, 'unit', rundir)`);
      const timestamp = await new ProcessTimestamp(`${rundir}/other`).load([]);
      timestamp.set(0);
      expect([readdirSync(`${rundir}/unit`), readdirSync(`${rundir}/other`)]).toEqual([
        ['error', 'pid'],
        ['error', 'pid', 'timestamp'],
      ]);
    },
    'the variables': async () => {
      const directory = directoryOf({ pid, error: 0, timestamp: record() });
      const env = ['env', `LIVENESS_RUNDIR=${dirname(directory)}`, `LIVENESS_UNIT_NAME=${basename(directory)}`];
      for (const probe of [
        ['sh', LIVENESS_SH],
        [process.execPath, LIVENESS_JS],
      ]) {
        expect((await run('probe', [...env, ...probe, '--process'])).exit).toBe(0);
      }
    },
    '`health(args, kwargs)`': async () => {
      expect(oldModule(checked('return (args, kwargs) == ((), {})'), `load(['old_check'], 'unit', rundir)`)).toBe(
        'done',
      );
      const got: unknown[] = [];
      await new ProcessTimestamp(join(scratch(), 'unit')).load(
        [(...args: unknown[]) => void got.push(...args)],
        'primary',
        5432,
      );
      expect(got).toEqual(['primary', 5432]);
    },
    'a check that returns nothing': async () => {
      expect(oldModule(checked('pass'), `load(['old_check'], 'unit', rundir)`)).toBe('done');
      await new ProcessTimestamp(join(scratch(), 'unit')).load([() => undefined]);
    },
    'a check that returns 0': async () => {
      expect(oldModule(checked('return 0'), `load(['old_check'], 'unit', rundir)`)).toBe('RuntimeError');
      await expect(new ProcessTimestamp(join(scratch(), 'unit')).load([() => 0])).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining('expected to answer true or false; got 0') as string,
      });
    },
    "a predecessor's `error` of 0": async () => {
      const rundir = scratch();
      const [theirs, ours] = ['theirs', 'ours'].map((name) => {
        mkdirSync(join(rundir, name));
        writeFileSync(join(rundir, name, 'error'), '0');
        return join(rundir, name);
      });
      oldModule(rundir, `load([], 'theirs', rundir)`);
      const timestamp = await new ProcessTimestamp(ours).load([]);
      expect([existsSync(join(theirs ?? '', 'error')), timestamp.alive]).toEqual([true, false]);
      expect(timestamp.set(0).alive).toBe(true);
    },
    '`set()` before `load()`': () => {
      const rundir = scratch();
      mkdirSync(join(rundir, 'unit'));
      expect(oldModule(rundir, `set(0, 'unit', rundir)`)).toBe('done');
      expect(readdirSync(join(rundir, 'unit'))).toEqual(['error']);
      expect(thrown(() => new ProcessTimestamp(join(rundir, 'ours')).set(0)).code).toBe('ERR_NOT_LOADED');
    },
    "`set('boom')`": async () => {
      const directory = directoryOf({ pid, error: 'boom' });
      expect(passes(directory)).toEqual([0, 'malformed']);
      const timestamp = await new ProcessTimestamp(join(scratch(), 'unit')).load([]);
      expect(thrown(() => timestamp.set('boom' as unknown as number)).code).toBe('ERR_ARGUMENT');
    },
    'error -1': () => {
      expect(passes(directoryOf({ pid, error: -1 }))).toEqual([0, 'failed']);
    },
    'pid `self`': () => {
      expect(passes(directoryOf({ pid: 'self', error: 0 }))).toEqual([0, 'malformed']);
    },
    'a zombie': async () => {
      expect(passes(directoryOf({ pid: await zombie(), error: 0 }))).toEqual([0, 'gone']);
    },
    '`reset()` twice': async () => {
      const rundir = scratch();
      const code = `load([], 'unit', rundir); set(0, 'unit', rundir); reset('unit', rundir)`;
      expect(oldModule(rundir, code)).toBe('done');
      expect(oldModule(rundir, `reset('unit', rundir)`)).toBe('FileNotFoundError');
      const timestamp = await new ProcessTimestamp(join(rundir, 'ours')).load([]);
      timestamp.reset();
      timestamp.reset();
      expect(readdirSync(timestamp.path)).toEqual([]);
    },
    'a loop that hangs': async () => {
      class Daemon extends ProcessTimestamp {
        override readonly maximumAge = { minutes: 2 };
      }
      const clock = manualClock();
      const timestamp = await new Daemon(join(scratch(), 'unit'), { clock }).load([]);
      timestamp.set(0).refresh();
      clock.advance(122_000);
      expect(oldScript(timestamp.path)).toBe(0);
      expect(timestamp.verdict()).toMatchObject({ reason: 'stale' });
    },
    'the old script on our directory': async () => {
      const timestamp = await new ProcessTimestamp(join(scratch(), 'unit')).load([]);
      const said = [oldScript(timestamp.path)];
      for (const error of [0, 1]) said.push(oldScript(timestamp.set(error).path));
      timestamp.reset();
      said.push(oldScript(timestamp.path));
      expect(said).toEqual([1, 0, 1, 1]);
    },
  });

  function reasonOfDirectory(directory: string): string {
    const verdict = ProcessTimestamp.byRef(directory).verdict();
    return verdict.alive ? 'alive' : verdict.reason;
  }
});

describe('from touch files', () => {
  /** A touch file of that age in seconds. */
  const touched = (age: number): string => {
    const path = fileOf('');
    utimesSync(path, now() - age, now() - age);
    return path;
  };
  const FIND = (path: string): string => `find ${path} -mmin -2`;
  const FIND_GREP = (path: string): string => `find ${path} -mmin -2 | grep -q .`;
  const STAT = (path: string): string => `[ $(( $(date +%s) - $(stat -c %Y ${path}) )) -le 120 ]`;

  runRows('From touch files', {
    '`touch FILE`': async () => {
      const path = join(scratch(), 'timestamp');
      const { code } = await cli(['touch', path, '--maximum-age', '2m', '--pid', String(process.pid)]);
      expect([code, reasonOf(path)]).toEqual([0, 'alive']);
    },
    '`find FILE -mmin -2`': () => {
      const path = touched(HOUR);
      expect([sh(FIND(path)), reasonOf(path)]).toEqual([0, 'stale']);
    },
    '`cat FILE`, `test -f FILE`': () => {
      const path = touched(HOUR);
      expect([sh(`cat ${path}`), sh(`test -f ${path}`), reasonOf(path)]).toEqual([0, 0, 'stale']);
    },
    'a time in the future': () => {
      const path = touched(-HOUR);
      expect([sh(FIND_GREP(path)), sh(STAT(path)), reasonOf(path)]).toEqual([0, 0, 'future']);
    },
    'a fresh file whose writer has ended': () => {
      const path = touched(0);
      expect([sh(FIND_GREP(path)), sh(STAT(path))]).toEqual([0, 0]);
      expect(reasonOf(fileOf(record({ pid: ended() })))).toBe('gone');
    },
    'the limit': async () => {
      expect(Timestamp.byRef(fileOf(record({ limit: 12_000 }))).verdict()).toMatchObject({
        alive: true,
        limit: 120_000,
      });
      const path = touched(0);
      expect(await run('liveness.js', [process.execPath, LIVENESS_JS, path])).toMatchObject({ verdict: 'malformed' });
      const judged = ['--maximum-age', '2m', path];
      expect(await run('liveness.js', [process.execPath, LIVENESS_JS, ...judged])).toMatchObject({ verdict: 'alive' });
      expect(await run('liveness.sh', ['sh', LIVENESS_SH, ...judged])).toMatchObject({ exit: 2 });
    },
    'the touched file at the same path': () => {
      const path = touched(HOUR);
      expect(new TwoMinutes(path).refresh().alive).toBe(true);
      expect(thrown(() => new TwoMinutes(fileOf('a note\n')).refresh()).code).toBe('ERR_HEARTBEAT_WRITE');
    },
  });
});

describe('from lightship and terminus', () => {
  /** Answers as both do: from the event loop of the process itself, whatever its own loop does. */
  async function serving<T>(isWell: () => boolean, ask: (get: () => Promise<number>) => Promise<T>): Promise<T> {
    const server = createServer((_, response) => response.writeHead(isWell() ? 200 : 503).end());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      return await ask(async () => (await fetch(`http://127.0.0.1:${port}/live`)).status);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const aboutNow = (): { clock: ReturnType<typeof manualClock>; timestamp: TwoMinutes } => {
    const clock = manualClock();
    return { clock, timestamp: new TwoMinutes(join(scratch(), 'timestamp'), { clock }) };
  };

  runRows('From lightship and terminus', {
    'the probe': async () => {
      expect(
        await serving(
          () => true,
          (get) => get(),
        ),
      ).toBe(200);
      expect((await run('sh', ['sh', LIVENESS_SH, fileOf(record())])).exit).toBe(0);
    },
    'an await that never settles': async () => {
      const { clock, timestamp } = aboutNow();
      const loop = async (): Promise<never> => {
        timestamp.refresh();
        return new Promise<never>(() => undefined);
      };
      void loop();
      clock.advance(122_000);
      expect(
        await serving(
          () => true,
          (get) => get(),
        ),
      ).toBe(200);
      expect(timestamp.verdict()).toMatchObject({ reason: 'stale' });
    },
    'a handler that hangs, nine go on': async () => {
      const { clock, timestamp } = aboutNow();
      const handle = timestamp.wrap(
        (id: number) => (id === 42 ? new Promise(() => undefined) : id),
        (id) => ({ name: `mail#${id}`, maximumAge: { minutes: 5 } }),
      );
      for (let id = 40; id < 50; id++) void handle(id);
      clock.advance(302_000);
      timestamp.refresh(); // the loop, which goes on
      expect(
        await serving(
          () => true,
          (get) => get(),
        ),
      ).toBe(200);
      expect(String(timestamp)).toMatch(/^dead: overdue: mail#42 in hand since /);
    },
    'a busy loop': async () => {
      const path = join(scratch(), 'timestamp');
      const script = `const { Timestamp } = require(${JSON.stringify(join(process.cwd(), 'dist/index.js'))});
        class Busy extends Timestamp { maximumAge = 500 }
        require('node:http').createServer((_, response) => response.end()).listen(0, '127.0.0.1', function () {
          new Busy(${JSON.stringify(path)}).refresh();
          require('node:fs').writeSync(1, String(this.address().port));
          for (;;);
        });`;
      const busy = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      beforeRemoval.push(() => busy.kill('SIGKILL'));
      const [port] = (await once(busy.stdout, 'data')) as [Buffer];
      const asked = fetch(`http://127.0.0.1:${String(port)}/live`).then(
        () => 'answered',
        () => 'failed',
      );
      await until(() => Timestamp.byRef(path).toString().startsWith('dead: stale: last beat '));
      expect(await Promise.race([asked, Promise.resolve('silent')])).toBe('silent');
      busy.kill('SIGKILL');
      expect(await asked).toBe('failed');
    },
    'a `healthCheck` that rejects': async () => {
      expect(
        await serving(
          () => false,
          (get) => get(),
        ),
      ).toBe(503);
      const path = join(scratch(), 'timestamp');
      class Quick extends Timestamp {
        readonly maximumAge = 300;
      }
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
      const timestamp = new Quick(path);
      timestamp.refreshWhile(() => false);
      await until(() => timestamp.toString().startsWith('dead: stale: ') && warn.mock.calls.length > 0);
      expect(warn.mock.calls).toEqual([[expect.any(String), expect.objectContaining({ code: 'CHECK_SAYS_NO' })]]);
      timestamp.delete();
      const unit = await new ProcessTimestamp(join(scratch(), 'unit')).load([]);
      unit.set(1);
      const asked = [[], ['--ignore-error']].map((flags) => run('sh', ['sh', LIVENESS_SH, ...flags, unit.path]));
      expect((await Promise.all(asked)).map(({ verdict }) => verdict)).toEqual(['failed', 'alive']);
    },
    'the end: `shutdown()`, `onSignal`': () => {
      const timestamp = new TwoMinutes(join(scratch(), 'timestamp')).refresh();
      timestamp.delete();
      expect(existsSync(timestamp.path)).toBe(false);
    },
  });
});
