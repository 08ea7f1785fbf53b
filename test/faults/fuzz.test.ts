import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeIf } from '../support/describe-if';
import { SHELLS } from '../support/readers';
import { scratch } from '../support/records';

const FUZZ = resolve('test/faults/fuzz/fuzz.mjs');

function fuzz(...args: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [FUZZ, ...args], {
    timeout: 1_800_000,
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

/** A copy of the shipped script with one mistake. */
function spoiled(right: string, wrong: string): string {
  const script = readFileSync('dist/liveness.sh', 'utf8');
  expect(script).toContain(right);
  const path = join(scratch(), 'liveness.sh');
  writeFileSync(
    path,
    script.replaceAll(right, () => wrong),
  );
  return path;
}

describeIf(SHELLS.length === 3, 'dash, busybox and bash, to compare them with Node')('the fuzzer', () => {
  test('gets the expected answer from node, dash, busybox and bash in 100,000 cases', () => {
    const { status, said } = fuzz('--cases', '100000');
    console.log(said);
    expect(said).toMatch(/^seed \d+, 100000 cases\n/);
    expect(said).toContain('0 differences');
    expect(status).toBe(0);
  });

  test.each([
    [
      'does not compare the sum',
      '[ "$1" = "$k_sum" ] || return',
      ':',
      /expected malformed\n {2}node: "dead: malformed/,
    ],
    [
      'computes with a word that is no number',
      "'' | *[!0-9]* | 0?* | ????????????????*) return 1 ;;",
      "'') return 1 ;;",
      /executed: 0 pwned/,
    ],
    ['forgets zombies', '[ZXx]) [ "${18}" -gt 1 ] || return 0 ;;', 'X) ;;', /expected gone\n/],
    ['forgets that a task may be overdue', 'task:*) k_reason=overdue ;;', 'x:*) ;;', /expected overdue\n/],
    ['takes any number for a count of tasks', 'k_number "$k_in_hand" && ', '', /in hand since/],
    [
      'has a wrong word in its line',
      "k_detail='holds no pid'",
      "k_detail='has no pid'",
      /dash: "dead: malformed: pid file: has no/,
    ],
  ])('finds a probe that %s', (_, right, wrong, found) => {
    const { status, said } = fuzz('--cases', '3000', '--seed', '3', '--script', spoiled(right, wrong));
    expect(said).toMatch(/npm run fuzz -- --seed 3 --case \d+\n/);
    expect(said).toMatch(found);
    expect(status).toBe(1);
  });
});
