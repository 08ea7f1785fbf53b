// probe(...) in a service's own liveness.js, and the two shipped probes, each run as a process, as the kubelet does.

import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeIf } from './support/describe-if';
import { SHELLS } from './support/readers';
import { aged, fileOf, record, scratch } from './support/records';
import { PATIENCE } from './support/until';

const LIVENESS_JS = resolve('dist/liveness.js');
const LIVENESS_SH = resolve('dist/liveness.sh');
const INDEX_JS = resolve('dist/index.js');

// A step, so that its limit of a day counts, not the limit of the reader's class.
const alive = fileOf(record({ kind: 'step' }));
const stale = fileOf(aged(7000));
const missing = join(scratch(), 'timestamp');

type Environment = Record<string, string | undefined>;

function exec(command: readonly string[], env: Environment = {}): SpawnSyncReturns<string> {
  const [name = '', ...args] = command;
  const clean = { LOG_LEVEL: '', LIVENESS_PATH: '' };
  return spawnSync(name, args, { encoding: 'utf8', env: { ...process.env, ...clean, ...env }, timeout: PATIENCE });
}

function said(command: readonly string[], env: Environment = {}): [number | null, string, string] {
  const { status, stdout, stderr } = exec(command, env);
  return [status, stdout, stderr];
}

/** A service's own liveness.js. */
function own(body: string, prelude = ''): string[] {
  const path = join(scratch(), 'liveness.js');
  writeFileSync(
    path,
    `${prelude}
     const { Timestamp, probe } = require(${JSON.stringify(INDEX_JS)});
     class Mine extends Timestamp { maximumAge = 60000 }
     ${body}`,
  );
  return [process.execPath, path];
}

const shipped: [string, string[]][] = [
  ['liveness.js', [process.execPath, LIVENESS_JS]],
  ...SHELLS.map((shell): [string, string[]] => [`liveness.sh (${shell.join(' ')})`, [...shell, LIVENESS_SH]]),
];

describe.each([
  ...shipped,
  [
    'probe(...)',
    own('probe(...(process.argv.length > 2 ? process.argv.slice(2).map((p) => Mine.byRef(p)) : [Mine.byRef()]))'),
  ] as const,
])('%s', (_, command) => {
  const ask = (paths: string[], env?: Environment): ReturnType<typeof said> => said([...command, ...paths], env);

  test('says alive on stdout and exits 0', () => {
    expect(ask([alive])).toEqual([0, expect.stringMatching(/^alive: last beat .*Z, limit 1d \(.*\)\n$/), '']);
  });

  test('says dead on stdout and exits 1', () => {
    expect(ask([stale])).toEqual([1, expect.stringMatching(/^dead: stale: last beat .*Z, limit 1m \(.*\)\n$/), '']);
  });

  test('is alive when all are', () => {
    expect(ask([alive, alive, alive])).toEqual([0, 'alive: 3 of 3\n', '']);
  });

  test('names the first dead path, and says how many of all are dead', () => {
    expect(ask([alive, missing, stale])).toEqual([1, `dead: missing: no such file (${missing}); 2 of 3 dead\n`, '']);
  });

  test('asks about LIVENESS_PATH when no path is given', () => {
    expect(ask([], { LIVENESS_PATH: alive })[0]).toBe(0);
    expect(ask([], { LIVENESS_PATH: stale })[0]).toBe(1);
    expect(ask([], { LIVENESS_PATH: missing })[1]).toBe(`dead: missing: no such file (${missing})\n`);
  });

  test.each(['warning', 'WARN', 'Error', 'CRITICAL', 'fatal', 'silent'])(
    'with LOG_LEVEL=%s is silent when alive, never when dead',
    (LOG_LEVEL) => {
      expect(ask([alive], { LOG_LEVEL })).toEqual([0, '', '']);
      expect(ask([stale], { LOG_LEVEL })).toEqual([1, expect.stringContaining('dead: stale'), '']);
    },
  );

  test.each(['', 'info', 'DEBUG', 'warnings'])('with LOG_LEVEL=%s speaks when alive', (LOG_LEVEL) => {
    expect(ask([alive], { LOG_LEVEL })[1]).toContain('alive: ');
  });

  test('shows a path in less than 200 bytes of printable ASCII, on one line', () => {
    const wild = `${scratch()}/dead: \n\u001b[2J\u009b ü ${'x'.repeat(200)}`;
    const [code, line] = ask([wild, wild]);
    expect(code).toBe(1);
    expect(line).toMatch(/^dead: missing: no such file \(\.\.\.x{77}\); 2 of 2 dead\n$/);
    const short = `${scratch()}/\n\u009bü`;
    expect(ask([short])[1]).toBe(`dead: missing: no such file (${short.slice(0, -3)}?????)\n`);
  });

  test.each([
    ['a stdout that is closed', '>&-'],
    ['a full stdout', '>/dev/full'],
    ['a stdout nobody reads', '| :'],
  ])('keeps its exit code with %s', (_, redirect) => {
    const script = `set -o pipefail; "$@" ${redirect}`;
    for (const [path, code] of [
      [alive, 0],
      [stale, 1],
    ] as const) {
      expect(
        spawnSync('bash', ['-c', script, 'bash', ...command, path], { stdio: ['ignore', 'pipe', 'ignore'] }).status,
      ).toBe(code);
    }
  });
});

