// Work in hand (tasks, wrapped handlers and gates) by a clock that the test moves.

import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessTimestamp, Timestamp, type Task } from '../src';
import type { HeartbeatRecord } from '../src/record';
import { Tasks } from '../src/tasks';
import { manualClock, type ManualClock } from './support/clock';
import { recordAt, scratch } from './support/records';
import { thrown } from './support/thrown';

const MINUTE = 60_000;

class Worker extends Timestamp {
  readonly maximumAge = { minutes: 2 };
}

let path: string;
let clock: ManualClock;
let timestamp: Worker;
let warnings: string[];
beforeEach(() => {
  path = join(scratch({ memory: true }), 'timestamp');
  clock = manualClock();
  timestamp = new Worker(path, { clock });
  warnings = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => {
    warnings.push(`${(args[1] as { code: string }).code} ${String(args[0])}`);
  });
});
afterEach(() => {
  timestamp.delete(); // or its timer would warn in a later test
  jest.restoreAllMocks();
  jest.useRealTimers();
});

function lines(): string[] {
  return readFileSync(path, 'latin1').split('\n');
}

const recorded = (): HeartbeatRecord => recordAt(path);

function verdict(): string {
  const found = Worker.byRef(path, { clock }).verdict();
  return found.alive ? 'alive' : found.reason;
}

/** Beats each second for `ms`. */
function beatFor(ms: number): void {
  for (let passed = 0; passed < ms; passed += 1000) {
    clock.advance(1000);
    timestamp.refresh();
  }
}

