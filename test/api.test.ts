// docs/api.md: every example compiles, runs, and gives the answer that is written after its `// =>`.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { scratch } from './support/records';

const page = readFileSync('docs/api.md', 'utf8');
/** The last block of a section is its example, unless it is the only one: that is the declaration. */
const sections = page.split(/\n(?=###? )/).slice(1);
const examples = sections.flatMap((section) => {
  const [, ...rest] = section.matchAll(/```ts\n([^]*?)```/g);
  return rest.map(([, code = '']) => ({ heading: section.split('\n')[0] ?? '', code }));
});

/** What the examples use and do not define. */
const YOURS = `
import { strict as assert } from 'node:assert';
import { formatVerdict, LivenessError, probe, ProcessTimestamp, systemClock, Timestamp } from 'k8s-liveness';
class WorkerTimestamp extends Timestamp {
  readonly maximumAge = { minutes: 2 };
}
let stopping = false;
const job = { id: '42' };
const queue = { poll: async (_: { timeoutMs: number }) => job };
const handle = async (_: { id: string }) => void (stopping = true);
const canConnect = async (_?: string) => true;
const consumer = { isRunning: () => true };
const worker = { close: async () => {} };
let made = 0;
`;

test('there is one for each public class, method and function', () => {
  const without = [
    '## Task',
    '## Gate',
    '## Verdict',
    '## Clock',
    '## Duration',
    '## TIMESTAMP_PATH',
    '## TimestampOptions',
  ];
  without.push('## GateCheck', '## Health', '## HealthCheck', '## TaskDescription', '## DeathReason', '## ErrorCode');
  without.push('### new Timestamp()', '### new ProcessTimestamp()');
  const headings = sections.map((section) => section.split('\n')[0] ?? '');
  expect(examples.map(({ heading }) => heading)).toEqual(headings.filter((heading) => !without.includes(heading)));
});

test('each compiles, runs and answers what it says', () => {
  const folder = scratch();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/k8s-liveness'));
  for (const name of ['@types', 'undici-types'])
    symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'disk-check.js'), 'exports.health = () => true;');
  // That of probe() ends the process.
  const ordered = [...examples].sort(
    (a, b) => Number(a.code.startsWith('probe(')) - Number(b.code.startsWith('probe(')),
  );
  const functions = ordered.map(({ heading, code }) => {
    const asserted = code
      .replaceAll(/^( *)(.+); \/\/ => (.+)$/gm, '$1assert.deepEqual($2, $3);')
      .replaceAll(/\/(?:run|tmp)(?=\/)/g, folder);
    return `// ${heading}
    async () => {
      const timestamp = new WorkerTimestamp('${folder}/' + made++);
      const forwarder = await new ProcessTimestamp('${folder}/' + made++).load([]);
      { ${asserted} }
    },`;
  });
  const main = `async function main() {
    for (const example of [${functions.slice(0, -1).join('\n')}]) await example();
    new WorkerTimestamp().refresh();
    await (${functions.at(-1)?.replace(/,$/, '') ?? ''})();
  }
  void main();`;
  writeFileSync(join(folder, 'examples.ts'), `${YOURS}${main}`);
  const tsc = resolve('node_modules/typescript/bin/tsc');
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--skipLibCheck'];
  const compiled = spawnSync(process.execPath, [tsc, ...options, 'examples.ts'], { cwd: folder, encoding: 'utf8' });
  expect([compiled.status, compiled.stdout]).toEqual([0, '']);
  const env = { ...process.env, LIVENESS_PATH: join(folder, 'timestamp'), LOG_LEVEL: '' };
  const ran = spawnSync(process.execPath, ['examples.js'], { cwd: folder, encoding: 'utf8', env });
  expect([ran.stderr, ran.status, ran.stdout]).toEqual(['', 0, expect.stringMatching(/^alive: last beat .*\n$/)]);
});
