// Work in hand: what real probes say about real workers. tasks.test.ts tests the rules with a clock that it moves.

import { join, resolve } from 'node:path';
import { Timestamp } from '../src';
import { ready, start } from './support/processes';
import { ask } from './support/readers';
import { scratch } from './support/records';
import { until } from './support/until';

/**
 * The worker's clocks lag by 150 s, so for a probe its actions happened 150 s ago. A story sets `lag` to 0 to go on in the
 * present. It calls `sayNow` when probes may ask.
 */
const WORKER = `
  const { ProcessTimestamp, systemClock, Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
  let lag = 150_000;
  const clock = {
    ...systemClock,
    monotonic: () => performance.now() - lag,
    uptime: () => systemClock.uptime() - lag,
    wall: () => Date.now() - lag,
  };
  const MINUTE = 60_000;
  class Worker extends Timestamp { maximumAge = 2 * MINUTE }
  const timestamp = new Worker(process.env.HEARTBEAT, { clock });
  const ten = () => Array.from({ length: 10 }, (_, at) => timestamp.begin('mail#' + at, MINUTE));
  const sayNow = () => require('node:fs').writeSync(1, '.');
  const sayWhen = (code) => process.on('warning', (warning) => { if (warning.code === code) sayNow(); });
  setInterval(() => {}, 1e6);`;

interface Story {
  readonly name: string;
  /** The worker runs this after the script above. */
  readonly script: string;
  readonly expect: string;
  /** Matches the line up to the path. */
  readonly line: RegExp;
  /** It is a process directory, which heartbeat.py cannot read. */
  readonly directory?: boolean;
}

const WHEN = '[-0-9]{10}T[:0-9]{8}Z';
const overdue = (name: string, limit = '1m'): RegExp =>
  new RegExp(`^dead: overdue: ${name} in hand since ${WHEN}, limit ${limit} \\(`);
const stale = (work = ''): RegExp => new RegExp(`^dead: stale: last beat ${WHEN}, limit 2m${work} \\(`);
const alive = (what = 'last beat', limit = '2m'): RegExp => new RegExp(`^alive: ${what} ${WHEN}, limit ${limit} \\(`);