describe('a task', () => {
  test('that hangs is overdue at its limit, although the loop goes on beating', () => {
    timestamp.refresh();
    const others = Array.from({ length: 9 }, (_, at) => timestamp.begin(`mail#${at}`, MINUTE));
    timestamp.begin('mail#hung', MINUTE);
    for (let second = 0; second < 60; second++) {
      beatFor(1000);
      for (const [at, task] of others.entries()) {
        task.end();
        others[at] = timestamp.begin(`mail#${at}`, MINUTE);
      }
    }
    expect(verdict()).toBe('alive');
    beatFor(2000);
    expect(verdict()).toBe('overdue');
    expect(String(timestamp)).toMatch(/^dead: overdue: mail#hung in hand since [-0-9]{10}T[:0-9]{8}Z, limit 1m \(/);
  });

  test('that ends does not change how the loop is judged', () => {
    timestamp.refresh();
    const task = timestamp.begin('mail#1', MINUTE);
    beatFor(MINUTE / 2);
    task.end();
    beatFor(5 * MINUTE);
    expect([verdict(), recorded().kind]).toEqual(['alive', 'own']);
  });

  test('may have a longer limit than the loop, and does not lengthen the limit of the loop', () => {
    timestamp.refresh();
    timestamp.begin('report', 30 * MINUTE);
    clock.advance(2 * MINUTE + 1100);
    expect(verdict()).toBe('stale');
    beatFor(10 * MINUTE);
    expect(verdict()).toBe('alive');
  });

  test('starts its time anew with each refresh', () => {
    timestamp.refresh();
    const task = timestamp.begin('import', MINUTE);
    for (let minute = 0; minute < 5; minute++) {
      beatFor(50_000);
      task.refresh();
    }
    expect(verdict()).toBe('alive');
    beatFor(MINUTE + 2000);
    expect(verdict()).toBe('overdue');
    task.refresh();
    expect(verdict()).toBe('alive');
  });

  test('has a name, a limit and an age', () => {
    timestamp.refresh();
    const task = timestamp.begin('mail#42', { minutes: 5 });
    clock.advance(1500);
    expect([task.name, task.limit, task.age]).toEqual(['mail#42', 5 * MINUTE, 1500]);
    task.end();
    expect(task.age).toBe(0);
  });

  test('ends with its block', () => {
    timestamp.refresh();
    {
      using task = timestamp.begin('mail#42', MINUTE);
      expect(timestamp.tasks.map(({ name }) => name)).toEqual([task.name]);
    }
    expect(timestamp.tasks).toEqual([]);
  });

  test('that has ended does nothing more', () => {
    timestamp.refresh();
    const task = timestamp.begin('mail#1', MINUTE);
    task.end();
    clock.advance(MINUTE);
    task.end();
    task.refresh();
    expect([timestamp.tasks, timestamp.longestTask, timestamp.beats]).toEqual([[], 0, 1]);
  });
});

describe('beginning and ending', () => {
  test('are no beats: a service that has only tasks is dead as soon as it is idle', () => {
    timestamp.refresh();
    for (let job = 0; job < 130; job++) {
      const task = timestamp.begin(`mail#${job}`, MINUTE);
      clock.advance(1000);
      task.end();
    }
    expect([verdict(), timestamp.beats]).toEqual(['stale', 1]);
  });

  test('write nothing as long as the loop is nearer to its deadline', () => {
    timestamp.refresh();
    const before = lines();
    timestamp.begin('long', 10 * MINUTE).end();
    expect(lines()).toEqual(before);
  });

  test('begin writes at once if its deadline is nearer than the recorded one', () => {
    timestamp.refresh();
    timestamp.begin('short', 5000);
    expect(recorded()).toMatchObject({ kind: 'task', limit: 500 });
    clock.advance(5100);
    expect(verdict()).toBe('overdue');
  });

  test('end writes at once if the recorded task has ended', () => {
    timestamp.refresh();
    timestamp.begin('first', 5000).end();
    expect(recorded()).toMatchObject({ kind: 'own', limit: 12_000 });
    const second = timestamp.begin('second', 5000);
    clock.advance(1000);
    timestamp.begin('third', 5000);
    second.end();
    expect(lines()[1]?.trimEnd()).toBe('1 in hand, third');
    clock.advance(4500);
    expect(verdict()).toBe('alive');
  });

  test('a task refreshed in its window is written once', () => {
    timestamp.refresh();
    const task = timestamp.begin('stream', 10_000);
    const { uptime = 0 } = recorded();
    for (let turn = 0; turn < 10; turn++) {
      clock.advance(10);
      task.refresh();
    }
    expect(recorded().uptime).toBe(uptime + 10);
  });

  test.each<[string, (task: Task) => void]>([
    [
      'its end',
      (task) => {
        task.end();
      },
    ],
    [
      'its refresh',
      (task) => {
        task.refresh();
      },
    ],
  ])('a beat of the loop right after a task has been written at %s is not lost', (_, act) => {
    timestamp.refresh();
    const task = timestamp.begin('job', 110_000);
    clock.advance(100_000);
    act(task); // records the loop's last beat, 100 s ago
    timestamp.refresh();
    clock.advance(100_000);
    expect(verdict()).toBe('alive');
  });

  test('the first write throws if it fails, and leaves nothing in hand', () => {
    const nowhere = new Worker('/proc/no/such/place', { clock });
    expect(thrown(() => nowhere.begin('mail#1', MINUTE))).toMatchObject({ code: 'ERR_HEARTBEAT_WRITE' });
    expect(nowhere.tasks).toEqual([]);
  });

  test('later writes never throw for I/O, and the next beat makes up for them', () => {
    timestamp.refresh();
    rmSync(path);
    writeFileSync(`${path}.old`, '');
    const folder = path.slice(0, path.lastIndexOf('/'));
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'in the way');
    const task = timestamp.begin('short', 5000);
    task.end();
    rmSync(folder);
    clock.advance(1000);
    timestamp.refresh();
    expect([verdict(), timestamp.failedWrites > 0]).toEqual(['alive', true]);
  });
});

