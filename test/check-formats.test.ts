// check --format: for Nagios and similar monitoring, and for Prometheus' textfile collectors.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { systemClock } from '../src/proc';
import { serialise } from '../src/record';
import { REASONS } from '../src/verdict';
import { cli } from './support/cli';
import { blocksOf } from './support/markdown';
import { describeIf } from './support/describe-if';
import { PYTHON } from './support/readers';
import { aged, fileOf, record, scratch } from './support/records';

/** A clock that stands still. */
const now = { uptime: systemClock.uptime(), wall: Date.now() };
const clock = { ...systemClock, uptime: () => now.uptime, wall: () => now.wall };

/** A beat of this process, `cs` old by that clock, with a limit of a minute. */
function beat(cs: number, changes: Parameters<typeof record>[0] = {}): ReturnType<typeof record> {
  const uptime = Math.floor((now.uptime ?? 0) / 10) - cs;
  return record({ uptime, limit: 6000, wall: now.wall - cs * 10, ...changes });
}

/** Made for each test, because `aged` reads the clock. */
function heartbeats() {
  const folder = join(scratch(), 'a "b"\\c|d=\'e\'');
  mkdirSync(folder);
  const awkward = join(folder, 'timestamp');
  writeFileSync(awkward, serialise(beat(300)));
  return {
    alive: fileOf(beat(300)),
    stale: fileOf(beat(9000)),
    task: fileOf(serialise(beat(3300, { kind: 'task', limit: 3000 }), '3 in hand, mail#42')),
    plain: fileOf(''),
    missing: join(scratch(), 'none'),
    awkward,
  };
}

describe('--format json', () => {
  test('is --json', async () => {
    const path = fileOf(aged(100));
    expect(await cli(['check', '--format', 'json', path], { clock })).toEqual(
      await cli(['check', '--json', path], { clock }),
    );
  });
});

describe('--format nagios', () => {
  const nagios = (...words: string[]) => cli(['check', '--format', 'nagios', ...words], { clock });

  test('OK exits 0, with age and limit as performance data', async () => {
    const { alive } = heartbeats();
    const { code, out, err } = await nagios(alive);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^OK: alive: last beat \S+, limit 1m \(\S+\) \| age=3(\.\d+)?s;;60;0 limit=60s\n$/);
  });

  test('CRITICAL exits 2: 1 would be a warning', async () => {
    const { alive, stale, task, missing } = heartbeats();
    for (const [paths, line] of [
      [[stale], /^CRITICAL: dead: stale: last beat \S+, limit 1m \(\S+\) \| age=90(\.\d+)?s;;60;0 limit=60s\n$/],
      [
        [task],
        /^CRITICAL: dead: overdue: mail#42 in hand since \S+, limit 30s \(\S+\) \| age=33(\.\d+)?s;;30;0 limit=30s\n$/,
      ],
      [[missing], /^CRITICAL: dead: missing: no such file \(\S+\)\n$/],
      [[alive, missing], /^CRITICAL: dead: missing: .*; 1 of 2 dead \| '\S+ age'=3(\.\d+)?s;;60;0 '\S+ limit'=60s\n$/],
    ] as const) {
      const { code, out, err } = await nagios(...paths);
      expect([code, err]).toEqual([2, '']);
      expect(out).toMatch(line);
    }
  });

  test('UNKNOWN exits 3 and prints to standard output, for any wrong command line', async () => {
    for (const words of [
      ['--bogus'],
      ['--maximum-age', '5x'],
      ['--maximum-age'],
      ['--quiet'],
      ['--json'],
      ['--pid|'],
    ]) {
      const asked = [await nagios(...words), await cli(['check', '--format=nagios', ...words])];
      for (const { code, out, err } of asked) {
        expect([code, err]).toEqual([3, '']);
        expect(out).toMatch(/^UNKNOWN: [^|\n]+\n$/);
      }
    }
  });

  test('a path cannot bring a bar into the line, or a quote or = into a label', async () => {
    const { awkward, alive } = heartbeats();
    for (const [paths, code] of [
      [[awkward], 0],
      [[awkward, alive], 0],
      [[`${awkward}|age=0s`], 2],
    ] as const) {
      const { out, code: got } = await nagios(...paths);
      expect(got).toBe(code);
      const [, data = ''] = out.trim().split('|');
      expect(out.split('|').length).toBe(code === 0 ? 2 : 1);
      // As Nagios' own guidelines write it: 'label'=value, separated by spaces.
      const rest = data.replaceAll(/ (?:'[^'=|]+'|[a-z]+)=[\d.]+s(?:;;[\d.]+;0)?/g, '');
      expect(rest).toBe('');
    }
  });
});

