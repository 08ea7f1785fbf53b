// The packed package under several TypeScript versions and bundlers. Needs npm's registry.

import { spawnSync } from 'node:child_process';

test.each(['types', 'bundlers'])(
  'npm run %s: every cell of its table is "yes"',
  (name) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/${name}.mjs`], { encoding: 'utf8' });
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  },
  900_000,
);
