// What README and docs/kubernetes.md promise, under a real kubelet. The pods are those of `k8s-liveness manifest` and of
// examples/chart. Whatever a test changes in one, it says: a static pod forces nothing.

import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deployment } from 'kubernetes-types/apps/v1';
import type { Container as ContainerSpec, Pod, Probe } from 'kubernetes-types/core/v1';
import { parse } from 'yaml';
import { parseLimit } from '../../src/duration';
import { coldStart, decision, type Bounds, type Delays, type ProbeTiming } from '../../src/kubelet';
import { describeIf } from '../support/describe-if';
import { missing, Node, until, type Container, type Said } from './node';
import { Report } from './report';

const MIB = 2 ** 20;
/**
 * node.sh's syncFrequency; each sync comes up to half of it later. A kubelet before 1.21 acts on a startup probe only
 * then: kubernetes/kubernetes#98007.
 */
const SYNC = 5;
const SCRIPT = 'node_modules/k8s-liveness/dist/liveness';
const SHELL = `sh ${SCRIPT}.sh`;
const NODE = 'env NODE_OPTIONS= NODE_EXTRA_CA_CERTS= node';
const PROBES = { 'liveness.sh': SHELL, 'liveness.js': `${NODE} ${SCRIPT}.js`, 'its own': `${NODE} dist/liveness.js` };

