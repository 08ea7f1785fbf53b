// What the package holds, and where it runs.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import * as door from '../src';
import { fileOf, record, scratch } from './support/records';

describe('the package', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, never>;

  test('exports these names and no more', () => {
    expect(Object.keys(door).sort()).toEqual([
      'LivenessError',
      'ProcessTimestamp',
      'TIMESTAMP_PATH',
      'Timestamp',
      'formatVerdict',
      'probe',
      'systemClock',
    ]);
  });

  test('names its classes and functions as its users do', () => {
    const bundled = createRequire(__filename)(resolve('dist/index.js')) as Record<string, unknown>;
    for (const [name, value] of Object.entries(bundled)) if (typeof value === 'function') expect(value.name).toBe(name);
  });

  test('asks for the Nodes it is tested on', () => {
    expect(manifest.engines).toEqual({ node: '^20.19.0 || ^22.12.0 || >=24' });
  });

  test('holds only these files, in less than 0.6 MB, and needs no other package', () => {
    const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' });
    const [{ files, unpackedSize }] = JSON.parse(stdout) as [{ files: { path: string }[]; unpackedSize: number }];
    expect(files.map(({ path }) => path).sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'dist/NOTICES',
        'dist/cli.js',
        'dist/index.d.ts',
        'dist/index.js',
        'dist/liveness.js',
        'dist/liveness.sh',
        'dist/stack.cjs',
        'package.json',
      ].sort(),
    );
    expect(unpackedSize).toBeLessThan(600_000);
    const { dependencies, peerDependencies, optionalDependencies } = manifest;
    expect([dependencies, peerDependencies, optionalDependencies]).toEqual([undefined, undefined, undefined]);
  });

  test('dist/NOTICES has the licence of every bundled package', async () => {
    const define = { VERSION: '""', 'import.meta.url': '""' };
    const entryPoints = ['src/index.ts', 'src/liveness.ts', 'src/cli/index.ts'];
    const { metafile } = await build({
      entryPoints,
      bundle: true,
      platform: 'node',
      write: false,
      metafile: true,
      outdir: 'dist',
      define,
    });
    const folders = Object.keys(metafile.inputs).flatMap(
      (path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [],
    );
    const bundled = folders.map(
      (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>,
    );
    const expected = bundled.map(({ name, version, license }) => `${name} ${version} (${license})`);
    const parts = readFileSync('dist/NOTICES', 'utf8')
      .split(/\n-+\n/)
      .slice(1);
    expect(parts.map((part) => part.split('\n')[0])).toEqual([...new Set(expected)].sort());
    for (const part of parts) expect(part).toMatch(/\((?:MIT|ISC)\)\n\n(?:.*\n){0,6}.*Copyright/);
  });

  test('lets require.resolve find the probes', () => {
    const script =
      "for (const name of ['liveness.js', 'liveness.sh']) console.log(require.resolve(`k8s-liveness/dist/${name}`))";
    const { stdout } = spawnSync(process.execPath, ['-e', script], { cwd: projectOf(), encoding: 'utf8' });
    expect(stdout).toBe(`${resolve('dist/liveness.js')}\n${resolve('dist/liveness.sh')}\n`);
  });

  test('has types that need no other package', () => {
    const folder = projectOf();
    copyFileSync('test/types/user.ts', join(folder, 'user.ts'));
    const options = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--skipLibCheck',
      'false',
      '--lib',
      'es2020',
      '--module',
      'nodenext',
      'user.ts',
    ];
    const { status, stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...options], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([status, stdout]).toEqual([0, '']);
  });

  test('CONTRIBUTING.md names each file of src once, and no other', () => {
    const rows = readFileSync('CONTRIBUTING.md', 'utf8').matchAll(/^\| [^|]*\| `([^`]+)` \| [^|]+ \|$/gm);
    const files = readdirSync('src', { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const names = files.map(({ parentPath, name }) => relative('src', join(parentPath, name)));
    expect(Array.from(rows, ([, name]) => name).sort()).toEqual(names.sort());
  });

  test('its lock file names no registry', () => {
    expect(readFileSync('package-lock.json', 'utf8')).not.toContain('"resolved"');
  });

  test('the top level of the repository holds only these', () => {
    const made = ['coverage', 'dist', 'node_modules'];
    const top = readdirSync('.').filter(
      (name) => !name.startsWith('.') && !name.endsWith('.tgz') && !made.includes(name),
    );
    expect(top.sort()).toEqual(
      [
        'CHANGELOG.md',
        'CONTRIBUTING.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        'bench',
        'docs',
        'eslint.config.mjs',
        'etc',
        'examples',
        'jest.config.js',
        'package-lock.json',
        'package.json',
        'scripts',
        'src',
        'test',
        'tsconfig.json',
      ].sort(),
    );
  });
});

/** Makes a project in which only this package is installed. */
function projectOf(): string {
  const folder = scratch();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/k8s-liveness'));
  return folder;
}

describe('as an ES module', () => {
  test('no string continues on the next line, because a bundler that indents would change it', () => {
    for (const file of ['index.js', 'liveness.js', 'cli.js']) {
      expect(readFileSync(`dist/${file}`, 'utf8').match(/\\\n.*/g)).toBeNull();
    }
  });

  const alive = [0, expect.stringMatching(/^alive: /), ''];

  function run(script: string, ...args: string[]): unknown[] {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
    return [status, stdout, stderr];
  }

  test('a comment tells webpack, rspack and ncc to leave the import of a health check to Node', () => {
    expect(readFileSync('dist/index.js', 'utf8')).toMatch(/\bimport\(\s*\/\* webpackIgnore: true \*\/\s*found\s*\)/);
  });

  test('liveness.js runs when it is copied below a package.json of "type": "module"', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const probe = join(folder, 'liveness.js');
    copyFileSync('dist/liveness.js', probe);
    expect(run(probe, fileOf(record()))).toEqual(alive);
    // Each option and each default loads another module of Node, and each must load there.
    expect(run(probe, '--process', '--maximum-age', '1h', fileOf(record()))).toEqual([
      1,
      expect.stringMatching(/^dead: missing: /),
      '',
    ]);
  });

  test('a service and its probe run when esbuild has bundled them', async () => {
    const folder = projectOf();
    writeFileSync(
      join(folder, 'timestamp.ts'),
      "import { Timestamp } from 'k8s-liveness'; export class Mine extends Timestamp { readonly maximumAge = { minutes: 2 } }",
    );
    writeFileSync(
      join(folder, 'main.ts'),
      "import { Mine } from './timestamp'; new Mine(process.argv[2]).refresh(); process.stdout.write(Mine.byRef(process.argv[2]).toString());",
    );
    writeFileSync(
      join(folder, 'liveness.ts'),
      "import { probe } from 'k8s-liveness'; import { Mine } from './timestamp'; probe(Mine.byRef(process.argv[2]));",
    );
    await build({
      absWorkingDir: folder,
      entryPoints: ['main.ts', 'liveness.ts'],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outdir: 'dist',
      outExtension: { '.js': '.mjs' },
    });
    expect(run(join(folder, 'dist/main.mjs'), join(folder, 'beat'))).toEqual(alive);
    expect(run(join(folder, 'dist/liveness.mjs'), fileOf(record()))).toEqual(alive);
  });
});
