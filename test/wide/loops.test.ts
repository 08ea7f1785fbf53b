/** examples/loops, run as processes and threads, over HTTP. Takes about 45 s, a third of it for the story. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { LOOPS, type LoopName } from '../../examples/loops/loops';
import { parse, type HeartbeatRecord } from '../../src/record';
import { Timestamp } from '../../src/timestamp';
import { scratch } from '../support/records';
import { PATIENCE, until } from '../support/until';

const EXAMPLE = resolve('examples/loops');
const README = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');

/** The commands that README shows. The tests do not build again, because other tests use dist. */
const [, build, compile = '', tell = ''] = /```sh\n(npm run build) && (.*?) && (.*)\n```/.exec(README) ?? [];

/** More files than a loop takes in one turn. */
const BACKLOG = 120;

let folder: string;
const groups = new Set<ChildProcess>();

beforeAll(() => {
  const [npx, tsc, ...args] = compile.split(' ');
  expect([build, npx, tsc]).toEqual(['npm run build', 'npx', 'tsc']);
  const { status, stdout } = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`tsc: ${stdout}`);
});

beforeEach(() => {
  folder = scratch();
  for (const name of ['faults', 'tmp']) mkdirSync(join(folder, name));
});

afterEach(() => {
  for (const child of groups) signalGroup(child, 'SIGKILL');
  groups.clear();
});

describe('the collector', () => {
  test('takes events, packs, ships and cleans up, and on SIGTERM finishes the events in hand', async () => {
    const archive = join(folder, 'data', 'archive');
    mkdirSync(archive, { recursive: true });
    const now = Date.now();
    for (let index = 0; index < BACKLOG; index++)
      writeFileSync(join(archive, `${now - 60_000}-before-${index}.ndjson.gz`), '');
    writeFileSync(join(archive, `${now}-before.ndjson.gz`), '');
    temporary('incoming', 120);
    temporary('packed', 120);
    temporary('archive', 0);
    const service = await start({ KEEP_SECONDS: '30' });
    for (const by of ['node', 'sh'] as const)
      await until(() => isDeepStrictEqual(ask(by), { exit: 0, line: 'alive: 7 of 7' }));

    expect(await post(service, 'an event\nof "two" lines, ümlaut')).toBe(204);
    await until(() => events().includes('an event\nof "two" lines, ümlaut'));
    expect(await post(service, 'x'.repeat(64 * 1024 + 1))).toBe(413);
    expect(await post(service, new Blob(['chunked']).stream())).toBe(411);
    await until(() => readdirSync(archive).length === 3); // the old ones have gone
    expect(readdirSync(archive)).toEqual(expect.arrayContaining([`${now}-before.ndjson.gz`, 'before.tmp']));

    const posts = Array.from({ length: 100 }, (_, index) => post(service, `event ${index}`));
    await Promise.race(posts);
    service.child.kill('SIGTERM');
    const answers = await Promise.all(posts);
    expect(await ended(service)).toMatchObject({ code: 0, stderr: '' });
    const taken = answers.flatMap((answer, index) => (answer === 204 ? [`event ${index}`] : []));
    expect(taken.length).toBeGreaterThan(0);
    expect(events()).toEqual(expect.arrayContaining(taken));
    expect(states()).toEqual(all('missing'));
    for (const name of ['incoming', 'pack-1', 'pack-2', 'packed'])
      expect(readdirSync(join(folder, 'data', name))).toEqual([]);
  });

  test('ships a backlog of more than one turn', async () => {
    const packed = join(folder, 'data', 'packed');
    mkdirSync(packed, { recursive: true });
    for (let index = 0; index < BACKLOG; index++) {
      writeFileSync(join(packed, `${Date.now()}-${index}.ndjson.gz`), gzipSync(`"event ${index}"\n`));
    }
    const service = await start();
    await until(() => readdirSync(packed).length === 0);
    service.child.kill('SIGTERM');
    expect(await ended(service)).toMatchObject({ code: 0, stderr: '' });
    expect(new Set(events()).size).toBe(BACKLOG);
  });

  test('kills a thread that spins, and the new thread takes over its file and its work in hand', async () => {
    const service = await start();
    const before = beat('pack-1');
    breakLoop('pack-1', 'spin');
    await until(() => service.said.stdout.includes('pack-1 does not beat: killed'));
    await until(() => service.said.stdout.includes('pack-1 ended'));
    await become({ ...all('alive'), 'pack-1': 'stale' });
    const now = Date.now(); // a recent time, so that the file is not cleaned up
    writeFileSync(join(folder, 'data', 'pack-1', `${now}-in-hand.ndjson`), '"in hand"\n');
    mendLoop('pack-1');
    await until(
      () => states()['pack-1'] === 'alive' && existsSync(join(folder, 'data', 'archive', `${now}-in-hand.ndjson.gz`)),
    );
    const after = beat('pack-1');
    expect({ pid: after.pid, start: after.start }).toEqual({ pid: service.child.pid, start: before.start });
    expect(after.writer).not.toBe(before.writer);
  });

  test('kills no thread or process after it was frozen for longer than any limit', async () => {
    const service = await start();
    signalGroup(service.child, 'SIGSTOP');
    await become(all('stale'));
    const turns = beat('supervisor').beat;
    signalGroup(service.child, 'SIGCONT');
    await until(() => beat('supervisor').beat > turns + 10);
    await become(all('alive'));
    expect(service.said.stdout).not.toContain('killed');
  });

  test('ends its workers if its primary is killed, and a new one continues with the leftovers', async () => {
    const service = await start();
    expect(await post(service, 'before')).toBe(204);
    service.child.kill('SIGKILL');
    await ended(service); // all its processes have closed its output
    await become(all('gone'));
    const next = await start();
    expect(await post(next, 'after')).toBe(204);
    await until(() => events().length === 2);
    expect(events().sort()).toEqual(['after', 'before']);
  });

  test('does not start on the heartbeats of another service', async () => {
    const first = await start();
    const { code, stdout, stderr } = await ended(run(process.execPath, ['dist/main.js']));
    expect(code).toBe(1);
    expect(stderr).toContain(`in use by a Timestamp of process ${String(first.child.pid)}`);
    expect(stdout).toBe('');
    await become(all('alive'));
  });

  test('stops although a client does not finish its request and a thread does not stop', async () => {
    const service = await start({ MAXIMUM_AGE_SECONDS: '60' });
    breakLoop('pack-1', 'hang');
    const client = connect(Number(service.address().split(':')[1]), '127.0.0.1');
    client.on('error', () => undefined).write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf');
    await once(client, 'connect');
    service.child.kill('SIGTERM');
    expect(await ended(service)).toMatchObject({ code: 0, stderr: '' });
    expect(service.said.stdout).toContain('pack-1 does not stop: killed');
    expect({ states: states(), said: service.said.stdout }).toMatchObject({
      states: { ...all('missing'), 'pack-1': 'gone' },
    });
  });
});

