// npm run build: makes dist from src and from the packages that src uses, so that users install nothing else.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { build } from 'esbuild';

const SHELL = ['src/liveness.sh'];

process.chdir(join(import.meta.dirname, '..'));
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
const packages = [
  ...(await bundle('src/index.ts', 'dist/index.js')),
  ...(await bundle('src/liveness.ts', 'dist/liveness.js')),
  ...(await bundle('src/cli/index.ts', 'dist/cli.js', { minifyWhitespace: true }, 0o755)),
];
writeFileSync('dist/NOTICES', notices(packages));
writeFileSync('dist/liveness.sh', shell(SHELL.map((path) => readFileSync(path, 'utf8')).join('')), { mode: 0o755 });
declare();

/** Returns the folders of the packages that are in the file. */
async function bundle(entry, outfile, options = {}, mode = 0o644) {
  const define = {
    VERSION: JSON.stringify(version),
    // yargs looks for translations beside this file. There are none, so it speaks English.
    'import.meta.url': '"file:///nonexistent/node_modules/yargs/lib/platform-shims/esm.mjs"',
  };
  const always = { bundle: true, platform: 'node', target: 'node20.19', logLevel: 'warning', metafile: true, write: false };
  const { outputFiles, metafile } = await build({ ...always, ...options, entryPoints: [entry], outfile, define });
  // ES modules have no `require`. Without it the file runs, and can be bundled, as CommonJS and as an ES module.
  const text = outputFiles[0].text.replaceAll(/\brequire(?=\("(?:node:)?[a-z_/]+"\))/g, 'process.getBuiltinModule');
  writeFileSync(outfile, text, { mode });
  return Object.keys(metafile.inputs).flatMap((path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
}

function notices(folders) {
  const texts = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return ['The files in this folder contain parts of these packages.\n', ...new Set(texts.sort())].join(`\n${'-'.repeat(80)}\n`);
}

/** Drops comments and indentation from line 6 on: dash would read them at every probe. */
function shell(source) {
  const lines = source.replace('@VERSION@', version).split('\n');
  const code = lines.slice(5).filter((line) => !/^ *(#|$)/.test(line));
  return [...lines.slice(0, 5), ...code.map((line) => line.trimStart()), ''].join('\n');
}

/** Writes the one declaration file, and the report of the public API that `npm run check` compares with the one in etc. */
function declare() {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], { stdio: 'inherit' });
  const config = ExtractorConfig.loadFileAndPrepare('src/api-extractor.json');
  const { errorCount } = Extractor.invoke(config, { messageCallback: (message) => (message.handled = message.logLevel !== 'error') });
  rmSync('dist/types', { recursive: true });
  if (errorCount > 0) process.exitCode = 1;
}
