// npm run test:nodes [-- [--only 22,24 | --except 20] [jest's arguments]]: the suite on every Node of package.json's
// engines. The last line sums all of them up, as `.ci/run` does.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { chosen, nodes } from './support/nodes.mjs';

const ROOT = join(import.meta.dirname, '..');

/**
 * @param {import('./support/nodes.mjs').Node} node
 * @param {string[]} jestArguments
 */
function suite(node, jestArguments) {
  const scratch = mkdtempSync(join(tmpdir(), 'liveness-nodes-'));
  const report = join(scratch, 'report.json');
  // `node` by name must be this one too, in whatever a test starts.
  const env = { ...process.env, PATH: `${dirname(node.path)}${delimiter}${process.env.PATH ?? ''}`, FORCE_COLOR: '0' };
  const jest = [join(ROOT, 'node_modules/jest/bin/jest.js'), '--json', `--outputFile=${report}`, ...jestArguments];
  // Jest's report goes to stderr; its --json to stdout as well, which nobody reads.
  const { status } = spawnSync(node.path, jest, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    const counts = {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
      skipped: result.numPendingTests + result.numTodoTests,
    };
    // A threshold missed, an open handle: jest may fail without a failing test.
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    return counts;
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

try {
  const { majors, rest } = chosen(process.argv.slice(2));
  const results = [];
  for (const node of nodes(majors)) {
    process.stdout.write(`Node ${node.version}\n`);
    results.push({ node, counts: suite(node, rest) });
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { node, counts } of results) {
    process.stdout.write(`Node ${node.version}: ${line(counts)}\n`);
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  process.stdout.write(`${line(total)}\n`);
  process.exitCode = total.failed === 0 && results.length > 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`test:nodes: ${error.message}\n`);
  process.exitCode = 1;
}
