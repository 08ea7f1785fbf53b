// Prints the figures, and computes medians and ratios.

import { appendFileSync } from 'node:fs';

/**
 * Prints one line: the name, the value, the target and whether it is met, and both sides of the ratio.
 *
 * @param {string} name
 * @param {number} value
 * @param {{ most?: number, least?: number, unit?: string, beside?: string }} [about] without `most` or `least` the
 *   figure has no target; `beside` has the absolute values, which can be compared only within one run
 */
export function figure(name, value, { most, least, unit = '×', beside = '' } = {}) {
  const target = most !== undefined ? `≤ ${most} ${unit}` : least !== undefined ? `≥ ${least} ${unit}` : '';
  const digits = value.toFixed(value >= 100 || unit === 'calls' ? 0 : 2);
  const met = most !== undefined ? Number(digits) <= most : least === undefined || Number(digits) >= least;
  const shown = `${digits} ${unit}`;
  // For docs/figures.md.
  if (process.env.BENCH_FIGURES)
    appendFileSync(
      process.env.BENCH_FIGURES,
      `${JSON.stringify({ name, shown: met ? shown : `**${shown}**`, target })}\n`,
    );
  const outcome = target === '' ? '' : met ? 'ok' : 'MISSED';
  print(`${name.padEnd(46)} ${shown.padStart(11)}   ${target.padEnd(10)} ${outcome.padEnd(7)} ${beside}`);
}

/** @param {string} line */
export function print(line) {
  process.stdout.write(`${line.trimEnd()}\n`);
}

/** @param {ArrayLike<number>} values */
export function median(values) {
  return quantile(values, 0.5);
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/**
 * Runs two pieces of work in turns, so that other load on the machine slows both. Returns the CPU time of the first
 * divided by that of the second: the median over the rounds.
 *
 * @param {{ work: () => void, against: () => void, rounds: number, times: number }} plan `times`: how often a turn
 *   repeats its work, for the absolutes
 */
export function compare({ work, against, rounds, times }) {
  for (let round = 0; round < 3; round++) {
    work();
    against();
  }
  const ours = [];
  const theirs = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(cpu(work));
    theirs.push(cpu(against));
  }
  return {
    ratio: median(ours.map((time, round) => time / theirs[round])),
    ours: median(ours) / times,
    theirs: median(theirs) / times,
  };
}

/**
 * Microseconds of CPU, user and system, that `work` takes.
 *
 * @param {() => void} work
 */
export function cpu(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