describe('several loops in one file, each a task', () => {
  test('a loop that hangs is overdue', () => {
    const [a, b] = [timestamp.begin('loop a', MINUTE), timestamp.begin('loop b', MINUTE)];
    for (let second = 0; second < 60; second++) {
      clock.advance(1000);
      a.refresh();
    }
    expect(verdict()).toBe('alive');
    clock.advance(1000);
    a.refresh();
    expect(verdict()).toBe('overdue');
    expect(String(timestamp)).toContain('loop b in hand');
    b.refresh();
    expect(verdict()).toBe('alive');
  });

  test('if a loop ends, the others are still judged', () => {
    const [a, b] = [timestamp.begin('loop a', MINUTE), timestamp.begin('loop b', MINUTE)];
    a.end();
    for (let second = 0; second < 100; second++) {
      clock.advance(1000);
      b.refresh();
    }
    expect(verdict()).toBe('alive');
    clock.advance(MINUTE + 2000);
    expect(verdict()).toBe('overdue');
  });

  test('the end of the last loop counts as the last beat, until a task is begun', () => {
    const first = timestamp.begin('job', 10 * MINUTE);
    clock.advance(9 * MINUTE);
    first.end();
    expect([verdict(), recorded().kind, recorded().limit]).toEqual(['alive', 'own', 12_000]);
    clock.advance(MINUTE);
    timestamp.begin('next', 10 * MINUTE);
    clock.advance(9 * MINUTE);
    expect(verdict()).toBe('alive');
  });

  test('refresh() beside them counts from its first call on', () => {
    timestamp.begin('job', 10 * MINUTE);
    timestamp.refresh();
    clock.advance(3 * MINUTE);
    expect(verdict()).toBe('stale');
  });
});

