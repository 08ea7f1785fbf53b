// npm run build: makes dist from src and from the packages that src uses, so that users install nothing else.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { declare } from './declare.mjs';
import { shell } from './shell.mjs';

process.chdir(join(import.meta.dirname, '..'));
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
// Shorter files load faster. Names stay, for stack traces.
const SHORT = { minifyWhitespace: true, minifySyntax: true, lineLimit: 120 };
const STACK = { minify: true, alias: { ws: './node_modules/ws/lib/websocket.js' } }; // without ws' server
// yaml's browser build has ES modules, so esbuild can leave out what we do not use.
const CLI = { minify: true, alias: { yaml: './node_modules/yaml/browser/index.js' } };
// stack.cjs is a file of its own, loaded only if somebody asks for a stack. As .cjs it works below any package.json.
const apart = ({ onResolve }) => onResolve({ filter: /\/stack\.js$/ }, () => ({ path: './stack.cjs', external: true }));
const plugins = [{ name: 'stack', setup: apart }];
const ALL = { bundle: true, platform: 'node', target: 'node20.19', metafile: true, write: false, plugins };
// yargs reads translations from beside import.meta.url. There are none here, so its messages stay English.
const NOWHERE = '"file:///nonexistent/node_modules/yargs/lib/platform-shims/esm.mjs"';
// ws would look for native modules.
const NO_NATIVE = { 'process.env.WS_NO_BUFFER_UTIL': '"1"', 'process.env.WS_NO_UTF_8_VALIDATE': '"1"' };
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
const bundled = [
  await bundle('src/index.ts', 'dist/index.js', SHORT),
  await bundle('src/liveness.ts', 'dist/liveness.js', SHORT),
  await bundle('src/stack.ts', 'dist/stack.cjs', STACK),
  await bundle('src/cli/index.ts', 'dist/cli.js', CLI),
];
const notices = [...new Set(bundled.flat().map(notice))].sort();
writeFileSync('dist/NOTICES', ['The files in this folder contain parts of these packages.\n', ...notices].join('\n'));
writeFileSync('dist/liveness.sh', shell(version), { mode: 0o755 });

declare();

/** Returns the folders of the packages that are in the file. */
async function bundle(entry, outfile, options) {
  const define = { VERSION: JSON.stringify(version), 'import.meta.url': NOWHERE, ...NO_NATIVE };
  const { outputFiles, metafile } = await build({ ...ALL, ...options, define, entryPoints: [entry], outfile });
  const text = outputFiles[0].text
    // ES modules have no `require`. Without it the file can run and be bundled both as CommonJS and as an ES module.
    .replaceAll(/\brequire(?=\("(?:node:)?[a-z_/]+"\))/g, 'process.getBuiltinModule')
    // Other bundlers cannot follow the import of a health check. Added here, because the minifier drops comments.
    .replaceAll(/\bimport\((?=\w+\))/g, 'import(/* webpackIgnore: true */ ')
    // `lineLimit` continues a string on the next line, where rollup would indent it.
    .replaceAll('\\\n', '');
  writeFileSync(outfile, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  return Object.keys(metafile.inputs).flatMap((path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
}

function notice(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}
