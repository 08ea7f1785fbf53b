/** The page shows the recipes of examples/frameworks. test/frameworks runs and wedges them. */
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

test.each(names)('the recipe for %s needs no import of ours that the page does not show', (name) => {
  const [, shown = ''] = /\/\/ above each recipe.*\n([^]*?)```/.exec(page) ?? [];
  const [before = ''] = readFileSync(join(FOLDER, `${name}.ts`), 'utf8').split('// recipe\n');
  for (const [, words = ''] of before.matchAll(/import \{ (.*?) \} from '\.\//g)) {
    for (const word of words.split(', ').filter((word) => word !== 'park')) expect(shown).toContain(word); // park is the harness's
  }
});
