/**
 * The chart in examples/chart, rendered by text/template and Sprig (chart/render.go) and held against
 * the Kubernetes API's types.
 *
 * Of helm this rendering does not cover: `helm lint`, values.schema.json, kubeVersion's constraint,
 * dependencies and subcharts, library charts, CRDs, hooks and tests, the order of kinds, NOTES.txt,
 * `lookup`, `.Files`, `.Capabilities.APIVersions`, post-renderers, `--set` and its parsing, templates
 * in subfolders, and helm's refinements of `toYaml`, `tpl` and `required`. The chart uses none of
 * them but kubeVersion.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Deployment as Model } from 'kubernetes-models/apps/v1/Deployment';
import type { Deployment } from 'kubernetes-types/apps/v1';
import type { Container, PodSpec, Probe } from 'kubernetes-types/core/v1';
import ts from 'typescript';
import { WorkerTimestamp } from '../../examples/worker/timestamp';
import { milliseconds } from '../../src/duration';
import { decision } from '../../src/kubelet';
import { parse } from 'yaml';
import { describeIf } from '../support/need';

const CHART = resolve('examples/chart');
const GOPATH = '/usr/share/gocode';
const WHY_REQUEST = 'else a wedged neighbour that has a request starves this pod and its probe';
const SHELL = ['sh', '/app/node_modules/k8s-liveness/dist/liveness.sh'];
const NODE = ['env', 'NODE_OPTIONS=', 'NODE_EXTRA_CA_CERTS=', 'node', '/app/dist/liveness.js'];

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

  function run(values: object) {
    return spawnSync(join(folder, 'render'), [CHART, 'demo'], { encoding: 'utf8', input: JSON.stringify(values) });
  }
  function text(values: object = {}): string {
    const { status, stdout, stderr } = run(values);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }
  const render = (values?: object): Deployment => parse(text(values)) as Deployment;

  /** Every branch of the templates. */
  const variants = {
    'its own values': {},
    'the Node probe': { probe: 'node' },
    'a claim for the spool': { spool: { existingClaim: 'inbox' } },
    'other numbers, user and image': {
      liveness: { periodSeconds: 20, failureThreshold: 3, timeoutSeconds: 7, terminationGracePeriodSeconds: 1 },
      startup: { periodSeconds: 1, failureThreshold: 600 },
      runAsUser: 1000660000,
      image: { repository: 'worker', tag: '2.0', pullPolicy: 'Always' },
      resources: { requests: null, limits: { memory: '1Gi', cpu: '2' } },
    },
  };

  describe.each(Object.entries(variants))('with %s', (_, values) => {
    test('is a Deployment to the compiler', () => {
      expect(typeErrors(render(values))).toEqual([]);
    });

    test('is a Deployment to the schema', () => {
      expect(validate(render(values))).toBeUndefined();
    });

    test('beats in memory, where both probes look', () => {
      const { pod, worker, startup, liveness } = parts(render(values));
      const path = worker.env?.find(({ name }) => name === 'LIVENESS_PATH')?.value ?? '';
      const mount = worker.volumeMounts?.find(({ mountPath }) => mountPath === dirname(path));
      expect(mount?.readOnly).toBeUndefined();
      expect(pod.volumes?.find(({ name }) => name === mount?.name)).toEqual({
        name: 'liveness',
        emptyDir: { medium: 'Memory', sizeLimit: '1Mi' },
      });
      expect(liveness.exec).toEqual(startup.exec);
      expect(liveness.exec?.command).toEqual('probe' in values ? NODE : SHELL);
    });

    test('mounts the spool where the worker looks, and nothing by a name that no volume has', () => {
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

    test('survives one stale verdict and gives Node the time to start', () => {
      const { startup, liveness } = parts(render(values));
      expect(liveness.failureThreshold).toBeGreaterThanOrEqual(2);
      expect(liveness.timeoutSeconds).toBeGreaterThanOrEqual(5);
      expect(startup.timeoutSeconds).toBe(liveness.timeoutSeconds);
    });

    test('states its sums in a comment', () => {
      const manifest = text(values);
      const { G, ...timing } = numbers(parse(manifest) as Deployment);
      const { earliest: stall, latest: wedge } = decision(0, { periodSeconds: timing.P, failureThreshold: timing.F, timeoutSeconds: timing.T });
      const comment = manifest.split('\n').filter((line) => line.startsWith('# ')).map((line) => line.slice(2)).join(' ');
      expect(comment).toContain(`Counted from the last written beat, no stall shorter than maximumAge + ${stall} s restarts the worker.`);
      expect(comment).toContain(`A wedge is decided by maximumAge + ${wedge} s, plus about a second on an idle node, more on a starved one.`);
      expect(comment).toContain(`The container is gone ${G}.2 s later.`);
    });
  });

  test('derives its own numbers from maximumAge as the comments in values.yaml say', () => {
    const deployment = render();
    const { P, F, T } = numbers(deployment);
    const comments = readFileSync(join(CHART, 'values.yaml'), 'utf8');
    const A = Number(/ A = (\d+) s/.exec(comments)?.[1]);
    expect(A * 1000).toBe(milliseconds(new WorkerTimestamp().maximumAge, 'maximumAge'));
    expect(P).toBe(A / 4);
    const { earliest: stall, latest: wedge } = decision(A, { periodSeconds: P, failureThreshold: F, timeoutSeconds: T });
    expect(comments).toContain(` ${A} + (${F}-1)*${P} - ${T} = ${stall} s\n`);
    expect(comments).toContain(` ${A} + ${F}*${P} + ${T} = ${wedge} s\n`);
    const { startup } = parts(deployment);
    expect(comments).toContain(` ${A} / ${defined(startup.periodSeconds)} = ${defined(startup.failureThreshold)}\n`);
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

  test.each([['bogus'], [''], ['Shell'], [7], [true], [null], [['sh']]])('refuses probe: %j', (probe) => {
    const { status, stdout, stderr } = run({ probe });
    expect(stderr).toContain(`probe: expected "shell" or "node", got ${JSON.stringify(probe)}\n`);
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });

  test('refuses a timeout longer than the period: its sums would be wrong', () => {
    const liveness = (timeoutSeconds: number) => run({ liveness: { periodSeconds: 5, timeoutSeconds } });
    expect(liveness(5).status).toBe(0);
    const { status, stdout, stderr } = liveness(6);
    expect(stderr).toContain('liveness.timeoutSeconds: expected at most liveness.periodSeconds, 5, or timeouts would queue; got 6\n');
    expect([status, stdout]).toEqual([1, '']);
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
      expect(typeErrors(deployment)).toEqual([expect.stringContaining('"livenesProbe"\' does not exist in type \'Container\'')]);
    });

    test('a misspelt field deep inside, by the compiler', () => {
      const deployment = broken((worker) => {
        worker.securityContext = { readOnlyRootFileSystem: true };
      });
      expect(typeErrors(deployment)).toEqual([expect.stringContaining('readOnlyRootFileSystem')]);
    });

    test('a mistyped field, by both', () => {
      const deployment = broken((worker) => {
        worker.livenessProbe = { exec: { command: SHELL }, failureThreshold: '2' };
      });
      expect(typeErrors(deployment)).toEqual(["Type 'string' is not assignable to type 'number'."]);
      expect(validate(deployment)).toMatch(/livenessProbe\/failureThreshold must be integer/);
    });

    test('a missing field, by both', () => {
      const deployment = broken((worker) => {
        delete worker.name;
      });
      expect(typeErrors(deployment)).toEqual([expect.stringContaining("Property 'name' is missing")]);
      expect(validate(deployment)).toMatch(/required property name/);
    });
  });
});

