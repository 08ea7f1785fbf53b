/** examples/process, run as processes. Every probe is asked at each step. */
import { spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { start as startProcess } from '../support/processes';
import { run, SHELLS } from '../support/readers';
import { scratch } from '../support/records';
import { until } from '../support/until';

const EXAMPLE = resolve('examples/process');

beforeAll(() => {
  const tsc = require.resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', EXAMPLE], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tsc: ${stdout}`);
});

/** A peer in this process. */
class Peer {
  readonly got: string[] = [];
  /** Milliseconds until it answers. */
  delay = 0;
  #server: Server | undefined;
  port = 0;
  readonly #sockets = new Set<Socket>();

  async arrive(): Promise<number> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      const lines = createInterface(socket).on('line', (line) => {
        if (line !== 'ping') this.got.push((JSON.parse(line) as { text: string }).text);
        setTimeout(() => socket.write('ok\n'), this.delay);
      });
      lines.on('error', () => undefined); // readline repeats the socket's error
    });
    this.#server = server;
    await new Promise<void>((settle) => server.listen(this.port, '127.0.0.1', settle));
    return (this.port = (server.address() as AddressInfo).port);
  }

  async leave(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server) await new Promise((settle) => server.close(settle));
  }
}

let folder: string;
let outbox: string;
let peer: Peer;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  folder = scratch();
  outbox = join(folder, 'outbox');
  mkdirSync(outbox);
  peer = new Peer();
  configure({ outbox, port: await peer.arrive() });
  env = {
    ...process.env,
    NODE_OPTIONS: '',
    LOG_LEVEL: '',
    CONFIG: join(folder, 'config.json'),
    LIVENESS_RUNDIR: folder,
    LIVENESS_UNIT_NAME: 'unit',
    MAXIMUM_AGE_SECONDS: '5',
  };
});

afterEach(() => peer.leave());

function configure(config: object): void {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
}

function deliver(...texts: string[]): void {
  for (const text of texts) {
    writeFileSync(join(outbox, `${text}.tmp`), text);
    renameSync(join(outbox, `${text}.tmp`), join(outbox, text));
  }
}

function start(program: string): ChildProcess {
  return startProcess(process.execPath, [join(EXAMPLE, 'dist', program)], env);
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const ended = new Promise<number | null>((settle) => child.once('exit', settle));
  child.kill(signal);
  return ended;
}

/** Runs a program to its end. */
async function outcome(program: string): Promise<{ status: number | null; stderr: string }> {
  // Not spawnSync, because the peer is in this process.
  const { exit, line } = await run(program, ['env', ...variables(), process.execPath, join(EXAMPLE, 'dist', program)]);
  return { status: exit, stderr: line };
}

function variables(): string[] {
  return ['CONFIG', 'LIVENESS_RUNDIR', 'LIVENESS_UNIT_NAME', 'MAXIMUM_AGE_SECONDS'].map(
    (name) => `${name}=${env[name] ?? ''}`,
  );
}

/** The answers to both questions. Every probe must give the same. */
async function probes(): Promise<{ liveness: string; readiness: string }> {
  const shipped = (command: string[], ...options: string[]) => [...command, '--process', ...options];
  const shells = SHELLS.map((shell) => [...shell, 'dist/liveness.sh']);
  const node = [process.execPath, 'dist/liveness.js'];
  const own = (name: string): string[] => [process.execPath, join(EXAMPLE, 'dist', name)];
  const asked = async (commands: string[][]): Promise<string> => {
    const answers = await Promise.all(
      commands.map((command) => run(command.join(' '), ['env', ...variables(), ...command])),
    );
    const said = new Set(answers.map(({ verdict, exit }) => `${verdict} ${String(exit)}`));
    if (said.size !== 1) throw new Error(`expected one answer; got ${JSON.stringify(answers, null, 2)}`);
    return [...said][0] ?? '';
  };
  const liveness = await asked([
    own('liveness.js'),
    ...[node, ...shells].map((command) => shipped(command, '--ignore-error')),
  ]);
  const readiness = await asked([own('readiness.js'), ...[node, ...shells].map((command) => shipped(command))]);
  return { liveness, readiness };
}

