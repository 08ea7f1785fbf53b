// `k8s-liveness lint`: for each rule, what it finds and what it accepts; the formats; what it cannot read.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '@microsoft/jest-sarif';
import type { Log, Run } from 'sarif';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { parseLimit } from '../src/duration';
import { decision, type ProbeTiming } from '../src/kubelet';
import { CommandLine } from '../src/cli/lint/command-line';
import { lintText, type Finding } from '../src/cli/lint/findings';
import { RULES } from '../src/cli/lint/rules';
import { cli } from './support/cli';
import { blocksOf } from './support/markdown';
import { WIDE } from './support/describe-if';
import { scratch } from './support/records';

const page = readFileSync('docs/lint.md', 'utf8');
interface Metadata {
  readonly name: string;
  readonly annotations: { readonly warnings: string | null };
}

const MINUTES = 60;

function findingsIn(text: string, maxRestart?: number): readonly Finding[] {
  const { findings, obstacle } = lintText('x.yaml', text, { maxRestart });
  expect(obstacle).toBeUndefined();
  return findings;
}

/** A pod with a service that is fine, and beside it a container with this; or with that container alone. */
function podWith(container: string, isAlone = false): string {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      containers: [
        {
          name: 'service',
          image: 'service:1',
          resources: { requests: { cpu: '100m' } },
          env: [{ name: 'LIVENESS_PATH', value: '/run/liveness/timestamp' }],
          volumeMounts: [{ name: 'liveness', mountPath: '/run/liveness' }],
        },
        {
          name: 'c',
          image: 'worker:1',
          resources: { requests: { cpu: '100m' } },
          volumeMounts: [{ name: 'liveness', mountPath: '/run/liveness' }],
          ...(parse(container) as object),
        },
      ],
      volumes: [
        { name: 'liveness', emptyDir: { medium: 'Memory' } },
        { name: 'disk', emptyDir: {} },
        { name: 'claim', persistentVolumeClaim: { claimName: 'c' } },
        { name: 'config', configMap: { name: 'c' } },
      ],
    },
  };
  if (isAlone) pod.spec.containers.shift();
  return stringify(pod, { version: '1.1' });
}

function rulesOf(container: string): string[] {
  return [...new Set(findingsIn(podWith(container), 5 * MINUTES).map(({ rule }) => rule))];
}

/** A liveness probe with this command, and nothing else to find. */
function liveness(command: string, more = ''): string {
  return `livenessProbe: { exec: { command: ${command} }, initialDelaySeconds: 30, timeoutSeconds: 5 }\n${more}`;
}
const titled = (container: string): [string, string] => [container.trim().replaceAll('\n', ', '), container];
const shell = (script: string): string => JSON.stringify(['sh', '-c', script]);

describe('docs/lint.md', () => {
  const sections = page.split(/^##? /m).filter((section) => section.includes('<!-- lint: bad -->'));
  const rules = sections.map((section) => section.split('\n', 1)[0] ?? '');

  test('explains each rule once, errors first, in the order of RULES', () => {
    expect(rules).toEqual(RULES.map(({ id }) => id));
    expect(RULES.map(({ severity }) => severity).join(' ')).toMatch(/^(error ?)+(warning ?)+$/);
    const warnings = page.slice(page.indexOf('\n# Warnings\n'));
    for (const { id, severity } of RULES) expect(warnings.includes(`\n## ${id}\n`)).toBe(severity === 'warning');
  });

  test.each(sections.map((section, at) => [rules[at] ?? '', section] as const))(
    'the bad example of %s has that finding and no other, the good one none',
    (rule, section) => {
      const examples = blocksOf(section).filter(({ note }) => note.startsWith('lint: '));
      expect(examples.map(({ note }) => note)).toEqual(['lint: bad', 'lint: good']);
      const found = examples.map(({ code }) => findingsIn(podWith(code, rule !== 'sidecar-probe'), 5 * MINUTES));
      expect(found.map((findings) => [...new Set(findings.map(({ rule }) => rule))])).toEqual([[rule], []]);
    },
  );

  test('shows what the command prints', async () => {
    const [manifest = '', transcript = ''] = blocksOf(page)
      .filter(({ code }) => /^kind: Pod|^\$ k8s-liveness lint worker/.test(code))
      .map(({ code }) => code);
    const file = join(scratch(), 'worker.yaml');
    writeFileSync(file, manifest);
    const { code, out, err } = await cli(['lint', file]);
    expect(err).toBe('');
    expect(`$ k8s-liveness lint worker.yaml; echo $?\n${out.replace(file, 'worker.yaml')}${code}\n`).toBe(transcript);
  });
});

describe('what is linted', () => {
  const probe = { exec: { command: ['redis-cli ping'] }, initialDelaySeconds: 30 };
  const container = { name: 'c', resources: { requests: { cpu: 1 } }, livenessProbe: probe };
  const spec = { containers: [container] };
  const template = { metadata: { labels: { a: 'b' } }, spec };
  const named = (kind: string, rest: object): object => ({ apiVersion: 'v1', kind, metadata: { name: 'x' }, ...rest });
  const KINDS = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'ReplicationController', 'Job', 'Rollout'];

  test.each([
    named('Pod', { spec }),
    ...KINDS.map((kind) => named(kind, { spec: { template } })),
    named('CronJob', { spec: { jobTemplate: { spec: { template } } } }),
    named('PodTemplate', { template }),
    named('List', { items: [named('Service', { spec: { ports: [] } }), named('Pod', { spec })] }),
    named('DeploymentList', { items: [named('Deployment', { spec: { template } })] }),
    named('LeaderWorkerSet', { spec: { leaderWorkerTemplate: { workerTemplate: template } } }),
  ])('%j', (manifest) => {
    for (const text of [JSON.stringify(manifest), stringify(manifest)])
      expect(findingsIn(text).map(({ rule, container }) => [rule, container])).toEqual([['probe-cannot-start', 'c']]);
  });

  test('each document of a file, and each container, with its line and column', () => {
    const pods = [{ initContainers: [{ ...container, name: 'i', restartPolicy: 'Always' }] }, {}].map((more) =>
      stringify(named('Pod', { spec: { ...spec, ...more } }), { aliasDuplicateObjects: false }),
    );
    const text = `# first\n${pods.join('---\n')}`;
    const found = findingsIn(text);
    expect(found.map(({ container }) => container)).toEqual(['c', 'i', 'c']);
    for (const { line, column } of found) expect(text.split('\n')[line - 1]?.slice(column - 1)).toBe('command:');
    expect(new Set(found.map(({ line }) => line)).size).toBe(3);
  });

  test('an init container that is not a sidecar may have no probe', () => {
    const init = { ...container, livenessProbe: { ...probe, exec: { command: ['a'] } } };
    for (const role of ['initContainers', 'ephemeralContainers']) {
      const text = stringify(named('Pod', { spec: { containers: [{ name: 'm' }], [role]: [init] } }));
      expect(findingsIn(text).map(({ rule }) => rule)).toEqual(['refused-by-api']);
    }
  });

  test.each([
    ['nothing', ''],
    ['comments', '# nothing\n---\n'],
    ['a scalar', 'x'],
    ['null', 'null'],
    ['containers of null', 'kind: Pod\nspec: { containers: [null, 1, []] }'],
    ['a pod in a ConfigMap', stringify(named('ConfigMap', { data: { pod: stringify(named('Pod', { spec })) } }))],
    ['a schema', 'kind: CustomResourceDefinition\nspec: { podTemplate: { spec: { containers: { type: array } } } }'],
    ['an alias to itself', 'kind: Pod\nspec: &a { containers: [*a], self: *a, <<: *a }'],
    [
      'odd types',
      'kind: Pod\nspec: { containers: [{ name: [], env: {}, command: x, volumeMounts: [1], livenessProbe: [] }] }',
    ],
  ])('%s is no reason to fail', (_, text) => {
    expect(findingsIn(text).filter(({ rule }) => rule !== 'refused-by-api')).toEqual([]);
  });

  test('any value in any place gets an answer', () => {
    const word = fc.constantFrom('find', 'x y', '-mmin', 'sh', '-c', '$$', 'env', '-u', 'timeout', '-', '', 'node', '(', '"', "'", '`', '$(', '$((', '|', '&&', ';', '>', 'if', 'liveness.sh', '--maximum-age', '2m', '=', 'a=b'); // prettier-ignore
    const script = fc.array(word).map((words) => words.join(' '));
    const key = fc.constantFrom('exec', 'command', 'name', 'value', 'env', 'periodSeconds', 'volumeMounts', 'mountPath', 'livenessProbe', 'resources', 'limits', 'memory', '<<'); // prettier-ignore
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.oneof(word, script, fc.double(), fc.boolean(), fc.constant(null)),
        fc.array(tie('tree')),
        fc.dictionary(key, tie('tree')),
        fc.array(fc.oneof(word, script)).map((command) => ({ livenessProbe: { exec: { command } } })),
      ),
    }));
    fc.assert(
      fc.property(fc.array(tree), (containers) => {
        const { obstacle } = lintText('x', JSON.stringify({ kind: 'Pod', spec: { containers } }), { maxRestart: 1 });
        expect(obstacle).toBeUndefined();
      }),
      { numRuns: WIDE ? 5000 : 100 },
    );
  });

  test('aliases of aliases do not multiply the work', () => {
    const laughs = Array.from(
      { length: 20 },
      (_, n) => `a${n}: &a${n} { x: *a${n - 1}, y: *a${n - 1}, template: *a${n - 1} }`,
    );
    const text = ['a-1: &a-1 { x: 1 }', ...laughs, 'kind: Pod', 'spec: { containers: [{ livenessProbe: { exec: *a19, httpGet: *a19 }, readinessProbe: { exec: *a19, httpGet: *a19 } }] }'].join('\n'); // prettier-ignore
    expect(findingsIn(text).map(({ rule }) => rule)).toContain('refused-by-api');
    expect(findingsIn(`a: &a { x: 1 }\nb: [${'*a, '.repeat(100_000)}*a]\n`)).toEqual([]);
  });

  test('if two anchors have one name, an alias means the last one before it', () => {
    const probe =
      'livenessProbe: { exec: { command: *a }, initialDelaySeconds: 5 }, resources: { requests: { cpu: 1 } }';
    const text = `kind: Pod
x: [&a [sh, -c, 'echo $$'], &a [redis-cli ping]]
spec: { containers: [{ name: c, ${probe} }], z: &a [true] }
`;
    expect(findingsIn(text).map(({ rule }) => rule)).toEqual(['probe-cannot-start']);
  });

  test('anchors, aliases and merge keys are followed, as Kubernetes does', () => {
    const text = `kind: Pod
metadata: { name: p }
spec:
  containers:
    - name: a
      resources: { requests: { cpu: 1 } }
      livenessProbe: &live { exec: { command: &it [redis-cli ping] }, initialDelaySeconds: 5 }
    - name: b
      resources: { requests: { cpu: 1 } }
      livenessProbe: { <<: *live, periodSeconds: 5 }
    - name: c
      readinessProbe: { exec: { command: *it } }
`;
    expect(findingsIn(text).map(({ rule, container }) => [rule, container])).toEqual(
      ['a', 'b', 'c'].map((name) => ['probe-cannot-start', name]),
    );
  });

  test('if a key comes twice, the last one counts', () => {
    const text = podWith('livenessProbe: { exec: { command: ["a b"] }, initialDelaySeconds: 5 }').replace(
      /^( +)(initialDelaySeconds: 5)/m,
      '$1exec: { command: [a] }\n$1$2',
    );
    expect(findingsIn(text)).toEqual([]);
  });
});

