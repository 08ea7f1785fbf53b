// docs/troubleshooting.md: it has each reason and each warning, and a probe prints each line that it shows.

import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { self } from '../src/proc';
import { serialise } from '../src/record';
import { REASONS } from '../src/verdict';
import { ended, zombie } from './support/processes';
import { AS_NOBODY, LIVENESS_SH, run } from './support/readers';
import { aged, directoryOf, fileOf, open, record, scratch } from './support/records';

const page = readFileSync('docs/troubleshooting.md', 'utf8');
const shown = new Map(
  Array.from(page.matchAll(/^### (\w+)\n[^]*?<!-- lines -->\n```\n([^]*?)```/gm), ([, reason = '', lines = '']) => [
    reason,
    lines.trimEnd().split('\n'),
  ]),
);

const { pid } = process;
const start = self().start ?? 0;
const link = (): string => {
  const path = join(scratch(), 'timestamp');
  symlinkSync('/etc/hostname', path);
  return path;
};
const closed = (): string => {
  const folder = scratch();
  mkdirSync(join(folder, 'closed'), { mode: 0o700 });
  return open(join(folder, 'closed', 'timestamp'));
};

/** What each line is about, in the order of the page. */
const made: Readonly<Record<string, readonly (() => string | Promise<string>)[]>> = {
  missing: [() => join(scratch(), 'none'), () => directoryOf({ pid }), () => directoryOf({ error: 0 })],
  unreadable: [link, () => '/dev/null', closed],
  malformed: [
    () => fileOf(''),
    () => fileOf('a note\n'),
    () => fileOf('k8s-liveness/2 1\n'),
    () => fileOf(serialise(record()).toString('latin1').replace(' own ', ' step')),
    () => directoryOf({ pid: 'boom', error: 0 }),
    () => directoryOf({ pid, error: 'boom' }),
  ],
  gone: [
    () => fileOf(record({ pid: ended() })),
    async () => fileOf(record({ pid: await zombie(), start: undefined })),
    () => fileOf(record({ start: start + 1, uptime: start })),
    () => fileOf(record({ start: start - 1 })),
    () => fileOf(record({ boot: '0-0-0-0-1' })),
  ],
  failed: [() => directoryOf({ pid, error: 1 })],
  future: [() => fileOf(aged(-360_000))],
  overdue: [() => fileOf(serialise(aged(60_200, { kind: 'task', limit: 30_000 }), '3 in hand, mail#42'))],
  stale: [
    () => fileOf(aged(12_200, { limit: 12_000 })),
    () => fileOf(serialise(aged(12_200, { limit: 12_000 }), '3 in hand, mail#42')),
  ],
};

test('has a section for each reason, in the order of judging', () => {
  expect([...shown.keys()]).toEqual(REASONS);
  expect(page.split('## Events')[0]?.match(/\(#\w+\)/g)).toEqual(
    expect.arrayContaining(REASONS.map((reason) => `(#${reason})`)),
  );
});

describe.each(REASONS)('%s', (reason) => {
  const lines = shown.get(reason) ?? [];
  test.each(lines.map((line, index) => [line, index] as const))('%s', async (line, index) => {
    expect(lines).toHaveLength(made[reason]?.length ?? 0);
    const path = (await made[reason]?.[index]?.()) ?? '';
    const within = line.includes('permission denied') && process.geteuid?.() === 0 ? AS_NOBODY : [];
    const said = await run('liveness.sh', [...within, 'sh', LIVENESS_SH, path]);
    const settled = (text: string): string =>
      text
        .replace(/ \([^(]*\)$/, '')
        .replace(/process \d+/, 'process 4711')
        .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, '2026-11-20T10:03:12Z');
    expect([said.exit, settled(said.line)]).toEqual([1, settled(line)]);
  });
});

test('names each warning of the service', () => {
  const sources = readdirSync('src').filter((name) => name.endsWith('.ts'));
  const code = sources.map((name) => readFileSync(join('src', name), 'utf8')).join('');
  const codes = new Set(code.match(/(?<=')(?:HEARTBEAT|TASK|CHECK)_[A-Z_]+(?=')/g));
  const [, table = ''] = page.split("\n## Warnings in the service's log\n");
  expect(Array.from(table.matchAll(/^\| `([A-Z_]+)` /gm), ([, name]) => name).sort()).toEqual([...codes].sort());
});