describe('the file', () => {
  test('always has 256 bytes, with words in the second line', () => {
    timestamp.refresh();
    expect([statSync(path).size, lines()[1]?.trim()]).toEqual([256, '']);
    timestamp.begin('a name that goes on and on, far beyond what there is room for', 1000);
    expect([statSync(path).size, lines()[1]]).toEqual([
      256,
      '1 in hand, a name that goes on and on, far bey'.padEnd(50),
    ]);
    timestamp.begin('other', 2000);
    beatFor(1000);
    expect(lines()[1]).toMatch(/^2 in hand, a name/);
  });

  test('names tasks in printable ASCII', () => {
    timestamp.refresh();
    timestamp.begin('mail\n\x1b[31m#é', 1000);
    expect(lines()[1]?.trimEnd()).toBe('1 in hand, mail??[31m#??');
  });

  test('gives the same line after each write while a task is overdue', () => {
    timestamp.refresh();
    timestamp.begin('hung', MINUTE);
    beatFor(2 * MINUTE);
    const line = String(timestamp);
    const seen = new Set<string>();
    for (let turn = 0; turn < 100; turn++) {
      clock.advance(1003.7);
      timestamp.refresh();
      seen.add(String(timestamp));
    }
    expect([...seen]).toEqual([line]);
  });

  test('says how many tasks a blocked loop has in hand, and which is the oldest', () => {
    timestamp.refresh();
    timestamp.begin('mail#42', 10 * MINUTE);
    clock.advance(10);
    timestamp.begin('mail#43', 5 * MINUTE);
    beatFor(5000);
    clock.advance(3 * MINUTE);
    expect(String(timestamp)).toMatch(/^dead: stale: last beat [^,]*, limit 2m, 2 in hand, mail#42 the oldest \(/);
  });
});

describe('delete', () => {
  test('forgets the work in hand: a late end writes no file', () => {
    timestamp.refresh();
    const task = timestamp.begin('mail#1', 1000);
    const gate = timestamp.refreshWhile(() => true);
    timestamp.delete();
    task.refresh();
    task.end();
    gate.stop();
    expect([existsSync(path), timestamp.tasks]).toEqual([false, []]);
  });

  test('stops wrapped handlers from writing the file again', async () => {
    const handle = timestamp.wrap(async (job: number) => Promise.resolve(job + 1), { name: 'late', maximumAge: 1000 });
    timestamp.delete();
    await expect(handle(1)).resolves.toBe(2);
    expect(existsSync(path)).toBe(false);
  });
});

describe('wrong use', () => {
  test.each<[string, () => unknown, string]>([
    ['begin of no name', () => timestamp.begin('', 1000), 'ERR_ARGUMENT'],
    ['begin of a number', () => timestamp.begin(7 as never, 1000), 'ERR_ARGUMENT'],
    ['begin without a limit', () => timestamp.begin('a', undefined as never), 'ERR_ARGUMENT'],
    ['a limit of Infinity', () => timestamp.begin('a', Infinity), 'ERR_MAXIMUM_AGE'],
    ['a limit of 0', () => timestamp.begin('a', 0), 'ERR_MAXIMUM_AGE'],
    ['wrap of no function', () => timestamp.wrap({} as never, { name: 'a', maximumAge: 1 }), 'ERR_ARGUMENT'],
    ['wrap without a description', () => timestamp.wrap(() => 1, undefined as never), 'ERR_ARGUMENT'],
    ['wrap with a limit of 0', () => timestamp.wrap(() => 1, { name: 'a', maximumAge: 0 }), 'ERR_MAXIMUM_AGE'],
    ['wrap without an end', () => timestamp.wrap(() => 1, { name: 'a', maximumAge: Infinity }), 'ERR_MAXIMUM_AGE'],
    ['refreshWhile with null', () => timestamp.refreshWhile(() => true, null as never), 'ERR_ARGUMENT'],
    ['refreshWhile with { evry }', () => timestamp.refreshWhile(() => true, { evry: 5 } as never), 'ERR_ARGUMENT'],
    ['refreshWhile without a check', () => timestamp.refreshWhile(undefined as never), 'ERR_ARGUMENT'],
    [
      'refreshWhile as rarely as the limit',
      () => timestamp.refreshWhile(() => true, { every: { minutes: 2 } }),
      'ERR_ARGUMENT',
    ],
    ['begin on a view', () => Worker.byRef(path).begin('a', 1000), 'ERR_READ_ONLY'],
    ['wrap on a view', () => Worker.byRef(path).wrap(() => 1, { name: 'a', maximumAge: 1 }), 'ERR_READ_ONLY'],
    ['refreshWhile on a view', () => Worker.byRef(path).refreshWhile(() => true), 'ERR_READ_ONLY'],
  ])('%s throws, and writes nothing', (_, act, code) => {
    expect(thrown(act).code).toBe(code);
    expect(existsSync(path)).toBe(false);
  });

  test('a second gate throws, because each would hide that the other says no', () => {
    const first = timestamp.refreshWhile(() => true);
    expect(thrown(() => timestamp.refreshWhile(() => true))).toMatchObject({ code: 'ERR_ARGUMENT' });
    first.stop();
    timestamp.refreshWhile(() => true).stop();
  });
});

describe('tasks and longestTask', () => {
  test('list the work in hand, nearest to its deadline first', () => {
    timestamp.refresh();
    timestamp.begin('slow', 10 * MINUTE);
    clock.advance(1000);
    const quick = timestamp.begin('quick', MINUTE);
    clock.advance(1000);
    expect(timestamp.tasks.map(({ name, age, limit }) => [name, age, limit])).toEqual([
      ['quick', 1000, MINUTE],
      ['slow', 2000, 10 * MINUTE],
    ]);
    timestamp.tasks.find(({ name }) => name === 'quick')?.end();
    expect([timestamp.tasks.length, quick.age]).toEqual([1, 0]);
  });

  test('the longest task is the longest time from a begin or refresh to the next refresh or end', () => {
    timestamp.refresh();
    const task = timestamp.begin('a', 10 * MINUTE);
    clock.advance(3000);
    task.refresh();
    clock.advance(2000);
    expect(timestamp.longestTask).toBe(3000);
    clock.advance(2500);
    task.end();
    timestamp.refresh({ maximumAge: MINUTE });
    expect([timestamp.longestTask, recorded().longestTask, timestamp.longestGap]).toEqual([4500, 450, 7500]);
  });
});

describe('run', () => {
  test('ends its task with the promise, and resolves to its value', async () => {
    timestamp.refresh();
    await expect(
      timestamp.run('mail#1', MINUTE, async (task: Task) => Promise.resolve(`${task.name} ${timestamp.tasks.length}`)),
    ).resolves.toBe('mail#1 1');
    await expect(
      timestamp.run('mail#2', MINUTE, () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await expect(timestamp.run('mail#3', MINUTE, () => 7)).resolves.toBe(7);
    expect(timestamp.tasks).toEqual([]);
  });
});

describe('wrap', () => {
  const one = { name: 'job', maximumAge: MINUTE };

  test('makes the first beat at once, and throws if it cannot', () => {
    timestamp.wrap(() => 1, one);
    expect(verdict()).toBe('alive');
    expect(thrown(() => new Worker('/proc/no/such/place').wrap(() => 1, one))).toMatchObject({
      code: 'ERR_HEARTBEAT_WRITE',
    });
  });

  test('makes a first beat that does not count as a loop: while a task is in hand, only tasks are judged', () => {
    timestamp.wrap(() => 1, one);
    const poll = timestamp.begin('poll', MINUTE);
    for (let second = 0; second < 300; second++) {
      clock.advance(1000);
      poll.refresh();
    }
    expect(verdict()).toBe('alive');
    poll.end();
    clock.advance(2 * MINUTE + 2000);
    expect(verdict()).toBe('stale');
  });

  test('keeps this, arguments, name and length, and the value of a sync handler', () => {
    const calls: unknown[] = [];
    const handle = timestamp.wrap(function processMail(
      this: { at: number },
      job: string,
      token: string,
      signal: number,
    ) {
      calls.push([this.at, job, token, signal, timestamp.tasks.length]);
      return job + token;
    }, one);
    expect([handle.name, handle.length]).toEqual(['processMail', 3]);
    expect(handle.call({ at: 5 }, 'a', 'b', 1)).toBe('ab');
    expect([calls, timestamp.tasks]).toEqual([[[5, 'a', 'b', 1, 1]], []]);
  });

  test('names each task by the arguments of the call', async () => {
    let settle: (() => void) | undefined;
    const handle = timestamp.wrap(
      async (job: { id: number }) =>
        new Promise<number>((done) => {
          settle = () => {
            done(job.id);
          };
        }),
      (job) => ({ name: `mail#${job.id}`, maximumAge: { minutes: 5 } }),
    );
    const done = handle({ id: 42 });
    expect(timestamp.tasks.map(({ name, limit }) => [name, limit])).toEqual([['mail#42', 5 * MINUTE]]);
    settle?.();
    await done;
    expect(timestamp.tasks).toEqual([]);
  });

  test('ends the task if the handler throws or rejects, and passes the error on', async () => {
    const failing = timestamp.wrap((how: string) => {
      if (how === 'throw') throw new Error('thrown');
      return Promise.reject(new Error('rejected'));
    }, one);
    expect(() => failing('throw')).toThrow('thrown');
    await expect(failing('reject')).rejects.toThrow('rejected');
    expect(timestamp.tasks).toEqual([]);
  });

  test('calls then() of a lazy query once', async () => {
    let runs = 0;
    const query = {
      then: (done: (value: number) => void) => {
        runs++;
        done(7);
      },
    };
    await expect(timestamp.wrap(() => query as unknown as PromiseLike<number>, one)()).resolves.toBe(7);
    expect(runs).toBe(1);
  });

  test('refuses a wrong description at the call, before the handler runs', () => {
    let ran = false;
    const handle = timestamp.wrap(
      () => {
        ran = true;
      },
      () => ({ name: '', maximumAge: 1 }),
    );
    expect(
      thrown(() => {
        handle();
      }).code,
    ).toBe('ERR_ARGUMENT');
    expect(ran).toBe(false);
  });
});

describe('refreshWhile', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'performance'] }));

  /** Moves the clock and the timers together. */
  async function pass(ms: number, step = 1000): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(step);
      await jest.advanceTimersByTimeAsync(step);
    }
  }

  test('keeps an idle consumer alive for as long as the check says yes', async () => {
    let running = true;
    timestamp.refreshWhile(() => running);
    await pass(10 * MINUTE);
    expect(verdict()).toBe('alive');
    running = false;
    await pass(2 * MINUTE + 12_000);
    expect(verdict()).toBe('stale');
  });

  test('the same consumer is stale without it', async () => {
    timestamp.refresh();
    await pass(10 * MINUTE);
    expect(verdict()).toBe('stale');
  });

  test('makes the first beat at once, and throws if it cannot', () => {
    timestamp.refreshWhile(() => false);
    expect(verdict()).toBe('alive');
    expect(thrown(() => new Worker('/proc/no/such/place').refreshWhile(() => true)).code).toBe('ERR_HEARTBEAT_WRITE');
  });

  test.each<[string, () => boolean | Promise<boolean>, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('gone');
      },
      /threw \[?Error: gone/,
    ],
    ['rejects', () => Promise.reject(new Error('gone')), /rejected with \[?Error: gone/],
    ['never settles', () => new Promise(() => undefined), /has not answered for 30s/],
    ['answers false', () => false, /answered false/],
    ['answers what is only like true', () => 1 as never, /answered 1/],
    ['answers nothing', () => undefined as never, /answered undefined/],
  ])('a check that %s gives no beat and one warning', async (_, check, words) => {
    timestamp.refreshWhile(check);
    await pass(5 * MINUTE);
    expect(verdict()).toBe('stale');
    expect(warnings).toEqual([expect.stringMatching(/^CHECK_SAYS_NO /)]);
    expect(warnings[0]).toMatch(words);
  });

  test('reports once that the check says yes again, and beats go on', async () => {
    let answer = true;
    timestamp.refreshWhile(async () => Promise.resolve(answer));
    await pass(MINUTE);
    answer = false;
    await pass(5 * MINUTE);
    expect(verdict()).toBe('stale');
    answer = true;
    await pass(MINUTE);
    expect([verdict(), ...warnings.map((warning) => warning.split(' ')[0])]).toEqual([
      'alive',
      'CHECK_SAYS_NO',
      'CHECK_SAYS_YES',
    ]);
  });

  test('asks again only after an answer, and a late yes counts', async () => {
    let asked = 0;
    let settle: ((yes: boolean) => void) | undefined;
    timestamp.refreshWhile(() => {
      asked++;
      return new Promise<boolean>((done) => {
        settle = done;
      });
    });
    await pass(3 * MINUTE);
    expect([asked, verdict()]).toEqual([1, 'stale']);
    settle?.(true);
    await pass(0);
    await jest.advanceTimersByTimeAsync(0);
    expect(verdict()).toBe('alive');
  });

  test('neither asks nor beats after stop()', async () => {
    let asked = 0;
    const gate = timestamp.refreshWhile(() => {
      asked++;
      return true;
    });
    await pass(20_000);
    gate.stop();
    await pass(MINUTE);
    expect(asked).toBe(2);
  });

  test.each<[number | object, number]>([
    [1000, 100],
    [{ minutes: 2 }, 10_000],
    [{ seconds: 20 }, 2000],
    [Infinity, 10_000],
  ])('with a limit of %j asks every %d ms', async (maximumAge, every) => {
    class Any extends Timestamp {
      readonly maximumAge = maximumAge as number;
    }
    let asked = 0;
    const any = new Any(path, { clock });
    any.refreshWhile(() => {
      asked++;
      return true;
    });
    await pass(every - 1, every - 1);
    expect(asked).toBe(0);
    await pass(1, 1);
    expect(asked).toBe(1);
    any.delete();
  });

  test('does not outvote a task in hand', async () => {
    timestamp.refreshWhile(() => true);
    timestamp.begin('hung', MINUTE);
    await pass(2 * MINUTE);
    expect(verdict()).toBe('overdue');
  });
});

