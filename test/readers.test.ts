// test/support/readers.ts: one process of a reader answers many questions, so its end must not hide or hold up an answer.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './support/readers';
import { fileOf, record, scratch } from './support/records';

test('a reader that ends without an answer is never alive, and the next question gets an answer', async () => {
  const flag = join(scratch(), 'flag');
  const within = ['sh', '-c', `[ -e ${flag} ] || exit 3; exec "$@"`, 'sh'];
  const verdicts = async (): Promise<string[]> =>
    (await ask(fileOf(record()), { within, python: true })).map(({ verdict, exit }) => `${verdict} ${exit}`);
  const first = await verdicts();
  expect(first.length).toBeGreaterThan(2);
  expect(first.filter((verdict) => /^(?:alive|killed)/.test(verdict))).toEqual([]);
  writeFileSync(flag, '');
  expect(await verdicts()).toEqual(first.map(() => 'alive 0'));
});
