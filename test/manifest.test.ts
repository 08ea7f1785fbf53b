// `k8s-liveness manifest`, in memory. test/wide/chart.test.ts renders its Helm form.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { Deployment as DeploymentModel } from 'kubernetes-models/apps/v1/Deployment';
import { Pod as PodModel } from 'kubernetes-models/v1/Pod';
import type { Deployment } from 'kubernetes-types/apps/v1';
import type { Container, Pod, PodSpec, Probe } from 'kubernetes-types/core/v1';
import { parse } from 'yaml';
import { parseLimit } from '../src/duration';
import { coldStart, decision, dockerDecision, seesEveryBeat, type ProbeTiming } from '../src/kubelet';
import { cli } from './support/cli';
import { schemaError, typeErrors } from './support/kubernetes';
import { WIDE } from './support/describe-if';
import { scratch } from './support/records';

const WHY_REQUEST = ' # else a wedged neighbour that has a request starves this pod and its probe\n';

async function manifest(...options: string[]): Promise<string> {
  const { code, out, err } = await cli(['manifest', ...options]);
  expect([code, err]).toEqual([0, '']);
  return out;
}

async function refusal(...options: string[]): Promise<string> {
  const { code, out, err } = await cli(['manifest', ...options]);
  expect([code, out]).toEqual([2, '']);
  expect(err).toMatch(/^k8s-liveness manifest: .*\n$/);
  return err.slice('k8s-liveness manifest: '.length).trimEnd();
}

/** Parses the text as YAML 1.1 and 1.2, which must agree. */
function read(yaml: string): unknown {
  const content: unknown = parse(yaml, { version: '1.2' });
  expect(parse(yaml, { version: '1.1' })).toEqual(content);
  return content;
}

function timing(probe: Probe | undefined): ProbeTiming {
  const {
    periodSeconds = NaN,
    timeoutSeconds = NaN,
    failureThreshold = NaN,
    terminationGracePeriodSeconds = NaN,
  } = probe ?? {};
  return { periodSeconds, timeoutSeconds, failureThreshold, terminationGracePeriodSeconds };
}

const seconds = (text = ''): number => (parseLimit(text) ?? NaN) / 1000;

/** The times of the decision that the comment states. */
function promised(text: string): { earliest: number; latest: number } {
  const [[, earliest, latest, stall] = []] = [
    ...text.matchAll(/decided between (\S+) and (\S+) after its last beat; no stall under (\S+) restarts it\.\n/g),
  ];
  expect(stall).toBe(earliest);
  return { earliest: seconds(earliest), latest: seconds(latest) };
}

const LIMITS = ['2s', '9500ms', '20s', '2m', '1h', '30d'];
const FILES = [[], ['--path', '/var/run/beat/mail'], ['--process']] as const;
/** `npm test` tries every fourth combination, `npm run test:all` each one. */
const COMBINATIONS = LIMITS.flatMap((limit) =>
  ['sh', 'node', 'own'].flatMap((probe) => FILES.map((file) => ['--maximum-age', limit, '--probe', probe, ...file])),
).filter((_, at) => WIDE || at % 4 === 0);