describeIf(missing() === '', missing())('under a real kubelet', () => {
  let opened: Promise<Node> | undefined;
  const report = new Report();
  // Not in beforeAll, because concurrent tests start before it.
  const open = (): Promise<Node> => (opened ??= Node.open());
  afterAll(async () => {
    await (await opened?.catch(() => undefined))?.close();
  });

  interface Made {
    readonly pod: Pod;
    readonly worker: ContainerSpec;
    /** What the manifest promises of a wedge. */
    readonly bounds: Bounds;
    readonly text: string;
  }

  /** A pod of `manifest`, its limit in seconds, for a service that does so. */
  async function make(name: string, limit: number, options: readonly string[], behaviour: readonly string[] = []) {
    const text = (await open()).manifest(
      ...['--maximum-age', `${limit}s`, '--name', name, '--image', 'worker:1', ...options],
      ...['--', 'node', 'dist/main.js', `limit=${limit}`, ...behaviour],
    );
    return madeOf(parse(text) as Pod, text);
  }

  function madeOf(pod: Pod, text: string): Made {
    const [, earliest, latest, least] =
      /decided between (\S+) and (\S+) after its last beat; no stall under (\S+) restarts it/.exec(text) ?? [];
    expect(earliest).toBe(least);
    const [worker] = pod.spec?.containers ?? [];
    if (!worker) throw new Error('expected a container');
    return { pod, worker, text, bounds: { earliest: inSeconds(earliest), latest: inSeconds(latest) } };
  }

  function render(values: object = {}): Made {
    const { pod, text } = podOfChart(values);
    return madeOf(pod, text);
  }

  /** Runs a pod, and takes it away. */
  async function within<T>({ pod }: Made, use: (node: Node, name: string) => Promise<T>): Promise<T> {
    const node = await open();
    const name = pod.metadata?.name ?? '';
    node.apply(pod);
    try {
      return await use(node, name);
    } catch (error) {
      const { probes, events } = node.log(name);
      const told = [...events, ...node.said(name)].map((line) => JSON.stringify(line)).join('\n');
      throw new Error(`${String(error)}\n${told}\n${probes.map(({ result }) => result).join(' ')}`, { cause: error });
    } finally {
      await node.remove(name);
    }
  }

  const said = async (node: Node, name: string, event: string, index = 0): Promise<Said> =>
    until(() => node.said(name).filter((line) => line.event === event)[index], `${name} saying ${event}`);

  /** The kubelet's decision: the event that says so. */
  const decided = async (node: Node, name: string) =>
    until(() => node.log(name).events.find(({ reason }) => reason === 'Killing'), `a decision on ${name}`);

  const unhealthy = (node: Node, name: string): string[] => [
    ...new Set(
      node
        .log(name)
        .events.filter(({ reason }) => reason === 'Unhealthy')
        .map(({ message }) => message),
    ),
  ];

  const restarts = async (node: Node, name: string, container?: string): Promise<number | undefined> =>
    (await node.status(name, container))?.restartCount;

  /** The longest that the node took: for a whole probe with its start, and to act on the verdict that decided. */
  function delaysOf(node: Node, name: string, at: number): Delays {
    const probes = node.log(name).probes.filter((probe) => probe.at <= at);
    const last = probes.at(-1)?.at ?? NaN;
    return { start: Math.max(...probes.map((probe) => probe.at - probe.began)) / 1000, act: (at - last) / 1000 };
  }

  /** Holds a wedge of this pod against its manifest's promise, and the order of verdicts. */
  async function wedge(made: Made, limit: number, setting: string, message = 'dead: stale: '): Promise<void> {
    await within(made, async (node, name) => {
      const { at } = await decided(node, name);
      const { last } = (await said(node, name, 'wedged')) as Said & { last: number };
      const timing = timingOf(made.worker.livenessProbe);
      const delays = delaysOf(node, name, at);
      const measured = (at - last) / 1000;
      const { earliest, latest } = decision(limit, timing, delays);
      expect(decision(limit, timing)).toEqual(made.bounds);
      expect(measured).toBeGreaterThan(earliest);
      expect(measured).toBeLessThanOrEqual(latest);
      const verdicts = node.log(name).probes.filter((probe) => probe.kind === 'liveness' && probe.at <= at);
      expect(verdicts.map(({ result }) => result.charAt(0)).join('')).toMatch(
        new RegExp(`^s+f{${timing.failureThreshold}}$`),
      );
      const failures = unhealthy(node, name).filter((text) => text.startsWith('Liveness'));
      expect(failures).toEqual([expect.stringMatching(`^Liveness probe failed: ${message}.{20,160}\\n$`)]);
      await until(async () => (await restarts(node, name)) === 1, `a restart of ${name}`);
      report.decision(setting, made.bounds, measured, delays);
    });
  }

  // The longest first. Each test has one pod.

  test.concurrent('a wedge is decided in time: 2m', async () => {
    await wedge(await make('wedge-2m', 120, [], ['wedge=5']), 120, '`--maximum-age 2m`');
  });

  test.concurrent.each(['sh', 'node', 'own'])('three healthy minutes without a restart: --probe %s', async (kind) => {
    await within(await make(`healthy-${kind}`, 20, ['--probe', kind]), async (node, name) => {
      await said(node, name, 'first beat');
      await sleep(180_000);
      expect(await restarts(node, name)).toBe(0);
      expect(unhealthy(node, name).filter((text) => /^Liveness.*dead/.test(text))).toEqual([]);
      expect(node.log(name).probes.length).toBeGreaterThan(30);
    });
  });

  test.concurrent('the chart: its worker works and lives, with its rights, group and read-only root', async () => {
    const chart = render();
    await within(chart, async (node, name) => {
      const container = await node.container(name, 'worker');
      const spool = container.path('/var/spool/worker');
      expect(statSync(spool).gid).toBe(1000);
      const status = readFileSync(`/proc/${container.pid}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
      expect(status).toMatch(/^CapBnd:\t0000000000000000$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status).toMatch(/^Seccomp:\t2$/m);
      expect(readFileSync(`/proc/${container.pid}/mounts`, 'utf8')).toMatch(/^overlay \/ overlay ro,/m);
      writeFileSync(join(spool, 'letter'), 'hello');
      await until(() => statSync(join(spool, 'done/letter.gz'), { throwIfNoEntry: false }), 'a packed letter');
      await sleep(120_000);
      expect(await restarts(node, name, 'worker')).toBe(0);
      expect(unhealthy(node, name).filter((text) => text.startsWith('Liveness'))).toEqual([]);
    });
  });

  test.concurrent.each(['stalls-one', 'stalls-two'])('20 stalls below the bound restart nothing: %s', async (name) => {
    const options = ['--period', '4s', '--timeout', '2s'];
    const made = await make(name, 6, options, ['stalls=20', 'from=6.1', 'to=7.6']);
    await within(made, async (node, name) => {
      await said(node, name, 'stalled', 19);
      await sleep(5000);
      const stalls = node.said(name).filter(({ event }) => event === 'stalled') as (Said & { length: number })[];
      const { probes } = node.log(name);
      const start = Math.max(...probes.map((probe) => probe.at - probe.began)) / 1000;
      const longest = Math.max(...stalls.map(({ length }) => length));
      expect(longest).toBeLessThan(decision(6, timingOf(made.worker.livenessProbe), { start, act: 0 }).earliest);
      expect(Math.min(...stalls.map(({ length }) => length))).toBeGreaterThan(6);
      expect(stalls).toHaveLength(20);
      expect(await restarts(node, name)).toBe(0);
      report.stalls(
        made.bounds.earliest,
        stalls.map(({ length }) => length),
        probes.filter(({ kind, result }) => kind === 'liveness' && result === 'failure').length,
      );
    });
  });

  test.concurrent.each<[string, number, string[]]>([
    ['wedge-30s', 30, []],
    ['wedge-20s', 20, ['--probe', 'node']],
    ['wedge-10s', 10, ['--period', '3s', '--timeout', '2s', '--failure-threshold', '3']],
    ['wedge-4s', 4, []],
  ])('a wedge is decided in time: %s', async (name, limit, options) => {
    const setting = ['--maximum-age', `${limit}s`, ...options].join(' ');
    await wedge(await make(name, limit, options, ['wedge=12']), limit, `\`${setting}\``);
  });

  test.concurrent('the chart: a wedge is decided in time', async () => {
    const chart = render({ maximumAgeSeconds: 10, image: { tag: 'wedges' } });
    chart.pod.metadata = { ...chart.pod.metadata, name: 'worker' }; // as its container, for this test's own sake
    await wedge(chart, 10, '`examples/chart`, `maximumAgeSeconds: 10`');
  });

  test.concurrent('a wedged loop is gone its grace after the decision', async () => {
    const made = await make('grace', 4, [], ['wedge=8', 'drain=never']);
    // Kubelet 1.20 ignores a probe's own grace, so this is the pod's.
    const grace = made.worker.livenessProbe?.terminationGracePeriodSeconds ?? 0;
    expect(grace).toBe(10);
    if (made.pod.spec) made.pod.spec.terminationGracePeriodSeconds = grace;
    await within(made, async (node, name) => {
      const killed = await until(() => node.log(name).kills.find(({ gone }) => gone !== undefined), 'an end');
      const took = ((killed.gone ?? NaN) - killed.at) / 1000;
      expect(killed.grace).toBe(grace);
      expect(took).toBeGreaterThanOrEqual(grace);
      await until(async () => (await restarts(node, name)) === 1, 'a restart');
      expect((await node.status(name))?.lastState?.terminated?.exitCode).toBe(137);
      report.add('from that decision to the end of a container that ignores SIGTERM', `${grace}s`, took);
    });
  });

  test.concurrent('a hung task restarts the service, and the event names it', async () => {
    const made = await make('task', 10, [], ['task=5', 'tasklimit=8']);
    await within(made, async (node, name) => {
      const { at } = await decided(node, name);
      const began = (await said(node, name, 'task')).at;
      const bounds = decision(8, timingOf(made.worker.livenessProbe), delaysOf(node, name, at));
      expect((at - began) / 1000).toBeGreaterThan(bounds.earliest);
      expect((at - began) / 1000).toBeLessThanOrEqual(bounds.latest);
      const texts = unhealthy(node, name).filter((text) => text.startsWith('Liveness'));
      expect(texts).toEqual([
        expect.stringMatching(
          /^Liveness probe failed: dead: overdue: mail#42 in hand since \S+Z, limit 8s \(\/run\/liveness\/timestamp\)\n$/,
        ),
      ]);
      await until(async () => (await restarts(node, name)) === 1, 'a restart');
      report.text('a task hangs', texts[0]);
      report.decision(
        'a task of 8s hangs, `--maximum-age 10s`',
        decision(8, timingOf(made.worker.livenessProbe)),
        (at - began) / 1000,
        delaysOf(node, name, at),
      );
    });
  });

  test.concurrent('a slow start is within its budget', async () => {
    await within(await make('slow', 10, ['--startup', '30s'], ['first=27']), async (node, name) => {
      await said(node, name, 'first beat');
      await sleep(15_000);
      expect(await restarts(node, name)).toBe(0);
      expect(node.log(name).probes.some(({ kind, result }) => kind === 'liveness' && result === 'success')).toBe(true);
    });
  });

  test.concurrent.each(['startup', 'liveness'] as const)(
    'a service that never beats is decided in time by %s',
    async (kind) => {
      const made = await make(`never-${kind}`, 10, [], ['first=100000']);
      if (kind === 'liveness') delete made.worker.startupProbe;
      await within(made, async (node, name) => {
        const { at, message } = await decided(node, name);
        const took = (at - (await said(node, name, 'start')).at) / 1000;
        const timing = timingOf(made.worker[`${kind}Probe`]);
        const bounds = coldStart(timing, delaysOf(node, name, at));
        expect(message).toBe(`Container ${name} failed ${kind} probe, will be restarted`);
        // Counted from what the service says first, which is a moment after its start.
        expect(took).toBeGreaterThan(bounds.earliest - 1);
        expect(took).toBeLessThanOrEqual(bounds.latest);
        expect(unhealthy(node, name)).toHaveLength(1);
        if (kind === 'startup') report.text('no beat yet', unhealthy(node, name)[0]);
        report.decision(
          kind === 'startup'
            ? `no first beat, \`--maximum-age 10s\`; 1.20 acts at its next sync, here in up to ${1.5 * SYNC}s`
            : 'no first beat, `--maximum-age 10s`, without the startup probe',
          coldStart(timing),
          took,
          delaysOf(node, name, at),
        );
      });
    },
  );

  test.concurrent('the heartbeat of an earlier container is no beat of this one, and restarts nothing', async () => {
    const made = await make('leftover', 10, ['--startup', '30s'], ['exit=8', 'second=22']);
    await within(made, async (node, name) => {
      const start = (await said(node, name, 'start', 1)).at;
      const beat = (await said(node, name, 'first beat', 1)).at;
      await sleep(12_000);
      const { probes } = node.log(name);
      const before = probes.filter((probe) => probe.began > start && probe.at < beat);
      expect(before.length).toBeGreaterThan(2);
      expect(new Set(before.map(({ kind, result }) => `${kind} ${result}`))).toEqual(new Set(['startup failure']));
      expect(await restarts(node, name)).toBe(1); // by its own end
      const texts = node.log(name).events.filter((event) => event.reason === 'Unhealthy' && event.at > start);
      report.text('an earlier container left a heartbeat', texts[0]?.message);
    });
  });

  test.concurrent('readiness follows the error, without a restart', async () => {
    const made = await make('readiness', 20, ['--process'], ['process=1', 'error=20', 'well=40']);
    await within(made, async (node, name) => {
      const ready = async (expected: boolean): Promise<number> =>
        until(async () => (await node.status(name))?.ready === expected && Date.now(), `ready: ${String(expected)}`);
      await ready(true);
      const error = (await said(node, name, 'error')).at;
      const out = ((await ready(false)) - error) / 1000;
      const well = (await said(node, name, 'well')).at;
      const back = ((await ready(true)) - well) / 1000;
      const timing = timingOf(made.worker.readinessProbe);
      const { latest } = decision(0, timing, { start: 1, act: 1 });
      expect(out).toBeLessThanOrEqual(latest);
      expect(made.text).toContain(`out of service at most ${decision(0, timing).latest}s after`);
      expect(back).toBeLessThanOrEqual(timing.periodSeconds + timing.timeoutSeconds + 2);
      expect(await restarts(node, name)).toBe(0);
      const texts = unhealthy(node, name).filter((text) => text.startsWith('Readiness'));
      expect(texts.filter((text) => text.includes('dead: failed: '))).toHaveLength(1);
      report.text(
        'an error is set',
        texts.find((text) => text.includes('dead: failed: ')),
      );
      report.add(
        'from an error to not ready, `--process --maximum-age 20s`',
        `at most ${decision(0, timing).latest}s`,
        out,
      );
    });
  });

  test.concurrent('a probe that hangs is a failure without our line', async () => {
    const made = await make('timeout', 10, ['--probe', 'own'], ['wedge=8', 'hang=1']);
    await within(made, async (node, name) => {
      await decided(node, name);
      const texts = unhealthy(node, name).filter((text) => text.startsWith('Liveness'));
      expect(texts).toHaveLength(1);
      expect(texts[0]).not.toContain('dead:');
      report.text('a probe times out', texts[0]);
    });
  });

  test.concurrent('a missing script restarts the service', async () => {
    const made = await make('script', 4, []);
    made.worker.livenessProbe = { ...made.worker.livenessProbe, exec: { command: ['sh', 'missing.sh'] } };
    await within(made, async (node, name) => {
      await decided(node, name);
      const texts = unhealthy(node, name).filter((text) => text.startsWith('Liveness'));
      expect(texts).toHaveLength(1);
      report.text('`sh missing.sh`', texts[0]);
    });
  });

  test.concurrent('a first word that cannot start never restarts anything', async () => {
    const made = await make('word', 4, [], ['wedge=8']);
    made.worker.livenessProbe = { ...made.worker.livenessProbe, exec: { command: ['missing'] } };
    await within(made, async (node, name) => {
      await said(node, name, 'wedged');
      await sleep(1000 * (made.bounds.latest + 20));
      expect(await restarts(node, name)).toBe(0);
      expect((await node.status(name))?.ready).toBe(true);
      const { probes } = node.log(name);
      const results = probes.filter(({ kind }) => kind === 'liveness').map(({ result }) => result);
      expect(results.length).toBeGreaterThan(10);
      expect(new Set(results)).toEqual(new Set(['error']));
      report.text(
        '`missing`, which is no program',
        unhealthy(node, name).find((text) => text.startsWith('Liveness')),
      );
      report.add(
        'restarts of a wedge whose probe cannot start, `--maximum-age 4s`',
        'none, ever',
        `none in ${made.bounds.latest + 20}s`,
      );
    });
  });

  test.concurrent('a limit of 50m lets a Node probe live', async () => {
    const made = await make('throttled', 20, ['--probe', 'node']);
    made.worker.resources = { requests: { cpu: '50m' }, limits: { cpu: '50m' } };
    await within(made, async (node, name) => {
      await said(node, name, 'first beat');
      await sleep(60_000);
      expect(await restarts(node, name)).toBe(0);
      const probes = node.log(name).probes.filter(({ kind }) => kind === 'liveness');
      expect(probes.filter(({ result }) => result !== 'success')).toEqual([]);
      report.figure(
        'the longest probe under a limit of 50m, `--probe node`',
        Math.max(...probes.map((probe) => probe.at - probe.began)) / 1000,
        's',
      );
    });
  });

  test.concurrent.each([
    ['sh', 6, 8, ['--period', '2s', '--timeout', '2s']],
    ['node', 12, 12, []],
  ])('the room that manifest names is enough: %s', async (kind, mib, threads, period) => {
    const options = ['--probe', kind, ...period];
    const alone = await make(`alone-${kind}`, 20, options);
    expect(alone.text).toContain(`leave ${mib} MiB and ${threads} threads for the probe beside the service's peak`);
    delete alone.worker.startupProbe;
    delete alone.worker.livenessProbe;
    const peak = await within(alone, async (node, name) => {
      await said(node, name, 'first beat');
      await sleep(10_000);
      return Number((await node.container(name)).read('memory/memory.max_usage_in_bytes'));
    });
    const made = await make(`room-${kind}`, 20, options);
    made.worker.resources = { ...made.worker.resources, limits: { memory: String(peak + mib * MIB) } };
    await within(made, async (node, name) => {
      const container = await node.container(name);
      await said(node, name, 'first beat');
      // A kubelet limits the pids of all pods at once, so the test writes the limit of this pod itself.
      container.write('pids/pids.max', Number(container.read('pids/pids.current')) + threads);
      await sleep(60_000);
      expect(await restarts(node, name)).toBe(0);
      expect(container.outOfMemory).toBe(0);
      expect(node.log(name).probes.length).toBeGreaterThan(10);
      expect(unhealthy(node, name).filter((text) => /^Liveness.*:./.test(text))).toEqual([]);
      const most = Number(container.read('memory/memory.max_usage_in_bytes'));
      report.figure(`memory at most, of the service alone, \`--probe ${kind}\``, peak / MIB, 'MiB');
      report.figure(
        `memory at most, with its probes and a limit ${mib} MiB above that, \`--probe ${kind}\``,
        most / MIB,
        'MiB',
      );
    });
  });

  test.concurrent("a sidecar's readiness follows the service, and only the service restarts", async () => {
    const made = await make('sidecar', 4, [], ['wedge=20']);
    const { image, env, volumeMounts, securityContext, workingDir } = made.worker;
    made.pod.spec?.containers.push({
      ...({ name: 'beside', image, env, volumeMounts, securityContext, workingDir } as ContainerSpec),
      command: ['sleep', '100000'],
      readinessProbe: {
        exec: { command: [...SHELL.split(' '), '--other-pid-namespace'] },
        ...{ periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 1 },
      },
    });
    await within(made, async (node, name) => {
      const ready = async (expected: boolean): Promise<unknown> =>
        until(async () => (await node.status(name, 'beside'))?.ready === expected, `beside ready: ${String(expected)}`);
      await ready(true);
      await said(node, name, 'wedged');
      await ready(false);
      await until(async () => (await restarts(node, name)) === 1, 'a restart');
      await ready(true);
      expect(await restarts(node, name, 'beside')).toBe(0);
      report.text(
        'a sidecar asks with `--other-pid-namespace`',
        unhealthy(node, name).find((text) => /^Readiness.* stale/.test(text)),
      );
    });
  });

  test.concurrent.each(['shareProcessNamespace', 'hostPID'] as const)(
    'a wedge is decided in time with %s',
    async (field) => {
      const name = field.toLowerCase();
      const made = await make(name, 4, [], ['wedge=10']);
      if (made.pod.spec) made.pod.spec[field] = true;
      await wedge(made, 4, `\`--maximum-age 4s\`, \`${field}: true\``);
      const [start] = (await open()).said(name);
      expect(start?.pid).not.toBe(1);
    },
  );

  test.concurrent.each([
    ['beating', []],
    ['silent', ['silent=1']],
    ['prestop', []],
  ])('a graceful deletion is not cut short: %s', async (kind, behaviour) => {
    const made = await make(`deleted-${kind}`, 4, [], [...behaviour, 'drain=14']);
    const { pod, worker } = made;
    pod.metadata = { ...pod.metadata, uid: `deleted-${kind}` }; // this deletes a static pod
    if (kind === 'prestop') worker.lifecycle = { preStop: { exec: { command: ['sleep', '12'] } } };
    await within(made, async (node, name) => {
      await said(node, name, 'first beat');
      const container = await node.container(name);
      await sleep(6000);
      const deleted = Date.now();
      pod.metadata = { ...pod.metadata, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 30 };
      node.apply(pod);
      const sigterm = (await said(node, name, 'SIGTERM')).at;
      const drained = (await said(node, name, 'drained')).at;
      if (kind === 'prestop') expect(sigterm - deleted).toBeGreaterThanOrEqual(12_000);
      expect(drained - sigterm).toBeGreaterThanOrEqual(1000 * made.bounds.latest);
      expect(await until(() => node.exitCode(container), 'an end')).toBe(0);
      const { probes, events } = node.log(name);
      expect(events.filter(({ message }) => message.includes('will be restarted'))).toEqual([]);
      const late = probes.filter((probe) => probe.began > sigterm).map(({ result }) => result);
      if (kind === 'silent')
        report.figure(
          'failed probes during a deletion, which did nothing',
          late.filter((result) => result === 'failure').length,
          '',
        );
    });
  });

  // Not concurrent: the node is idle then.
  test('1,000 probes of each kind leave no zombie, and what one costs', async () => {
    const made = await make('many', 3600, ['--probe', 'own']);
    delete made.worker.livenessProbe;
    await within(made, async (node, name) => {
      const container = await node.container(name);
      await said(node, name, 'first beat');
      await until(async () => (await node.status(name))?.started, 'a start');
      const probe = async (command: string): Promise<void> => {
        const query = new URLSearchParams({ cmd: command }).toString();
        const { status, body } = await node.ask(
          `https://127.0.0.1:10250/run/default/${name}-node/${name}?${query}`,
          'POST',
        );
        expect([status, body]).toEqual([200, expect.stringMatching(/^(alive: .*\n)?$/)]);
      };
      const starts: number[] = [];
      for (const [kind, command] of Object.entries(PROBES)) {
        const bare = await cost(node, container, 1, () => probe(`sh dist/loop.sh 100 ${command}`));
        const whole = await cost(node, container, 100, () => probe(command));
        starts.push(startOf(node.containerdLog));
        report.cost(kind, { wall: bare.wall / 100, inside: bare.inside / 100, node: 0 }, whole);
        await Promise.all(
          Array.from({ length: 4 }, async () => {
            for (let run = 0; run < 225; run++) await probe(command);
          }),
        );
        expect([kind, container.zombies]).toEqual([kind, 0]);
      }
      await probe('sh dist/orphan.sh');
      await until(() => container.zombies === 1, 'a zombie of a probe that leaves a child'); // so we would see one
      report.figure(
        'from the request for an exec to its process, the median on an idle node',
        Math.max(...starts),
        'ms',
      );
    });
  });

  test('the table of docs/kubernetes.md', () => {
    if (process.env.LIVENESS_WRITE === '1') report.write();
    const { ours, page } = report.shapes();
    expect(page).toEqual(ours);
  });
});

/** What a run of these costs each, in seconds. */
async function cost(node: Node, container: Container, times: number, act: () => Promise<void>) {
  const before = { wall: performance.now() / 1000, inside: container.cpu, node: node.cpu };
  for (let time = 0; time < times; time++) await act();
  return {
    wall: (performance.now() / 1000 - before.wall) / times,
    inside: (container.cpu - before.inside) / times,
    node: (node.cpu - before.node) / times,
  };
}

/** From containerd's log: the median of the milliseconds from a request for an exec to its process, the last 100 ones. */
function startOf(log: string): number {
  const waits: number[] = [];
  let asked = NaN;
  for (const line of log.split('\n')) {
    const [, time = ''] = /^time="([^"]+)"/.exec(line) ?? [];
    if (line.includes('msg="ExecSync for') && line.includes('with command')) asked = Date.parse(time);
    else if (line.includes('topic=/tasks/exec-started')) waits.push(Date.parse(time) - asked);
  }
  return waits.slice(-100).sort((one, other) => one - other)[50] ?? NaN;
}

function timingOf(probe: Probe | undefined): ProbeTiming {
  const { periodSeconds = NaN, timeoutSeconds = NaN, failureThreshold = NaN } = probe ?? {};
  return { periodSeconds, timeoutSeconds, failureThreshold };
}

function inSeconds(words = ''): number {
  return (parseLimit(words) ?? NaN) / 1000;
}

/** The pod of the chart's Deployment, as a ReplicaSet would make it. */
function podOfChart(values: object): { pod: Pod; text: string } {
  const args = ['run', resolve('test/wide/chart/render.go'), resolve('examples/chart'), 'demo'];
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' };
  const { status, stdout, stderr } = spawnSync('go', args, { encoding: 'utf8', input: JSON.stringify(values), env });
  if (status !== 0) throw new Error(stderr);
  const { metadata, spec } = (parse(stdout) as Deployment).spec?.template ?? {};
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'chart' }, spec } as Pod;
  return { pod, text: stdout };
}
