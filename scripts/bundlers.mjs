// npm run bundlers [-- NAME...]: bundles README's three files and a daemon that loads a health check, with each
// bundler. Runs them and prints a table. Exits 1 if a cell is not "yes".

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { transformSync } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const TOOLS = {
  esbuild: '0.28',
  rollup: '4',
  '@rollup/plugin-node-resolve': '16',
  '@rollup/plugin-commonjs': '29',
  webpack: '5',
  '@rspack/core': '2',
  '@vercel/ncc': '0.45',
  postject: '1.0.0-alpha.6',
  bun: '1',
  deno: '2',
};
const PROGRAMS = ['main', 'liveness', 'daemon'];

// The code that README expects the user to have, and the daemon.
const QUEUE = `const queue = { poll: () => new Promise((settle) => setTimeout(settle, 50)) };\nconst handle = async () => undefined;\n`;
const DAEMON = `import { ProcessTimestamp } from 'k8s-liveness';
new ProcessTimestamp(process.env.LIVENESS_PATH).load(['./check.mjs']).then((unit) => {
  unit.set(0);
  process.stdout.write(unit.toString());
  unit.reset();
});
`;

const folder = mkdtempSync(join(tmpdir(), 'liveness-bundlers-'));
const source = (name) => join(folder, 'src', `${name}.js`);

/** For each bundler: makes the programs, and returns a function from a program's name to the command that starts it. */
const BUNDLERS = {
  'esbuild, CommonJS': (out) => esbuild(out, 'cjs', 'cjs'),
  'esbuild, ES module': (out) => esbuild(out, 'esm', 'mjs'),
  'rollup, ES module': (out) => {
    const config = `import resolve from '@rollup/plugin-node-resolve';
      import commonjs from '@rollup/plugin-commonjs';
      export default ${JSON.stringify(PROGRAMS)}.map((name) => ({ input: \`src/\${name}.js\`, plugins: [resolve(), commonjs()], external: /^node:/,
        output: { file: \`${out}/\${name}.mjs\`, inlineDynamicImports: true } }));`;
    writeFileSync(join(folder, 'rollup.config.mjs'), config);
    tool('rollup/dist/bin/rollup', '--config', 'rollup.config.mjs', '--silent');
    return started('mjs', out);
  },
  webpack: (out) => webpack('webpack', out),
  rspack: (out) => webpack('@rspack/core', out),
  ncc: (out) => {
    for (const name of PROGRAMS)
      tool('@vercel/ncc/dist/ncc/cli.js', 'build', `src/${name}.js`, '--out', `${out}/${name}`, '--quiet');
    return (name) => [
      process.execPath,
      `${out}/${name}/index.${existsSync(join(folder, out, name, 'index.mjs')) ? 'mjs' : 'js'}`,
    ];
  },
  'Node SEA': (out) => {
    esbuild(out, 'cjs', 'cjs');
    for (const name of PROGRAMS) {
      const [binary, blob] = [join(folder, out, name), join(folder, out, `${name}.blob`)];
      const config = { main: `${out}/${name}.cjs`, output: blob, disableExperimentalSEAWarning: true };
      writeFileSync(join(folder, out, `${name}.json`), JSON.stringify(config));
      execFileSync(process.execPath, ['--experimental-sea-config', `${out}/${name}.json`], {
        cwd: folder,
        stdio: 'pipe',
      });
      copyFileSync(process.execPath, binary);
      chmodSync(binary, 0o755);
      tool(
        'postject/dist/cli.js',
        binary,
        'NODE_SEA_BLOB',
        blob,
        '--sentinel-fuse',
        'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
      );
    }
    return (name) => [join(folder, out, name)];
  },
  'Bun, unbundled': () => (name) => [bun(), `src/${name}.js`],
  'Bun, bundled': (out) => {
    const entries = PROGRAMS.map((name) => `src/${name}.js`);
    execFileSync(bun(), ['build', ...entries, '--target=bun', '--outdir', out], { cwd: folder, stdio: 'pipe' });
    return (name) => [bun(), `${out}/${name}.js`];
  },
  'Deno, unbundled': () => (name) => [deno(), 'run', '--allow-all', '--no-lock', `src/${name}.js`],
};

function esbuild(out, format, extension) {
  const options = [
    '--bundle',
    '--platform=node',
    `--format=${format}`,
    `--out-extension:.js=.${extension}`,
    '--log-level=warning',
  ];
  execFileSync(join(folder, 'node_modules/.bin/esbuild'), [...PROGRAMS.map(source), ...options, `--outdir=${out}`], {
    cwd: folder,
    stdio: 'pipe',
  });
  return started(extension, out);
}