describe('the story', () => {
  test('ends with exit 0, prints what README shows, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await ended(story());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Every answer was as expected');
    const answers = [...stdout.matchAll(/^ {2}([012]) {2}(.*)$/gm)].map(
      ([, exit = '', line = '']) => `${exit} ${gist(line)}`,
    );
    expect(answers).toEqual([
      '1 dead: missing: ship; 1 of 7 dead',
      '0 alive: 6 of 6',
      '0 alive: 7 of 7',
      '1 dead: stale: ship; 1 of 7 dead',
      '0 alive: 7 of 7',
      '1 dead: stale: pack-1; 1 of 7 dead',
      '0 alive: 7 of 7',
      '1 dead: gone: web-1; 1 of 7 dead',
      '0 alive: 7 of 7',
      '1 dead: gone: web-2; 1 of 7 dead',
      '0 alive: 7 of 7',
      '1 dead: stale: supervisor; 3 of 7 dead',
      '1 dead: gone: supervisor; 7 of 7 dead',
      '0 alive: 7 of 7',
      '1 dead: missing: supervisor; 7 of 7 dead',
    ]);
    expect(stdout).toContain('service: web-2 does not beat: killed');
    expectNothingLeft();
  });

  test('fails if one probe gives another answer, and leaves nothing behind', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'dash'), '#!/bin/sh\necho "alive: as always"\n');
    chmodSync(join(bin, 'dash'), 0o755);
    const { code, stderr } = await ended(story({ PATH: `${bin}:${process.env.PATH ?? ''}` }));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^\nNot as it should be: expected of dash .* exit 1 and "dead: missing: .*; got exit 0 and "alive: as always"\n$/,
    );
    expectNothingLeft();
  });

  test('leaves nothing behind if it is stopped by Ctrl-C', async () => {
    const telling = story();
    await until(() => telling.said.stdout.includes('dead: missing: '));
    telling.child.kill('SIGINT');
    expect(await ended(telling)).toMatchObject({ code: 130, stderr: '' });
    expectNothingLeft();
  });

  function story(env: NodeJS.ProcessEnv = {}): Running {
    const [node, ...args] = tell.split(' ');
    expect(node).toBe('node');
    return run(process.execPath, args, { TMPDIR: join(folder, 'tmp'), ...env }, resolve('.'));
  }

  function expectNothingLeft(): void {
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  }

  /** The reason, the loop's name, and how many loops are dead. */
  function gist(line: string): string {
    return line.replace(/^(dead: \w+): .*\/([\w-]+)\)/, '$1: $2');
  }
});

