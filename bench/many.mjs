// Measures what one verdict costs if a process judges many heartbeats, on the Node that runs this file.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import liveness from '../dist/index.js';
import { withHeartbeat } from './children.mjs';
import { cpu, figure, median } from './report.mjs';

const COUNTS = [1, 10, 100, 1000, 10_000];
const ROUNDS = 5;

withHeartbeat(({ folder, beat }) => {
  const most = Math.max(...COUNTS);
  // Copies of one beat: a record does not name its file, so a reader does the same work for each.
  const paths = Array.from({ length: most }, (_, index) => join(folder, String(index)));
  for (const path of paths) copyFileSync(beat, path);

  const judge = (count) => {
    // The same number of verdicts for every count, because a single one is too short to measure.
    for (let judged = 0; judged < most; judged++) {
      const path = paths[judged % count];
      if (!liveness.Timestamp.byRef(path).verdict().alive) throw new Error(`${path} is not alive`);
    }
  };
  judge(1);
  const each = COUNTS.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    COUNTS.forEach((count, index) => each[index].push(cpu(() => judge(count)) / most));
  }
  const micro = each.map(median);
  figure('judging one file of 10,000', micro.at(-1), {
    most: 30,
    unit: 'µs',
    beside: COUNTS.map((count, index) => `${count}: ${micro[index].toFixed(1)}`).join(', '),
  });
  figure('  one of 10,000 to the only one', micro.at(-1) / micro[0], { most: 1.5 });
});