describe.each(shipped)('%s', (name, command) => {
  const ask = (...args: string[]): ReturnType<typeof said> => said([...command, ...args]);

  test('--help explains the probe and exits 0', () => {
    for (const flag of ['--help', '-h']) {
      const [code, text, errors] = ask(flag);
      expect([code, errors]).toEqual([0, '']);
      expect(text).toContain('exit codes: 0 all alive, 1 one is dead (the line says which and why), 2 could not ask');
      expect(text).toContain('--other-pid-namespace');
      expect(text).toContain('livenessProbe:');
      for (const line of text.split('\n')) expect(line.length).toBeLessThan(120);
    }
  });

  test('--version prints the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(ask('--version')).toEqual([0, `${version}\n`, '']);
  });

  test('takes its options anywhere before --', () => {
    const foreign = fileOf(record({ pid: 999_999_999, boot: '0-0-0-0-1' }));
    expect(ask(foreign, '--other-pid-namespace')[0]).toBe(0);
    expect(ask(foreign, '--other-pid-namespace', foreign)[1]).toBe('alive: 2 of 2\n');
    expect(ask(alive, '--', '--other-pid-namespace')[1]).toContain('(--other-pid-namespace); 1 of 2 dead');
  });

  test('shows an option that it refuses on one line', () => {
    const [code, , error] = ask(`--bo\n\u001b[31mgus${'s'.repeat(5000)}`);
    expect(code).toBe(2);
    expect(error).toMatch(/^cannot ask: [ -~]{1,300}\n$/);
  });

  test.each([
    ['--help', '--bogus'],
    ['--version', '--bogus'],
    ['--bogus', '--help'],
  ])('%s %s is refused', (...flags) => {
    expect(ask(...flags)).toEqual([2, '', expect.stringMatching(/^cannot ask: .*--bogus/)]);
  });

  test.each(['--maximum-age=soon', '--maximumage', '--process-all', '-x'])(
    '%s is refused: exit 2, one line on stderr',
    (flag) => {
      const [code, text, error] = ask(flag, alive);
      expect([code, text]).toEqual([2, '']);
      expect(error).toMatch(/^cannot ask: .*expected.*\n$/);
      expect(error.split('\n')).toHaveLength(2);
    },
  );

  test('takes what follows -- as paths', () => {
    expect(ask('--', '--help')[1]).toBe('dead: missing: no such file (--help)\n');
  });

  test('--other-pid-namespace ignores pid and boot', () => {
    const foreign = fileOf(record({ pid: 999_999_999, boot: '0-0-0-0-1' }));
    expect(ask(foreign)[1]).toContain('dead: gone: beat in another boot');
    expect(ask('--other-pid-namespace', foreign)).toEqual([
      0,
      expect.stringContaining(', by wall clock (') as string,
      '',
    ]);
    const old = fileOf(aged(7000, { pid: 999_999_999 }));
    expect(ask('--other-pid-namespace', old)).toEqual([1, expect.stringContaining('dead: stale: ') as string, '']);
  });

  if (name === 'liveness.js') {
    test.each([
      ['500ms', '500ms'],
      ['90s', '1m30s'],
      ['2m', '2m'],
      ['1h30m', '1h30m'],
      ['1d', '1d'],
      ['PT2M', '2m'],
      ['P1DT2H30M5S', '1d2h30m5s'],
    ])('--maximum-age %s is a limit for plain files', (limit, shown) => {
      expect(ask('--maximum-age', limit, fileOf('1700000000'))[1]).toContain(`limit ${shown}, by wall clock`);
      expect(ask('--maximum-age', limit, stale)[1]).toContain('limit 1m (');
    });

    test('a plain file within --maximum-age is alive', () => {
      expect(ask('--maximum-age', '1h', fileOf(''))[0]).toBe(0);
    });

    test.each(['', '0s', '5', '2 m', '-2m', '1.5h', 'PT', '30m1h', 'soon'])(
      '--maximum-age %j is refused, and the line says what is accepted',
      (limit) => {
        expect(ask(`--maximum-age=${limit}`, alive)).toEqual([
          2,
          '',
          `cannot ask: --maximum-age expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got ${JSON.stringify(limit)}\n`,
        ]);
      },
    );
  } else {
    test("answers the same under -e and -u, also with zsh's variable in its environment", () => {
      const [shell = '', ...rest] = command;
      for (const [path, code] of [
        [alive, 0],
        [stale, 1],
        [missing, 1],
      ] as const) {
        for (const env of [{}, { ZSH_VERSION: '5.9' }])
          expect(said([shell, ...rest.slice(0, -1), '-eu', LIVENESS_SH, path], env)).toEqual([code, ask(path)[1], '']);
      }
    });

    test('--maximum-age is refused, and the line names the probe that has it', () => {
      expect(ask('--maximum-age', '2m', alive)[2]).toContain('expected liveness.js for --maximum-age');
    });
  }
});