describe('a warning names each overdue task once', () => {
  test('even if nothing runs but the timer that watches for them', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'performance'] });
    timestamp.refresh();
    for (const name of ['mail#1', 'mail#2']) timestamp.begin(name, MINUTE);
    const third = timestamp.begin('mail#3', 2 * MINUTE);
    for (let second = 0; second < 300; second++) {
      clock.advance(1000);
      await jest.advanceTimersByTimeAsync(1000);
    }
    expect(
      warnings.map((warning) =>
        /TASK_OVERDUE .*?: (\S+) has been in hand since .*, longer than its limit of (\w+)$/.exec(warning)?.slice(1),
      ),
    ).toEqual([
      ['mail#1', '1m'],
      ['mail#2', '1m'],
      ['mail#3', '2m'],
    ]);
    third.refresh();
    clock.advance(3 * MINUTE);
    await jest.advanceTimersByTimeAsync(3 * MINUTE);
    expect(warnings).toHaveLength(4);
  });
});

describe('in a process directory', () => {
  class Unit extends ProcessTimestamp {}

  test('a hung task is overdue, also if nothing else has a limit', async () => {
    const directory = scratch();
    const unit = await new Unit(directory, { clock }).load([]);
    unit.set(0);
    const early = new Unit(scratch(), { clock });
    for (const act of [
      () => early.begin('early', 1000),
      () => early.wrap(() => 1, { name: 'a', maximumAge: 1 }),
      () => early.refreshWhile(() => true),
    ]) {
      expect(act).toThrow(/expected load\(\)/);
    }
    unit.begin('mail#1', MINUTE);
    expect(String(unit)).toMatch(/^alive: mail#1 in hand since /);
    clock.advance(MINUTE + 2000);
    expect(unit.verdict()).toMatchObject({ alive: false, reason: 'overdue', task: 'mail#1', inHand: 1 });
    unit.reset();
  });

  test('reset() forgets the tasks and stops the gate', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'performance'] });
    const directory = scratch();
    const unit = (await new Unit(directory, { clock }).load([])).set(0);
    const task = unit.begin('mail#1', MINUTE);
    unit.refreshWhile(() => true, { every: 1000 });
    unit.reset();
    task.end();
    await jest.advanceTimersByTimeAsync(5000);
    expect(existsSync(join(directory, 'timestamp'))).toBe(false);
  });
});

