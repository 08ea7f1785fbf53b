// Attacks by another user who may write to the heartbeat's folder, and by content that looks like a command. See SECURITY.md.

import { spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { serialise } from '../../src/record';
import { Timestamp } from '../../src/timestamp';
import { describeIf } from '../support/describe-if';
import { ready, start } from '../support/processes';
import { AS_NOBODY, LIVENESS_JS, LIVENESS_SH, PYTHON, SHELLS } from '../support/readers';
import { aged, directoryOf, fileOf, open, record, scratch } from '../support/records';
import { PATIENCE } from '../support/until';

const isRoot = process.geteuid?.() === 0;
const LIBRARY = JSON.stringify(resolve('dist/index.js'));

const SYSCTLS = ['protected_symlinks', 'protected_hardlinks', 'protected_regular', 'protected_fifos'];

/** A service that writes every beat, and sometimes deletes the file and starts again. On SIGTERM it prints its counts. */
const SERVICE = `
  const { Timestamp } = require(${LIBRARY});
  process.setgid(+process.env.USER_ID); process.setuid(+process.env.USER_ID);
  class T extends Timestamp { maximumAge = 60000 }
  const timestamp = new T(process.env.HEARTBEAT).refresh();
  let [recorded, later, threwLater, restarts, ready] = [true, 0, 0, 0, false];
  const parent = process.ppid;
  // Only a first beat may throw: after new, or after a delete() that removed the file.
  const beat = (options) => {
    if (recorded) later++;
    try { timestamp.refresh(options); recorded = true } catch { if (recorded) threwLater++ }
  };
  const some = () => {
    for (let turn = 0; turn < 20; turn++) {
      beat({ maximumAge: 600000 }); beat();
      if (turn % 5 === 0) { restarts++; try { timestamp.delete(); recorded = false } catch {} }
    }
    if (!ready && restarts >= 400 && later > 100) ready = process.stdout.write('ready\\n');
    if (process.ppid === parent) setImmediate(some);
  };
  process.stdout.write('.\\n');
  process.on('SIGTERM', () => {
    beat({ maximumAge: 600000 });
    process.stdout.write(JSON.stringify({ later, threwLater, line: String(timestamp) }) + '\\n', () => process.exit());
  });
  some();`;

interface Told {
  /** How many beats were not first beats; threwLater: how many of them threw. */
  readonly later: number;
  readonly threwLater: number;
  readonly line: string;
}

/** Settles with all output when a line matches, or when the child ends. */
function said(child: ChildProcess, line: RegExp): Promise<string> {
  let text = '';
  return new Promise((settle) => {
    child.stdout?.on('data', (data) => {
      text += String(data);
      if (line.test(text)) settle(text);
    });
    child.once('exit', () => {
      settle(text);
    });
  });
}

/** A folder in which another user may write, like an emptyDir or like /tmp. */
function shared(mode: number): string {
  const folder = join(scratch({ memory: true }), 'shared');
  chmodSync(join(folder, '..'), 0o755);
  mkdirSync(folder);
  chmodSync(folder, mode);
  return folder;
}

/** A file that looks like a leftover of the service: a regular file of its user and of the right size. */
function victim(folder: string, owner: number, mode: number): string {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const path = join(folder, 'timestamp');
  writeFileSync(path, `${'v'.repeat(191)}\n`);
  chmodSync(path, mode);
  chownSync(path, owner, owner);
  chownSync(folder, owner, owner);
  return path;
}

/** Everything about the file that a write would change. */
function state(path: string): unknown {
  const { mode, uid, gid, size, mtimeMs, ino } = lstatSync(path);
  return {
    mode,
    uid,
    gid,
    size,
    mtimeMs,
    ino,
    bytes: readFileSync(path, 'latin1'),
    beside: readdirSync(join(path, '..')),
  };
}

async function attack(
  service: { path: string; user: number },
  attacker: readonly string[],
): Promise<{ told: Told; swaps: number }> {
  const env = { ...process.env, NODE_NO_WARNINGS: '1', HEARTBEAT: service.path, USER_ID: String(service.user) };
  const beating = start(process.execPath, ['-e', SERVICE], env);
  const working = said(beating, /ready/);
  await ready(beating);
  const swapping = attacking(attacker);
  await Promise.all([working, said(swapping, /ready/)]);
  const end = said(swapping, /^\d+$/m);
  swapping.kill();
  const swaps = Number(/^\d+$/m.exec(await end)?.[0]);
  const telling = said(beating, /^{.*}$/m);
  beating.kill();
  return { told: JSON.parse(/^{.*}$/m.exec(await telling)?.[0] ?? '{}') as Told, swaps };
}

function attacking(attacker: readonly string[]): ChildProcess {
  const script = join(scratch(), 'attacker.py');
  copyFileSync('test/faults/attacker.py', script);
  chmodSync(join(script, '..'), 0o755);
  const [command = '', ...args] = [...AS_NOBODY, PYTHON ?? 'python3', '-I', script, ...attacker];
  return start(command, args);
}

const FOLDERS = [
  ['a folder that all may write, as an emptyDir', 0o777],
  ['a sticky folder, as /tmp', 0o1777],
] as const;
const USERS = [
  ['root', 0],
  ['an ordinary user', 1000],
] as const;
const PLACES = FOLDERS.flatMap(([folder, mode]) => USERS.map(([name, user]) => [name, folder, user, mode] as const));
const SWAPS = '10000';

describeIf(
  isRoot && PYTHON !== undefined,
  'root and python3: that a swap of its path never leads a service astray is not verified',
)('another user swaps things while the service beats', () => {
  const settings = SYSCTLS.map((name) => `${name}=${readFileSync(`/proc/sys/fs/${name}`, 'latin1').trim()}`);
  process.stderr.write(
    `security: sticky folders are tried under fs.${settings.join(' fs.')}; other settings are not verified\n`,
  );

  describe.each(PLACES)('%s, in %s', (_, __, user, mode) => {
    test('a swap of the path gets no other file written, and the loop goes on', async () => {
      const folder = shared(mode);
      const path = join(folder, 'timestamp');
      // Writable for the attacker, who may otherwise not make a hard link to it under fs.protected_hardlinks.
      const mine = victim(join(folder, '..', 'mine'), user, 0o666);
      const before = state(mine);
      const { told, swaps } = await attack({ path, user }, [
        'path',
        path,
        SWAPS,
        mine,
        'symlink',
        'hardlink',
        'fifo',
        'directory',
        'file',
      ]);
      expect(state(mine)).toEqual(before);
      expect(swaps).toBeGreaterThanOrEqual(Number(SWAPS));
      expect(told.later).toBeGreaterThan(100);
      expect(told.threwLater).toBe(0);
      expect(told.line).toMatch(/^alive/); // the attack is over
    });

    test.each([
      ['its folder', ''],
      ['the folder above its folder', 'below'],
    ])('a swap of %s gets no other file written', async (_, below) => {
      const folder = shared(mode);
      spawnSync('sh', [
        '-c',
        `mkdir -m 777 "$1" && mkdir -p -m 777 "$1/$2" && chmod 777 "$1/$2" && chown -R 65534:65534 "$1"`,
        'sh',
        join(folder, 'his'),
        below,
      ]);
      const path = join(folder, 'his', below, 'timestamp');
      const target = join(folder, '..', 'mine');
      const mine = victim(join(target, below), user, 0o644);
      const before = state(mine);
      const { told, swaps } = await attack({ path, user }, ['folder', join(folder, 'his'), SWAPS, target]);
      expect(state(mine)).toEqual(before);
      expect(swaps).toBeGreaterThanOrEqual(Number(SWAPS));
      expect(told.threwLater).toBe(0);
    });
  });

  test('load() removes nothing from a folder that is swapped in', async () => {
    const folder = shared(0o777);
    const his = join(folder, 'his');
    spawnSync('sh', ['-c', 'mkdir -m 777 "$1" && chown 65534:65534 "$1"', 'sh', his]);
    const mine = join(folder, '..', 'mine');
    mkdirSync(mine, { mode: 0o755 });
    const precious = join(mine, 'pid.dead.tmp');
    writeFileSync(precious, '');
    const script = `
        const { ProcessTimestamp } = require(${LIBRARY});
        const parent = process.ppid;
        let loads = 0;
        (async () => {
          while (process.ppid === parent) {
            await new ProcessTimestamp(process.env.DIRECTORY).load([]).catch(() => {});
            if (++loads === 1000) process.stdout.write('ready\\n');
            await new Promise(setImmediate);
          }
        })();`;
    const swapping = attacking(['folder', his, '1', mine]);
    await said(swapping, /ready/);
    const loading = start(process.execPath, ['-e', script], { ...process.env, NODE_NO_WARNINGS: '1', DIRECTORY: his });
    await said(loading, /ready/);
    loading.kill('SIGKILL');
    const end = said(swapping, /^\d+$/m);
    swapping.kill();
    expect(Number(/^\d+$/m.exec(await end)?.[0])).toBeGreaterThan(1000);
    expect(readdirSync(mine)).toEqual(['pid.dead.tmp']);
  });

  test.each(USERS)(
    '%s does not change the mode of its own folder that is swapped for one that it has just made',
    async (_, user) => {
      const folder = shared(0o777);
      const mine = join(folder, 'mine');
      mkdirSync(mine);
      writeFileSync(join(mine, 'kept'), '');
      chownSync(mine, user, user);
      chmodSync(mine, 0o700);
      const script = `
        const { Timestamp } = require(${LIBRARY});
        process.setgid(${user}); process.setuid(${user}); process.umask(0o077);
        class T extends Timestamp { maximumAge = 60000 }
        const parent = process.ppid;
        while (process.ppid === parent) try { new T(process.env.HEARTBEAT).refresh() } catch {}`;
      const env = { ...process.env, NODE_NO_WARNINGS: '1', HEARTBEAT: join(folder, 'made', 'timestamp') };
      const making = start(process.execPath, ['-e', script], env);
      const swapping = attacking(['made', join(folder, 'made'), '2000', mine]);
      await said(swapping, /ready/);
      const end = said(swapping, /^\d+$/m);
      swapping.kill();
      expect(Number(/^\d+$/m.exec(await end)?.[0])).toBeGreaterThanOrEqual(2000);
      making.kill('SIGKILL');
      const [kept] = readdirSync(folder).filter((name) => readdirSync(join(folder, name)).includes('kept'));
      expect(lstatSync(join(folder, kept ?? '')).mode & 0o777).toBe(0o700);
    },
  );

  test.each(USERS)(
    '%s never follows a symbolic link that is swapped in between the check of the path and its opening',
    async (_, user) => {
      const path = join(shared(0o777), 'timestamp');
      const mine = victim(join(path, '../../mine'), user, 0o644);
      const before = state(mine);
      // Only links, so that each swap shows either the service's own file or the link.
      await attack({ path, user }, ['path', path, '150000', mine, 'symlink']);
      expect(state(mine)).toEqual(before);
    },
  );

  test('a Node reader never reads another file, and never hangs', async () => {
    const path = join(shared(0o777), 'timestamp');
    const alive = fileOf(record());
    open(alive);
    const swapping = attacking(['path', path, '1', alive, 'symlink', 'fifo', 'directory', 'file', 'symlink']);
    await said(swapping, /ready/);
    const verdicts = new Map<string, number>();
    for (let reads = 0; reads < 100_000; reads++) {
      if (reads % 1000 === 0) await setImmediate();
      const verdict = Timestamp.byRef(path).verdict();
      const word = verdict.alive ? 'alive' : verdict.reason;
      verdicts.set(word, (verdicts.get(word) ?? 0) + 1);
    }
    swapping.kill();
    expect(verdicts.get('alive')).toBeUndefined();
    expect(verdicts.has('unreadable')).toBe(true);
  });
});

describe('files are 0644 and folders 0755', () => {
  test.each(['000', '022', '027', '077', '0777'])('under umask %s', (umask) => {
    const folder = join(scratch(), 'made');
    const script = `
      process.umask(0o${umask});
      const { ProcessTimestamp, Timestamp } = require(${LIBRARY});
      class T extends Timestamp { maximumAge = 60000 }
      new T(process.env.FOLDER + '/deep/timestamp').refresh();
      new ProcessTimestamp(process.env.FOLDER + '/unit').load([]).then((process) => process.set(0));`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', script], { env: { ...process.env, FOLDER: folder } });
    expect([status, String(stderr)]).toEqual([0, '']);
    const modes = ['', 'deep', 'deep/timestamp', 'unit', 'unit/timestamp', 'unit/pid', 'unit/error'].map(
      (name) => lstatSync(join(folder, name)).mode & 0o7777,
    );
    expect(modes).toEqual([0o755, 0o755, 0o644, 0o755, 0o644, 0o644, 0o644]);
  });
});

const EVIL = [
  '$(touch canary)',
  '`touch canary`',
  ';touch canary;',
  '| touch canary',
  '&& touch canary',
  'a[$(touch canary)]',
  '\n touch canary\n',
  '-n',
  '-e touch',
  '--',
  '*',
  '?',
  '~',
  '"$(touch canary)"',
  "'; touch canary; '",
  '${IFS}',
  '%s%n',
  '\\',
  'k_reason',
  '\u001b[2J\u009b',
  '08',
  ' ',
  '\t',
];
const shells = SHELLS.map((shell) => [shell.join(' '), [...shell, LIVENESS_SH]] as const);
const PROBES = [['node', [process.execPath, LIVENESS_JS]], ...shells] as const;

describe.each(PROBES)('%s: no input is run as a command', (name, probe) => {
  /** Runs the probe in a folder in which a command that ran would leave a file. */
  function asked(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): { exit: number | null; line: string; left: string[] } {
    const cwd = scratch();
    const [command = '', ...rest] = probe;
    const clean = { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: '', LIVENESS_PATH: '' };
    const { status, stdout, stderr } = spawnSync(command, [...rest, ...args], {
      cwd,
      env: { ...clean, ...env },
      timeout: PATIENCE,
      encoding: 'utf8',
    });
    return { exit: status, line: stdout + stderr, left: readdirSync(cwd) };
  }
  const LINE = /^[ -~]{1,300}\n$/;

  // A Node probe uses no shell, so a few inputs are enough.
  test.each(EVIL.filter((_, at) => name !== 'node' || at % 4 === 0))(
    '%j as a path, a variable, a heartbeat, a pid, an error',
    (evil) => {
      const directory = directoryOf({ pid: evil, error: evil, timestamp: evil });
      const beat = serialise(record()).toString().split(/ +/);
      const answers = [
        asked(['--', evil]),
        asked([], { LIVENESS_PATH: evil }),
        asked(['--process'], { LIVENESS_RUNDIR: evil, LIVENESS_UNIT_NAME: evil }),
        asked(['--process'], { LIVENESS_RUNDIR: join(directory, '..'), LIVENESS_UNIT_NAME: evil }),
        asked([fileOf(evil)]),
        asked([fileOf(beat.map((field, at) => (at % 3 === 1 ? evil : field)).join(' '))]),
        asked([directory]),
        asked([directoryOf({ pid: process.pid, error: evil })]),
        asked([directoryOf({ pid: evil, error: 0 })]),
      ];
      for (const { exit, line, left } of answers) {
        expect({ left, line }).toEqual({ left: [], line: expect.stringMatching(LINE) as string });
        expect([1, 2]).toContain(exit);
      }
      // With any LOG_LEVEL a dead heartbeat is dead, and the probe says so.
      expect(asked(['missing'], { LOG_LEVEL: evil })).toEqual({
        exit: 1,
        line: 'dead: missing: no such file (missing)\n',
        left: [],
      });
    },
  );

  test.each([
    { IFS: '0123456789/ -' },
    { IFS: '' },
    { CDPATH: '/' },
    { POSIXLY_CORRECT: '1' },
    { PATH: '/nowhere' },
    { PATH: '' },
    { ENV: './canary.sh' },
    { LC_ALL: 'tr_TR.UTF-8' },
    { SHELLOPTS: 'errexit:nounset:noclobber' },
    { PS1: '$(touch canary)' },
    { PS4: '$(touch canary)' },
    { HOME: '$(touch canary)' },
    { PPID: 'x' },
    Object.fromEntries(
      ['k_reason', 'k_line', 'k_pid', 'k_now', 'k_sum', 'k_file', 'k_dead', 'k_other', 'k_named', 'k_error'].map(
        (name) => [name, 'a[$(touch canary)]'],
      ),
    ),
  ] as NodeJS.ProcessEnv[])('%j in the environment changes no answer', (env) => {
    const alive = fileOf(record());
    const stale = fileOf(aged(7000));
    const command = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', probe[0]], { encoding: 'utf8' }).stdout.trim();
    const answer = (path: string): unknown => {
      const cwd = scratch();
      writeFileSync(join(cwd, 'canary.sh'), 'touch canary\n');
      const { status, stdout } = spawnSync(command, [...probe.slice(1), path], {
        cwd,
        env: { ...process.env, LOG_LEVEL: '', ...env },
        encoding: 'utf8',
      });
      return [status, stdout.slice(0, 12), readdirSync(cwd)];
    };
    expect(answer(alive)).toEqual([0, 'alive: last ', ['canary.sh']]);
    expect(answer(stale)).toEqual([1, 'dead: stale:', ['canary.sh']]);
  });

  // Outside the threat model, and tested so that nobody relies on it: the environment can control a program.
  test('cannot protect itself from variables that control its own interpreter', () => {
    if (name === 'node') {
      expect(asked(['missing'], { NODE_OPTIONS: '--require ./nothing' }).line).toContain('./nothing');
    } else if (name === 'bash') {
      expect(asked(['missing'], { BASH_ENV: fileOf('touch canary') }).left).toEqual(['canary']);
      expect(asked(['missing'], { SHELLOPTS: 'noexec' }).exit).toBe(0); // with this, bash runs no command of a script
    } else {
      if (name === 'dash') expect(asked([fileOf(record())], { OPTIND: 'x' }).exit).toBe(2); // with this, dash ends for any script
      expect(asked(['missing'], { BASH_ENV: fileOf('touch canary'), SHELLOPTS: 'noexec' })).toMatchObject({
        exit: 1,
        left: [],
      });
    }
  });
});

describe('the package', () => {
  test('has no known vulnerability in what is bundled, as far as the registry answers', () => {
    const { stdout } = spawnSync('npm', ['audit', '--json', '--fetch-retries=0'], { encoding: 'utf8' });
    const { vulnerabilities } = JSON.parse(stdout || '{}') as { vulnerabilities?: Record<string, unknown> };
    if (!vulnerabilities) process.stderr.write('not verified: npm audit: the registry does not answer it\n');
    const notices = readFileSync('dist/NOTICES', 'utf8');
    expect(Object.keys(vulnerabilities ?? {}).filter((name) => notices.includes(`\n${name} `))).toEqual([]);
  });

  test('holds no secret and no path of the machine it was built on', () => {
    const folder = scratch();
    const packed = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { encoding: 'utf8' });
    expect(packed.status).toBe(0);
    spawnSync('tar', ['-xzf', join(folder, readdirSync(folder)[0] ?? ''), '-C', folder]);
    const files = readdirSync(join(folder, 'package'), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(folder, 'package', name),
    );
    const texts = files
      .filter((file) => lstatSync(file).isFile())
      .map((file) => [file, readFileSync(file, 'latin1')] as const);
    expect(texts.length).toBeGreaterThan(10);
    // Looks for this machine's own paths, because a page may mention /app.
    const machine = [resolve('.'), homedir()].filter((path) => path !== '/').map((path) => `${path}/`);
    const left = texts
      .filter(([file]) => file.includes('/package/dist/'))
      .flatMap(([file, text]) => machine.filter((path) => text.includes(path)).map((path) => [file, path]));
    expect(left).toEqual([]);
    const forbidden = [/-----BEGIN|\b(?:ghp|gho|npm)_[A-Za-z0-9]{20}|AKIA[A-Z0-9]{12}|_authToken|xox[bp]-/];
    const found = texts.flatMap(([file, text]) =>
      forbidden.filter((what) => what.test(text)).map((what) => [file, what]),
    );
    expect(found).toEqual([]);
  });
});
