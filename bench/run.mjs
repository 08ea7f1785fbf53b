// npm run bench [-- --only 20,24] [--write]: prints the figures. Each is a ratio of two commands that ran in turns in this
// run; the absolute values show what was compared. It is no test: a missed target prints MISSED, and the exit code is 0.
// --write puts the figures into docs/figures.md. Needs python3 (for wait4). Without strace, busybox or bash it leaves
// out their figures.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosen, nodes } from '../test/support/nodes.mjs';
import { print } from './report.mjs';

const PAGE = join(import.meta.dirname, '../docs/figures.md');
const folder = mkdtempSync(join(tmpdir(), 'liveness-bench-'));
const figuresOf = (node) => join(folder, node.version);

const run = (node, file) => {
  const { status } = spawnSync(node.path, [join(import.meta.dirname, file)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, BENCH_FIGURES: figuresOf(node) },
  });
  if (status !== 0) process.exitCode = 1;
};

/** A row for each figure, a column for each Node. */
function table(measured) {
  const columns = measured.map((node) => {
    const lines = existsSync(figuresOf(node)) ? readFileSync(figuresOf(node), 'utf8').trimEnd().split('\n') : [];
    let under = '';
    return new Map(
      lines.map((line) => {
        const { name, shown, target } = JSON.parse(line);
        if (!name.startsWith(' ')) under = name;
        return [`${under}\n${name}`, { name, shown, target }]; // the same addition may stand under several figures
      }),
    );
  });
  const [all] = columns; // the first Node has the shells' figures too
  const row = (cells) => `| ${cells.join(' | ')} |\n`;
  const heads = ['', ...measured.map(({ version }) => `Node ${version}`), 'target'];
  const rows = [...all].map(([key, { name, target }]) => {
    const cells = columns.map((column) => column.get(key)?.shown ?? '');
    return row([name.replace(/^ +/, '… '), ...cells, target]);
  });
  return row(heads) + row(heads.map(() => '---')) + rows.join('');
}

function write(measured, machine) {
  const text = readFileSync(PAGE, 'utf8');
  const [begin, end] = ['<!-- figures: made by npm run bench -- --write -->\n', '<!-- /figures -->'];
  const [before] = text.split(begin);
  const [, after] = text.split(end);
  writeFileSync(PAGE, `${before}${begin}${table(measured)}\n${machine}\n${end}${after}`);
}

try {
  const measured = nodes(chosen(process.argv.slice(2)).majors);
  for (const [index, node] of measured.entries()) {
    print(`Node ${node.version}`);
    run(node, 'startup.mjs');
    if (index === 0) run(node, 'shell.mjs'); // once, because a shell does not depend on the Node
    run(node, 'refresh.mjs');
    run(node, 'tasks.mjs');
    run(node, 'many.mjs');
    print('');
  }
  const [processor] = cpus();
  const [system] = release().split('-');
  const machine = `${cpus().length} cores (${processor?.model.trim()}), Linux ${system}, load ${Math.round(loadavg()[2])}, ${new Date().toISOString().slice(0, 10)}`;
  print(machine);
  if (process.argv.includes('--write')) write(measured, `Taken on ${machine}.`);
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