function checkContainer(
  container: Container | undefined,
  spec: PodSpec | undefined,
  options: readonly string[],
  text: string,
): void {
  const {
    startupProbe,
    livenessProbe,
    readinessProbe,
    env = [],
    volumeMounts,
    resources,
    securityContext,
  } = container ?? {};
  const isProcess = options.includes('--process');
  const limit = seconds(options[1]);
  const liveness = timing(livenessProbe);
  expect(promised(text)).toEqual(decision(limit, liveness));
  expect(seesEveryBeat(limit, liveness)).toBe(true);
  expect(coldStart(timing(startupProbe)).earliest).toBeGreaterThanOrEqual(limit);
  for (const probe of [startupProbe, livenessProbe, ...(isProcess ? [readinessProbe] : [])]) {
    const { periodSeconds, timeoutSeconds, failureThreshold } = timing(probe);
    expect(timeoutSeconds).toBeLessThanOrEqual(periodSeconds);
    expect(failureThreshold).toBeGreaterThanOrEqual(2);
    expect(timeoutSeconds).toBe(Math.min(5, Math.floor(limit / 2))); // gives Node the time to start, if the limit allows it
  }
  expect(readinessProbe !== undefined).toBe(isProcess);
  expect(startupProbe?.exec).toEqual(livenessProbe?.exec);
  expect(resources).toEqual({ requests: { cpu: '100m' } });
  expect(text).toContain(WHY_REQUEST);
  expect(text).toMatch(
    options.includes('sh') ? /leave 6 MiB and 8 threads for the probe/ : /leave 12 MiB and 12 threads for the probe/,
  );
  expect(securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(spec).toMatchObject({
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(spec?.volumes).toEqual([{ name: 'liveness', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }]);
  const [{ name, value = '' } = { name: '' }] = env;
  expect(name).toBe(isProcess ? 'LIVENESS_RUNDIR' : 'LIVENESS_PATH');
  expect(volumeMounts).toEqual([{ name: 'liveness', mountPath: isProcess ? value : dirname(value) }]);
}

describe('manifest', () => {
  const pods: Pod[] = [];
  const deployments: Deployment[] = [];

  test.each(COMBINATIONS.map((options) => [options.join(' '), options] as const))('%s', async (_, options) => {
    const text = await manifest(...options);
    expect(text).toContain(`# Made by: k8s-liveness manifest ${options.join(' ')}\n`);
    const pod = read(text) as Pod;
    const [container] = pod.spec?.containers ?? [];
    checkContainer(container, pod.spec, options, text);
    expect(schemaError(new PodModel(pod as ConstructorParameters<typeof PodModel>[0]))).toBeUndefined();
    pods.push(pod);

    const component = await manifest(...options, '--format', 'kustomize');
    const {
      patches: [patch],
    } = read(component) as { patches: [{ target: object; patch: string }] };
    expect(patch.target).toEqual({ kind: 'Deployment', name: 'worker' });
    const {
      spec: {
        template: { spec: changes },
      },
      ...meta
    } = read(patch.patch) as { spec: { template: { spec: PodSpec } } };
    expect(meta).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'worker' } });
    checkContainer(changes.containers[0], changes, options, patch.patch);
    // kustomize merges containers by name.
    const deployment = {
      ...meta,
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: { ...changes, containers: [{ image: 'worker:1', ...changes.containers[0] }] },
        },
      },
    } as unknown as Deployment;
    expect(
      schemaError(new DeploymentModel(deployment as ConstructorParameters<typeof DeploymentModel>[0])),
    ).toBeUndefined();
    deployments.push(deployment);
    const { image, workingDir, command, ...rest } = container ?? { name: '' };
    expect([image, workingDir, command]).toEqual(['worker:1', '/app', ['node', 'dist/main.js']]);
    expect(changes.containers).toEqual([rest]);

    const compose = await manifest(...options, '--format', 'compose');
    const { services } = read(compose) as { services: Record<string, Record<string, unknown>> };
    expect(Object.keys(services)).toEqual(['worker']);
    const healthcheck = services.worker?.healthcheck as Record<string, string> & { test: string[]; retries: number };
    expect(healthcheck.test).toEqual(['CMD', ...(container?.livenessProbe?.exec?.command ?? [])]);
    const probe = {
      periodSeconds: seconds(healthcheck.interval),
      timeoutSeconds: seconds(healthcheck.timeout),
      failureThreshold: healthcheck.retries,
    };
    const { earliest, latest } = dockerDecision(seconds(options[1]), probe);
    const [, ...times] =
      /unhealthy between (\S+) and (\S+) after its last beat; no stall under (\S+) makes it so\.\n/.exec(compose) ?? [];
    expect(times.map(seconds)).toEqual([earliest, latest, earliest]);
    const [variable] = container?.env ?? [];
    expect(services.worker).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      user: '1000:1000',
      environment: { [variable?.name ?? '']: variable?.value },
      tmpfs: [`${container?.volumeMounts?.[0]?.mountPath ?? ''}:size=1m`],
    });
  });

  test("fits the API's types in every combination", () => {
    expect([pods.length, deployments.length]).toEqual([COMBINATIONS.length, COMBINATIONS.length]);
    expect(typeErrors(pods, 'Pod[]', 'core/v1')).toEqual([]);
    expect(typeErrors(deployments, 'Deployment[]', 'apps/v1')).toEqual([]);
    expect(typeErrors([{ spec: { containers: [{ name: 'a', livenesProbe: {} }] } }], 'Pod[]', 'core/v1')).toHaveLength(
      1,
    );
  });

  test('derives the numbers of README from a limit of 2m', async () => {
    const text = await manifest('--maximum-age', '2m');
    expect(text).toContain('decided between 2m25s and 3m5s after its last beat; no stall under 2m25s restarts it.\n');
    expect(text).toContain('10s later the container is gone.\n');
    expect(text).toContain(
      'failureThreshold: 25 # (25 - 1) x 5s = 2m to the first beat: the first probe may come at once\n',
    );
    expect(text).toContain('periodSeconds: 30 # a quarter of the limit\n');
  });

  test('makes readiness use the error, and liveness ignore it', async () => {
    const commands = async (...options: string[]): Promise<unknown[]> => {
      const [container] = (parse(await manifest('--maximum-age', '2m', ...options)) as Pod).spec?.containers ?? [];
      return [container?.livenessProbe, container?.readinessProbe].map((probe) => probe?.exec?.command?.join(' '));
    };
    const node = 'env NODE_OPTIONS= NODE_EXTRA_CA_CERTS= node';
    const dist = 'node_modules/k8s-liveness/dist';
    expect(await commands()).toEqual([`sh ${dist}/liveness.sh`, undefined]);
    expect(await commands('--probe', 'node')).toEqual([`${node} ${dist}/liveness.js`, undefined]);
    expect(await commands('--probe', 'own')).toEqual([`${node} dist/liveness.js`, undefined]);
    expect(await commands('--process')).toEqual([
      `sh ${dist}/liveness.sh --process --ignore-error`,
      `sh ${dist}/liveness.sh --process`,
    ]);
    expect(await commands('--process', '--probe', 'node')).toEqual([
      `${node} ${dist}/liveness.js --process --ignore-error`,
      `${node} ${dist}/liveness.js --process`,
    ]);
    expect(await commands('--process', '--probe', 'own')).toEqual([
      `${node} dist/liveness.js`,
      `${node} dist/readiness.js`,
    ]);
  });

  test('states the measured memory that a probe needs', () => {
    const [, ...figures] =
      /leave (\d+ MiB) for liveness\.sh, (\d+ MiB) for liveness\.js/.exec(
        readFileSync('bench/containers.mjs', 'utf8').replaceAll('\n', ' '),
      ) ?? [];
    expect(figures).toEqual(['6 MiB', '12 MiB']); // checkContainer expects these figures
  });

  test('takes a period, a timeout, a threshold, a start, a name, an image and a command', async () => {
    const text = await manifest(
      '--maximum-age',
      '2m',
      '--period',
      '20s',
      '--timeout',
      '7s',
      '--failure-threshold',
      '3',
      '--startup',
      '10m',
      '--name',
      'mail',
      '--image',
      'registry.example.com/mail:2@sha256:0af',
      '--',
      'node',
      '--enable-source-maps',
      'dist/mail.js',
      "a'b",
      '$HOME $$',
    );
    const { metadata, spec } = read(text) as Pod;
    const [container] = spec?.containers ?? [];
    expect([metadata?.name, container?.name, container?.image]).toEqual([
      'mail',
      'mail',
      'registry.example.com/mail:2@sha256:0af',
    ]);
    expect(container?.command).toEqual(['node', '--enable-source-maps', 'dist/mail.js', "a'b", '$$HOME $$$$']); // Kubernetes turns $$ into $
    expect(timing(container?.livenessProbe)).toMatchObject({
      periodSeconds: 20,
      timeoutSeconds: 7,
      failureThreshold: 3,
    });
    expect(coldStart(timing(container?.startupProbe)).earliest).toBe(602); // 86 periods of 7 s
    expect(promised(text)).toEqual(decision(120, timing(container?.livenessProbe)));
  });

  test('--restart-within sets the longest period with which a wedged container still ends in time', async () => {
    const period = async (within: string): Promise<number> => {
      const text = await manifest('--maximum-age', '2m', '--restart-within', within);
      const probe = timing((parse(text) as Pod).spec?.containers[0]?.livenessProbe);
      expect(promised(text).latest + (probe.terminationGracePeriodSeconds ?? NaN)).toBeLessThanOrEqual(seconds(within));
      return probe.periodSeconds;
    };
    expect(await Promise.all(['145s', '146s', '147s', '155s', '195s', '10m'].map(period))).toEqual([
      5, 5, 6, 10, 30, 30,
    ]);
  });

  test.each(['on', 'y', 'no', 'null', 'true', '123', '1e3', '0x1f', '0o7', '012', 'worker-2', 'a'])(
    '%s may be a name',
    async (name) => {
      for (const format of ['pod', 'kustomize', 'compose']) {
        const content = read(await manifest('--maximum-age', '2m', '--format', format, '--name', name));
        if (format === 'pod') expect((content as Pod).metadata?.name).toBe(name);
      }
    },
  );

  test('a command cannot forge a line of the manifest', async () => {
    const text = await manifest('--maximum-age', '2m', '--', 'a\nkind: Secret', '# b');
    const { kind, spec } = read(text) as Pod;
    expect([kind, spec?.containers[0]?.command]).toEqual(['Pod', ['a\nkind: Secret', '# b']]);
  });
});