/** Waits until the cheapest probe says this about readiness; then all probes must say so. */
async function untilSaid(readiness: string): Promise<void> {
  const command = ['env', ...variables(), 'sh', 'dist/liveness.sh', '--process'];
  await until(async () => (await run('sh', command)).verdict === readiness);
}

const ALIVE = { liveness: 'alive 0', readiness: 'alive 0' };
const both = (reason: string): object => ({ liveness: `${reason} 1`, readiness: `${reason} 1` });

describe('the daemon', () => {
  test('fails while its peer is away, recovers, and ends; no message is lost, and their order stays', async () => {
    expect(await probes()).toEqual(both('missing'));
    const daemon = start('daemon.js');
    await untilSaid('alive');
    expect(await probes()).toEqual(ALIVE);
    expect(readFileSync(join(folder, 'unit', 'pid'), 'latin1')).toBe(String(daemon.pid));

    deliver('1', '2');
    await until(() => readdirSync(outbox).length === 0);
    await peer.leave();
    deliver('3', '4');
    await untilSaid('failed');
    expect(await probes()).toEqual({ liveness: 'alive 0', readiness: 'failed 1' });
    await sleep(6000); // longer than its limit, so it must still beat
    expect(await probes()).toEqual({ liveness: 'alive 0', readiness: 'failed 1' });
    expect(readdirSync(outbox)).toEqual(['3', '4']);

    await peer.arrive();
    await untilSaid('alive');
    expect(await probes()).toEqual(ALIVE);
    await until(() => readdirSync(outbox).length === 0);
    expect(peer.got).toEqual(['1', '2', '3', '4']);

    expect(await end(daemon, 'SIGTERM')).toBe(0);
    expect(await probes()).toEqual(both('missing'));
    expect(readdirSync(join(folder, 'unit'))).toEqual([]);
  });

  test('fails and recovers with nothing to send, because it pings the peer', async () => {
    const daemon = start('daemon.js');
    await untilSaid('alive');
    await peer.leave();
    await untilSaid('failed');
    expect(await probes()).toEqual({ liveness: 'alive 0', readiness: 'failed 1' });
    await peer.arrive();
    await untilSaid('alive');
    expect(await probes()).toEqual(ALIVE);
    await end(daemon, 'SIGTERM');
  });

  test('is stale to both questions if stopped, gone if killed, and alive when started over the leftover', async () => {
    const daemon = start('daemon.js');
    await untilSaid('alive');
    daemon.kill('SIGSTOP');
    await untilSaid('stale');
    expect(await probes()).toEqual(both('stale'));
    daemon.kill('SIGCONT');
    await untilSaid('alive');
    await end(daemon, 'SIGKILL');
    expect(await probes()).toEqual(both('gone'));
    const again = start('daemon.js');
    await untilSaid('alive');
    expect(await probes()).toEqual(ALIVE);

    const second = await outcome('daemon.js');
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`is in use by a Timestamp of process ${again.pid ?? 0}`);
    expect(await probes()).toEqual(ALIVE);
    await end(again, 'SIGTERM');
  });

  test.each<[string, () => void | Promise<void>, string]>([
    ['its peer is away', () => peer.leave(), 'health check 3 of 3 (peer) answered false'],
    [
      'its peer does not answer',
      () => {
        peer.delay = 5000;
      },
      'health check 3 of 3 (peer) answered false',
    ],
    [
      'its disk is full',
      () => {
        configure({ outbox, port: 1, minimumFreeMiB: 1e12 });
      },
      'health check 2 of 3 (diskSpace) answered false',
    ],
    [
      'its configuration does not parse',
      () => {
        writeFileSync(join(folder, 'config.json'), '{');
      },
      'SyntaxError',
    ],
    [
      'its configuration lacks something',
      () => {
        configure({ outbox });
      },
      'expected port to be a number; got undefined',
    ],
  ])('ends at once when %s, and says so, and was never there', async (_, spoil, says) => {
    await spoil();
    const { status, stderr } = await outcome('daemon.js');
    expect(status).toBe(1);
    expect(stderr).toContain(says);
    expect(existsSync(join(folder, 'unit'))).toBe(false);
    expect(await probes()).toEqual(both('missing'));
  });
});

