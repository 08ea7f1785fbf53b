// What child processes cost, and a heartbeat for them to judge.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import liveness from '../dist/index.js';
import { median } from './report.mjs';

export const DIST = join(import.meta.dirname, '../dist');

// A container's environment, not this shell's: NODE_EXTRA_CA_CERTS alone makes an empty script take three times as
// long on Node 20, and so every ratio to it look better. BENCH_INHERIT=1 measures under this shell's all the same.
const environment = process.env.BENCH_INHERIT === '1' ? process.env : { PATH: process.env.PATH };

/** Runs `work` with a scratch folder that holds `beat`, a heartbeat that is alive as long as this process. */
export function withHeartbeat(work) {
  const folder = mkdtempSync(join(tmpdir(), 'liveness-bench-'));
  const beat = join(folder, 'beat');
  class Hour extends liveness.Timestamp {
    maximumAge = 3_600_000;
  }
  try {
    new Hour(beat).refresh();
    work({ folder, beat });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs each command `rounds` times, in turns.
 *
 * @param {number} rounds
 * @param {Record<string, string[]>} commands
 * @returns {Record<string, { cpu: number, memory: number, runs: number[] }>} medians, in µs and KiB
 */
export function costs(rounds, commands) {
  const python = ['-I', join(import.meta.dirname, 'children.py')];
  const input = JSON.stringify({ rounds, environment, commands });
  const measured = JSON.parse(
    execFileSync('python3', python, { input, stdio: ['pipe', 'pipe', 'inherit'], maxBuffer: 1e9 }),
  );
  return Object.fromEntries(
    Object.entries(measured).map(([name, { cpu, memory }]) => [
      name,
      { cpu: median(cpu), memory: median(memory), runs: cpu },
    ]),
  );
}

/** How many times the CPU of `b` the runs of `a` take: the median over the rounds, each of which ran both. */
export function times(a, b) {
  return median(a.runs.map((cpu, round) => cpu / b.runs[round]));
}
