// What the package is, and who in it may know whom.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as door from '../src';
import { scratch } from './support/records';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => /(?<!\.d)\.ts$/.test(name));

function importsOf(name: string): string[] {
  const code = readFileSync(join('src', name), 'utf8');
  return [...code.matchAll(/(?:from |import\(|require\()'([^']+)'/g)].map(([, target = '']) => target);
}

describe('who may import whom', () => {
  // From the bottom up: each line may know those above it, and nothing below.
  const allowed: Record<string, string[]> = {
    'errors.ts': ['node:util'],
    'duration.ts': ['./errors', 'date-fns', 'date-fns/milliseconds'],
    'verdict.ts': ['./duration'],
    'record.ts': [],
    'proc.ts': ['node:fs'],
    'folder.ts': ['node:fs', 'node:path'],
    'file.ts': ['./folder', './record', 'node:fs', 'node:os'],
    'health.ts': ['./errors', './verdict', 'node:module', 'node:url', 'node:vm'],
    'judge.ts': ['./file', './proc', './record', './verdict'],
    'options.ts': ['./errors', './proc'],
    'writer.ts': ['./duration', './errors', './file', './judge', './proc', './record', 'date-fns', 'node:path'],
    'timestamp.ts': ['./duration', './errors', './file', './judge', './options', './proc', './verdict', './writer', 'date-fns'],
    'process-timestamp.ts': ['./errors', './file', './health', './judge', './options', './proc', './record', './timestamp', './writer', 'date-fns'],
    'probe.ts': ['./errors', './timestamp', './verdict', 'node:fs'],
    'liveness.ts': ['./duration', './file', './judge', './probe', './proc', 'node:util'],
    'index.ts': ['./errors', './file', './health', './options', './probe', './proc', './process-timestamp', './timestamp', './verdict'],
    'cli/io.ts': ['../proc'],
    'cli/command.ts': ['../duration', '../errors', './io', 'yargs'],
    'cli/words.ts': ['date-fns/formatDuration'],
    'cli/report.ts': ['../file', '../judge', '../verdict', './command', './io'],
    'cli/table.ts': ['../verdict', './report', './words', 'cliui', 'node:util'],
    'cli/beat.ts': ['../errors', '../file', '../folder', '../judge', '../proc', '../record'],
    'cli/check.ts': ['../verdict', './command', './report'],
    'cli/touch.ts': ['../errors', '../proc', '../record', './beat', './command'],
    'cli/run.ts': ['../errors', '../file', '../proc', '../verdict', './beat', './command', './io', './usage', 'node:child_process', 'node:os'],
    'cli/usage.ts': ['./command', 'leven'],
    'cli/status.ts': ['../file', './command', './io', './report', './table', 'node:fs', 'node:timers/promises'],
    'cli/main.ts': ['../verdict', './check', './command', './io', './run', './status', './touch', './usage', 'yargs'],
    'cli/index.ts': ['../proc', './io', './main'],
  };

  test('every source file has its line here', () => {
    expect(Object.keys(allowed).sort()).toEqual([...sources].sort());
  });

  test.each(Object.entries(allowed))('%s', (name, targets) => {
    expect(targets).toEqual(expect.arrayContaining(importsOf(name)));
  });

  test('date-fns is loaded only for a Duration: elsewhere its types at most', () => {
    for (const name of sources.filter((name) => name !== 'cli/words.ts')) {
      const values = readFileSync(join('src', name), 'utf8').match(/^import (?!type).*'date-fns/gm);
      expect([name, values]).toEqual([name, null]);
    }
  });
});

describe('the package', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, never>;

  test('exports these names and no more', () => {
    expect(Object.keys(door).sort()).toEqual(['LivenessError', 'ProcessTimestamp', 'TIMESTAMP_PATH', 'Timestamp', 'describe', 'probe', 'systemClock']);
  });

  test('asks for the Nodes it is tested on', () => {
    expect(manifest.engines).toEqual({ node: '^20.19.0 || ^22.12.0 || >=24' });
  });

  test('holds what it should and nothing else', () => {
    const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths.filter((path) => !path.endsWith('.d.ts')).sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist/cli.js', 'dist/index.js', 'dist/liveness.js', 'dist/liveness.sh', 'docs/cli.md', 'docs/heartbeat-file.md', 'docs/liveness-or-readiness.md', 'docs/load.svg', 'docs/process.md', 'docs/truth.md', 'package.json'].sort(),
    );
    for (const path of paths.filter((path) => path.endsWith('.d.ts'))) expect(path).toMatch(/^dist\/[a-z-]+\.d\.ts$/);
  });

  test('has types that stand without those of Node', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'node_modules'));
    for (const name of ['date-fns', 'k8s-liveness']) {
      symlinkSync(name === 'k8s-liveness' ? resolve('.') : resolve('node_modules', name), join(folder, 'node_modules', name));
    }
    writeFileSync(
      join(folder, 'user.ts'),
      `import { ProcessTimestamp, Timestamp, probe, type HealthCheck, type Verdict } from 'k8s-liveness';
       class Unit extends ProcessTimestamp { override readonly maximumAge = { minutes: 2 } }
       const check: HealthCheck = (name: string) => name !== '';
       const checks: HealthCheck[] = [check, './x.js', { health: async () => true }, (mode: 'primary' | 'replica') => mode === 'primary'];
       void new Unit('/x', { ignoreError: true }).load(checks, 'primary', 7).then((unit: Unit) => unit.set(1).refresh());
       // @ts-expect-error a number is no health check
       void new ProcessTimestamp().load([7]);
       class Mine extends Timestamp { readonly maximumAge = { minutes: 2 } }
       const verdict: Verdict = new Mine('/x', { clock: undefined }).refresh({ maximumAge: undefined }).verdict();
       if (!verdict.alive) { const reason: 'missing' | 'unreadable' | 'malformed' | 'gone' | 'failed' | 'future' | 'stale' = verdict.reason; void reason; }
       const mine: Mine = Mine.byRef(); const any: Timestamp = Timestamp.byRef('/x'); probe(mine, any);`,
    );
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--lib', 'es2022', '--module', 'nodenext', 'user.ts'];
    const { status, stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...options], { cwd: folder, encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, '']);
  });

  test('its lock file names no registry', () => {
    expect(readFileSync('package-lock.json', 'utf8')).not.toContain('"resolved"');
  });

  test('its top level is this and no more', () => {
    const tracked = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).stdout.trim().split('\n');
    const top = [...new Set(tracked.map((path) => path.split('/')[0] ?? ''))].filter((name) => !name.startsWith('.'));
    expect(top.sort()).toEqual(
      ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'bench', 'docs', 'examples', 'jest.config.js',
        'package-lock.json', 'package.json', 'src', 'test', 'tsconfig.json'].sort(),
    );
  });
});
