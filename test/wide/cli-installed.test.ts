// The command line from the packed tarball, installed into an empty project and run as a process.

import { execFileSync, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CronJob } from 'kubernetes-models/batch/v1/CronJob';
import { parse as parseYaml } from 'yaml';
import { blocksOf } from '../support/markdown';
import { describeIf } from '../support/describe-if';
import { aged, directoryOf, fileOf, record, scratch } from '../support/records';
import { PATIENCE, until } from '../support/until';

// Not a scratch folder, because those exist only while tests run.
const project = mkdtempSync(join(tmpdir(), 'k8s-liveness-installed-'));
const bin = join(project, 'node_modules', '.bin');
afterAll(() => {
  rmSync(project, { recursive: true, force: true, maxRetries: 5 });
});

beforeAll(() => {
  const quiet = ['--ignore-scripts', '--loglevel=error'];
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', project, ...quiet], { encoding: 'utf8' }),
  ) as [{ filename: string }];
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...quiet, join(project, filename)], {
    cwd: project,
    stdio: 'pipe',
  });
});

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  return spawnSync('k8s-liveness', args, { encoding: 'utf8', timeout: PATIENCE, env: { ...environment(), ...env } });
}

/** An environment in which `env node`, as in the bin, is this Node. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_OPTIONS: '', PATH: `${bin}:${join(process.execPath, '..')}:${process.env.PATH ?? ''}` };
}

function bash(script: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', timeout: PATIENCE, env: { ...environment(), ...env } });
}

describe('each command, installed', () => {
  test('check exits 0, 1 and 2, with its line', () => {
    const alive = run(['check', fileOf(record())]);
    expect([alive.status, alive.stdout.split(' ')[0], alive.stderr]).toEqual([0, 'alive:', '']);
    const stale = run(['check', fileOf(aged(10_000))]);
    expect([stale.status, stale.stdout.slice(0, 11), stale.stderr]).toEqual([1, 'dead: stale', '']);
    const usage = run(['check', '--bogus']);
    expect([usage.status, usage.stdout, usage.stderr]).toEqual([
      2,
      '',
      'k8s-liveness check: Unknown argument: bogus; see --help\n',
    ]);
  });

  test('check uses the same default paths as the probes, with and without --process', () => {
    const directory = directoryOf({ pid: process.pid, error: 0 });
    const env = {
      LIVENESS_PATH: fileOf(record()),
      LIVENESS_RUNDIR: join(directory, '..'),
      LIVENESS_UNIT_NAME: directory.split('/').pop() ?? '',
    };
    expect(run(['check'], env).stdout).toContain(`(${env.LIVENESS_PATH})\n`);
    expect(run(['check', '--process'], env).stdout).toBe(`alive: process ${process.pid} (${directory})\n`);
    expect(
      run(['status'], env)
        .stdout.split('\n')
        .filter((line) => line.startsWith('/')),
    ).toEqual([env.LIVENESS_PATH, directory]);
    expect(
      run(['status'], { ...env, LIVENESS_UNIT_NAME: 'none' })
        .stdout.split('\n')
        .filter((line) => line.startsWith('/')),
    ).toEqual([env.LIVENESS_PATH]);
  });

  test('touch lets probes judge a shell loop: alive while it turns, gone when it has ended', () => {
    const folder = scratch();
    const loop =
      blocksOf(readFileSync('docs/cli.md', 'utf8'))
        .find(({ code }) => code.startsWith('# jobs.sh'))
        ?.code.replaceAll('/run/liveness', folder) ?? '';
    // The first turn has no job, the second has the last one.
    const yours = `turn=0; handle() { LOG_LEVEL= sh dist/liveness.sh ${folder}/jobs; touch ${folder}/stop; }
      next_job() { [ -e ${folder}/idle ] && echo 1 || { touch ${folder}/idle; return 1; }; }\n`;
    const { stdout, stderr } = bash(yours + loop);
    expect([stderr, stdout]).toEqual(['', expect.stringMatching(/^alive: last beat .*, limit 2m /)]);
    expect(readFileSync(join(folder, 'jobs'), 'utf8').split(/ +/)[1]).toBe('2');
    expect(run(['check', join(folder, 'jobs')]).stdout).toMatch(/^dead: gone: process \d+ has ended/);
  });

  test('run keeps the exit code, and passes a signal on', async () => {
    const directory = join(scratch(), 'unit');
    const script = 'trap "exit 9" TERM; echo started; while :; do sleep 0.05; done';
    const child = spawn(
      'k8s-liveness',
      ['run', '--maximum-age', '1h', '--directory', directory, '--', 'sh', '-c', script],
      { env: environment(), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((settle) => child.stdout.once('data', settle));
    expect(run(['check', directory]).status).toBe(0);
    const left = new Promise((settle) => child.once('exit', settle));
    child.kill('SIGTERM');
    expect(await left).toBe(9);
    expect(readFileSync(join(directory, 'error'), 'utf8')).toBe('9');
  });

  test('run hands its standard streams to the command', () => {
    const { stdout, stderr, status } = bash(
      `echo in | k8s-liveness run --maximum-age 1h --directory ${scratch()} -- sh -c 'cat; echo err >&2; exit 3'`,
    );
    expect([stdout, stderr, status]).toEqual(['in\n', 'err\n', 3]);
  });

  test('status describes and exits 0', () => {
    const { status, stdout } = run(['status', fileOf(aged(10_000)), fileOf('x')]);
    expect([status, stdout.includes('dead: stale: '), stdout.includes('dead: malformed: ')]).toEqual([0, true, true]);
  });

  test('completion completes commands and options, in bash', () => {
    const complete = (words: string[]): string[] => {
      const line = words.join(' ');
      const script = `source <(k8s-liveness completion)
        COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; COMP_LINE='${line}'; COMP_POINT=${line.length}
        f=$(complete -p k8s-liveness | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f k8s-liveness "\${COMP_WORDS[COMP_CWORD]}" ''; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = bash(script, { SHELL: '/bin/bash', ZSH_NAME: '' });
      expect(stderr).toBe('');
      return stdout.trim().split('\n');
    };
    expect(complete(['k8s-liveness', 'ch'])).toEqual(['check']);
    expect(complete(['k8s-liveness', 'check', '--max'])).toEqual(['--maximum-age']);
    for (const words of [
      ['check', ''],
      ['check', '/ru'],
      ['touch', '--maximum-age', ''],
    ]) {
      expect(complete(['k8s-liveness', ...words])).toEqual(['']); // the shell's own: files
    }
  });
});

describe('the environment of a container', () => {
  test('variables of service links change nothing', () => {
    const links = {
      K8S_LIVENESS_SERVICE_HOST: '10.0.0.1',
      K8S_LIVENESS_SERVICE_PORT: '80',
      K8S_LIVENESS_PORT: 'tcp://10.0.0.1:80',
      K8S_LIVENESS_PORT_80_TCP_PROTO: 'tcp',
      K8S_LIVENESS_JSON: 'true',
    };
    const path = fileOf(record());
    for (const args of [
      ['check', path],
      ['status', '--json', path],
      ['--version'],
      ['touch', join(scratch(), 'x'), '--maximum-age', '1m'],
    ]) {
      const [linked, plain] = [run(args, links), run(args)];
      const steady = ({ status, stdout, stderr }: SpawnSyncReturns<string>): unknown[] => [
        status,
        stdout.replaceAll(/"(ageMs|deadline|started)":[^,}]*/g, ''),
        stderr,
      ];
      expect(steady(linked)).toEqual(steady(plain));
    }
  });

  test('messages do not follow the locale', () => {
    for (const args of [['--help'], ['check', '--help'], ['chekc'], ['touch', 'x'], ['check', '--quite']]) {
      const german = run(args, {
        LC_ALL: 'de_DE.UTF-8',
        LC_MESSAGES: 'de_DE.UTF-8',
        LANG: 'de_DE.UTF-8',
        LANGUAGE: 'de',
      });
      const plain = run(args, { LC_ALL: 'C' });
      expect([german.stdout, german.stderr]).toEqual([plain.stdout, plain.stderr]);
    }
  });

  test('does not crash if the reader of its output ends early', () => {
    const paths = '$(seq -f "/no/such/heartbeat/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/%g" 2000)';
    for (const [command, code] of [
      ['check', 1],
      ['status', 0],
      ['status --json', 0],
    ] as const) {
      const { stdout, stderr } = bash(`k8s-liveness ${command} ${paths} | head -1; echo "\${PIPESTATUS[0]}"`);
      expect([stderr, stdout.trimEnd().split('\n').pop()]).toEqual(['', String(code)]);
    }
    expect(bash('k8s-liveness --help | head -1; echo "${PIPESTATUS[0]}"').stdout).toBe('k8s-liveness COMMAND\n0\n');
  });

  test('output that is larger than the buffer of a pipe is complete', () => {
    const paths = Array.from({ length: 2000 }, (_, at) => `/no/such/heartbeat/${'x'.repeat(40)}/${at}`);
    const { stdout } = run(['check', '--json', ...paths]);
    expect(stdout.length).toBeGreaterThan(200_000);
    expect((JSON.parse(stdout) as { heartbeats: unknown[] }).heartbeats).toHaveLength(2000);
  });

  test('does not crash if its standard streams are closed', () => {
    expect(bash(`k8s-liveness check ${fileOf(record())} >&- 2>&- <&-; echo $?`).stdout).toBe('0\n');
  });

  test('gives the same exit code if standard output is on a full disk', () => {
    expect(
      bash(`k8s-liveness check ${fileOf(record())} >/dev/full; echo $?; k8s-liveness status x >/dev/full; echo $?`)
        .stdout,
    ).toBe('0\n0\n');
  });

  test('answers if its working directory is gone', () => {
    const { stdout, stderr } = bash(
      `mkdir ${project}/gone; cd ${project}/gone; rmdir ${project}/gone; k8s-liveness check ${fileOf(record())}; k8s-liveness run --maximum-age 1h --directory ${scratch()} -- true; echo $?`,
    );
    expect([stderr, stdout]).toEqual(['', expect.stringMatching(/^alive: .*\n0\n$/)]);
  });

  test('needs no other file', () => {
    const alone = join(scratch(), 'cli.js');
    copyFileSync('dist/cli.js', alone);
    const { status, stdout, stderr } = spawnSync(process.execPath, [alone, 'status', fileOf(record())], {
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([0, expect.stringContaining('alive'), '']);
    expect(readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'k8s-liveness',
    ]);
  });
});

