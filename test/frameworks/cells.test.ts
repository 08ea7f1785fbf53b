/** examples/frameworks: each recipe is wedged for real, and the page says what was seen. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const FOLDER = 'examples/frameworks';

test(
  'every cell comes out as the page says',
  () => {
    const { status, stderr } = spawnSync(process.execPath, [join(FOLDER, 'harness/run.mjs')], {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const lines = stderr.split('\n');
    for (const line of lines.filter((line) => line.startsWith('not verified: '))) process.stderr.write(`${line}\n`);
    expect(lines.filter((line) => line.startsWith('frameworks: '))).toEqual([]);
    expect(status).toBe(0);
  },
  20 * 60_000,
);