describe('--format openmetrics', () => {
  const openmetrics = (...paths: string[]) => cli(['check', '--format', 'openmetrics', ...paths], { clock });

  test('exits as check does, and names its metrics as examples/metrics does', async () => {
    const { alive, missing } = heartbeats();
    expect((await openmetrics(alive, missing)).code).toBe(1);
    const { code, out } = await openmetrics(alive);
    expect(code).toBe(0);
    const theirs = readFileSync('examples/metrics/README.md', 'utf8').matchAll(/^\| `(heartbeat_\w+)` \|/gm);
    for (const [, name = ''] of theirs) if (!name.endsWith('_total')) expect(out).toContain(`# TYPE ${name} gauge\n`);
  });

  test("docs/cli.md's script replaces its file by a rename, also when a heartbeat is dead", () => {
    const { code = '' } =
      blocksOf(readFileSync('docs/cli.md', 'utf8')).find(({ code }) => code.startsWith('# metrics.sh')) ?? {};
    const folder = scratch();
    symlinkSync(resolve('dist/cli.js'), join(folder, 'k8s-liveness'));
    const PATH = `${folder}:${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
    const { status, stderr } = spawnSync('sh', ['-ec', code.replaceAll('/run/liveness', folder), 'sh', folder], {
      env: { ...process.env, PATH },
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(readdirSync(folder).sort()).toEqual(['heartbeat.prom', 'k8s-liveness']);
    expect(readFileSync(join(folder, 'heartbeat.prom'), 'utf8')).toMatch(/reason="missing"} 1\n[^]*# EOF\n$/);
  });

  // The parsers of Prometheus' own Python client: the older text format, which node_exporter reads, and OpenMetrics.
  const script = `
import json, sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
text = sys.stdin.read()
for read in (parser, openmetrics):
    families = list(read.text_string_to_metric_families(text))
    print(json.dumps([[f.name, f.type, [[s.labels, s.value] for s in f.samples]] for f in families]))
`;
  const has = PYTHON !== undefined && spawnSync(PYTHON, ['-c', 'import prometheus_client']).status === 0;

  describeIf(has, 'python3-prometheus-client (apt-get install python3-prometheus-client)')('read back', () => {
    type Family = [name: string, type: string, samples: [labels: Record<string, string>, value: number][]];

    async function readBack(...paths: string[]): Promise<Family[]> {
      const { out } = await openmetrics(...paths);
      const { stdout, stderr } = spawnSync(PYTHON ?? '', ['-c', script], { input: out, encoding: 'utf8' });
      expect(stderr).toBe('');
      const [older, newer] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Family[]);
      expect(older).toEqual(newer);
      return newer ?? [];
    }

    test('by both parsers: every fact, each reason, and a path of any characters', async () => {
      const { alive, stale, task, plain, missing, awkward } = heartbeats();
      const paths = [alive, stale, task, plain, missing, awkward];
      const families = await readBack(...paths, alive);
      const of = (name: string): Map<string, number> => {
        const [, type, samples = []] = families.find(([found]) => found === name) ?? [];
        expect(type).toBe('gauge');
        return new Map(samples.map(([{ path = '' }, value]) => [path, value]));
      };
      expect([...of('heartbeat_alive')]).toEqual(paths.map((path) => [path, Number([alive, awkward].includes(path))]));
      expect(Math.round(of('heartbeat_age_seconds').get(stale) ?? NaN)).toBe(90);
      expect([...of('heartbeat_limit_seconds')]).toEqual([
        [alive, 60],
        [stale, 60],
        [task, 30],
        [awkward, 60],
      ]);
      expect(of('heartbeat_longest_gap_seconds').get(alive)).toBe(0.12);
      expect(of('heartbeat_longest_task_seconds').get(alive)).toBe(0.34);
      expect([...of('heartbeat_tasks')]).toEqual([
        [alive, 0],
        [stale, 0],
        [task, 3],
        [awkward, 0],
      ]);
      const [, , dead = []] = families.find(([name]) => name === 'heartbeat_dead') ?? [];
      expect(dead.filter(([, value]) => value === 1).map(([{ path, reason }]) => [path, reason])).toEqual([
        [stale, 'stale'],
        [task, 'overdue'],
        [plain, 'malformed'],
        [missing, 'missing'],
      ]);
      expect(dead.length).toBe(paths.length * REASONS.length);
    });

    test('one series for each path, also if two differ by a letter that is not ASCII or by a control character', async () => {
      const { alive } = heartbeats();
      const copies = ['mail-ä', 'mail-ö', 'mail\t', 'mail\n'].map((name) => `${alive}-${name}`);
      for (const copy of copies.filter((_, number) => number % 2 === 1)) copyFileSync(alive, copy);
      const [, , samples = []] = (await readBack(...copies)).find(([name]) => name === 'heartbeat_alive') ?? [];
      expect(samples.map(([{ path = '' }, value]) => [path.slice(alive.length), value])).toEqual([
        ['-mail-ä', 0],
        ['-mail-ö', 1],
        ['-mail\\x09', 0],
        ['-mail\\x0a', 1],
      ]);
    });

    test('only the verdict, if nothing else is known', async () => {
      expect((await readBack(heartbeats().missing)).map(([name]) => name)).toEqual([
        'heartbeat_alive',
        'heartbeat_dead',
      ]);
    });
  });
});
