// Runs jest on a given Node, and adds up the counts of several runs for `.ci/run`.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {string} node the path of its binary
 * @param {readonly string[]} jestArguments
 * @returns {Counts}
 */
export function suite(node, jestArguments) {
  const scratch = mkdtempSync(join(tmpdir(), 'liveness-suite-'));
  const report = join(scratch, 'report.json');
  // A test that starts `node` by name must get this Node too.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`, FORCE_COLOR: '0' };
  const jest = [join(ROOT, 'node_modules/jest/bin/jest.js'), '--json', `--outputFile=${report}`, ...jestArguments];
  // Jest's report goes to stderr. --json also writes to stdout, which is ignored.
  const { status } = spawnSync(node, jest, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    const counts = {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
      skipped: result.numPendingTests + result.numTodoTests,
    };
    // Jest may fail without a failing test, for example by an open handle.
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    return counts;
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/**
 * Runs the runs one after the other. Prints a line for each and one for all, and sets the exit code.
 *
 * @param {readonly { name: string, run: () => Counts }[]} runs
 */
export function runAll(runs) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lines = [];
  for (const { name, run } of runs) {
    process.stdout.write(`${name}\n`);
    const counts = attempted(run);
    lines.push(`${name}: ${line(counts)}`);
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  process.stdout.write(`${lines.join('\n')}\n${line(total)}\n`);
  process.exitCode = total.failed === 0 && runs.length > 0 ? 0 : 1;
}

/** A run that throws counts as failed. @param {() => Counts} run */
function attempted(run) {
  try {
    return run();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** @param {Counts} counts */
function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
