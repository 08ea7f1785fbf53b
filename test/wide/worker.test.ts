/** examples/worker, run as processes with a spool directory. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse, type HeartbeatRecord } from '../../src/record';
import { describeIf } from '../support/describe-if';
import { until } from '../support/until';

const WORKER = resolve('examples/worker');

/** Just above the size of a very large file in main.ts. Random bytes take about a second, because they do not compress. */
const LARGE = randomBytes(33 * 1024 * 1024);

let folder: string;
let spool: string;
let path: string;
const children = new Set<ChildProcess>();

beforeAll(() => {
  const tsc = require.resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', WORKER], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tsc: ${stdout}`);
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'worker-test-'));
  spool = join(folder, 'spool');
  path = join(folder, 'timestamp');
  mkdirSync(spool);
});

afterEach(() => {
  for (const { pid = 0 } of children) {
    try {
      process.kill(-pid, 'SIGKILL'); // its process group, with a story's worker
    } catch {
      // All processes of the group have ended.
    }
  }
  children.clear();
  // A worker that is being killed may still make a file.
  rmSync(folder, { recursive: true, maxRetries: 10 });
});

describe('the worker', () => {
  const files = {
    'a file.txt': 'text\n'.repeat(1000),
    empty: '',
    binary: randomBytes(100_000),
    MANIFEST: 'not the one in done/',
    'nested.gz': 'not compressed',
    'ümlaut $(x) \'"*': 'a name for a shell to trip over',
    'back\\slash\nand newline': 'a name that must not forge a line of the manifest',
  };

  test('compresses every file to what it was and lists its sum', async () => {
    deliver(files);
    start();
    await emptied();
    expect(results()).toEqual(contents(files));
    expect(manifest()).toEqual(sums(files));
  });

  test('leaves alone what is not finished, and what is no file', async () => {
    const unfinished = { 'half.tmp': 'ha', '.hidden': 'x' };
    for (const [name, content] of Object.entries(unfinished)) writeFileSync(join(spool, name), content);
    mkdirSync(join(spool, 'folder'));
    start();
    await until(() => beat() !== undefined);
    deliver({ zzz: 'the last one in order' });
    await until(() => !waiting().includes('zzz'));
    expect(waiting()).toEqual(['.hidden', 'folder', 'half.tmp']);
    expect(results()).toEqual(contents({ zzz: 'the last one in order' }));
    renameSync(join(spool, 'half.tmp'), join(spool, 'whole'));
    await until(() => !waiting().includes('whole'));
  });

  test('beats also when idle', async () => {
    start();
    await until(() => (beat()?.beat ?? 0) > 0);
    const { beat: first } = defined(beat());
    // Its two minutes let a beat stay unwritten for one second at the most.
    await until(() => defined(beat()).beat > first);
    expect(beat()).toMatchObject({ kind: 'own', limit: 12_000 });
  });

  test('states a longer step for a very large file, by its size, and ends the step', async () => {
    deliver({ large: LARGE });
    start();
    await until(() => beat()?.kind === 'step');
    expect(beat()).toMatchObject({ kind: 'step', limit: 33 * 400 });
    await emptied();
    await until(() => beat()?.kind === 'own');
    expect(results()).toEqual(contents({ large: LARGE }));
  });

  test('takes its limit from the environment, and refuses one that is no number', async () => {
    start({ MAXIMUM_AGE_SECONDS: '7' });
    await until(() => beat()?.limit === 700);
    const { code, stderr } = await ended(start({ MAXIMUM_AGE_SECONDS: '2m', LIVENESS_PATH: join(folder, 'another') }));
    expect(code).toBe(1);
    expect(stderr).toContain("code: 'ERR_MAXIMUM_AGE'");
  });

  test('does a file again after a restart if it was killed in the middle, and lists it once', async () => {
    deliver({ 'a small one': 'done before', large: LARGE });
    const first = start();
    await until(() => beat()?.kind === 'step' && existsSync(join(spool, 'done', 'large.gz.tmp')));
    first.child.kill('SIGKILL');
    await ended(first);
    expect(waiting()).toEqual(['large']);
    expect(Object.keys(results())).toEqual(['a small one']);

    start();
    await emptied();
    expect(results()).toEqual(contents({ 'a small one': 'done before', large: LARGE }));
    expect(manifest()).toEqual(sums({ 'a small one': 'done before', large: LARGE }));
    expect(readdirSync(join(spool, 'done'))).not.toContain('large.gz.tmp');
  });

  // Makes by hand what a SIGKILL between two of pack()'s last steps leaves behind.
  test.each([
    ['the rename and the manifest', 'other\n'],
    ['the manifest and the removal', 'other\nfile\n'],
  ])('killed between %s, lists the file once', async (_, listed) => {
    deliver({ other: 'other', file: 'content' });
    const first = start();
    await emptied();
    first.child.kill('SIGKILL');
    await ended(first);
    const lines = sums({ other: 'other', file: 'content' });
    const before = lines.filter((line) => listed.includes(`${line.slice(66)}\n`));
    writeFileSync(join(spool, 'done', 'MANIFEST'), before.map((line) => `${line}\n`).join(''));
    deliver({ file: 'content' });

    start();
    await emptied();
    expect(manifest()).toEqual(lines);
  });

  test('on SIGTERM drains its spool, still beating, deletes its heartbeat and exits 0', async () => {
    // Two sizes, because a step with another limit is written at once, and one with the same limit may wait a second.
    const large = { 'large 1': LARGE, 'large 2': LARGE.subarray(1000) };
    const late = { late: 'appears after the worker has looked' };
    deliver(large);
    const worker = start();
    await until(() => beat()?.kind === 'step');
    deliver(late);
    const atTheSignal = defined(beat()).beat;
    worker.child.kill('SIGTERM');
    await until(() => (beat()?.beat ?? 0) > atTheSignal || hasEnded(worker));
    expect(hasEnded(worker)).toBe(false);
    expect(await ended(worker)).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(path)).toBe(false);
    expect(waiting()).toEqual([]);
    expect(results()).toEqual(contents({ ...large, ...late }));
    expect(manifest()).toEqual(sums({ ...large, ...late }));
  });

  test('does not start on the heartbeat of another worker', async () => {
    const first = start();
    await until(() => beat() !== undefined);
    const { code, stderr } = await ended(start({ SPOOL: join(folder, 'elsewhere') }));
    expect(code).toBe(1);
    expect(stderr).toContain("code: 'ERR_HEARTBEAT_IN_USE'");
    expect(stderr).toContain(`in use by a Timestamp of process ${String(first.child.pid)}`);
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
  });
});