describe('an impossible value is refused, and the message says what is possible', () => {
  test.each([
    [
      '--maximum-age 1s',
      '--maximum-age expected at least 2s, because the kubelet probes once a second at most; got 1s',
    ],
    ['--maximum-age 31d', '--maximum-age expected at most 30d; got 31d'],
    [
      '--maximum-age 2m --restart-within 1m',
      '--restart-within expected at least 2m25s: the limit of 2m, 2 periods and a timeout of 5s each, 10s of grace; got 1m',
    ],
    [
      '--maximum-age 2m --restart-within 144s',
      '--restart-within expected at least 2m25s: the limit of 2m, 2 periods and a timeout of 5s each, 10s of grace; got 2m24s',
    ],
    [
      '--maximum-age 2m --timeout 10s --period 5s',
      '--timeout expected at most the period, 5s, or timeouts would queue; got 10s',
    ],
    [
      '--maximum-age 20s --timeout 11s',
      '--timeout expected at most 10s, half of the limit, so that a probe sees every beat; got 11s',
    ],
    [
      '--maximum-age 2m --period 2m',
      '--period expected at most 1m55s, the limit less the timeout, so that a probe sees every beat; got 2m',
    ],
    [
      '--maximum-age 2m --period 2m --timeout 1s',
      '--period expected at most 1m59s, the limit less the timeout, so that a probe sees every beat; got 2m',
    ],
    ['--maximum-age 2m --period 1500ms', '--period expected whole seconds, at most 30d; got 1500ms'],
    ['--maximum-age 2m --startup 31d', '--startup expected whole seconds, at most 30d; got 31d'],
    [
      '--maximum-age 2m --period 2x',
      "--period expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got '2x' (string)",
    ],
    [
      '--maximum-age 2x',
      "--maximum-age expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got '2x' (string)",
    ],
    [
      '--maximum-age 2m --failure-threshold 1',
      "--failure-threshold expected a number from 2 to 999, because a resumed machine may look stale once; got '1' (string)",
    ],
    ['--maximum-age 2m --probe bash', "--probe expected sh, node or own; got 'bash' (string)"],
    ['--maximum-age 2m --format yaml', "--format expected pod, helm, kustomize or compose; got 'yaml' (string)"],
    [
      '--maximum-age 2m --name Mail',
      "--name expected at most 63 of a-z, 0-9 and -, as Kubernetes does; got 'Mail' (string)",
    ],
    [
      '--maximum-age 2m --image a;b',
      "--image expected an image such as registry.example.com/worker:1; got 'a;b' (string)",
    ],
    ...['timestamp', '/timestamp', '/run/../x', '/run/./x', '/run/x/..', '/run//x', '/run/x/', '/run/$(A)/x'].map(
      (path) => [
        `--maximum-age 2m --path ${path}`,
        `--path expected an absolute path in a folder, such as /run/liveness/timestamp; got '${path}' (string)`,
      ],
    ),
    ['--maximum-age 2m --process --path /run/a/b', 'Arguments process and path are mutually exclusive; see --help'],
    [
      '--maximum-age 2m --period 5s --restart-within 5m',
      'Arguments restart-within and period are mutually exclusive; see --help',
    ],
    ['--maximum-age 2m --timeline --svg x.svg', 'Arguments svg and timeline are mutually exclusive; see --help'],
    [
      '--maximum-age 2m --format helm --restart-within 5m',
      '--restart-within needs a fixed limit, but in a chart the limit is a value; expected --period or neither',
    ],
    ['--maximum-age 2500ms --format helm', '--maximum-age expected whole seconds for --format helm; got 2500ms'],
    [
      '--maximum-age 2m --format helm --image a:1',
      '--image and COMMAND are for --format pod and compose; got --format helm',
    ],
    [
      '--maximum-age 2m --format kustomize -- node x.js',
      '--image and COMMAND are for --format pod and compose; got --format kustomize',
    ],
    ['--maximum-age 2m node x.js', 'expected -- COMMAND... after the options; got node'],
    ['--period 5s', 'Missing required argument: maximum-age; see --help'],
  ])('%s', async (options, line) => {
    expect(await refusal(...options.split(' '))).toBe(line);
  });

  test('the value that a refusal offers is accepted', async () => {
    const wish = (name: string, most: number) =>
      fc.option(
        fc.integer({ min: 1, max: most }).map((seconds) => [`--${name}`, `${seconds}s`]),
        { nil: [] as string[] },
      );
    const wishes = fc.tuple(
      fc.integer({ min: 1, max: 200 }),
      wish('timeout', 120),
      fc.oneof(wish('period', 200), wish('restart-within', 400)),
      wish('startup', 400),
    );
    await fc.assert(
      fc.asyncProperty(wishes, async ([limit, ...options]) => {
        const words = ['--maximum-age', `${limit}s`, ...options.flat()];
        // One refusal may follow another: for a limit that is too short, then for the timeout, then for the period.
        for (let turn = 0; turn < 5; turn++) {
          const { code, out, err } = await cli(['manifest', ...words]);
          if (code === 0) {
            const probe = timing((parse(out) as Pod).spec?.containers[0]?.livenessProbe);
            expect(seesEveryBeat(seconds(words[1]), probe)).toBe(true);
            return;
          }
          const [, option = '', offer = ''] =
            /: (--\S+) expected at (?:most|least)(?: the period,)? (\w+)[,:]/.exec(err) ?? [];
          expect([err, words.includes(option), offer]).toEqual([err, true, expect.stringMatching(/\d/)]);
          words[words.indexOf(option) + 1] = offer;
        }
        throw new Error(`refused again and again: ${words.join(' ')}`);
      }),
      { numRuns: WIDE ? 60 : 15 },
    );
  });
});