describe('the record', () => {
  test('a beat just after the end of the recorded task is written, because the record states an old beat', () => {
    timestamp.refresh();
    clock.advance(1000);
    const task = timestamp.begin('mail#42', MINUTE);
    clock.advance(59_000);
    task.end(); // writes the loop's last beat, a minute ago
    clock.advance(500); // less than the window
    timestamp.refresh();
    clock.advance(90_000);
    expect(verdict()).toBe('alive');
  });

  test("delete() forgets a step's limit", () => {
    timestamp.refresh({ maximumAge: { minutes: 30 } });
    timestamp.delete();
    timestamp.begin('mail#1', MINUTE).end();
    expect(recorded()).toMatchObject({ kind: 'own', limit: 12_000 });
  });

  test.each(['refresh', 'end'] as const)(
    'a task whose begin could not be written is written at the next %s() of any task',
    (method) => {
      timestamp.begin('first', MINUTE).end();
      rmSync(path);
      mkdirSync(path); // makes the write fail
      const [long, other] = [timestamp.begin('long', 10 * MINUTE), timestamp.begin('other', 20 * MINUTE)];
      rmdirSync(path);
      clock.advance(1000);
      (method === 'refresh' ? long : other)[method]();
      clock.advance(5 * MINUTE);
      expect(verdict()).toBe('alive');
    },
  );

  test('wrap alone stays alive with a job every ten seconds, without any refresh()', () => {
    const work = timestamp.wrap(() => undefined, { name: 'mail', maximumAge: MINUTE });
    for (let passed = 0; passed < 3 * MINUTE; passed += 10_000) {
      clock.advance(10_000);
      work();
    }
    expect(verdict()).toBe('alive');
  });

  test('a long name is cut at the same place for any number in hand, so that the line stays the same', () => {
    const line = (): string => String(Worker.byRef(path, { clock }));
    timestamp.begin('mail#' + '0123456789'.repeat(5), 1000);
    clock.advance(2000);
    timestamp.refresh();
    const before = line();
    for (let count = 0; count < 9; count++) timestamp.begin('other', MINUTE);
    clock.advance(2000);
    timestamp.refresh();
    expect(line()).toBe(before);
  });
});

