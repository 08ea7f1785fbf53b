/**
 * Renders the chart in examples/chart by text/template and Sprig (chart/render.go), and checks it by
 * the Kubernetes API's types.
 *
 * Of helm this rendering does not cover: `helm lint`, values.schema.json, kubeVersion's constraint,
 * dependencies and subcharts, library charts, CRDs, hooks and tests, the order of kinds, NOTES.txt,
 * `lookup`, `.Files`, `.Capabilities.APIVersions`, post-renderers, `--set` and its parsing, templates
 * in subfolders, and helm's refinements of `toYaml`, `tpl` and `required`. The chart uses none of
 * them but kubeVersion.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Deployment as Model } from 'kubernetes-models/apps/v1/Deployment';
import type { Deployment } from 'kubernetes-types/apps/v1';
import type { Container, Pod, PodSpec, Probe } from 'kubernetes-types/core/v1';
import { WorkerTimestamp } from '../../examples/worker/timestamp';
import { lintText } from '../../src/cli/lint/findings';
import { milliseconds, parseLimit } from '../../src/duration';
import { parse } from 'yaml';
import { cli } from '../support/cli';
import { schemaError, typeErrors } from '../support/kubernetes';
import { describeIf } from '../support/describe-if';
import { scratch } from '../support/records';

const CHART = resolve('examples/chart');
const GOPATH = '/usr/share/gocode';
const WHY_REQUEST = 'else a wedged neighbour that has a request starves this pod and its probe';
const SHELL = ['sh', 'node_modules/k8s-liveness/dist/liveness.sh'];

const present =
  spawnSync('go', ['version']).status === 0 &&
  ['github.com/Masterminds/sprig', 'sigs.k8s.io/yaml'].every((name) => existsSync(join(GOPATH, 'src', name)));

describeIf(
  present,
  'go, sprig or yaml (apt-get install golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev)',
)('the chart', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'k8s-liveness-chart-'));
    const build = spawnSync('go', ['build', '-o', join(folder, 'render'), join(__dirname, 'chart', 'render.go')], {
      encoding: 'utf8',
      env: { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '' },
    });
    if (build.status !== 0) throw new Error(`go build: ${build.error?.message ?? build.stderr}`);
  }); // From Go 1.20 on, a cold cache compiles the standard library too.
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function run(values: object, chart = CHART) {
    return spawnSync(join(folder, 'render'), [chart, 'demo'], { encoding: 'utf8', input: JSON.stringify(values) });
  }
  function text(values: object = {}, chart = CHART): string {
    const { status, stdout, stderr } = run(values, chart);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }
  const render = (values?: object): Deployment => parse(text(values)) as Deployment;

  /** Values for every branch of the templates. */
  const variants = {
    'its own values': {},
    'another limit': { maximumAgeSeconds: 20 },
    'a claim for the spool': { spool: { existingClaim: 'inbox' } },
    'other user and image': {
      runAsUser: 1000660000,
      image: { repository: 'worker', tag: '2.0', pullPolicy: 'Always' },
      resources: { requests: null, limits: { memory: '1Gi', cpu: '2' } },
    },
  };

  describe.each(Object.entries(variants))('with %s', (_, values) => {
    test('is a Deployment by its type', () => {
      expect(typed(render(values))).toEqual([]);
    });

    test('is a Deployment by its schema', () => {
      expect(validate(render(values))).toBeUndefined();
    });

    test('has no finding of lint', () => {
      const { findings, containers } = lintText('chart', text(values), { maxRestart: undefined });
      expect([findings, containers]).toEqual([[], 1]);
    });

    test('beats to a file in memory, which both probes read', () => {
      const { pod, worker, startup, liveness } = parts(render(values));
      const path = worker.env?.find(({ name }) => name === 'LIVENESS_PATH')?.value ?? '';
      const mount = worker.volumeMounts?.find(({ mountPath }) => mountPath === dirname(path));
      expect(mount?.readOnly).toBeUndefined();
      expect(pod.volumes?.find(({ name }) => name === mount?.name)).toEqual({
        name: 'liveness',
        emptyDir: { medium: 'Memory', sizeLimit: '1Mi' },
      });
      expect(liveness.exec).toEqual(startup.exec);
      expect(liveness.exec?.command).toEqual(SHELL);
      expect(worker.workingDir).toBe('/app');
    });

    test('mounts the spool at the path that the worker reads, and mounts only volumes that exist', () => {
      const { pod, worker } = parts(render(values));
      const spool = worker.env?.find(({ name }) => name === 'SPOOL')?.value;
      expect(worker.volumeMounts?.map(({ mountPath }) => mountPath)).toContain(spool);
      expect(worker.volumeMounts?.map(({ name }) => name)).toEqual(pod.volumes?.map(({ name }) => name));
    });

    test('gives the worker no more rights than it needs', () => {
      const { pod, worker } = parts(render(values));
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(pod.securityContext?.runAsUser).toBeGreaterThan(0);
      expect(worker.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    });

    test('survives one stale verdict, and gives Node enough time to start', () => {
      const { startup, liveness } = parts(render(values));
      expect(liveness.failureThreshold).toBeGreaterThanOrEqual(2);
      expect(liveness.timeoutSeconds).toBeGreaterThanOrEqual(5);
      expect(startup.timeoutSeconds).toBe(liveness.timeoutSeconds);
    });
  });

  test("has the limit of the worker's class as its value", () => {
    const { maximumAgeSeconds } = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as {
      maximumAgeSeconds: number;
    };
    expect(maximumAgeSeconds * 1000).toBe(milliseconds(new WorkerTimestamp().maximumAge, 'maximumAge'));
  });

  describe('the template of `k8s-liveness manifest --format helm`', () => {
    test("is the same as the example's", async () => {
      const { out } = await cli(['manifest', '--maximum-age', '2m', '--format', 'helm']);
      expect(readFileSync(join(CHART, 'templates/_liveness.tpl'), 'utf8')).toBe(out);
    });

    /** Makes a chart that has only the template and what the template's comment tells to write. */
    async function chartOf(options: readonly string[]): Promise<string> {
      const chart = scratch();
      const { out, err } = await cli(['manifest', '--maximum-age', '2m', '--format', 'helm', ...options]);
      expect(err).toBe('');
      const [, values = '', pod = ''] =
        /values\.yaml:\n\n([^]*?)\n\nA Deployment's pod:\n\n([^]*?)\n\n/.exec(out) ?? [];
      mkdirSync(join(chart, 'templates'));
      writeFileSync(join(chart, 'Chart.yaml'), 'name: other\nversion: 1.0.0\n');
      writeFileSync(join(chart, 'values.yaml'), values);
      writeFileSync(join(chart, 'templates/_liveness.tpl'), out);
      const metadata = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: other }\n';
      writeFileSync(
        join(chart, 'templates/deployment.yaml'),
        `${metadata}spec:\n  selector: { matchLabels: { a: b } }\n  template:\n    metadata: { labels: { a: b } }\n${pod}\n`,
      );
      return chart;
    }

    const LIMITS = [
      2, 3, 4, 5, 7, 9, 10, 11, 12, 19, 20, 21, 30, 61, 120, 239, 240, 241, 300, 3600, 3723, 86_399, 2_592_000,
    ];
    const decided = (manifest: string): string[] =>
      manifest.match(/decided between \S+ and \S+ after its last beat; no stall under \S+ restarts it/g) ?? [];
    const spoken = (seconds: string): number => parseLimit(seconds) ?? NaN;
    const numbersIn = (sentence = ''): number[] =>
      [...sentence.matchAll(/\d\w*[dhms]\b/g)].map(([time]) => spoken(time));

    test.each([
      ['sh'],
      ['node'],
      ['own'],
      ['sh', '--process'],
      ['node', '--process'],
      ['own', '--process'],
      ['sh', '--path', '/var/run/beat/mail'],
      ['sh', '--startup', '10m'],
      ['sh', '--failure-threshold', '3'],
      ['sh', '--period', '7s'],
      ['sh', '--period', '3s', '--timeout', '2s'],
      ['sh', '--timeout', '1s'],
    ])('has the numbers, commands and sums of a pod, for every limit: --probe %s %s %s', async (...options) => {
      const all = ['--probe', ...options];
      const chart = await chartOf(all);
      const rendered: Deployment[] = [];
      for (const limit of LIMITS) {
        const pod = await cli(['manifest', '--maximum-age', `${limit}s`, ...all]);
        const helm = run({ maximumAgeSeconds: limit }, chart);
        // If a fixed period or timeout does not fit the limit, both refuse it.
        expect([limit, helm.status === 0]).toEqual([limit, pod.code === 0]);
        if (pod.code !== 0) {
          expect(helm.stderr).toMatch(
            /maximumAgeSeconds: expected at least \d+, a period and a timeout, so that a probe sees every beat; got \d+\n/,
          );
          continue;
        }
        expect(lintText(`${limit}s`, helm.stdout, { maxRestart: undefined }).findings).toEqual([]);
        expect(lintText(`${limit}s`, pod.out, { maxRestart: undefined }).findings).toEqual([]);
        const deployment = parse(helm.stdout) as Deployment;
        rendered.push(deployment);
        const worker = defined(deployment.spec?.template.spec?.containers[0]);
        const expected = defined((parse(pod.out) as Pod).spec?.containers[0]);
        for (const key of [
          'name',
          'env',
          'startupProbe',
          'readinessProbe',
          'livenessProbe',
          'volumeMounts',
          'resources',
        ] as const) {
          expect([limit, worker[key]]).toEqual([limit, expected[key]]);
        }
        expect(deployment.spec?.template.spec?.volumes).toEqual((parse(pod.out) as Pod).spec?.volumes);
        const [[said], [meant]] = [decided(helm.stdout), decided(pod.out)];
        expect(numbersIn(said)).toHaveLength(3);
        expect([limit, numbersIn(said)]).toEqual([limit, numbersIn(meant)]);
        if (limit < 86_000) expect(said).toBe(meant); // a day is 24h in Go
      }
      expect(rendered.length).toBeGreaterThan(10);
      expect(rendered.map(validate).filter((error) => error !== undefined)).toEqual([]);
      expect(typeErrors(rendered, 'Deployment[]', 'apps/v1')).toEqual([]);
    });

    test.each([['2m'], [1], [0], [-5], [2.5], [null], [true], [''], [['120']], [{}]])(
      'refuses maximumAgeSeconds: %j',
      async (maximumAgeSeconds) => {
        const { status, stdout, stderr } = run({ maximumAgeSeconds }, await chartOf([]));
        expect(stderr).toContain('maximumAgeSeconds: expected whole seconds, at least 2; got ');
        expect([status, stdout]).toEqual([1, '']);
      },
    );
  });

  test('selects its own pods', () => {
    const { spec } = render();
    expect(spec?.template.metadata?.labels).toEqual(spec?.selector.matchLabels);
  });

  test('keeps a large user id a number', () => {
    expect(parts(render({ runAsUser: 1000660000 })).pod.securityContext).toMatchObject({
      runAsUser: 1000660000,
      runAsGroup: 1000660000,
      fsGroup: 1000660000,
    });
  });

  test('takes a claim instead of the emptyDir, never both', () => {
    const spool = (values: object) => parts(render(values)).pod.volumes?.find(({ name }) => name === 'spool');
    expect(spool({})).toEqual({ name: 'spool', emptyDir: { sizeLimit: '1Gi' } });
    expect(spool(variants['a claim for the spool'])).toEqual({
      name: 'spool',
      persistentVolumeClaim: { claimName: 'inbox' },
    });
  });

  test('requests CPU, and says why', () => {
    expect(parts(render()).worker.resources?.requests?.cpu).toMatch(/^\d+m$/);
    expect(readFileSync(join(CHART, 'values.yaml'), 'utf8')).toContain(WHY_REQUEST);
  });

  describe('these checks notice', () => {
    const broken = (change: (container: Record<string, unknown>) => void): Deployment => {
      const deployment = render();
      change(parts(deployment).worker as unknown as Record<string, unknown>);
      return deployment;
    };

    test('a misspelt field, by the compiler', () => {
      const deployment = broken((worker) => {
        worker.livenesProbe = worker.livenessProbe;
        delete worker.livenessProbe;
      });
      expect(typed(deployment)).toEqual([
        expect.stringContaining("\"livenesProbe\"' does not exist in type 'Container'"),
      ]);
    });

    test('a misspelt field deep inside, by the compiler', () => {
      const deployment = broken((worker) => {
        worker.securityContext = { readOnlyRootFileSystem: true };
      });
      expect(typed(deployment)).toEqual([expect.stringContaining('readOnlyRootFileSystem')]);
    });

    test('a mistyped field, by both', () => {
      const deployment = broken((worker) => {
        worker.livenessProbe = { exec: { command: SHELL }, failureThreshold: '2' };
      });
      expect(typed(deployment)).toEqual(["Type 'string' is not assignable to type 'number'."]);
      expect(validate(deployment)).toMatch(/livenessProbe\/failureThreshold must be integer/);
    });

    test('a missing field, by both', () => {
      const deployment = broken((worker) => {
        delete worker.name;
      });
      expect(typed(deployment)).toEqual([expect.stringContaining("Property 'name' is missing")]);
      expect(validate(deployment)).toMatch(/required property name/);
    });
  });
});

/** Checks the deployment by the compiler, and below by the API's schema. */
const typed = (deployment: Deployment): string[] => typeErrors(deployment, 'Deployment', 'apps/v1');
const validate = (deployment: Deployment): string | undefined =>
  schemaError(new Model(deployment as unknown as ConstructorParameters<typeof Model>[0]));

function parts(deployment: Deployment): { pod: PodSpec; worker: Container; startup: Probe; liveness: Probe } {
  const pod = defined(deployment.spec?.template.spec);
  expect(pod.containers).toHaveLength(1);
  const worker = defined(pod.containers[0]);
  return { pod, worker, startup: defined(worker.startupProbe), liveness: defined(worker.livenessProbe) };
}

function defined<T>(value: T | null | undefined): T {
  if (value == null) throw new Error('expected a value');
  return value;
}