describe('--timeline', () => {
  test('draws the stall, the probes and the decision', async () => {
    expect(await manifest('--maximum-age', '2m', '--timeline')).toBe(`\
A loop hangs. Its limit is 2m, the kubelet probes every 30s. Times are since its last beat.

                     last beat                        limit       decided
loop       |||||||||||................................................|||||||||
heartbeat  ===========================================!!!!!!!!!!!!!!! =========
probes           +       +        +       +       +       -       X        +
between                                                      [----------]
container  #######################################################~~~ #########
time                 0s               1m              2m               3m

loop: | beats, . hangs   heartbeat: = young, ! older than the limit   container: # runs, ~ is ended
probes: + alive, - dead, X dead for the 2nd time: decided   between: where X can be

A wedged loop is decided between 2m25s and 3m5s after its last beat; no stall under 2m25s restarts it.
A node adds a second or two if it is idle, more if it is starved; 10s later the container is gone.
`);
  });

  test.each([['2s'], ['4s'], ['20s'], ['90s'], ['2m'], ['1h'], ['30d']])(
    'for a limit of %s the last failed probe is between the bounds, and no line is wider than the terminal',
    async (limit) => {
      for (const columns of [60, 80, 100, 200]) {
        const { out } = await cli(['manifest', '--maximum-age', limit, '--failure-threshold', '3', '--timeline'], {
          columns,
        });
        const rows = out.split('\n').slice(2, 10);
        for (const row of rows) expect(row.length).toBeLessThanOrEqual(Math.min(columns, 100));
        const [probes = '', between = ''] = rows
          .filter((row) => /^(probes|between)/.test(row))
          .map((row) => row.slice(11));
        expect(probes.replaceAll(' ', '')).toMatch(/^\++--X\+*$/);
        expect(probes.indexOf('X')).toBeGreaterThanOrEqual(between.indexOf('['));
        expect(probes.indexOf('X')).toBeLessThanOrEqual(between.indexOf(']'));
      }
    },
  );
});