describe('a check that answers by a thenable', () => {
  test('that throws gives no beat, and is asked again', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'performance'] });
    let asked = 0;
    timestamp.refreshWhile(() => {
      if (++asked > 1) return true;
      return {
        then: () => {
          throw new Error('no connection');
        },
      };
    });
    await jest.advanceTimersByTimeAsync(30_000);
    expect(asked).toBe(3);
    expect(warnings.map((warning) => warning.split(' ')[0])).toEqual(['CHECK_SAYS_NO', 'CHECK_SAYS_YES']);
  });
});

test('the queues find the nearest and the oldest task in any order of calls', () => {
  const tasks = new Tasks();
  const held = new Map<string, { limit: number; since: number; entry: ReturnType<Tasks['begin']> }>();
  let seed = 1;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let turn = 0; turn < 5000; turn++) {
    const names = [...held.keys()];
    const some = held.get(names[random(names.length || 1)] ?? '');
    if (some && random(3) === 0) {
      tasks.refresh(some.entry, turn);
      some.since = turn;
    } else if (some && random(2) === 0) {
      tasks.end(some.entry);
      held.delete(some.entry.name);
    } else {
      const limit = [10, 200, 3000][random(3)] ?? 10;
      held.set(`t${turn}`, { limit, since: turn, entry: tasks.begin(`t${turn}`, limit, turn) });
    }
    const all = [...held.values()];
    const [nearest, oldest] = [tasks.nearest(), tasks.oldest()];
    expect(nearest && nearest.since + nearest.limit).toBe(
      all.length ? Math.min(...all.map(({ since, limit }) => since + limit)) : undefined,
    );
    expect(oldest?.since).toBe(all.length ? Math.min(...all.map(({ since }) => since)) : undefined);
    expect(tasks.count).toBe(all.length);
  }
});

