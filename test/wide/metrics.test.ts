/** examples/metrics: the worker is run, and its metrics are scraped from prom-client and from OpenTelemetry. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { beforeRemoval, scratch } from '../support/records';
import { until } from '../support/until';

const EXAMPLE = resolve('examples/metrics');
const README = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');

/** The metrics that README names. */
const NAMES = [...README.matchAll(/^\| `(heartbeat_\w+)` \|/gm)].map(([, name = '']) => name);

const children: ChildProcess[] = [];

beforeAll(() => {
  const install = ['ci', '--prefix', EXAMPLE, '--no-audit', '--no-fund', '--loglevel=error'];
  if (!isInstalled()) expect(spawnSync('npm', install, { stdio: ['ignore', 'ignore', 'inherit'] }).status).toBe(0);
  const { status, stdout } = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', EXAMPLE], {
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([0, '']);
});

beforeRemoval.push(() => {
  for (const child of children) child.kill('SIGKILL');
});

describe.each(['prometheus', 'opentelemetry'])('by %s', (program) => {
  test('a scrape sees the longest gap, the longest task, the tasks in hand and the failed writes', async () => {
    const folder = scratch();
    const path = join(folder, 'heartbeat', 'timestamp');
    const port = await freePort();
    const env = { ...process.env, NODE_OPTIONS: '', LIVENESS_PATH: path, PORT: String(port) };
    const child = spawn(process.execPath, [join(EXAMPLE, `dist/${program}.js`)], {
      env,
      stdio: ['pipe', 'inherit', 'ignore'],
    });
    children.push(child);
    const scrape = () => scraped(`http://127.0.0.1:${port}/metrics`);

    const first = await until(() => scrape().catch(() => undefined));
    expect([...first].map(([name, { type }]) => [name, type])).toEqual(
      NAMES.map((name) => [name, name.endsWith('_total') ? 'counter' : 'gauge']),
    );
    const is = (name: string, isIt: (value: number) => boolean) =>
      until(async () => isIt((await scrape()).get(name)?.value ?? NaN));

    await is('heartbeat_longest_gap_seconds', (value) => value >= 0.99); // an idle turn waits a second
    await is('heartbeat_tasks', (value) => value === 0);
    await is('heartbeat_failed_writes_total', (value) => value === 0);
    child.stdin.write('1000000\n1000000\n300\n');
    await is('heartbeat_longest_task_seconds', (value) => value >= 0.299 && value < 1000); // the task that has ended took 0.3 s
    await is('heartbeat_tasks', (value) => value === 2);

    rmSync(path);
    mkdirSync(path); // a directory at the path makes writes fail
    await is('heartbeat_failed_writes_total', (value) => value > 0);
  });
});

test('the alerts use existing metrics', () => {
  const [, yaml = ''] = /```yaml\n([^]*?)```/.exec(README) ?? [];
  const rules = parseYaml(yaml) as { alert: string; expr: string }[];
  expect(rules).toHaveLength(2);
  for (const { expr } of rules) expect(NAMES.some((name) => expr.includes(name))).toBe(true);
});

test('the API server would accept the pod, which is scraped at the port of the service', () => {
  const pod = new Pod(
    parseYaml(readFileSync(join(EXAMPLE, 'pod.yaml'), 'utf8')) as ConstructorParameters<typeof Pod>[0],
  );
  pod.validate();
  const [container] = pod.spec?.containers ?? [];
  const port = String(container?.ports?.[0]?.containerPort);
  expect(pod.metadata?.annotations?.['prometheus.io/port']).toBe(port);
  for (const program of ['prometheus', 'opentelemetry']) {
    expect(readFileSync(join(EXAMPLE, `${program}.ts`), 'utf8')).toContain(`PORT ?? ${port}`);
  }
});

/** Whether the packages are installed at the versions of the lock file, with this library beside them. */
function isInstalled(): boolean {
  const modules = join(EXAMPLE, 'node_modules');
  const { dependencies } = JSON.parse(readFileSync(join(EXAMPLE, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return (
    existsSync(join(modules, 'k8s-liveness')) &&
    Object.entries(dependencies).every(([name, version]) => {
      const file = join(modules, name, 'package.json');
      return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version === version;
    })
  );
}

/** Our metrics of a scrape by name, in README's order. */
async function scraped(url: string): Promise<Map<string, { type: string; value: number }>> {
  const text = await (await fetch(url)).text();
  const found = [...text.matchAll(/^# TYPE (heartbeat_\w+) (\w+)\n\1(?:\{.*\})? (\S+)/gm)];
  return new Map(found.map(([, name = '', type = '', value]) => [name, { type, value: Number(value) }]));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  const { port } = server.address() as AddressInfo;
  await new Promise((settle) => server.close(settle));
  return port;
}