const STORIES: Story[] = [
  {
    name: 'one of ten handlers hung, while the others come and go and the loop beats',
    script: `timestamp.refresh();
      const tasks = ten();
      lag = 0;
      setInterval(() => {
        tasks.forEach((task, at) => {
          if (at === 3) return;
          task.end();
          tasks[at] = timestamp.begin(task.name, MINUTE);
        });
        timestamp.refresh();
      }, 1);
      setImmediate(function look() { String(timestamp).includes('mail#3') ? sayNow() : setImmediate(look); });`,
    expect: 'overdue',
    line: overdue('mail#3'),
  },
  {
    name: 'all handlers hung',
    script: 'timestamp.refresh(); ten(); lag = 0; timestamp.refresh(); sayNow();',
    expect: 'overdue',
    line: overdue('mail#0'),
  },
  {
    name: 'a busy loop with tasks in hand',
    script: `timestamp.refresh();
      for (const name of ['mail#7', 'mail#8', 'mail#9']) timestamp.begin(name, 30 * MINUTE);
      lag -= 10_000;
      timestamp.refresh();
      lag = 0;
      sayNow();
      for (;;);`,
    expect: 'stale',
    line: stale(', 3 in hand, mail#7 the oldest'),
  },
  {
    name: 'idle for longer than the limit, without a gate',
    script: `timestamp.refresh(); timestamp.begin('mail#1', MINUTE).end(); lag = 0; timestamp.begin('mail#2', 10 * MINUTE).end(); sayNow();`,
    expect: 'stale',
    line: stale(),
  },
  {
    name: 'idle for longer than the limit, with a gate',
    script: `timestamp.refreshWhile(() => true, { every: 5 });
      lag = 0;
      setImmediate(function look() { timestamp.alive ? sayNow() : setImmediate(look); });`,
    expect: 'alive',
    line: alive(),
  },
  {
    name: 'a handler hung while the queue is idle, beside a gate that says yes',
    script: `timestamp.refreshWhile(() => true, { every: 5 });
      timestamp.begin('mail#42', MINUTE);
      lag = 0;
      setImmediate(function look() { timestamp.beats < 5 || timestamp.alive ? setImmediate(look) : sayNow(); });`,
    expect: 'overdue',
    line: overdue('mail#42'),
  },
  {
    name: 'a long job beside short ones',
    script: `timestamp.refresh();
      timestamp.begin('report', 30 * MINUTE);
      timestamp.begin('mail#1', MINUTE).end();
      lag = 0;
      timestamp.begin('mail#2', MINUTE).end();
      timestamp.refresh();
      sayNow();`,
    expect: 'alive',
    line: alive(),
  },
  {
    name: 'a job that makes progress',
    script: `timestamp.refresh(); const task = timestamp.begin('import', MINUTE); lag = 0; task.refresh(); timestamp.refresh(); sayNow();`,
    expect: 'alive',
    line: alive('import in hand since', '1m'),
  },
  {
    name: 'a job that makes no more progress',
    script: `timestamp.refresh(); const task = timestamp.begin('import', MINUTE); lag = 75_000; task.refresh(); lag = 0; timestamp.refresh(); sayNow();`,
    expect: 'overdue',
    line: overdue('import'),
  },
  ...[
    ['throws', `() => { throw new Error('gone') }`],
    ['rejects', `() => Promise.reject(new Error('gone'))`],
    ['never settles', '() => new Promise(() => {})'],
    ['says no', '() => false'],
  ].map(([what = '', check = '']): Story => ({
    name: `a gate whose check ${what}`,
    script: `sayWhen('CHECK_SAYS_NO'); timestamp.refreshWhile(${check}, { every: 5 }); lag = 0;`,
    expect: 'stale',
    line: stale(),
  })),
  {
    name: 'delete() with tasks in hand, and late ends',
    script: `timestamp.refresh();
      const tasks = ten();
      const late = timestamp.wrap(() => 1, { name: 'late', maximumAge: MINUTE });
      lag = 0;
      timestamp.delete();
      for (const task of tasks) { task.refresh(); task.end(); }
      late();
      sayNow();`,
    expect: 'missing',
    line: /^dead: missing: no such file \(/,
  },
  {
    name: 'a task begun with a nearer deadline, and no beat after it',
    script: `lag = 75_000; timestamp.refresh(); timestamp.begin('mail#1', 10 * MINUTE); timestamp.begin('quick', 5000); lag = 0; sayNow();`,
    expect: 'overdue',
    line: overdue('quick', '5s'),
  },
  {
    name: 'several loops in one file, one hung and one ended',
    script: `const [a, b, c] = ['a', 'b', 'c'].map((name) => timestamp.begin('loop ' + name, MINUTE));
      c.end();
      lag = 0;
      setInterval(() => { a.refresh(); }, 1);
      setImmediate(function look() { a.age < 100 && !timestamp.alive ? sayNow() : setImmediate(look); });`,
    expect: 'overdue',
    line: overdue('loop b'),
  },
  {
    name: 'several loops in one file, one ended and the other turning',
    script: `const [a, b] = ['a', 'b'].map((name) => timestamp.begin('loop ' + name, MINUTE)); a.end(); lag = 0; b.refresh(); sayNow();`,
    expect: 'alive',
    line: alive('loop b in hand since', '1m'),
  },
  {
    name: 'several loops in one file, all ended just now',
    script: `const [a, b] = ['a', 'b'].map((name) => timestamp.begin('loop ' + name, MINUTE)); a.end(); lag = 0; b.end(); sayNow();`,
    expect: 'alive',
    line: alive(),
  },
  {
    name: 'several loops in one file, all ended long ago',
    script: `for (const name of ['a', 'b']) timestamp.begin('loop ' + name, MINUTE).end(); lag = 0; sayNow();`,
    expect: 'stale',
    line: stale(),
  },
  {
    name: 'a name that is long and no words',
    script: `timestamp.refresh(); timestamp.begin('\\x1b[2J\\n' + 'é'.repeat(200), MINUTE); lag = 0; timestamp.refresh(); sayNow();`,
    expect: 'overdue',
    line: overdue('\\?\\[2J\\?{31}'),
  },
  {
    name: 'a hung handler of a process directory',
    script: `new ProcessTimestamp(process.env.HEARTBEAT, { clock }).load([]).then((unit) => {
        unit.set(0);
        unit.begin('mail#42', MINUTE);
        lag = 0;
        unit.refresh();
        sayNow();
      });`,
    expect: 'overdue',
    line: overdue('mail#42'),
    directory: true,
  },
];

/** Starts a worker, and settles with its path and process when it says that probes may ask. */
async function worker(script: string): Promise<{ path: string; child: ReturnType<typeof start> }> {
  const path = join(scratch({ memory: true }), 'timestamp');
  const child = start(process.execPath, ['-e', WORKER + script], {
    ...process.env,
    HEARTBEAT: path,
    NODE_NO_WARNINGS: '1',
  });
  await ready(child);
  return { path, child };
}

/** Asks all readers twice, and expects the same verdict and exactly the same line. */
async function expectAnswer(
  path: string,
  { expect: expected, line, directory = false }: Pick<Story, 'expect' | 'line' | 'directory'>,
): Promise<void> {
  const answers = [...(await ask(path, { python: !directory, directory })), ...(await ask(path))];
  const exit = expected === 'alive' ? 0 : 1;
  expect(answers.map(({ reader, verdict, exit }) => ({ reader, verdict, exit }))).toEqual(
    answers.map(({ reader }) => ({ reader, verdict: expected, exit })),
  );
  const [said = '', ...others] = new Set(
    answers.filter(({ reader }) => reader !== 'heartbeat.py').map((answer) => answer.line),
  );
  expect([said, others]).toEqual([expect.stringMatching(line), []]);
  expect(said).toMatch(/^[ -~]{1,199}$/);
}

test.each(STORIES)('$name: $expect', async (story) => {
  const { path, child } = await worker(story.script);
  if (story.expect === 'alive') child.kill('SIGSTOP'); // a beat between two probes would change the line
  await expectAnswer(path, story);
  child.kill('SIGKILL');
});

test('a gate whose check says no and then yes is stale, and then alive again', async () => {
  const { path, child } = await worker(`let running = false;
    sayWhen('CHECK_SAYS_NO');
    process.on('SIGUSR2', () => { running = true; });
    timestamp.refreshWhile(async () => running, { every: 5 });
    lag = 0;`);
  await expectAnswer(path, { expect: 'stale', line: stale() });
  child.kill('SIGUSR2');
  await until(() => Timestamp.byRef(path).alive);
  child.kill('SIGSTOP');
  await expectAnswer(path, { expect: 'alive', line: alive() });
  child.kill('SIGKILL');
});

test('a service warns of an overdue task, also if it does nothing else', async () => {
  // It warns when a real timer fires.
  const { child } = await worker(`sayWhen('TASK_OVERDUE'); timestamp.refresh(); timestamp.begin('mail#42', 20);`);
  child.kill('SIGKILL');
});
