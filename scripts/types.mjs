// npm run types: compiles test/types/user.ts against the packed declaration file with several versions of TypeScript
// and each way to resolve modules, and checks every declaration. Prints a table; exits 1 if a cell is not "yes".

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const COMPILERS = ['5.0', '5.4', '5.9', '6.0', '7'];
const RESOLUTIONS = {
  node16: ['--module', 'node16', '--moduleResolution', 'node16'],
  nodenext: ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
  bundler: ['--module', 'esnext', '--moduleResolution', 'bundler'],
};
const NODE_TYPES = ['none', '@types/node'];
const STRICT = [
  '--noEmit',
  '--strict',
  '--exactOptionalPropertyTypes',
  '--skipLibCheck',
  'false',
  '--target',
  'es2020',
  '--lib',
  'es2020',
];

const folder = mkdtempSync(join(tmpdir(), 'liveness-types-'));

function install(name, packages) {
  const cwd = join(folder, name);
  mkdirSync(cwd);
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }');
  const quiet = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...quiet, ...packages], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

function compile(compiler, resolution, nodeTypes) {
  const tsc = join(folder, 'compilers/node_modules', `ts${compiler}`, 'bin/tsc');
  const types = nodeTypes === 'none' ? [] : ['--types', 'node'];
  const args = [tsc, ...STRICT, ...RESOLUTIONS[resolution], ...types, 'user.ts'];
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: join(folder, nodeTypes.replace('/', '-')),
    encoding: 'utf8',
  });
  return status === 0 ? 'yes' : stdout.slice(0, 300);
}

try {
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const tarball = join(folder, JSON.parse(packed)[0].filename);
  install(
    'compilers',
    COMPILERS.map((version) => `ts${version}@npm:typescript@${version}`),
  );
  install('none', [tarball]);
  install('@types-node', [tarball, '@types/node@20']);
  for (const name of ['none', '@types-node'])
    copyFileSync(join(ROOT, 'test/types/user.ts'), join(folder, name, 'user.ts'));
  const rows = COMPILERS.map((compiler) => {
    const cells = Object.keys(RESOLUTIONS).flatMap((resolution) =>
      NODE_TYPES.map((types) => [
        types === 'none' ? resolution : `${resolution}, ${types}`,
        compile(compiler, resolution, types),
      ]),
    );
    return [`TypeScript ${compiler}`, Object.fromEntries(cells)];
  });
  console.table(Object.fromEntries(rows));
  process.exitCode = rows.every(([, row]) => Object.values(row).every((cell) => cell === 'yes')) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
