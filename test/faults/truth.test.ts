import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

/** Makes a table of docs/truth.md again, and settles with its differences from the page. */
async function differences(table: string): Promise<string[]> {
  const timeout = 1_800_000; // ends it by SIGTERM, so that it cleans up
  const run = spawn(process.execPath, [resolve('bench/truth/run.mjs'), table], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout,
  });
  let said = '';
  run.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const [code] = (await once(run, 'close')) as [number | null];
  const lines = said.split('\n');
  for (const line of lines.filter((each) => each.startsWith('not verified'))) process.stderr.write(`${line}\n`);
  const found = lines.filter((line) => line.startsWith('truth: '));
  return code === 0 || found.length > 0 ? found : [said];
}

describe('docs/truth.md', () => {
  it('says what every observer says of every wedge', async () => {
    expect(await differences('wedges')).toEqual([]);
  });

  it('says what every observer says of every stress', async () => {
    expect(await differences('stresses')).toEqual([]);
  });
});