test('if a service and its native sidecar both probe one file, the sidecar is the reader', () => {
  const probe = { exec: { command: ['sh', 'k8s-liveness/liveness.sh', '/run/liveness/t'] } };
  const base = { resources: { requests: { cpu: 1 } }, volumeMounts: [{ name: 'v', mountPath: '/run/liveness' }] };
  const spec = {
    initContainers: [{ name: 'sidecar', restartPolicy: 'Always', ...base, startupProbe: probe, livenessProbe: probe }],
    containers: [{ name: 'service', ...base, startupProbe: probe, livenessProbe: probe }],
    volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }],
  };
  const text = JSON.stringify({ kind: 'Pod', spec });
  expect(findingsIn(text).map(({ rule, container }) => [rule, container])).toEqual([
    ['sidecar-probe', 'sidecar'],
    ['sidecar-probe', 'sidecar'],
  ]);
  const shared = JSON.stringify({ kind: 'Pod', spec: { ...spec, shareProcessNamespace: true } });
  expect(findingsIn(shared)).toHaveLength(2);
});

test('a container that may only read the volume is a sidecar, wherever the service states its path', () => {
  const volumes = [{ name: 'v', emptyDir: { medium: 'Memory' } }];
  const readinessProbe = { exec: { command: ['sh', 'k8s-liveness/liveness.sh', '/beats/t'] } };
  const service = { name: 'service', volumeMounts: [{ name: 'v', mountPath: '/run/liveness' }] };
  const reader = { name: 'reader', volumeMounts: [{ name: 'v', mountPath: '/beats', readOnly: true }], readinessProbe };
  const text = JSON.stringify({ kind: 'Pod', spec: { containers: [service, reader], volumes } });
  expect(findingsIn(text).map(({ rule, container }) => [rule, container])).toEqual([['sidecar-probe', 'reader']]);
  // If there is no other container, nobody can write.
  const alone = JSON.stringify({ kind: 'Pod', spec: { containers: [reader], volumes } });
  expect(findingsIn(alone).map(({ rule }) => rule)).toEqual(['heartbeat-not-writable']);
});

describe('a comment on the line above accepts a finding', () => {
  const lines = podWith(
    'livenessProbe: { exec: { command: ["redis-cli ping"] }, timeoutSeconds: 11, initialDelaySeconds: 5 }',
  ).split('\n');
  const below = (comment: string): string[] => {
    const text = lines
      .flatMap((line) => (/ (?:timeoutSeconds|command):/.test(line) ? [comment, line] : [line]))
      .join('\n');
    return findingsIn(text).map(({ rule }) => rule);
  };
  const both = ['probe-cannot-start', 'timeout-over-period'];

  test.each([
    ['# something else', both],
    ['# k8s-liveness-lint-disable-next-line', []],
    ['   #k8s-liveness-lint-disable-next-line', []],
    ['# k8s-liveness-lint-disable-next-line -- why', []],
    ['# k8s-liveness-lint-disable-next-line probe-cannot-start', ['timeout-over-period']],
    ['# k8s-liveness-lint-disable-next-line timeout-over-period, probe-cannot-start -- why', []],
    ['# k8s-liveness-lint-disable-next-line timeout-over-period -- not probe-cannot-start', ['probe-cannot-start']],
    ['# k8s-liveness-lint-disable-next-line timeout', both],
    ['# k8s-liveness-lint-disable-next-lines', both],
    ['# k8s-liveness-lint-disable-next-line\n', both],
  ])('%j', (comment, left) => {
    expect(below(comment)).toEqual(left);
  });
});

