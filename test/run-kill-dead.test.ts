// run --kill-dead: when a command is ended, and how. In containers and under a supervisor: test/wide/run-kill-dead.test.ts.

import { EventEmitter } from 'node:events';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Watchdog } from '../src/cli/run/watchdog';
import type { Verdict } from '../src/verdict';
import { cli } from './support/cli';
import { manualClock } from './support/clock';
import { directoryOf, fileOf, record, scratch } from './support/records';
import { until } from './support/until';

const FACTS = { path: '/beat', clock: 'uptime', longestGap: 0, longestTask: 0, pid: 1, task: undefined } as const;

function beat({ age = 0, limit = 120_000 }): Verdict {
  return { ...FACTS, alive: true, age, limit, value: new Date(0), inHand: 0 };
}

function dead({ reason = 'stale', limit = 120_000 }: { reason?: 'stale' | 'missing'; limit?: number } = {}): Verdict {
  return {
    ...FACTS,
    alive: false,
    reason,
    detail: 'x',
    age: 1e9,
    limit,
    value: undefined,
    inHand: 0,
  };
}

const missing: Verdict = { ...(dead({ reason: 'missing' }) as Verdict & { alive: false }), limit: undefined };

describe('a command is dead', () => {
  /** Says at which look the command is ended. */
  function ends(looks: readonly (readonly [verdict: Verdict, elapsed: number])[], startup = 300_000): number {
    const watchdog = new Watchdog(startup);
    return looks.findIndex(([verdict, elapsed]) => watchdog.reasonToEnd(verdict, elapsed) !== undefined);
  }

  test('if it looks dead twice in a row after its first beat, and not if it does so once', () => {
    const alive = [beat({}), 1000] as const;
    const stale = [dead(), 200_000] as const;
    expect(ends([alive, stale, stale])).toBe(2);
    expect(ends([alive, stale, alive, stale, alive, stale])).toBe(-1); // as after a resumed machine
    expect(ends([alive, stale, [missing, 200_000]])).toBe(2);
  });

  test('before its first beat only when the time to start is over', () => {
    const looks = [0, 1000, 100_000, 299_999, 300_000].map((elapsed) => [missing, elapsed] as const);
    expect(ends(looks)).toBe(4);
    expect(ends(looks, 1000)).toBe(1);
    expect(new Watchdog(1000).reasonToEnd(missing, 1000)).toBe('no beat within 1s: dead: missing: x (/beat)');
  });

  test('only after a beat of its own: the beat that an earlier command has left does not count, however young it is', () => {
    const left = [beat({ age: 5000 }), 1000] as const;
    const stale = [dead(), 200_000] as const;
    expect(ends([left, stale, stale, stale])).toBe(-1);
    expect(ends([left, stale, [dead(), 300_000]])).toBe(2);
    expect(ends([left, [beat({ age: 10 }), 200_000], stale, stale])).toBe(3);
  });

  test('by a process directory without a beat too, once it was alive', () => {
    const noBeat = { ...beat({ limit: Infinity }), age: Infinity, value: undefined } as Verdict;
    expect(
      ends([
        [noBeat, 1000],
        [dead({ limit: Infinity }), 60_000],
        [dead({ limit: Infinity }), 120_000],
      ]),
    ).toBe(2);
  });

  test('and is looked at often before its first beat, then every quarter of the limit, also while the file is missing', () => {
    const watchdog = new Watchdog(300_000);
    const after = (verdict: Verdict): number => {
      watchdog.reasonToEnd(verdict, 1000);
      return watchdog.interval;
    };
    expect(after(dead())).toBe(250);
    expect(after(beat({}))).toBe(30_000);
    expect(after(missing)).toBe(30_000);
    expect(after(beat({ limit: 1_800_000 }))).toBe(60_000);
    expect(after(beat({ limit: Infinity }))).toBe(60_000);
    expect(after(beat({ limit: 10 }))).toBe(100);
  });
});