const hasSha256sum = spawnSync('sha256sum', ['--version']).status === 0;

describeIf(hasSha256sum, 'sha256sum (apt-get install coreutils)')('its manifest', () => {
  test('is what sha256sum -c reads', async () => {
    const files = { plain: 'a', 'two words': 'b', 'back\\slash\nand newline': 'c' };
    deliver(files);
    start();
    await emptied();
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    for (const [name, content] of Object.entries(files)) writeFileSync(join(unpacked, name), content);
    const { status, stderr } = spawnSync('sha256sum', ['--strict', '-c', join(spool, 'done', 'MANIFEST')], {
      cwd: unpacked,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('the story of npm start', () => {
  test('ends with exit 0, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await ended(story());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Every verdict was as expected');
    if (process.env.LIVENESS_NO_SKIP === '1') expect(stdout).not.toContain('Left out');
    expectNothingLeft();
  });

  test('fails if one probe gives another answer, and leaves nothing behind', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'dash'), '#!/bin/sh\necho "alive: as always"\n');
    chmodSync(join(bin, 'dash'), 0o755);
    const { code, stderr } = await ended(story({ PATH: `${bin}:${process.env.PATH ?? ''}` }));
    expect(code).toBe(1);
    expect(stderr).toBe(
      '\nNot as it should be: ' +
        'expected of liveness.sh (dash) exit 0 and "alive: ...limit 2m40s"; got exit 0 and "alive: as always"\n',
    );
    expectNothingLeft();
  });

  test('says which shells are not installed', async () => {
    const { said } = story({ PATH: folder });
    await until(() => said.stdout.includes('Left out: liveness.sh under sh, dash, busybox sh, bash: not on'));
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stopped by %s, leaves nothing behind', async (signal, expected) => {
    const telling = story();
    await until(() => telling.said.stdout.includes('alive: '));
    telling.child.kill(signal);
    expect(await ended(telling)).toMatchObject({ code: expected, stderr: '' });
    expectNothingLeft();
  });

  function story(env: NodeJS.ProcessEnv = {}): Running {
    const temporary = join(folder, 'tmp');
    mkdirSync(temporary);
    return run(['dist/story'], { TMPDIR: temporary, ...env });
  }

  function expectNothingLeft(): void {
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  }
});

// Processes

interface Running {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  /** Settles when its output is closed, which a worker that was left behind would prevent. */
  readonly closed: Promise<unknown>;
}

function start(env: NodeJS.ProcessEnv = {}): Running {
  return run(['dist/main.js'], { SPOOL: spool, LIVENESS_PATH: path, ...env });
}

function run(args: string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(process.execPath, args, {
    cwd: WORKER,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  children.add(child);
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  return { child, said, closed: once(child, 'close') };
}

async function ended({ child, said, closed }: Running) {
  await closed;
  return { code: child.exitCode, ...said };
}

function hasEnded({ child }: Running): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

// The spool

function deliver(files: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, 'delivery'), content);
    renameSync(join(folder, 'delivery'), join(spool, name));
  }
}

function waiting(): string[] {
  return readdirSync(spool)
    .filter((name) => name !== 'done')
    .sort();
}

async function emptied(): Promise<void> {
  await until(() => waiting().length === 0);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The files in done/ by their checksums, because a failure with a large file's bytes cannot be read. */
function results(): Record<string, string> {
  const names = readdirSync(join(spool, 'done')).filter((name) => name.endsWith('.gz'));
  const content = (name: string) => gunzipSync(readFileSync(join(spool, 'done', name)));
  return Object.fromEntries(names.map((name) => [name.slice(0, -'.gz'.length), sha256(content(name))]));
}

function contents(files: Record<string, string | Buffer>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)]));
}

function manifest(): string[] {
  return readFileSync(join(spool, 'done', 'MANIFEST'), 'utf8')
    .trimEnd()
    .split('\n')
    .sort();
}

function sums(files: Record<string, string | Buffer>): string[] {
  return Object.entries(files)
    .map(([name, content]) =>
      /[\\\n]/.test(name)
        ? `\\${sha256(content)}  ${name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`
        : `${sha256(content)}  ${name}`,
    )
    .sort();
}

// The heartbeat

function beat(): HeartbeatRecord | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const parsed = parse(readFileSync(path, 'latin1').trimEnd());
    return parsed.kind === 'record' ? parsed.record : undefined;
  } catch {
    return undefined; // the file was just deleted
  }
}

function defined<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected a value');
  return value;
}