describe('the manifests of this project have no finding', () => {
  const examples = readdirSync('examples')
    .map((name) => `examples/${name}/pod.yaml`)
    .filter((file) => existsSync(file));
  const pages = ['README.md', ...readdirSync('docs').flatMap((name) => (name.endsWith('.md') ? `docs/${name}` : []))];
  const shown = pages.flatMap((file) =>
    blocksOf(readFileSync(file, 'utf8')).flatMap(({ code }) =>
      code.startsWith('apiVersion: ') ? [[file, code] as const] : [],
    ),
  );

  test.each([...examples.map((file) => [file, readFileSync(file, 'utf8')] as const), ...shown])('%s', (_, text) => {
    expect(findingsIn(text)).toEqual([]);
  });

  test('there are such manifests', () => {
    expect([examples.length, shown.length]).toEqual([6, 2]);
  });

  const FILES = [[], ['--path', '/var/run/beat/mail'], ['--process']];
  const WISHES = [
    [],
    ['--period', '20s', '--timeout', '7s', '--failure-threshold', '3', '--startup', '10m'],
    ['--restart-within', '150s'],
    ['--period', '115s'],
    ['--', 'sh', '-c', 'echo $$; exec node "$HOME" a$'],
  ];
  const all = ['sh', 'node', 'own'].flatMap((probe) =>
    FILES.flatMap((file) => [
      ...['2s', '3s', '9500ms', '1h', '30d'].map((limit) => ['--maximum-age', limit, '--probe', probe, ...file]),
      ...WISHES.map((wish) => ['--maximum-age', '2m', '--probe', probe, ...file, ...wish]),
    ]),
  );
  const combinations = all.filter((_, at) => WIDE || at % 8 === 3); // `npm test` tries a few, `npm run test:all` each

  test.each(combinations.map((options) => [options.join(' '), options] as const))(
    'manifest %s, in each format',
    async (_, options) => {
      const print = async (format: string): Promise<string> => {
        const end = options.includes('--') && format === 'kustomize' ? options.indexOf('--') : undefined;
        const at = options.indexOf('--');
        const argv = at < 0 || end !== undefined ? [...options.slice(0, end), '--format', format] : [...options.slice(0, at), '--format', format, ...options.slice(at)]; // prettier-ignore
        const { out, err } = await cli(['manifest', ...argv]);
        expect(err).toBe('');
        return out;
      };
      const pod = await print('pod');
      const limit = parseLimit(options[1] ?? '') ?? NaN;
      expect(findingsIn(pod)).toEqual([]);
      // The limit is read from the comment, so that the worst case is known to the second.
      const { livenessProbe } = (parse(pod) as { spec: { containers: [{ livenessProbe: ProbeTiming }] } }).spec
        .containers[0];
      const worst = decision(limit / 1000, livenessProbe).latest + 10;
      expect(findingsIn(pod, worst)).toEqual([]);
      expect(findingsIn(pod, worst - 0.01).map(({ rule }) => rule)).toEqual(['slow-restart']);

      const component = await print('kustomize');
      expect(findingsIn(component)).toEqual([]);
      const { patches } = parse(component) as { patches: [{ patch: string }] };
      expect(findingsIn(patches[0].patch)).toEqual([]);
      expect(lintText('x', patches[0].patch, { maxRestart: undefined }).containers).toBe(1);
      expect(findingsIn(await print('compose'))).toEqual([]);
    },
  );
});