test('the API server would accept the pod, and its two probes name every loop', () => {
  const pod = new Pod(
    parseYaml(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')) as ConstructorParameters<typeof Pod>[0],
  );
  pod.validate();
  const { startupProbe, livenessProbe, env = [], volumeMounts = [] } = pod.spec?.containers[0] ?? {};
  const [sh, script = '', ...paths] = livenessProbe?.exec?.command ?? [];
  expect([sh, script]).toEqual(['sh', 'node_modules/k8s-liveness/dist/liveness.sh']);
  expect(existsSync(script.replace('node_modules/k8s-liveness/', ''))).toBe(true);
  expect(paths.map((path) => basename(path))).toEqual(LOOPS);
  expect(startupProbe?.exec).toEqual(livenessProbe?.exec);
  expect(env[0]).toEqual({ name: 'LIVENESS_DIRECTORY', value: volumeMounts[0]?.mountPath });
  expect(new Set(paths.map(dirname))).toEqual(new Set([env[0]?.value]));
});

// Processes

interface Running {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  /** Settles when its output is closed, which a process that was left behind would prevent. */
  readonly closed: Promise<unknown>;
}

interface Service extends Running {
  readonly address: () => string;
}

/** Starts the service, and settles when all its loops are alive. */
async function start(env: NodeJS.ProcessEnv = {}): Promise<Service> {
  const service = run(process.execPath, ['dist/main.js'], env);
  const address = (): string => /^listening on (.*)/m.exec(service.said.stdout)?.[1] ?? '';
  await until(() => {
    if (service.child.exitCode !== null) throw new Error(`expected a running service; it said ${service.said.stderr}`);
    return address() !== '';
  });
  await become(all('alive'));
  return { ...service, address };
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}, cwd = EXAMPLE): Running {
  const child = spawn(command, args, {
    cwd,
    env: { ...environment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // its own process group, so that its workers can be ended with it
  });
  groups.add(child);
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  return { child, said, closed: once(child, 'close') };
}

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LIVENESS_DIRECTORY: join(folder, 'liveness'),
    DATA: join(folder, 'data'),
    FAULTS: join(folder, 'faults'),
    HOST: '127.0.0.1',
    PORT: '0',
    MAXIMUM_AGE_SECONDS: '1.5',
    LOG_LEVEL: '',
    NODE_OPTIONS: '',
  };
}

function signalGroup({ pid = 0 }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // All processes of the group have ended.
  }
}

async function ended({ child, said, closed }: Running) {
  await closed;
  return { code: child.exitCode, ...said };
}

function breakLoop(name: LoopName, what: string): void {
  writeFileSync(join(folder, 'faults', name), what);
}

function mendLoop(name: LoopName): void {
  rmSync(join(folder, 'faults', name));
}

// Its events

/** The status of the answer; undefined if the connection was refused or cut. */
async function post(service: Service, body: string | ReadableStream): Promise<number | undefined> {
  try {
    const { status } = await fetch(`http://${service.address()}`, {
      method: 'POST',
      body,
      duplex: 'half',
      signal: AbortSignal.timeout(PATIENCE),
    });
    return status;
  } catch {
    return undefined;
  }
}

/** Makes the temporary file of a put() whose process was killed `secondsAgo`. */
function temporary(name: string, secondsAgo: number): void {
  const path = join(folder, 'data', name, 'before.tmp');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  utimesSync(path, new Date(), Date.now() / 1000 - secondsAgo);
}

/** The events in the archive, without the files that a test has made. */
function events(): string[] {
  const archive = join(folder, 'data', 'archive');
  const names = readdirSync(archive).filter((name) => !name.endsWith('.tmp') && !name.includes('before'));
  const lines = names.flatMap((name) =>
    gunzipSync(readFileSync(join(archive, name)))
      .toString()
      .trimEnd()
      .split('\n'),
  );
  return lines.map((line) => JSON.parse(line) as string);
}

// Its heartbeats

const pathOf = (name: LoopName): string => join(folder, 'liveness', name);

function states(): Record<string, string> {
  return Object.fromEntries(
    LOOPS.map((name) => {
      const verdict = Timestamp.byRef(pathOf(name)).verdict();
      return [name, verdict.alive ? 'alive' : verdict.reason];
    }),
  );
}

/** Waits until every loop is as expected. */
async function become(expected: Record<string, string>): Promise<void> {
  await until(() => LOOPS.every((name) => states()[name] === expected[name]));
}

function all(state: string): Record<string, string> {
  return Object.fromEntries(LOOPS.map((name) => [name, state]));
}

/** The service's own probe, or the shipped shell probe over all paths. */
function ask(by: 'node' | 'sh'): { exit: number | null; line: string } {
  const [command = '', ...args] =
    by === 'node'
      ? [process.execPath, join(EXAMPLE, 'dist/liveness.js')]
      : ['sh', resolve('dist/liveness.sh'), ...LOOPS.map(pathOf)];
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', env: environment() });
  return { exit: status, line: stdout.trimEnd() };
}

function beat(name: LoopName): HeartbeatRecord {
  // Reads again, because a record can be torn while it is written.
  for (let reads = 0; reads < 100_000; reads++) {
    const parsed = parse(readFileSync(pathOf(name), 'latin1').trimEnd());
    if (parsed.kind === 'record') return parsed.record;
    if (parsed.kind === 'plain' || !parsed.torn) break;
  }
  throw new Error(`expected a heartbeat of ${name}`);
}