/** The API's types, parsed once for all the programs that `typeErrors` compiles. */
const sources = new Map<string, ts.SourceFile>();

/** What `tsc --strict` says of the object, written out as a Deployment's literal. */
function typeErrors(deployment: Deployment): string[] {
  const literal =
    "import type { Deployment } from 'kubernetes-types/apps/v1';\n" +
    `export const deployment: Deployment = ${JSON.stringify(deployment, null, 2)};\n`;
  // A file in memory only, at a place from where node_modules is found.
  const file = join(__dirname, 'chart', 'rendered.ts');
  const options: ts.CompilerOptions = { strict: true, noEmit: true, types: [], module: ts.ModuleKind.NodeNext };
  const host = ts.createCompilerHost(options);
  const onDisk = { ...host };
  host.fileExists = (name) => name === file || onDisk.fileExists(name);
  host.getSourceFile = (name, language) => {
    if (name === file) return ts.createSourceFile(name, literal, language);
    const source = sources.get(name) ?? onDisk.getSourceFile(name, language);
    if (source) sources.set(name, source);
    return source;
  };
  return ts
    .getPreEmitDiagnostics(ts.createProgram([file], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** What the API's schema says against the object; undefined if nothing. */
function validate(deployment: Deployment): string | undefined {
  try {
    new Model(deployment as unknown as ConstructorParameters<typeof Model>[0]).validate();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function parts(deployment: Deployment): { pod: PodSpec; worker: Container; startup: Probe; liveness: Probe } {
  const pod = defined(deployment.spec?.template.spec);
  expect(pod.containers).toHaveLength(1);
  const worker = defined(pod.containers[0]);
  return { pod, worker, startup: defined(worker.startupProbe), liveness: defined(worker.livenessProbe) };
}

function numbers(deployment: Deployment): Record<'P' | 'F' | 'T' | 'G', number> {
  const { liveness } = parts(deployment);
  return {
    P: defined(liveness.periodSeconds),
    F: defined(liveness.failureThreshold),
    T: defined(liveness.timeoutSeconds),
    G: defined(liveness.terminationGracePeriodSeconds),
  };
}

function defined<T>(value: T | null | undefined): T {
  if (value == null) throw new Error('expected a value');
  return value;
}
