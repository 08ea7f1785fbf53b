/** examples/http, run as a process and asked over HTTP while its main loop turns, is blocked, and is stopped. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { beforeRemoval, scratch } from '../support/records';
import { until } from '../support/until';

const EXAMPLE = resolve('examples/http');

interface Service {
  readonly child: ChildProcess;
  readonly path: string;
  readonly port: number;
  readonly log: () => string;
}
const children: ChildProcess[] = [];

beforeAll(() => {
  const { status, stdout } = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', EXAMPLE], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`tsc: ${stdout}`);
});

beforeRemoval.push(() => {
  for (const child of children) child.kill('SIGKILL');
});

test('answers 200 while the loop turns, and 404 for other paths', async () => {
  const service = await start(3600);
  expect(await ask(service)).toEqual({
    status: 200,
    line: expect.stringMatching(/^alive: last beat .*Z, limit 1h \(/) as string,
  });
  const { status } = await fetch(`http://127.0.0.1:${service.port}/`);
  expect(status).toBe(404);
});

test.each([
  ['is blocked', 'spin'],
  ['hangs', 'hang'],
])('answers 503 with the line of the exec probe when the main loop %s, and logs it', async (_, job) => {
  const service = await start(1);
  await until(async () => (await ask(service)).status === 200);
  service.child.stdin?.write(`${job}\n`);
  const { line } = await until(async () => {
    const answer = await ask(service);
    return answer.status === 503 && answer;
  });
  expect(line).toMatch(/^dead: stale: last beat .*Z, limit 1s \(/);
  expect(line).toBe(execProbe(service));
  expect(await ask(service)).toEqual({ status: 503, line }); // the line stays the same
  await until(() => service.log().includes(line));
});

test('does not answer while the whole process is stopped', async () => {
  const service = await start(3600);
  service.child.kill('SIGSTOP');
  await until(() => /^State:\tT/m.test(readFileSync(`/proc/${String(service.child.pid)}/status`, 'utf8')));
  await expect(fetch(url(service), { signal: AbortSignal.timeout(500) })).rejects.toThrow();
});

test('ends the service if its port is taken', async () => {
  const { port } = await start(3600);
  const { child, log } = spawnService(3600, port);
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(1);
  expect(log()).toContain(`EADDRINUSE: address already in use :::${port}`);
});

test('the API server would accept the pod, and its probes ask for the path and port of the thread', () => {
  const pod = new Pod(
    parseYaml(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')) as ConstructorParameters<typeof Pod>[0],
  );
  pod.validate();
  const [container] = pod.spec?.containers ?? [];
  const { startupProbe, livenessProbe, ports, env } = container ?? {};
  expect(startupProbe?.httpGet).toEqual(livenessProbe?.httpGet);
  expect(livenessProbe?.httpGet).toEqual({ path: '/livez', port: ports?.[0]?.name });
  expect(env).toContainEqual({ name: 'LIVENESS_PORT', value: String(ports?.[0]?.containerPort) });
});

async function start(limit: number): Promise<Service> {
  const { child, path, log } = spawnService(limit, 0);
  const [, port] = await until(() => /^liveness on port (\d+)$/m.exec(log()) ?? undefined);
  return { child, path, log, port: Number(port) };
}

function spawnService(limit: number, port: number): Omit<Service, 'port'> {
  const path = join(scratch(), 'timestamp');
  const env = {
    ...process.env,
    NODE_OPTIONS: '',
    LIVENESS_PATH: path,
    LIVENESS_PORT: String(port),
    MAXIMUM_AGE_SECONDS: String(limit),
  };
  const child = spawn(process.execPath, [join(EXAMPLE, 'dist/main.js')], { env, stdio: ['pipe', 'inherit', 'pipe'] });
  children.push(child);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { child, path, log: () => text };
}

const url = ({ port }: Service) => `http://127.0.0.1:${port}/livez`;

async function ask(service: Service): Promise<{ status: number; line: string }> {
  const response = await fetch(url(service));
  return { status: response.status, line: (await response.text()).trimEnd() };
}

function execProbe({ path }: Service): string {
  const env = { ...process.env, NODE_OPTIONS: '', MAXIMUM_AGE_SECONDS: '1' };
  return spawnSync(process.execPath, ['dist/liveness.js', path], { env, encoding: 'utf8' }).stdout.trimEnd();
}