describe("docs/cli.md's manifest", () => {
  const cronJob = parseYaml(
    blocksOf(readFileSync('docs/cli.md', 'utf8')).find(({ language }) => language === 'yaml')?.code ?? '',
  ) as CronJob;
  const container = cronJob.spec?.jobTemplate.spec?.template.spec?.containers[0];

  test('is one that Kubernetes takes', () => {
    expect(() => {
      new CronJob(cronJob).validate();
    }).not.toThrow();
  });

  test('runs the job by its command, and is alive to its probe while the job runs', () => {
    const [command = '', ...args] = container?.command ?? [];
    const [probe = '', ...probeArgs] = container?.livenessProbe?.exec?.command ?? [];
    const env = { ...environment(), LIVENESS_RUNDIR: scratch() };
    const job = `const { status, stdout } = require('child_process').spawnSync(${JSON.stringify(probe)}, ${JSON.stringify(probeArgs)}); process.stdout.write(stdout); process.exitCode = status === 0 ? 5 : 6;`;
    if (!existsSync(join(project, 'dist'))) execFileSync('mkdir', [join(project, 'dist')]);
    writeFileSync(join(project, 'dist', 'report.js'), job);
    const { status, stdout } = spawnSync(command, args, { cwd: project, env, encoding: 'utf8' });
    expect([status, stdout]).toEqual([5, expect.stringMatching(/^alive: .*, limit 1h /)]);
  });
});