describe('the charts of test/lint/charts.yaml have no error, and these warnings', () => {
  const charts = readFileSync('test/lint/charts.yaml', 'utf8').split('\n---\n');

  test('are a few dozen', () => {
    expect(charts.length).toBeGreaterThan(48);
  });

  test.each(
    charts.map((text) => {
      const { name, annotations } = (parse(text, { merge: true }) as { metadata: Metadata }).metadata;
      return [name, annotations.warnings ?? '', text] as const;
    }),
  )('%s: %s', (_, warnings, text) => {
    const found = findingsIn(text);
    expect(found.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect([...new Set(found.map(({ rule }) => rule))].sort().join(' ')).toBe(warnings);
  });
});

describe('the command', () => {
  const bad = podWith(
    'livenessProbe: { exec: { command: ["redis-cli ping"] }, timeoutSeconds: 11, initialDelaySeconds: 5 }',
  );
  const warned = bad.replace('redis-cli ping', 'redis-cli');
  const file = (text: string, name = 'a b,c%.yaml'): string => {
    const path = join(scratch(), name);
    writeFileSync(path, text);
    return path;
  };
  const lint = (...argv: string[]): ReturnType<typeof cli> => cli(['lint', ...argv]);

  test('exits 1 on errors, 0 on warnings and on nothing', async () => {
    const [a, b, c] = [file(bad), file(warned), file(podWith(''))];
    expect(await lint(a)).toMatchObject({
      code: 1,
      err: '',
      out: expect.stringMatching(/^.*:\d+:\d+ error .*\n.* warning .*\n$/) as string,
    });
    expect(await lint(b)).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/^.* warning .*\n$/) as string,
    });
    expect(await lint(c)).toEqual({ code: 0, err: '', out: '' });
    expect((await lint(c, b, a)).out).toBe((await lint(b)).out + (await lint(a)).out);
  });

  test('--max-restart counts from the limit to the end of the grace', async () => {
    const path = file(podWith(`livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 5 }`));
    expect(await lint('--max-restart', '61s', path)).toMatchObject({ code: 0, out: '' });
    const { code, out } = await lint('--max-restart', '60s', path);
    expect([code, out]).toEqual([
      1,
      expect.stringContaining(
        'slow-restart Pod/p c: livenessProbe ends a wedged container after up to 1m1s (3 periods of 10s, a timeout of 1s, 30s of grace, and the limit, which is not stated here), and --max-restart is 1m. ',
      ),
    ]);
  });

  test('--format json has all fields of a finding', async () => {
    const path = file(bad);
    const { code, out } = await lint('--format', 'json', path);
    const { version, findings } = JSON.parse(out) as { version: number; findings: Finding[] };
    expect([code, version, findings.length]).toEqual([1, 1, 2]);
    const message = expect.stringContaining("livenessProbe cannot start: 'redis-cli ping' is one word") as string;
    const about = { severity: 'error', rule: 'probe-cannot-start', object: 'Pod/p', container: 'c', message };
    expect(findings[0]).toEqual({ file: path, line: expect.any(Number) as number, column: 11, ...about });
    expect(page).toContain(
      `${['file', 'line', 'column', 'severity', 'rule'].map((name) => `\`${name}\``).join(', ')},`,
    );
    expect(await lint('--format', 'json', file(''))).toMatchObject({ code: 0, out: '{"version":1,"findings":[]}\n' });
  });

  test('--format github escapes what would end a property', async () => {
    const { out } = await lint('--format', 'github', file(bad.replace('redis-cli ping', '50% of')));
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^::error file=[^,:]*\/a b%2Cc%25\.yaml,line=\d+,col=11,title=probe-cannot-start::Pod\/p c: .*'50%25 of'/,
    );
    expect(lines[1]).toMatch(/^::warning file=/);
  });

  test('--format sarif is valid SARIF 2.1.0, and names each rule', async () => {
    const path = file(bad);
    const { code, out } = await lint('--format', 'sarif', path);
    const log = JSON.parse(out) as Log;
    expect(log).toBeValidSarifLog();
    const [{ tool, results = [] }] = log.runs as [Run];
    expect([code, tool.driver.rules?.map(({ id }) => id)]).toEqual([1, RULES.map(({ id }) => id)]);
    expect(
      results.map(({ ruleId, ruleIndex = -1, level }) => [ruleId, tool.driver.rules?.[ruleIndex]?.id, level]),
    ).toEqual([
      ['probe-cannot-start', 'probe-cannot-start', 'error'],
      ['timeout-over-period', 'timeout-over-period', 'warning'],
    ]);
    const uri = results[0]?.locations?.[0]?.physicalLocation?.artifactLocation?.uri ?? '';
    expect(decodeURI(uri)).toBe(path);
    expect(JSON.parse((await lint('--format', 'sarif', file(''))).out)).toBeValidSarifLog();
    expect({ version: '2.1.0', runs: [{}] }).not.toBeValidSarifLog(); // the schema is looked at
  });

  test('a name in a manifest cannot forge a line', async () => {
    const { out } = await lint(file(bad.replace('name: c\n', 'name: "c\\n::error::\\e[1m"\n')));
    expect(out.split('\n')).toHaveLength(3);
    expect(out).not.toContain('\u001b');
  });

  test.each([
    ['malformed YAML', 'a: b\n  c: [\n', /^\S+:1:4: Nested mappings are not allowed in compact mappings\n$/],
    ['YAML that ends too soon', 'kind: Pod\nspec: {\n', /^\S+:\d+:\d+: .+\n$/],
    [
      'a template',
      'kind: Pod\nspec: {{ .Values.spec }}\n',
      /^\S+:2:7: a Helm template; render it first: helm template\n$/,
    ],
    [
      'a template with control flow',
      'kind: Pod\n{{- if .Values.a }}\nspec:\n{{- end }}\n',
      /^\S+:2:1: a Helm template; render it first: /,
    ],
    ['a comment of a template', '{{/*\nx: y: z\n*/}}\n', /^\S+:1:1: a Helm template; render it first: /],
    [
      'malformed YAML beside an alert',
      'kind: Pod\nspec: [\n---\nalert: |\n  {{ $labels.pod }} is down\n',
      /^\S+:3:1: (?!a Helm template).+\n$/,
    ],
    [
      'malformed YAML below an alert',
      'alert: |\n  {{ $labels.pod }} is down\n---\na: b: c\n',
      /^\S+:4:4: Nested mappings are not allowed in compact mappings\n$/,
    ],
    [
      'an alias without an anchor',
      'kind: Pod\nspec: { containers: [{ livenessProbe: *a, x: &a b }] }\n',
      /^\S+:2:39: no anchor &a before the alias \*a\n$/,
    ],
    ['an anchor of another document', 'a: &a b\n---\na: *a\n', /^\S+:3:4: no anchor &a before the alias \*a\n$/],
    ['a glob without quotes', 'args: [*.log]\n', /^\S+:1:8: no anchor &\.log before the alias \*\.log\n$/],
    ['a template with an alias', 'a: *a\nb: {{ .Values.b }}\n', /^\S+:2:4: a Helm template; render it first: /],
    ['a helper', '{{- define "a" -}}\na: b\n{{- end }}\n', /^\S+:1:1: a Helm template; render it first: /],
  ])('%s gets one line, exit 2', async (_, text, line) => {
    const [broken, good] = [file(text, 'x.yaml'), file(bad)];
    expect(await lint(broken)).toEqual({ code: 2, out: '', err: expect.stringMatching(line) as string });
    expect(await lint(broken, good)).toMatchObject({ code: 2, out: (await lint(good)).out });
  });

  test('templates in strings are fine, as in alerts', () => {
    const rule = 'kind: PrometheusRule\nspec:\n  summary: "{{ $labels.instance }}"\n  more: |\n    {{ $value }}\n';
    expect(findingsIn(rule)).toEqual([]);
  });

  test('a manifest without a pod gets a line, because it may be the wrong file', async () => {
    expect(await lint(file('replicas: 3\n', 'values.yaml'))).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(
        /values\.yaml: no container in it; expected rendered manifests, not values or a patch\n$/,
      ) as string,
    });
  });

  test('of several files, a Service beside a pod is fine, but a values file gets a line', async () => {
    const [service, pod] = [file('kind: Service\nspec: {}\n', 'service.yaml'), file(podWith(''))];
    const values = file('replicas: 3\n', 'values.yaml');
    expect(await lint(service, pod)).toEqual({ code: 0, out: '', err: '' });
    expect((await lint(service, values, pod)).err).toBe(
      `${values}: no container in it; expected rendered manifests, not values or a patch\n`,
    );
    expect((await lint(service)).err).toContain('service.yaml: no container in it');
  });

  test('bad usage and files that are not there exit 2', async () => {
    expect(await lint('/nonexistent/x.yaml')).toEqual({
      code: 2,
      out: '',
      err: '/nonexistent/x.yaml: cannot be read: ENOENT\n',
    });
    expect((await lint(scratch())).err).toMatch(/: cannot be read: EISDIR\n$/);
    expect((await lint('--format', 'xml', 'x')).err).toBe(
      "k8s-liveness lint: --format expected text, json, github or sarif; got 'xml' (string)\n",
    );
    expect((await lint('--max-restart', '5', 'x')).err).toMatch(
      /^k8s-liveness lint: --max-restart expected a duration such as /,
    );
  });

  test.each([[], ['-']])('reads standard input: lint %s', (...argv: string[]) => {
    const run = (input: string): unknown[] => {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli.js', 'lint', ...argv], {
        input,
        encoding: 'utf8',
      });
      return [status, stdout, stderr];
    };
    expect(run(bad)).toEqual([1, expect.stringMatching(/^stdin:\d+:\d+ error probe-cannot-start /), '']);
    expect(run('')).toEqual([
      2,
      '',
      'stdin: empty; expected manifests, for example of helm template, which may have failed\n',
    ]);
  });
});

describe('the programs that a command starts', () => {
  const programs = (...words: string[]): string[] =>
    new CommandLine(words).programs.map(({ words }) => words.join(' '));

  test.each([
    ['a here-document is text', 'cat <<EOF\nb; c | d\nit\'s "\nEOF\ne', 'cat, e'],
    ['without its last line too', 'cat <<EOF | d\nb\nEOF', 'cat, d'],
    ['an empty one', 'cat <<EOF\nEOF\ne', 'cat, e'],
    ['an indented one', 'if a; then\n\tcat <<-EOF >&2\n\t\tb\n\tEOF\n\te\nfi', 'a, cat, e'],
    ['one without its end, which takes the rest', 'cat <<EOF\nb; c\n', 'cat'],
    ['two of one line', 'cat <<A - <<B; d\nb\nB\nA\nc\nB\ne', 'cat -, d, e'],
    ['what is substituted in it runs', 'cat <<EOF\n) $(b) `c`\nEOF\ne', 'cat, e, b, c'],
    ['unless its delimiter is quoted', "cat << 'E F'\n$(b)\nE F\ne <<\\G\n`c`\nG", 'cat, e'],
    ['in a substitution', 'x "$(cat <<EOF\n) "b"; c\nEOF\n)"; e', 'x $(), e, cat'],
    ['`<<` in arithmetic is no here-document', '[ $((1 << 2)) = 4 ]\nb <<< c\nd', '[ $() = 4 ], b, d'],
    ['brackets in quotes close nothing', `a "$(b ')' | c)"; d`, 'a $(), d, b ), c'],
    ['brackets of `case` close nothing', 'a $(case x in y) b;; (z) c;; esac); d', 'a $(), d, b, c'],
    ['brackets in braces close nothing', 'a $(b ${x%%)*} | c) "${y:-$(d)}"', 'a $() ${y:-$()}, b ${x%%)*}, c, d'],
    ['backquotes in backquotes', 'a `b \\`c\\``; d', 'a $(), d, b $(), c'],
    ['the output of a program as a file', 'a <(b | c) > >(d)', 'a $(), b, c, d'],
    ['an array is no program', 'x=(a b $(c)); d "${x[@]}"', 'd ${x[@]}, c'],
    ['nor is arithmetic', '(( $(a) - x < 60 )) && b', '(), b, a'],
    [
      'nor is what `[[` compares',
      '[[ $x =~ ^(a|b)$ && ( c < d || -n e ) ]]; f',
      '[[ $x =~ ^(a|b)$ && ( c < d || -n e ) ]], f',
    ],
    ['nor is the call of a function', 'f() { a; }\nfunction g { b; }\nf && g', 'a, b'],
  ])('%s: %j', (_, script, expected) => {
    expect(programs('sh', '-c', script)).toEqual(expected.split(', '));
  });

  test.each([
    'su-exec app:app',
    'gosu app',
    's6-setuidgid app',
    'setpriv --reuid 1000 --regid=1000 --clear-groups --bounding-set -all --no-new-privs',
    'dumb-init -c --rewrite 15:2 --',
    '/sbin/tini -s -e 143 --',
    'tini -g',
    'catatonit --',
    'nice',
    'nice -n 5',
    'nice -5',
    'ionice -c 3',
    'timeout 5',
    'timeout -k 1 -s KILL 5s',
    'timeout -t 5', // of an old busybox
    'timeout --signal=KILL $TIMEOUT',
    'stdbuf -oL -e 0',
    'env - A=b',
    'env -u A --chdir /x B=c',
    'busybox',
    'setsid -w',
    'exec -a name',
    'time -p',
    'tini -- gosu app env A=b timeout 5 nice',
  ])('%s only starts another', (starter) => {
    const words = [...starter.split(' '), '/bin/a', '-b', 'c'];
    expect(programs(...words)).toEqual(['/bin/a -b c']);
    expect(programs('sh', '-c', words.join(' '))).toEqual(['/bin/a -b c']);
    expect(programs(...starter.split(' '), 'sh', '-c', 'a | b')).toEqual(['a', 'b']);
  });

  test.each(['command -v a', 'env', 'timeout 5', 'gosu --version'])('%s starts nothing', (command) => {
    expect(programs(...command.split(' '))).toEqual([command]);
  });
});

describe('a rule', () => {
  const sh = '["sh", "node_modules/k8s-liveness/dist/liveness.sh"]';
  const node = '["env", "NODE_OPTIONS=", "NODE_EXTRA_CA_CERTS=", "node", "dist/liveness.js"]';
  const HARMFUL = ['-r ./a.cjs', '--require=./a.cjs', '--import ./a.mjs', '--experimental-loader ./a.mjs', '--loader=a', '--inspect', '--inspect=0.0.0.0:9229', '--inspect-brk', '--inspect_wait=0', '--heap-prof', '--experimental-permission']; // prettier-ignore
  const HARMLESS = ['--max-old-space-size=256', '--dns-result-order=ipv4first', '--enable-source-maps', '--no-warnings', '--inspect-port=9230', '--conditions import', '--title=a--require', '--heap-prof-dir=/x', '--unhandled-rejections=strict', '--trace-require-module']; // prettier-ignore
  const CASES: Record<string, { bad: readonly string[]; good: readonly string[] }> = {
    'probe-cannot-start': {
      bad: [
        liveness('["sh -c true"]'),
        liveness('["", "x"]'),
        liveness('["cd", "/x"]').replace('cd', 'source'),
        liveness('["exec", "probe"]'),
        liveness('["LIVENESS_PATH=/run/liveness/x", "sh", "x.sh"]'),
        liveness('["$HOME/probe"]'),
        liveness('["~/probe"]'),
        liveness('["node_modules/k8s-liveness/dist/liveness.js", "/run/liveness/x"]'),
        'readinessProbe: { exec: { command: ["redis-cli ping"] } }',
        'startupProbe: { exec: { command: ["redis-cli ping"] } }',
      ],
      good: [
        liveness('["/bin/my probe"]').replace('my probe', 'probe'),
        liveness('["$(HOME)/probe"]'),
        liveness('["[", "-S", "/run/x", "]"]'),
        liveness('["node_modules/k8s-liveness/dist/liveness.sh"]').replace('"]', '", "/run/liveness/x"]'),
        liveness('["/health.py"]'),
        liveness('["[[", "-d", "/x", "]]"]'), // busybox has it
        liveness('["C:\\\\Program Files\\\\probe.exe"]'),
      ],
    },
    'fails-open': {
      bad: [
        liveness(shell('find /x -mmin -2')),
        liveness(shell('find /x -newermt "1 minute ago" | wc -l')),
        liveness(shell('test -d /x && find /x -mmin -1 || exit 1')),
        liveness(shell('if find /x -mmin -1; then exit 0; else exit 1; fi')),
        liveness('["timeout", "5", "find", "/x", "-mmin", "-1"]'),
        liveness('["su-exec", "app", "find", "/x", "-mmin", "-1"]'),
        liveness(shell('timeout 5 find /x -mmin -1')),
        liveness(shell('find /x -mmin -2 2>/dev/null >/dev/null && exit 0; exit 1')),
        liveness(shell('pgrep worker || true')),
        liveness(shell('pgrep worker || exit 0')),
        liveness(shell('pgrep worker; true')),
        liveness(shell('pgrep worker\necho healthy\n')),
        liveness('["bash", "-c", "pgrep worker || true"]'),
        liveness('["redis-cli", "ping", "|", "grep", "PONG"]'),
        liveness('["test", "-d", "/x", "&&", "pgrep", "y"]'),
        'readinessProbe: { exec: { command: ["find", "/x", "-mmin", "-1"] } }',
      ],
      good: [
        liveness(shell('[ -n "$(find /x -mmin -2)" ]')),
        liveness(shell('test $(find /x -mmin -2 | wc -l) -gt 0')),
        liveness(shell('find /x -mmin -2 | grep -q .')),
        liveness(shell('find /x -mmin +2 | wc -l | grep -q ^0')),
        liveness(shell('find /x -mmin -2 >/run/found; [ -s /run/found ]')),
        liveness(shell('find /x -mmin -2 >/run/found && [ -s /run/found ]')),
        liveness(shell('find /x -mmin +2; redis-cli ping')),
        liveness(shell('find /x -mmin -2 -print | read file')),
        liveness('["find", "/x", "-mmin", "+2", "-exec", "false", "{}", "+"]'),
        liveness(shell('find /tmp -mmin +600 -delete; redis-cli ping')),
        liveness(shell('curl -f localhost || exit 1')),
        liveness(shell('check-a || exit 1; check-b || true')),
        liveness(shell('check-a || exit; check-b || true')),
        liveness(shell('check-a || exit "$?"; check-b || true')),
        liveness('["bash", "-ec", "check-a; check-b || true"]'),
        liveness('["bash", "-o", "errexit", "-c", "check-a; check-b || true"]'),
        liveness(shell('set -o errexit; check-a; true')),
        liveness(shell('case "$(check)" in bad) false;; *) true;; esac')),
        liveness(shell('check && echo fine')),
        liveness(shell('if check; then exit 1; fi; exit 0')),
        liveness(shell('echo "a | b && c"; redis-cli ping # || true')),
        liveness(shell('redis-cli <<EOF\nfind /x -mmin -1 && a\nEOF')),
      ],
    },
    'dollar-pair': {
      bad: [
        liveness(shell('pgrep worker && echo $$')),
        'args: ["--pid", "$$"]',
        'command: ["sh", "-c", "echo $$ > /run/pid; exec service"]',
        'command: ["sh", "-c", "kill -0 /proc/$$/x"]',
      ],
      good: [
        'command: ["sh", "-c", "echo $$$$"]',
        'command: ["sh", "-c", "echo $$(date) $$HOME $${HOME} $(HOME)"]',
        'command: ["sh", "-c", "grep -q a$$ x"]',
        'args: ["price=5$$"]',
      ],
    },
    'refused-by-api': {
      bad: [
        'livenessProbe: { exec: { command: ["a"] }, httpGet: { port: 1 }, initialDelaySeconds: 30 }',
        'livenessProbe: { initialDelaySeconds: 30 }',
        'livenessProbe: { exec: { command: [] }, initialDelaySeconds: 30 }',
        'livenessProbe: { exec: { command: a b }, initialDelaySeconds: 30 }',
        'livenessProbe: { exec: { command: ["sleep", 5] }, initialDelaySeconds: 30 }',
        'livenessProbe: { exec: { command: ["test", yes] }, initialDelaySeconds: 30 }'.replace('yes', 'true'),
        'livenessProbe: { exec: ["a"], initialDelaySeconds: 30 }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, successThreshold: 2 }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, periodSeconds: 10s }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, periodSeconds: "10" }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, timeoutSeconds: -1 }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, timeoutSeconds: 1.5 }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, terminationGracePeriodSeconds: 0 }',
        'livenessProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30, timeout: 1 }',
        'livenessProbe: { httpGet: { path: / }, initialDelaySeconds: 30 }',
        'livenessProbe: true\nstartupProbe: { exec: { command: ["a"] } }',
        'readinessProbe: { tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 5 }',
        'livenesProbe: { exec: { command: ["a"] }, initialDelaySeconds: 30 }',
      ],
      good: [
        'livenessProbe: { exec: { command: ["sleep", "5"] }, initialDelaySeconds: 30, timeoutSeconds: 0, failureThreshold: 0 }',
        'livenessProbe: { grpc: { port: 1, service: x }, initialDelaySeconds: 30, terminationGracePeriodSeconds: 5 }',
        'livenessProbe: { httpGet: { port: http }, initialDelaySeconds: 30, successThreshold: 1 }',
        'readinessProbe: { tcpSocket: { port: 1 }, successThreshold: 3 }',
        'livenessProbe: null\nreadinessProbe: {tcpSocket: { port: 1 }}',
      ],
    },
    'refused-by-probe': {
      bad: [
        liveness(sh.replace(']', ', "--last-words", "/run/liveness/another"]')),
        liveness(sh.replace(']', ', "--maximum-age=2m", "/run/liveness/another"]')),
        liveness(shell('exec sh node_modules/k8s-liveness/dist/liveness.sh --max-age 2m /run/liveness/another')),
        liveness(
          '["env", "NODE_OPTIONS=", "NODE_EXTRA_CA_CERTS=", "node", "k8s-liveness/dist/liveness.js", "-q", "/run/liveness/another"]',
        ),
      ],
      good: [
        liveness(sh.replace(']', ', "--ignore-error", "--other-pid-namespace", "--process"]')),
        liveness('["node", "k8s-liveness/dist/liveness.js", "--last-words", "--maximum-age", "2m", "--process", "/x"]'),
        liveness('["sh", "/app/liveness.sh", "--fast"]'), // one of their own
      ],
    },
    'heartbeat-not-writable': {
      bad: [
        liveness(sh, 'securityContext: { readOnlyRootFilesystem: true }'),
        liveness(
          sh,
          'securityContext: { readOnlyRootFilesystem: true }\nenvFrom: [{ configMapRef: { name: c } }]\nenv: [{ name: LIVENESS_PATH, value: /var/x }]',
        ),
        liveness(
          sh,
          'env: [{ name: LIVENESS_PATH, value: /etc/config/timestamp }]\nvolumeMounts: [{ name: config, mountPath: /etc/config }]',
        ),
        liveness(
          '["sh", "node_modules/k8s-liveness/dist/liveness.sh", "/data/a"]',
          'volumeMounts: [{ name: claim, mountPath: /data, readOnly: true }]',
        ),
        liveness(
          '["sh", "liveness.sh", "--process"]',
          'securityContext: { readOnlyRootFilesystem: true }\nenv: [{ name: LIVENESS_RUNDIR, value: /var/run/x }]',
        ),
      ],
      good: [
        liveness(
          sh,
          'securityContext: { readOnlyRootFilesystem: true }\nenv: [{ name: LIVENESS_PATH, value: /run/liveness/a/b }]',
        ),
        liveness(
          sh,
          'securityContext: { readOnlyRootFilesystem: true }\nenv: [{ name: LIVENESS_PATH, value: /dev/shm/timestamp }]',
        ),
        liveness('["redis-cli", "ping"]', 'securityContext: { readOnlyRootFilesystem: true }'),
        liveness(node, 'securityContext: { readOnlyRootFilesystem: true }'), // only its class knows the path
        // Only the cluster knows the path.
        liveness(
          sh,
          'securityContext: { readOnlyRootFilesystem: true }\nenv: [{ name: LIVENESS_PATH, valueFrom: { configMapKeyRef: { name: c, key: k } } }]',
        ),
        liveness(
          sh,
          'securityContext: { readOnlyRootFilesystem: true }\nenvFrom: [{ configMapRef: { name: c } }]\nenv: [{ name: A, value: b }]',
        ),
        liveness(
          '["sh", "liveness.sh", "--process"]',
          'securityContext: { readOnlyRootFilesystem: true }\nenvFrom: [{ configMapRef: { name: c } }]',
        ),
        // A link to /run.
        liveness(
          sh,
          'securityContext: { readOnlyRootFilesystem: true }\nenv: [{ name: LIVENESS_PATH, value: /var/run/liveness/a }]',
        ),
      ],
    },
    'sidecar-probe': {
      bad: [
        `readinessProbe: { exec: { command: ["sh", "k8s-liveness/liveness.sh", "/var/run/liveness/timestamp"] } }`,
        liveness('["sh", "x/liveness.sh", "--other-pid-namespace", "/run/liveness/timestamp"]'),
        'startupProbe: { exec: { command: ["sh", "x/liveness.sh", "--other-pid-namespace", "/run/liveness/timestamp"] } }',
        'readinessProbe: { exec: { command: ["sh", "k8s-liveness/liveness.sh", "/run/liveness/timestamp"] } }',
        liveness('["sh", "k8s-liveness/liveness.sh", "/run/liveness/timestamp"]'),
        `readinessProbe: { exec: { command: ${sh} } }\nenv: [{ name: LIVENESS_PATH, value: /run/liveness/timestamp }]\nvolumeMounts: [{ name: liveness, mountPath: /run/liveness, readOnly: true }]`,
        `readinessProbe: { exec: { command: ["sh", "k8s-liveness/liveness.sh", "/beats/timestamp"] } }\nvolumeMounts: [{ name: liveness, mountPath: /beats }]`,
      ],
      good: [
        'readinessProbe: { exec: { command: ["sh", "x/liveness.sh", "--other-pid-namespace", "/run/liveness/timestamp"] } }',
        liveness(sh, 'env: [{ name: LIVENESS_PATH, value: /run/liveness/another }]'),
        liveness('["sh", "k8s-liveness/liveness.sh", "/run/liveness/timestamp-2"]'),
      ],
    },
    'slow-restart': {
      bad: [
        liveness('["a"]').replace('timeoutSeconds: 5', 'periodSeconds: 100'),
        liveness('["a"]', '').replace('timeoutSeconds: 5', 'terminationGracePeriodSeconds: 300'),
        liveness(sh, 'args: ["--maximum-age", "5m"]\nenv: [{ name: LIVENESS_PATH, value: /run/liveness/a }]'),
      ],
      good: [
        liveness('["a"]'),
        liveness(sh, 'args: ["--maximum-age=3m"]\nenv: [{ name: LIVENESS_PATH, value: /run/liveness/a }]'),
        'readinessProbe: { exec: { command: ["a"] }, periodSeconds: 600 }',
      ],
    },
    'stale-file-passes': {
      bad: [
        liveness('["cat", "/tmp/healthy"]'),
        liveness(shell('cat /tmp/healthy')),
        liveness('["test", "-f", "/tmp/healthy"]'),
        liveness(shell('[ -e /tmp/healthy ] || exit 1')),
        liveness(shell('[[ -s "/tmp/healthy" ]]')),
        liveness('["timeout", "5", "cat", "/tmp/healthy"]'),
        liveness('["ls", "/tmp/healthy"]'),
        liveness('["/bin/ls", "-l", "-a", "/app/.alive"]'),
        liveness('["stat", "/tmp/healthy"]'),
        liveness('["stat", "-c", "%Y", "/tmp/healthy"]'),
        liveness('["head", "-n", "1", "/app/health"]'),
        liveness('["head", "-c1", "/app/health"]'),
        liveness('["grep", "-q", "it is up", "/app/health"]'),
        liveness(shell('grep -qi ok /app/health >/dev/null && head -n 2 /run/app.pid')),
        liveness(shell('if [ -f /tmp/healthy ]; then exit 0; else exit 1; fi')),
        liveness(shell('exec gosu app cat /tmp/healthy')),
        liveness(shell('if ! test -f /tmp/healthy; then echo wedged >&2; exit 1; fi')),
        liveness(shell('! cat /tmp/healthy && exit 1; exit 0')),
      ],
      good: [
        liveness(shell('cat /tmp/healthy | grep -q ok')),
        liveness(shell('[ -f /tmp/healthy ] && redis-cli ping')),
        liveness(shell('[ -f /tmp/wedged ] && exit 1; exit 0')),
        liveness(shell('if [ -f /tmp/wedged ]; then\n  echo wedged >&2\n  exit 1\nfi')),
        liveness(shell('! test -f /tmp/wedged')),
        liveness(shell('if ! test -f /tmp/wedged; then exit 0; fi; exit 1')),
        liveness('["ls", "/mnt/nfs"]'), // hangs with its server
        liveness('["stat", "/tmp/share"]', 'volumeMounts: [{ name: claim, mountPath: /tmp/share }]'),
        liveness('["ls", "/tmp/"]'),
        liveness('["ls"]'),
        liveness('["stat", "-f", "/tmp/healthy"]'),
        liveness('["cat", "/tmp/healthy", "/tmp/another"]'),
        liveness('["grep", "-v", "wedged", "/tmp/state"]'),
        liveness('["grep", "-r", "ok"]'),
        liveness('["grep", "-q", "rw", "/proc/mounts"]'),
        liveness(shell('ls /tmp/*.pid | grep -q .')),
        liveness(shell('stat -c %Y /tmp/healthy | check-age')),
        liveness(shell('head -n 1 "$STATE_FILE"')),
        liveness('["cat", "/proc/mounts"]'),
        'readinessProbe: { exec: { command: ["cat", "/tmp/healthy"] } }',
      ],
    },
    'future-file-passes': {
      bad: [
        liveness(shell('test $(( $(date +%s) - $(stat -c %Y /x) )) -lt 60')),
        liveness(shell('test $(expr $(date +%s) - $(stat --format=%Y /x 2>/dev/null)) -le 60 || exit 1')),
        liveness(shell('(( $(date +%s) - $(date -r /x +%s) < 60 ))')),
        liveness(shell('[ $(($(date +%s) - $(cat /x))) -gt 60 ] && exit 1; exit 0')),
        liveness('["python3", "-c", "import os, sys, time; sys.exit(time.time() - os.path.getmtime(\'/x\') > 60)"]'),
        liveness(
          '["env", "-i", "node", "-e", "process.exit(Date.now() - require(\'fs\').statSync(\'/x\').mtimeMs < 6e4 ? 0 : 1)"]',
        ),
      ],
      good: [
        liveness(shell('a=$(($(date +%s) - $(stat -c %Y /x))); [ $a -ge 0 ] && [ $a -lt 60 ]')),
        liveness(shell('[ $(stat -c %s /x) -gt 60 ]')),
        liveness(
          '["python3", "-c", "import os, sys, time; sys.exit(abs(time.time() - os.path.getmtime(\'/x\')) > 60)"]',
        ),
      ],
    },
    'node-timeout': {
      bad: [
        liveness(node).replace('timeoutSeconds: 5', 'timeoutSeconds: 4'),
        liveness('["sh", "-c", "exec /usr/bin/node probe.js"]').replace(', timeoutSeconds: 5', ''),
        liveness('["node_modules/.bin/k8s-liveness", "check", "/run/liveness/x"]').replace(
          'timeoutSeconds: 5',
          'timeoutSeconds: 1',
        ),
        liveness('["setpriv", "--reuid", "1000", "node", "x.js"]').replace(', timeoutSeconds: 5', ''),
        'readinessProbe: { exec: { command: ["node", "ready.js"] } }',
        'startupProbe: { exec: { command: ["node", "ready.js"] }, timeoutSeconds: 1 }',
      ],
      good: [
        liveness(node),
        liveness(sh, 'env: [{ name: LIVENESS_PATH, value: /run/liveness/x }]').replace(', timeoutSeconds: 5', ''),
        liveness('["/usr/bin/node_exporter"]').replace(', timeoutSeconds: 5', ''),
        liveness('["yarn", "rmadmin", "-getServiceState", "rm1"]').replace(', timeoutSeconds: 5', ''), // Hadoop's
        liveness('["node", "liveness.js", "--maximum-age", "4s", "/run/liveness/x"]').replace(
          'timeoutSeconds: 5',
          'timeoutSeconds: 2, periodSeconds: 2',
        ),
      ],
    },
    'starts-npm': {
      bad: [
        liveness('["/usr/local/bin/npm", "exec", "--", "k8s-liveness", "check", "/run/liveness/x"]'),
        liveness('["yarn", "node", "check.js"]'),
        liveness('["yarn", "node", "--enable-source-maps", "check.js"]'),
        liveness('["yarn", "k8s-liveness", "check", "/run/liveness/x"]'),
        liveness('["pnpm", "exec", "k8s-liveness", "check", "/run/liveness/x"]'),
        liveness('["su-exec", "app", "npm", "run", "--silent", "check"]'),
        liveness(shell('cd /app && exec npx k8s-liveness check /run/liveness/x')),
        'readinessProbe: { exec: { command: ["npx", "ready"] }, timeoutSeconds: 5 }',
      ],
      good: [
        liveness('["node_modules/.bin/k8s-liveness", "check", "/run/liveness/x"]'),
        liveness('["node", "/usr/lib/node_modules/npm/check.js"]'),
        liveness('["grep", "npx", "/proc/1/cmdline"]'),
        liveness('["yarn", "node", "-list"]'), // Hadoop's
        liveness('["/opt/hadoop/bin/yarn", "version"]'),
        liveness('["a"]', 'command: ["npm", "start"]'),
      ],
    },
    'inherited-node-options': {
      bad: [
        liveness('["node", "x.js"]', 'env: [{ name: NODE_EXTRA_CA_CERTS, value: /ca.pem }]'),
        liveness('["env", "NODE_OPTIONS=", "node", "x.js"]', 'env: [{ name: NODE_EXTRA_CA_CERTS, value: /ca.pem }]'),
        ...HARMFUL.map((option) => liveness('["node", "x.js"]', `env: [{ name: NODE_OPTIONS, value: ${option} }]`)),
        liveness(
          shell('node x.js'),
          'env: [{ name: NODE_OPTIONS, value: "--max-old-space-size=256 --import=./a.mjs --no-warnings" }]',
        ),
      ],
      good: [
        liveness(
          node,
          'env: [{ name: NODE_EXTRA_CA_CERTS, value: /ca.pem }, { name: NODE_OPTIONS, value: --inspect }]',
        ),
        liveness('["env", "-u", "NODE_OPTIONS", "node", "x.js"]', 'env: [{ name: NODE_OPTIONS, value: --inspect }]'),
        liveness('["env", "-i", "node", "x.js"]', 'env: [{ name: NODE_OPTIONS, value: --inspect }]'),
        liveness(shell('NODE_OPTIONS= node x.js'), 'env: [{ name: NODE_OPTIONS, value: --inspect }]'),
        liveness(shell('unset NODE_OPTIONS; exec node x.js'), 'env: [{ name: NODE_OPTIONS, value: --inspect }]'),
        liveness('["node", "x.js"]', 'env: [{ name: NODE_OPTIONS, value: "" }]'),
        ...HARMLESS.map((option) => liveness('["node", "x.js"]', `env: [{ name: NODE_OPTIONS, value: ${option} }]`)),
        // Nobody knows what it holds.
        liveness(
          shell('node x.js'),
          'env: [{ name: NODE_OPTIONS, valueFrom: { configMapKeyRef: { name: a, key: b } } }]',
        ),
        liveness('["redis-cli", "ping"]', 'env: [{ name: NODE_OPTIONS, value: --inspect }]'),
      ],
    },
    'timeout-over-period': {
      bad: [
        'readinessProbe: { httpGet: { port: 1 }, timeoutSeconds: 11 }',
        'startupProbe: { httpGet: { port: 1 }, periodSeconds: 2, timeoutSeconds: 5 }',
      ],
      good: ['readinessProbe: { httpGet: { port: 1 }, timeoutSeconds: 10 }'],
    },
    'single-failure': {
      bad: [
        'startupProbe: { httpGet: { port: 1 }, failureThreshold: 1, initialDelaySeconds: 20 }',
        liveness('["a"]').replace('timeoutSeconds: 5', 'failureThreshold: 1'),
      ],
      good: ['readinessProbe: { httpGet: { port: 1 }, failureThreshold: 1 }', liveness('["a"]')],
    },
    'no-startup-probe': {
      bad: [
        'livenessProbe: { tcpSocket: { port: 1 }, initialDelaySeconds: 0 }',
        'livenessProbe: { exec: { command: ["a"] } }',
      ],
      good: [liveness('["a"]'), 'readinessProbe: { tcpSocket: { port: 1 } }'],
    },
    'same-as-readiness': {
      bad: [
        `${liveness('["a", "b"]')}readinessProbe: { exec: { command: ["a", "b"] }, periodSeconds: 10, timeoutSeconds: 5 }`,
        'livenessProbe: { httpGet: { port: 1, path: / }, initialDelaySeconds: 5 }\nreadinessProbe: { httpGet: { path: /, port: 1 }, failureThreshold: 6 }',
      ],
      good: [
        `${liveness('["a", "b"]')}readinessProbe: { exec: { command: ["a", "c"] } }`,
        'livenessProbe: { httpGet: { port: 1 }, initialDelaySeconds: 5, failureThreshold: 6 }\nreadinessProbe: { httpGet: { port: 1 } }',
      ],
    },
    'limit-under-two-periods': {
      bad: [
        liveness(
          '["sh", "x/liveness.sh", "--process"]',
          'args: ["--maximum-age", "19s"]\nenv: [{ name: LIVENESS_RUNDIR, value: /run/liveness }]',
        ),
      ],
      good: [
        liveness(
          '["sh", "x/liveness.sh", "--process"]',
          'args: ["--maximum-age", "20s"]\nenv: [{ name: LIVENESS_RUNDIR, value: /run/liveness }]',
        ),
        liveness('["a"]').replace('timeoutSeconds: 5', 'periodSeconds: 60'),
      ],
    },
    'heartbeat-on-disk': {
      bad: [
        liveness(sh), // /tmp/liveness/timestamp
        liveness(sh, 'volumeMounts: [{ name: disk, mountPath: /tmp }]'),
        liveness(sh, 'volumeMounts: [{ name: claim, mountPath: /tmp/liveness/ }]'),
        liveness('["sh", "node_modules/k8s-liveness/dist/liveness.sh", "--process"]'),
      ],
      good: [
        liveness(sh, 'volumeMounts: [{ name: liveness, mountPath: /tmp }]'),
        liveness(sh, 'volumeMounts: [{ name: disk, mountPath: /tmp }, { name: liveness, mountPath: /tmp/liveness }]'),
        liveness(sh, 'env: [{ name: LIVENESS_PATH, value: /dev/shm/timestamp }]'),
        liveness(sh, 'volumeMounts: [{ name: of-a-claim-template, mountPath: /tmp }]'),
        liveness('["sh", "/scripts/liveness.sh"]'), // somebody else's
      ],
    },
    'orphaned-children': {
      bad: [
        liveness(shell('redis-cli ping & exit 0')),
        liveness(shell('redis-cli ping | grep -q PONG')), // of an image that may have no init
        liveness(shell('redis-cli ping | grep -q PONG'), 'command: ["redis-server"]'),
        liveness(shell('test "`redis-cli ping`" = PONG'), 'command: ["redis-server"]'),
        liveness(shell('a; b'), 'command: ["redis-server"]'),
        liveness(shell('case $A in\nx) a;;\n*) (b);;\nesac'), 'command: ["redis-server"]'),
        liveness('["env", "A=b", "bash", "-ec", "a && exec b"]', 'command: ["redis-server"]'),
      ],
      good: [
        liveness(shell('test $(stat -c %s /x | wc -l) -gt 0 && grep -q ok /x'), 'command: ["redis-server"]'),
        liveness(shell('redis-cli ping'), 'command: ["redis-server"]'),
        liveness(shell('[ -d /x ] && exec redis-cli ping 2>&1 >/dev/null'), 'command: ["redis-server"]'),
        liveness(shell('[ -d /x ] && [ "$((1 + 2))" = 3 ]'), 'command: ["redis-server"]'),
        liveness(shell('for f in /x/*; do test -e $f || exit 1; done'), 'command: ["redis-server"]'),
        liveness(shell('case "$(cat /x)" in\na|b) exit 0;;\n(*) exit 1;;\nesac\nexit 2'), 'command: ["redis-server"]'),
        liveness(shell('a <<EOF\nb | c\nEOF'), 'command: ["redis-server"]'),
        liveness(shell('alive() { [[ $(cat /x) =~ ^(up|on)$ ]]; }\nalive && (( 1 < 2 ))'), 'command: ["redis-server"]'),
        liveness(shell('a | b'), 'command: ["/usr/bin/tini", "-s", "--", "redis-server"]'),
        liveness(shell('a | b'), 'command: ["sh", "-c", "redis-server"]'),
        liveness(shell('a | b'), 'command: ["gosu", "redis", "tini", "--", "redis-server"]'),
        liveness(shell('command -v a >/dev/null && env | grep -q A'), 'command: ["redis-server"]'),
      ],
    },
    'no-cpu-request': {
      bad: [liveness('["a"]', 'resources: { requests: { memory: 1Gi } }'), liveness('["a"]', 'resources: null')],
      good: [
        liveness('["a"]', 'resources: { limits: { cpu: 1 } }'),
        'resources: null\nreadinessProbe: { exec: { command: ["a"] } }',
        'resources: null\nlivenessProbe: { httpGet: { port: 1 }, initialDelaySeconds: 5 }',
      ],
    },
    'memory-headroom': {
      bad: [
        liveness(node, 'resources: { requests: { cpu: 1, memory: 100Mi }, limits: { memory: 111Mi } }'),
        liveness('["a"]', 'resources: { requests: { cpu: 1 }, limits: { memory: 4Mi } }'),
        liveness(
          '["a"]',
          'resources: { requests: { cpu: 1 }, limits: { memory: 256M } }\ncommand: [node, --max-old-space-size=256, x]',
        ),
        liveness(
          '["a"]',
          'resources: { requests: { cpu: 1 }, limits: { memory: 1Gi } }\nenv: [{ name: JAVA_OPTS, value: -Xms1g -Xmx1g }]',
        ),
        liveness(
          '["a"]',
          'resources: { requests: { cpu: 1 }, limits: { memory: "1073741824" } }\nenv: [{ name: GOMEMLIMIT, value: 1GiB }]',
        ),
      ],
      good: [
        liveness(node, 'resources: { requests: { cpu: 1, memory: 100Mi }, limits: { memory: 112Mi } }'),
        liveness('["a"]', 'resources: { requests: { cpu: 1, memory: 100Mi }, limits: { memory: 106Mi } }'),
        liveness('["a"]', 'resources: { requests: { cpu: 1, memory: 1e8 }, limits: { memory: 1G } }'),
        liveness('["a"]', 'resources: { requests: { cpu: 1, memory: 1Gi } }'),
        'resources: { requests: { memory: 1Gi }, limits: { memory: 1Gi } }\nreadinessProbe: { httpGet: { port: 1 } }',
      ],
    },
  };

  test.each([
    ['[ -f /x/alive ]', "whether '/x/alive' is there"],
    ['[[ -f /x/alive ]]', "whether '/x/alive' is there"],
    ['test -f /x/alive', "whether '/x/alive' is there"],
    ['cat /x/alive', "whether '/x/alive' is there"],
    ['stat -c %Y /x/alive', "whether '/x/alive' is there"],
    ['grep -q ok /x/alive', "what is in '/x/alive'"],
  ])('names the file that %s asks for', (script, question) => {
    const [{ message } = { message: '' }] = findingsIn(podWith(liveness(shell(script))));
    expect(message).toContain(`only asks ${question}:`);
  });

  test.each([
    ['--title=a --inspect-brk -r ./a.cjs', '', 'NODE_OPTIONS with --inspect-brk and -r ./a.cjs'],
    ['--import ./a.mjs', '/ca.pem', 'NODE_OPTIONS with --import ./a.mjs, and NODE_EXTRA_CA_CERTS'],
    ['--title=a', '/ca.pem', 'NODE_EXTRA_CA_CERTS'],
  ])('says what of NODE_OPTIONS %j and NODE_EXTRA_CA_CERTS %j does harm', (options, certificates, said) => {
    const env = [
      { name: 'NODE_OPTIONS', value: options },
      { name: 'NODE_EXTRA_CA_CERTS', value: certificates },
    ];
    const [{ message } = { message: '' }] = findingsIn(podWith(liveness('["node", "x.js"]', stringify({ env }))));
    expect(message).toContain(`inherits ${said} of the container:`);
  });

  const PID = 'the shell never sees its own pid';
  const ONE = 'the program sees only one';
  test.each([
    ['command: ["sh", "-c", "echo $$"]', PID],
    ['command: ["tini", "--", "gosu", "app", "bash", "-ec", "echo $$"]', PID],
    ['command: ["sh", "-c"]\nargs: ["echo $$"]', PID],
    ['args: ["sh", "-c", "echo $$"]', PID],
    [liveness(shell("awk '{ print }' /x; echo $$")), PID],
    [liveness(shell("awk '{ if ($0 == $$ ) print }' /x")), ONE],
    [liveness(`["awk", "{ if ($0 == $$ ) print }", "/x"]`), ONE],
    [liveness(`["node", "-e", "console.log('$$')"]`), ONE],
    ['args: ["--pid", "$$"]', ONE],
  ])('dollar-pair says who sees one $ less: %j', (container, reader) => {
    const messages = findingsIn(podWith(container)).map(({ message }) => message);
    expect(messages).toContain(`a command has $$: Kubernetes makes one $ of it, so ${reader}. Write $$$$`);
  });

  test('has cases of both kinds', () => {
    expect(Object.keys(CASES)).toEqual(RULES.map(({ id }) => id));
  });

  for (const [rule, { bad, good }] of Object.entries(CASES)) {
    test.each(bad.map(titled))(`${rule} finds %s`, (_, container) => {
      expect(rulesOf(container)).toEqual([rule]);
    });
    test.each(good.map(titled))(`${rule} accepts %s`, (_, container) => {
      expect(rulesOf(container)).not.toContain(rule);
    });
  }
});