describe('the command', () => {
  /** Waits until it is ended, and as long as its folder is there at most. */
  const waiting = (folder: string, trap: string): string[] => [
    'sh',
    '-c',
    `trap '${trap}' TERM; touch ${folder}/ready; while [ -e ${folder} ]; do sleep 0.02; done`,
  ];

  /** A heartbeat of this process with a limit of 400 ms, on a clock that stands still, and how often somebody looked. */
  function watched() {
    const clock = manualClock();
    const path = fileOf(
      record({ uptime: Math.floor((clock.uptime() ?? 0) / 10), wall: clock.wall(), limit: 40, window: 1 }),
    );
    const looks = { count: 0 };
    const uptime = (): number | undefined => {
      looks.count++;
      return clock.uptime();
    };
    return { path, looks, clock: { ...clock, uptime } };
  }

  const LINE =
    /^k8s-liveness run: dead: stale: last beat \S+, limit 400ms \(\S+\); (SIGTERM, and SIGKILL after (10s|50ms)|SIGKILL)\n$/;

  test.each([
    ['that exits 0 at SIGTERM', 'exit 0', []],
    ['that ignores SIGTERM', '', ['--grace', '50ms']],
  ] as const)('%s exits with 124 when its heartbeat is dead, with one line', async (_, trap, options) => {
    const { path, looks, clock } = watched();
    const folder = scratch();
    const running = cli(['run', '--kill-dead', '--path', path, ...options, '--', ...waiting(folder, trap)], { clock });
    await until(() => looks.count > 0 && existsSync(join(folder, 'ready')));
    clock.advance(10_000);
    const { code, out, err } = await running;
    expect([code, out]).toEqual([124, '']);
    expect(err).toMatch(LINE);
  });

  test('is sent no SIGTERM with a grace of 0', async () => {
    const { path, looks, clock } = watched();
    const folder = scratch();
    const command = waiting(folder, `touch ${folder}/asked`);
    const running = cli(['run', '--kill-dead', '--path', path, '--grace', '0s', '--', ...command], { clock });
    await until(() => looks.count > 0 && existsSync(join(folder, 'ready')));
    clock.advance(10_000);
    const { code, err } = await running;
    expect([code, err]).toEqual([124, expect.stringMatching(LINE)]);
    expect(err).toMatch(/; SIGKILL\n$/);
    expect(existsSync(join(folder, 'asked'))).toBe(false);
  });

  test('that never beats exits with 124 when its time to start is over', async () => {
    const { clock } = watched();
    const folder = scratch();
    const none = join(folder, 'none');
    const options = ['--path', none, '--startup', '2s'];
    const running = cli(['run', '--kill-dead', ...options, '--', ...waiting(folder, 'exit 0')], { clock });
    await until(() => existsSync(join(folder, 'ready')));
    clock.advance(2000);
    expect(await running).toEqual({
      code: 124,
      out: '',
      err: `k8s-liveness run: no beat within 2s: dead: missing: no such file (${none}); SIGTERM, and SIGKILL after 10s\n`,
    });
  });

  test('is no longer judged when it is told to end, as a kubelet does', async () => {
    const { path, looks, clock } = watched();
    const folder = scratch();
    const signals = new EventEmitter();
    const command = waiting(folder, `rm ${folder}/ready; until [ -e ${folder}/end ]; do sleep 0.02; done; exit 5`);
    const running = cli(['run', '--kill-dead', '--path', path, '--', ...command], { clock, signals });
    await until(() => looks.count > 0 && existsSync(join(folder, 'ready')));
    signals.emit('SIGTERM');
    clock.advance(10_000);
    await until(() => !existsSync(join(folder, 'ready')));
    await sleep(300); // three looks
    writeFileSync(join(folder, 'end'), '');
    expect(await running).toEqual({ code: 5, out: '', err: '' });
  });

  test('is still ended if SIGTERM comes after the verdict', async () => {
    const { path, looks, clock } = watched();
    const folder = scratch();
    const signals = new EventEmitter();
    const command = waiting(folder, `rm -f ${folder}/ready`);
    const running = cli(['run', '--kill-dead', '--path', path, '--grace', '100ms', '--', ...command], {
      clock,
      signals,
    });
    await until(() => looks.count > 0 && existsSync(join(folder, 'ready')));
    clock.advance(10_000);
    await until(() => !existsSync(join(folder, 'ready')));
    signals.emit('SIGTERM');
    expect((await running).code).toBe(124);
  });

  test.each([
    ['its exit code', ['sh', '-c', 'exit 3'], 3, ''],
    ['128 and its signal', ['sh', '-c', 'kill -9 $$'], 137, ''],
    ['127', ['no-such'], 127, 'k8s-liveness run: no such command: no-such\n'],
  ] as const)('that ends by itself exits with %s, and no process directory is made', async (_, command, code, err) => {
    const [rundir, before] = [scratch(), process.env.LIVENESS_RUNDIR];
    process.env.LIVENESS_RUNDIR = rundir;
    try {
      const run = await cli(['run', '--kill-dead', '--path', join(rundir, 'none'), '--', ...command]);
      expect(run).toEqual({ code, out: '', err });
    } finally {
      if (before === undefined) delete process.env.LIVENESS_RUNDIR;
      else process.env.LIVENESS_RUNDIR = before;
    }
    expect(readdirSync(rundir)).toEqual([]);
  });

  test("is not ended for a process directory's error, which a restart would not mend", async () => {
    const directory = directoryOf({ pid: process.pid, error: 1 });
    const folder = scratch();
    let looks = 0;
    const clock = manualClock();
    const bootId = (): undefined => {
      looks++;
    };
    const options = ['--path', directory, '--startup', '1ms'];
    const running = cli(['run', '--kill-dead', ...options, '--', ...waiting(folder, 'exit 0')], {
      clock: { ...clock, bootId },
    });
    await until(() => existsSync(join(folder, 'ready')));
    clock.advance(1000);
    looks = 0;
    await until(() => looks > 0);
    rmSync(folder, { recursive: true });
    expect(await running).toEqual({ code: 0, out: '', err: '' });
  });
});