describe('gates and tasks together', () => {
  test('a gate counts as a loop from its start: a job before its first answer does not lengthen the limit', () => {
    jest.useFakeTimers();
    const handle = timestamp.wrap(() => new Promise(() => undefined), { name: 'mail', maximumAge: 5 * MINUTE });
    timestamp.refreshWhile(() => true);
    void handle();
    clock.advance(2 * MINUTE + 1100);
    expect(verdict()).toBe('stale');
  });

  test('jobs that begin and end do not outvote a gate that says no from its start', () => {
    jest.useFakeTimers();
    const handle = timestamp.wrap(() => 1, { name: 'mail', maximumAge: 5 * MINUTE });
    timestamp.refreshWhile(() => false);
    for (let passed = 0; passed < 5 * MINUTE; passed += 10_000) {
      clock.advance(10_000);
      jest.advanceTimersByTime(10_000);
      handle();
    }
    expect(verdict()).toBe('stale');
  });

  test('loops that are tasks are still judged after a second load()', async () => {
    class Unit extends ProcessTimestamp {
      override readonly maximumAge = 2 * MINUTE;
    }
    const unit = (await new Unit(scratch(), { clock }).load([])).set(0);
    const task = unit.begin('loop', MINUTE);
    (await unit.load([])).set(0);
    for (let passed = 0; passed < 5 * MINUTE; passed += 10_000) {
      clock.advance(10_000);
      task.refresh();
    }
    expect(unit.alive).toBe(true);
    unit.delete();
  });

  test('a task whose beginning could not be written is written when it is overdue', () => {
    jest.useFakeTimers();
    timestamp.refresh({ maximumAge: 60 * MINUTE });
    clock.advance(1000);
    rmSync(path);
    mkdirSync(path);
    timestamp.begin('hung', MINUTE);
    rmdirSync(path);
    clock.advance(MINUTE + 2000);
    jest.advanceTimersByTime(MINUTE + 2000);
    expect(verdict()).toBe('overdue');
  });

  test('a gate never throws, whatever its check answers and whatever its beat throws', async () => {
    jest.useFakeTimers();
    class Changing extends Timestamp {
      maximumAge = MINUTE;
    }
    const changing = new Changing(path, { clock });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const checks = [
      () => Promise.reject(proxy), // eslint-disable-line @typescript-eslint/prefer-promise-reject-errors -- the same
      () => {
        throw proxy; // eslint-disable-line @typescript-eslint/only-throw-error -- the worst that a check can throw
      },
      () => Promise.resolve(true),
    ];
    for (const check of checks) {
      const gate = changing.refreshWhile(check);
      changing.maximumAge = -1;
      await jest.advanceTimersByTimeAsync(20_000);
      changing.maximumAge = MINUTE;
      gate.stop();
    }
    changing.delete();
    expect(warnings.map((warning) => warning.split(' ')[0])).toEqual(checks.map(() => 'CHECK_SAYS_NO'));
  });
});