describe('--svg', () => {
  test('writes only the picture that docs/kubernetes.md shows', async () => {
    const file = join(scratch(), 'x.svg');
    expect(await manifest('--maximum-age', '2m', '--svg', file)).toBe('');
    expect(readFileSync(file, 'utf8')).toBe(readFileSync('docs/restart.svg', 'utf8'));
    expect(readFileSync('docs/kubernetes.md', 'utf8')).toContain('(restart.svg)');
  });

  test.each([['2s'], ['20s'], ['2m'], ['1h'], ['30d']])(
    'for a limit of %s it is valid XML, everything is inside the picture, and a text states the bounds',
    async (limit) => {
      const file = join(scratch(), 'x.svg');
      await manifest('--maximum-age', limit, '--svg', file);
      const svg = readFileSync(file, 'utf8');
      const { status, stderr } = spawnSync(
        'python3',
        ['-c', 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])', file],
        { encoding: 'utf8' },
      );
      expect([status, stderr]).toEqual([0, '']);
      expect(svg).not.toMatch(/NaN|undefined|width="-/);
      for (const [, x = ''] of svg.matchAll(/ c?x="([\d.-]+)"/g)) {
        expect(Number(x)).toBeGreaterThanOrEqual(0);
        expect(Number(x)).toBeLessThanOrEqual(960);
      }
      const { earliest } = promised(await manifest('--maximum-age', limit));
      const [, stall = ''] = /No stall under (\S+) restarts it\.</.exec(svg) ?? [];
      expect(seconds(stall)).toBe(earliest);
      expect(svg).toContain('@media (prefers-color-scheme: dark)');
    },
  );

  test('exits 1, with one line, if the file cannot be written', async () => {
    const file = join(scratch(), 'none', 'x.svg');
    const { code, out, err } = await cli(['manifest', '--maximum-age', '2m', '--svg', file]);
    expect([code, out, existsSync(file)]).toEqual([1, '', false]);
    expect(err).toMatch(/^k8s-liveness manifest: ENOENT: .*\n$/);
  });

  test('replaces an existing file', async () => {
    const file = join(scratch(), 'x.svg');
    writeFileSync(file, 'x'.repeat(100_000));
    await manifest('--maximum-age', '2m', '--svg', file);
    expect(readFileSync(file, 'utf8')).toMatch(/^<svg [^]*<\/svg>\n$/);
  });
});