describe('the one-shot', () => {
  test('is alive while it runs, and leaves no file behind', async () => {
    const messages = ['1', '2', '3', '4', '5', '6'];
    deliver(...messages);
    peer.delay = 700;
    const once = start('once.js');
    const ended = new Promise((settle) => once.once('exit', settle));
    await untilSaid('alive');
    expect(await probes()).toEqual(ALIVE);
    expect(await ended).toBe(0);
    expect(await probes()).toEqual(both('missing'));
    expect(peer.got).toEqual(messages);
  });

  test('says why it fails, exits 1, and leaves nothing behind', async () => {
    deliver('1', '2', '3');
    peer.delay = 200;
    const ended = outcome('once.js');
    await until(() => peer.got.includes('2'));
    await peer.leave();
    const { status, stderr } = await ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/hung up|ECONNREFUSED|ECONNRESET/);
    expect(await probes()).toEqual(both('missing'));
    expect(readdirSync(join(folder, 'unit'))).toEqual([]);
    expect(readdirSync(outbox)).toContain('3');
  });
});

test('the API server would accept the pod, whose readiness uses the error and whose liveness does not', () => {
  const pod = new Pod(
    parseYaml(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')) as ConstructorParameters<typeof Pod>[0],
  );
  pod.validate();
  const [container] = pod.spec?.containers ?? [];
  const { startupProbe, readinessProbe, livenessProbe, env: variables = [], volumeMounts = [] } = container ?? {};
  const probe = ['sh', 'node_modules/k8s-liveness/dist/liveness.sh', '--process'];
  expect(readinessProbe?.exec?.command).toEqual(probe);
  expect(livenessProbe?.exec?.command).toEqual([...probe, '--ignore-error']);
  expect(startupProbe?.exec).toEqual(livenessProbe?.exec);
  expect(variables[0]).toEqual({ name: 'LIVENESS_RUNDIR', value: volumeMounts[0]?.mountPath });
});

test('the commands in its README do what it says', async () => {
  const readme = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');
  const [, block = ''] = /```sh\n([^]*?)```/.exec(readme) ?? [];
  await peer.leave();
  const script = block
    .replace(/^npx tsc .*?&& /, '') // compiled already, and npx would ask a registry
    .replaceAll('/tmp/forwarder', folder)
    .replaceAll('7000', String(peer.port))
    // Waits for the port instead of a second, because this machine may be slow.
    .replace(/(listen.js (\d+) &) sleep 1/, '$1 until (: </dev/tcp/127.0.0.1/$2) 2>/dev/null; do sleep 0.1; done')
    .replace(/^sleep 2$/m, 'until node dist/readiness.js >/dev/null; do sleep 0.1; done')
    .replace(/(outbox\/1); sleep 1/, '$1; while [ -e $LIVENESS_RUNDIR/outbox/1 ]; do sleep 0.1; done')
    .replace(/(kill %1); sleep 2/, '$1; while node dist/readiness.js >/dev/null; do sleep 0.1; done');
  expect(script).not.toMatch(/sleep \d+(?!\.)/);
  const { stdout, status } = spawnSync('bash', ['-c', script], {
    cwd: resolve('.'),
    encoding: 'utf8',
    env: { ...process.env, LOG_LEVEL: '', NODE_OPTIONS: '' },
  });
  const said = [...readme.matchAll(/# "(.*?) \.\.\."/g)].map(([, words = '']) => words);
  const lines = stdout
    .trim()
    .split('\n')
    .filter((line) => /^(alive|dead):/.test(line));
  expect(said).toHaveLength(3);
  expect(lines.map((line, at) => line.slice(0, said[at]?.length))).toEqual(said);
  expect(stdout).toContain('{"name":"1","text":"hello\\n"}');
  expect(status).toBe(0);
});