describeIf(spawnSync('tmux', ['-V']).status === 0, 'tmux (apt-get install tmux)')(
  'status --watch in a real terminal',
  () => {
    let server = 0; // each test has its own, because the one before may still be ending
    const tmux = (...args: string[]): string =>
      execFileSync('tmux', ['-L', `k8s-liveness-${process.pid}-${server}`, '-f', '/dev/null', ...args], {
        encoding: 'utf8',
        env: { ...environment(), TERM: 'xterm', TMUX: '' },
      });
    afterEach(() => {
      spawnSync('tmux', ['-L', `k8s-liveness-${process.pid}-${server}`, 'kill-server']);
      server++;
    });

    const untilShown = (isRight: (screen: string) => boolean): Promise<string> =>
      until(() => {
        const screen = tmux('capture-pane', '-p');
        return isRight(screen) && screen;
      });

    test.each([80, 40])('at %i columns', async (columns) => {
      const path = fileOf(aged(0, { limit: 6_000_000, beat: 1042 }));
      tmux('new-session', '-d', '-x', String(columns), '-y', '24', 'sh');
      // The answer must stay on one line of 40 columns.
      tmux(
        'send-keys',
        `PS1='> '; clear; echo be''fore; k8s-liveness status --watch ${path}; echo "ended with $?"`,
        'Enter',
      );
      const first = await untilShown((screen) => screen.includes('Ctrl-C ends'));
      const lines = first.trimEnd().split('\n');
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      expect(first.replaceAll('\n', '')).toContain(path);
      expect(first).toMatch(/^ {2}verdict {6}alive$/m);
      expect(first).toMatch(/^ {2}last beat {4}\[-{10}\] /m);
      expect(first).toMatch(/^ {2}beats {8}1042$/m);
      await untilShown((screen) => screen !== first); // a second later
      tmux('send-keys', 'C-c');
      const after = await untilShown((screen) => screen.includes('ended with'));
      expect(after).toContain('ended with 0');
      expect(after).toContain(' alive'); // the last picture stays on the screen
    });

    test('goes on after it was suspended', async () => {
      tmux('new-session', '-d', '-x', '80', '-y', '24', 'bash --norc --noprofile -i');
      tmux(
        'send-keys',
        `PS1='> '; clear; k8s-liveness status --watch ${fileOf(record())}; echo "ended with $?"`,
        'Enter',
      );
      await untilShown((screen) => screen.includes('Ctrl-C ends'));
      tmux('send-keys', 'C-z');
      await untilShown((screen) => screen.includes('Stopped'));
      tmux('send-keys', 'fg', 'Enter');
      await untilShown((screen) => screen.includes('Ctrl-C ends') && !screen.includes('Stopped'));
      tmux('send-keys', 'C-c');
      tmux('send-keys', 'echo ended with $?', 'Enter');
      await untilShown((screen) => screen.includes('ended with 0'));
    });

    test('run: the command gets one signal for one Ctrl-C', async () => {
      const script = join(scratch(), 'script');
      writeFileSync(
        script,
        'n=0; trap "n=\\$((n+1)); echo got \\$n" INT; echo ready; while [ $n = 0 ]; do sleep 0.1; done; sleep 0.5\n',
      );
      tmux('new-session', '-d', '-x', '80', '-y', '24', 'bash --norc --noprofile -i');
      tmux(
        'send-keys',
        `k8s-liveness run --maximum-age 1h --directory ${scratch()} -- bash ${script} </dev/null; echo "exit $?"`,
        'Enter',
      );
      await untilShown((screen) => /^ready/m.test(screen));
      tmux('send-keys', 'C-c');
      const screen = await untilShown((screen) => /^exit 0/m.test(screen));
      expect(screen).toMatch(/^(\^C)?got 1$/m);
      expect(screen).not.toMatch(/got 2/);
    });
  },
);
