// npm run bench [-- --only 20,24]: README's figures, each a ratio whose two sides took turns in this one run. Absolutes
// stand beside them only to show what was compared. Figures, not a test: a target that is missed says MISSED, and
// the exit code is 0. Needs python3 (for wait4); without strace, busybox or bash it leaves out what they would show.

import { spawnSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { chosen, nodes } from '../test/support/nodes.mjs';
import { print } from './report.mjs';

const run = (node, file) => {
  const { status } = spawnSync(node.path, [join(import.meta.dirname, file)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exitCode = 1;
};

try {
  const measured = nodes(chosen(process.argv.slice(2)).majors);
  for (const [index, node] of measured.entries()) {
    print(`Node ${node.version}`);
    run(node, 'startup.mjs');
    if (index === 0) run(node, 'shell.mjs'); // a shell is the same beside every Node
    run(node, 'refresh.mjs');
    run(node, 'tasks.mjs');
    run(node, 'many.mjs');
    print('');
  }
  const [processor] = cpus();
  print(
    `${cpus().length} cores (${processor?.model.trim()}), Linux ${release()}, ${new Date().toISOString().slice(0, 10)}`,
  );
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
