/** examples/frameworks: each recipe is wedged for real, and the page says what was seen. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = 'examples/frameworks';
const names = readdirSync(join(FOLDER, 'harness/frameworks')).map((file) => file.replace(/\.mjs$/, ''));
const page = readFileSync('docs/frameworks.md', 'utf8');

test.each(names)('the recipe for %s has under 25 lines, and the page shows it', (name) => {
  const file = readFileSync(join(FOLDER, `${name}.ts`), 'utf8');
  const recipe = /(?<=^\/\/ recipe\n)[^]*?(?=^\/\/ end of recipe$)/m.exec(file)?.[0].trim() ?? '';
  expect(recipe).not.toBe('');
  expect(recipe.split('\n').length).toBeLessThan(25);
  expect(page).toContain(`\`\`\`ts\n${recipe}\n\`\`\``);
});

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