describe('probe(...)', () => {
  test.each(['Mine', "'/tmp/x'", '[Mine.byRef()]', 'null', 'undefined', 'Mine.byRef(), 5'])(
    'refuses %s, and says what was expected',
    (given) => {
      expect(said(own(`probe(${given})`))).toEqual([
        2,
        '',
        expect.stringMatching(/^cannot ask: probe expected Timestamps such as WorkerTimestamp\.byRef\(\); got .*\n$/),
      ]);
    },
  );

  test('prints any error on one line', () => {
    const body =
      "class Bad extends Timestamp { get maximumAge() { throw new Error('boom\\nline 2\\u001b[31m') } } probe(Bad.byRef())";
    expect(said(own(body))).toEqual([2, '', 'cannot ask: boom?line 2?[31m\n']);
  });

  test('without timestamps cannot ask', () => {
    expect(said(own('probe()'))).toEqual([2, '', 'cannot ask: probe expected at least one Timestamp; got none\n']);
  });

  test('without a usable maximumAge cannot ask, and says what was expected', () => {
    const [code, , error] = said(own('class Wrong extends Timestamp {}; probe(Wrong.byRef())'));
    expect(code).toBe(2);
    expect(error).toMatch(
      /^cannot ask: Wrong\.maximumAge must be milliseconds above 0.*; got undefined \(undefined\)\n$/,
    );
  });

  test('ends although the import graph holds a handle open', () => {
    const holding = own(
      `probe(Mine.byRef(${JSON.stringify(stale)}))`,
      "require('node:net').createServer().listen(0); setInterval(() => {}, 1e6);",
    );
    expect(said(holding)[0]).toBe(1);
  });

  test('keeps its answer if a listener of "exit" changes the exit code', () => {
    const listening = own(
      `probe(Mine.byRef(${JSON.stringify(stale)}))`,
      "process.on('exit', () => { process.exitCode = 0; process.exit(0); });",
    );
    expect(said(listening)[0]).toBe(1);
  });

  test('never beats, even if the constructor of the class beats', () => {
    const path = join(scratch(), 'timestamp');
    const body = `class Eager extends Timestamp { maximumAge = 1000; constructor(...all) { super(...all); this.refresh(); } }
                  probe(Eager.byRef(${JSON.stringify(path)}))`;
    expect(exec(own(body)).status).not.toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test('process.exit(byRef(path).alive ? 0 : 1) works as a probe', () => {
    for (const [path, code] of [
      [alive, 0],
      [stale, 1],
      [missing, 1],
    ] as const) {
      expect(said(own(`process.exit(Mine.byRef(${JSON.stringify(path)}).alive ? 0 : 1)`))).toEqual([code, '', '']);
    }
  });

  test('is imported by name from an ES module', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(resolve('.'), join(folder, 'node_modules', 'k8s-liveness'));
    writeFileSync(
      join(folder, 'liveness.mjs'),
      `import { Timestamp, probe } from 'k8s-liveness';
       class Mine extends Timestamp { maximumAge = { minutes: 10 } }
       probe(Mine.byRef(${JSON.stringify(alive)}));`,
    );
    expect(said([process.execPath, join(folder, 'liveness.mjs')])[0]).toBe(0);
  });
});

describe('what a probe costs', () => {
  test('liveness.js is one file that loads node: builtins only, and stack.cjs for last words', () => {
    const loads = [...readFileSync(LIVENESS_JS, 'utf8').matchAll(/(\brequire|\bimport|getBuiltinModule)\(([^)]*)/g)];
    const own = loads.filter(([, how]) => how !== 'getBuiltinModule');
    expect(own.map(([, , what]) => what)).toEqual(['"./stack.cjs"']);
    expect(loads.length).toBeGreaterThan(own.length);
    for (const [, how, what] of loads) if (how === 'getBuiltinModule') expect(what).toMatch(/^"node:/);
  });

  describeIf(spawnSync('strace', ['-V']).status === 0, 'strace (apt-get install strace)')('counted by strace', () => {
    test.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
      'liveness.sh under %s is one execve and no fork',
      (_, shell) => {
        for (const path of [alive, stale, missing]) {
          const log = join(scratch(), 'strace');
          exec(['strace', '-f', '-e', 'trace=execve,clone,clone3,fork,vfork', '-o', log, ...shell, LIVENESS_SH, path]);
          const calls = [...readFileSync(log, 'utf8').matchAll(/^\d+ +(\w+)\(/gm)].map(([, call]) => call);
          expect(calls).toEqual(['execve']);
        }
      },
    );

    test('liveness.js reads stack.cjs only for the last words of a loop that does not turn', () => {
      for (const [args, reads] of [
        [[stale], false],
        [['--last-words', alive], false],
        [['--last-words', missing], false],
        [['--last-words', stale], true],
      ] as const) {
        const log = join(scratch(), 'strace');
        exec(['strace', '-f', '-e', 'trace=open,openat', '-o', log, process.execPath, LIVENESS_JS, ...args]);
        expect([args, readFileSync(log, 'utf8').includes('stack.cjs')]).toEqual([args, reads]);
      }
    });

    test('liveness.js starts no process', () => {
      const log = join(scratch(), 'strace');
      exec(['strace', '-f', '-e', 'trace=execve,fork,vfork', '-o', log, process.execPath, LIVENESS_JS, alive]);
      expect([...readFileSync(log, 'utf8').matchAll(/^\d+ +(execve|v?fork)\(/gm)]).toHaveLength(1);
    });
  });

  describeIf(spawnSync('shellcheck', ['--version']).status === 0, 'shellcheck (apt-get install shellcheck)')(
    'read by ShellCheck',
    () => {
      test('liveness.sh is POSIX sh', () => {
        // Excluded: ulimit -t, which all three shells have; $LIVENESS_PATH in the help; fields that are split on purpose.
        const { stdout } = spawnSync('shellcheck', ['--shell=sh', '--exclude=SC3045,SC2016,SC2086', LIVENESS_SH], {
          encoding: 'utf8',
        });
        expect(stdout).toBe('');
      });
    },
  );
});
