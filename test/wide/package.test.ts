// The packed package under several TypeScript versions and bundlers, which needs npm's registry; and the floors of src.

import { spawnSync } from 'node:child_process';

test.each(['types', 'bundlers'])(
  'npm run %s: every cell of its table is "yes"',
  (name) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/${name}.mjs`], { encoding: 'utf8' });
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  },
  900_000,
);

test('eslint refuses every way to import from a floor above, or a package where none may be', () => {
  const refused = [
    `import { Writer } from './writer';`,
    `import { Writer } from './writer.js';`,
    `import { Writer } from '../src/writer';`,
    `import { main } from './cli/main';`,
    `import { Timestamp } from '.';`,
    `import yargs from 'yargs';`,
    `const writer = import('./writer.js');`,
    `const yargs = import('yargs');`,
  ];
  const allowed = [
    `import { shown } from './errors';`,
    `import milliseconds from 'date-fns/milliseconds';`,
    `const errors = import('./errors.js');`,
    `const os = import('node:os');`,
  ];
  const script = `import { ESLint } from 'eslint';
    const [{ messages }] = await new ESLint().lintText(process.argv[1], { filePath: 'src/record.ts' });
    const found = messages.filter(({ ruleId }) => /^no-restricted-(imports|syntax)$/.test(ruleId));
    console.log(JSON.stringify(found.map(({ line }) => line)));`;
  const text = [...refused, ...allowed].join('\n');
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, text], {
    encoding: 'utf8',
    env: { ...process.env, TSESTREE_SINGLE_RUN: 'false' }, // where CI is set, it would lint the file, not our text
  });
  expect([stdout, stderr]).toEqual([`${JSON.stringify(refused.map((_, at) => at + 1))}\n`, '']);
});
