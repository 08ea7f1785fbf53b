// Measures what child processes cost, and makes a heartbeat for them to judge.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import liveness from '../dist/index.js';
import { median } from './report.mjs';

export const DIST = join(import.meta.dirname, '../dist');

// An environment like a container's. This shell's may have NODE_EXTRA_CA_CERTS, which makes an empty script three times as
// slow on Node 20, and so makes every ratio look better. BENCH_INHERIT=1 measures with this shell's environment.
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

/** The CPU of `a` divided by that of `b`: the median over the rounds, each of which ran both. */
export function times(a, b) {
  return median(a.runs.map((cpu, round) => cpu / b.runs[round]));
}
