// Measures what a beat costs its loop, on the Node that runs this file.

import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import liveness from '../dist/index.js';
import { compare, figure, quantile } from './report.mjs';

const { systemClock, Timestamp } = liveness;
const RECORD = 256;

class Minutes extends Timestamp {
  maximumAge = { minutes: 2 };
}

const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const disk = join(import.meta.dirname, '../node_modules/.cache');
mkdirSync(disk, { recursive: true });
const folders = {
  memory: mkdtempSync(join(memory, 'liveness-bench-')),
  disk: mkdtempSync(join(disk, 'liveness-bench-')),
};

function coalesced() {
  const timestamp = new Minutes(join(folders.memory, 'coalesced'));
  const times = 500_000;
  let sum = 0; // uses the result, or the compiler might leave the work out
  const { ratio, ours, theirs } = compare({
    work: () => {
      for (let beat = 0; beat < times; beat++) timestamp.refresh();
    },
    against: () => {
      for (let beat = 0; beat < times; beat++) sum += performance.now();
    },
    rounds: 30,
    times,
  });
  const nano = (micro) => `${(micro * 1000).toFixed(0)} ns`;
  figure('refresh() coalesced', ratio, {
    most: 1.5,
    beside: `${nano(ours)} against ${nano(theirs)}, performance.now()`,
  });
  figure("  10⁶ beats a second, of a loop's time", ours * 100, { unit: '%' });
  return sum;
}

function written(where) {
  const timestamp = new Minutes(join(folders[where], 'written'), { clock: hasty() });
  const bare = join(folders[where], 'bare');
  const bytes = Buffer.alloc(RECORD, 'x');
  writeFileSync(bare, bytes);
  const times = 2000;
  const { ratio, ours, theirs } = compare({
    work: () => {
      for (let beat = 0; beat < times; beat++) timestamp.refresh();
    },
    against: () => {
      for (let beat = 0; beat < times; beat++) {
        const fd = openSync(bare, 'r+');
        writeSync(fd, bytes, 0, RECORD, 0);
        closeSync(fd);
      }
    },
    rounds: 60,
    times,
  });
  figure(`refresh() written, ${where}`, ratio, {
    most: 2.5,
    beside: `${ours.toFixed(1)} µs against ${theirs.toFixed(1)} µs, open+write+close of ${RECORD} bytes`,
  });
}

/** The real clocks, except a monotonic clock so fast that every beat comes after its window and is written. */
function hasty() {
  let now = 0;
  return { ...systemClock, monotonic: () => (now += 1001) };
}

function slowest() {
  const path = join(folders.memory, 'slowest');
  const kinds = [
    { name: 'refresh() p99.99, a beat', timestamp: new Minutes(path), beats: 3_000_000 },
    {
      name: '  p99.99, a beat that is written',
      timestamp: new Minutes(`${path}-written`, { clock: hasty() }),
      beats: 200_000,
    },
  ];
  for (const { name, timestamp, beats } of kinds) {
    const took = new Float64Array(beats);
    for (let beat = 0; beat < beats; beat++) {
      const start = performance.now();
      timestamp.refresh();
      took[beat] = (performance.now() - start) * 1000;
    }
    figure(name, quantile(took, 0.9999), {
      unit: 'µs',
      beside: `p50 ${quantile(took, 0.5).toFixed(2)} µs, of ${beats} beats by wall time, two clock reads each included`,
    });
  }
}

try {
  coalesced();
  written('memory');
  written('disk');
  slowest();
} finally {
  for (const folder of Object.values(folders)) rmSync(folder, { recursive: true });
}