function webpack(name, out) {
  const script = `const pack = require(${JSON.stringify(name)}); (pack.rspack ?? pack)({
    mode: 'production', target: 'node', context: ${JSON.stringify(folder)}, entry: ${JSON.stringify(Object.fromEntries(PROGRAMS.map((name) => [name, `./src/${name}.js`])))},
    output: { path: ${JSON.stringify(join(folder, out))}, filename: '[name].cjs' }
  }, (error, stats) => { if (error || stats.hasErrors() || stats.hasWarnings()) { console.error(error ?? stats.toString()); process.exit(1); } });`;
  writeFileSync(join(folder, 'pack.cjs'), script);
  execFileSync(process.execPath, ['pack.cjs'], { cwd: folder, stdio: 'pipe' });
  return started('cjs', out);
}

const started = (extension, out) => (name) => [process.execPath, `${out}/${name}.${extension}`];
const tool = (path, ...args) =>
  execFileSync(process.execPath, [join('node_modules', path), ...args], { cwd: folder, stdio: 'pipe' });
// The npm packages bun and deno install their binaries by scripts, which we do not run.
const bun = () => binary('@oven', `bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`);
const deno = () => binary('@deno', `linux-${process.arch}-glibc/deno`);
const binary = (scope, path) => join(folder, 'node_modules', scope, path);

/** A row of the table: each cell is "yes", or the output. */
async function tried(name, at) {
  const row = { bundler: name };
  let command;
  try {
    command = BUNDLERS[name](`out${at}`);
  } catch (error) {
    return {
      ...row,
      writer: `cannot build: ${String(error.stderr || error.stdout || error.message)
        .trim()
        .slice(0, 300)}`,
    };
  }
  const env = { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: '', LIVENESS_PATH: join(folder, `beat${at}`) };
  const run = (program) => {
    const [file, ...args] = command(program);
    const { status, stdout, stderr } = spawnSync(file, args, { cwd: folder, env, encoding: 'utf8', timeout: 30_000 });
    return {
      said: stdout || stderr,
      is: (code, word) =>
        status === code && stdout.startsWith(word) ? 'yes' : `${status}: ${(stderr || stdout).slice(0, 300)}`,
    };
  };
  const [file, ...args] = command('main');
  const writer = spawn(file, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((settle) => writer.once('exit', settle));
  try {
    for (let tries = 0; tries < 300 && !existsSync(env.LIVENESS_PATH) && writer.exitCode === null; tries++)
      await pause(50);
    row.writer = existsSync(env.LIVENESS_PATH) ? 'yes' : 'no beat';
    row['probe: alive'] = run('liveness').is(0, 'alive: ');
  } finally {
    writer.kill('SIGKILL');
    await ended;
  }
  row['probe: gone'] = run('liveness').is(1, 'dead: gone: ');
  env.LIVENESS_PATH = join(folder, `unit${at}`);
  row['load()'] = run('daemon').is(0, 'alive: ');
  return row;
}

try {
  const wanted = process.argv.slice(2);
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: ROOT,
      encoding: 'utf8',
    }),
  );
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { 'k8s-liveness': `file:${filename}` },
    devDependencies: TOOLS,
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  execFileSync(
    'npm',
    ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: folder, stdio: 'pipe' },
  );
  mkdirSync(join(folder, 'src'));
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  for (const name of ['timestamp', 'main', 'liveness']) {
    const [, code] = new RegExp(`\`\`\`ts\n(// ${name}\\.ts[^]*?)\`\`\``).exec(readme);
    const js = transformSync((name === 'main' ? QUEUE : '') + code, { loader: 'ts' }).code;
    writeFileSync(source(name), js.replaceAll(/from "(\.\/\w+)"/g, 'from "$1.js"'));
  }
  writeFileSync(source('daemon'), DAEMON);
  writeFileSync(join(folder, 'check.mjs'), 'export const health = () => true;\n');
  const rows = [];
  for (const [at, name] of Object.keys(BUNDLERS).entries()) {
    if (wanted.length === 0 || wanted.some((word) => name.toLowerCase().startsWith(word.toLowerCase())))
      rows.push(await tried(name, at));
  }
  console.table(Object.fromEntries(rows.map(({ bundler, ...cells }) => [bundler, cells])));
  const works = (row) => Object.values(row).filter((cell) => cell === 'yes').length === 4;
  process.exitCode = rows.length > 0 && rows.every(works) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
