// The packed package under every compiler and every bundler that its users have. Needs npm's registry.

import { spawnSync } from 'node:child_process';

test.each(['types', 'bundlers'])(
  'npm run %s: every cell of its table is "yes"',
  (name) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/${name}.mjs`], { encoding: 'utf8' });
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  },
  900_000,
);
