// Compares docs/heartbeat-file.md with record.ts and with heartbeat.py, which was made from that page alone.

import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Timestamp, type LivenessError } from '../src';
import { LAST_WALL, parse, RECORD_SIZE, serialise, type HeartbeatRecord } from '../src/record';
import { describeIf } from './support/describe-if';
import { ask, HEARTBEAT_PY, PYTHON, SHELLS } from './support/readers';
import { recordAt, scratch } from './support/records';
import { PATIENCE } from './support/until';

class TenMinutes extends Timestamp {
  readonly maximumAge = 600_000;
}

const page = readFileSync('docs/heartbeat-file.md', 'utf8');
const blocks = [...page.matchAll(/^```\n(.*?\n)```$/gms)].map(([, block = '']) => block);
const [format = '', vectors = '', short = ''] = blocks.filter((block) => block.startsWith('k8s-liveness/1 '));
const [first = '', ...others] = vectors.match(/.*\n/g) ?? [];

/** The meaning of the test vectors, as the page states it below them. */
const FIRST: HeartbeatRecord = {
  beat: 42,
  uptime: 1_234_567,
  limit: 12_000,
  kind: 'own',
  window: 100,
  pid: 7,
  start: 98_765,
  boot: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
  wall: Date.UTC(2026, 10, 20, 9, 43, 12, 250),
  gap: 3050,
  longestTask: 5300,
  writer: '7-89abcdef',
};
const STEP: HeartbeatRecord = {
  ...FIRST,
  beat: 43,
  uptime: 1_234_599,
  wall: FIRST.wall + 320,
  kind: 'step',
  limit: 360_000,
};
const LEAST: HeartbeatRecord = {
  ...FIRST,
  uptime: undefined,
  limit: Infinity,
  pid: undefined,
  start: undefined,
  boot: undefined,
  gap: undefined,
  longestTask: undefined,
  writer: '0-1',
};
const LARGEST: HeartbeatRecord = {
  beat: 10 ** 15 - 1,
  uptime: 10 ** 12 - 1,
  limit: 10 ** 15 - 1,
  kind: 'step',
  window: 100,
  pid: 2 ** 32 - 1,
  start: 10 ** 12 - 1,
  boot: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  wall: LAST_WALL,
  gap: 10 ** 12 - 1,
  longestTask: 10 ** 12 - 1,
  writer: 'ffffffff-ffffffff',
};
const TASK: HeartbeatRecord = { ...FIRST, beat: 44, kind: 'task', limit: 30_000 };
const SAID = [FIRST, STEP, TASK, LEAST, LARGEST];

/** A record under the page's names. */
interface Named {
  beat: number;
  uptime_cs: number | null;
  limit_cs: number | null;
  kind: 'own' | 'step' | 'task';
  window_cs: number;
  pid: number | null;
  start: number | null;
  boot: string | null;
  wall_ms: number;
  gap_cs: number | null;
  task_cs: number | null;
  writer: string;
}

function toNamed({
  beat,
  uptime,
  limit,
  kind,
  window,
  pid,
  start,
  boot,
  wall,
  gap,
  longestTask,
  writer,
}: HeartbeatRecord): Named {
  return {
    beat,
    uptime_cs: uptime ?? null,
    limit_cs: limit === Infinity ? null : limit,
    kind,
    window_cs: window,
    pid: pid ?? null,
    start: start ?? null,
    boot: boot ?? null,
    wall_ms: wall,
    gap_cs: gap ?? null,
    task_cs: longestTask ?? null,
    writer,
  };
}

interface Implementation {
  readonly name: string;
  readonly parse: (lines: readonly string[]) => (Named | null)[];
  readonly serialise: (records: readonly HeartbeatRecord[]) => string;
}

const RECORD_TS: Implementation = {
  name: 'record.ts',
  parse: (lines) =>
    lines.map((line) => {
      const parsed = parse(line.replace(/\n$/, ''));
      return parsed.kind === 'record' ? toNamed(parsed.record) : null;
    }),
  serialise: (records) => records.map((record) => serialise(record).toString('latin1')).join(''),
};

const IN_PYTHON: Implementation = {
  name: 'heartbeat.py',
  parse: (lines) => {
    const answers = python('parse', lines.map((line) => line.replace(/\n?$/, '\n')).join(''));
    return answers
      .trimEnd()
      .split('\n')
      .map((answer) => JSON.parse(answer) as Named | null);
  },
  serialise: (records) => python('serialise', records.map((record) => `${JSON.stringify(toNamed(record))}\n`).join('')),
};

function python(command: string, input: string): string {
  const [name, ...args] = HEARTBEAT_PY;
  return execFileSync(name, [...args, command], { input, encoding: 'latin1', timeout: PATIENCE });
}

/** The first line of each file of a series of files. */
function firstLines(files: string): string[] {
  return (files.match(/.*\n/g) ?? []).filter((_, at) => at % 2 === 0);
}

const LINE_SIZE = 205;

/** The first vector with other values, valid or not, and a sum that fits. */
function but(changes: Partial<HeartbeatRecord>): string {
  return firstLines(serialise({ ...FIRST, ...changes }).toString()).join('');
}

function conforms({ parse, serialise }: Implementation): void {
  test('the test vectors mean what the page says', () => {
    expect(parse([first, ...others])).toEqual(SAID.map(toNamed));
  });

  test('the test vectors are written byte for byte as the page shows', () => {
    expect(firstLines(serialise(SAID)).join('')).toBe(vectors);
    expect(serialise(SAID)).toHaveLength(SAID.length * RECORD_SIZE);
  });

  test('the first vector with any one digit changed is malformed', () => {
    const digits = Array.from('0123456789abcdef');
    const lines = Array.from(first.matchAll(/[0-9a-f]/g)).flatMap(({ 0: was, index }) =>
      digits.filter((digit) => digit !== was).map((digit) => first.slice(0, index) + digit + first.slice(index + 1)),
    );
    expect(lines.length).toBeGreaterThan(1000);
    const parsed = parse(lines);
    expect(lines.filter((_, at) => parsed[at] !== null)).toEqual([]);
  });

  // The sum stays the same, so only the shape of the field can be refused.
  test.each([
    ['08 as its beat', but({ beat: 8 }).replace(' 8 ', ' 08')],
    ['- as its wall_ms', but({ wall: 0 }).replace(' 0 ', ' - ')],
    ['a step and no limit', but({ kind: 'step', limit: Infinity })],
    ['a task and no limit', but({ kind: 'task', limit: Infinity })],
    ['101 as its window', but({ window: 101 })],
    ['k8s-liveness/2', but({}).replace('liveness/1', 'liveness/2')],
  ])('the first vector with %s is malformed, although its sum fits', (_, line) => {
    expect(line).toHaveLength(LINE_SIZE);
    expect(parse([line])).toEqual([null]);
  });

  test('the shorter line with a later field is the first vector', () => {
    expect(parse([short])).toEqual([toNamed(FIRST)]);
  });
}

const withPython = describeIf(PYTHON !== undefined, 'python3');

describe(RECORD_TS.name, () => {
  conforms(RECORD_TS);
});
withPython(IN_PYTHON.name, () => {
  conforms(IN_PYTHON);
});

describe("the page's table of fields", () => {
  const rows = [...page.matchAll(/^\| (\d+|…|last) \| ([a-z_ ]+) \| (\d*) ?\| .* \|$/gm)];
  const columns = rows.flatMap(([, number, name = '', width]) =>
    number === '…' ? [] : [{ name, width: Number(width) }],
  );

  test('has the names of the line above it, in its order', () => {
    const named = rows.map(([, number, name = '']) => (number === '…' ? `[${name}]` : name));
    expect(`${named.join(' ')}\n`).toBe(format.replace('k8s-liveness/1', 'version'));
  });

  test('has the columns of a written record', () => {
    let at = 0;
    const cells = columns.map(({ name, width }) => ({ name, cell: first.slice(at, (at += width + 1)) }));
    expect(cells.map(({ cell }) => cell).join('')).toBe(but({}));
    expect(cells.map(({ name, cell }) => [name, cell.trimEnd()])).toEqual([
      ['version', 'k8s-liveness/1'],
      ...Object.entries(toNamed(FIRST)).map(([name, value]) => [name, String(value)]),
      ['sum', '1654557485'],
    ]);
  });
});

/** Numbers below 1 from a seed: mulberry32. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A random record that fits its columns, often with values at the edges. */
function anyRecord(roll: () => number): HeartbeatRecord {
  const upTo = (most: number): number => {
    const digits = 10 ** Math.ceil(roll() * 15);
    return roll() < 0.1 ? most : Math.floor(roll() * Math.min(digits, most + 1));
  };
  const orNone = <T>(value: T): T | undefined => (roll() < 0.2 ? undefined : value);
  const groups = (...longest: number[]): string =>
    longest
      .map((most) => Array.from({ length: 1 + Math.floor(roll() * most) }, () => upTo(15).toString(16)).join(''))
      .join('-');
  const kind = (['own', 'step', 'task'] as const)[Math.floor(roll() * 3)] ?? 'own';
  const limit = 1 + upTo(10 ** 15 - 2);
  return {
    beat: upTo(10 ** 15 - 1),
    uptime: orNone(upTo(10 ** 12 - 1)),
    limit: kind === 'own' ? (orNone(limit) ?? Infinity) : limit,
    kind,
    window: upTo(100),
    pid: orNone(1 + upTo(10 ** 10 - 2)),
    start: orNone(upTo(10 ** 12 - 1)),
    boot: orNone(groups(8, 4, 4, 4, 12)),
    wall: upTo(LAST_WALL),
    gap: orNone(upTo(10 ** 12 - 1)),
    longestTask: orNone(upTo(10 ** 12 - 1)),
    writer: groups(10, 10),
  };
}

withPython('record.ts and heartbeat.py', () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
  const roll = dice(seed);
  const records = Array.from({ length: 500 }, () => anyRecord(roll));

  test(`write the same bytes for any record (seed ${seed})`, () => {
    expect(IN_PYTHON.serialise(records)).toBe(RECORD_TS.serialise(records));
  });

  test(`read the same fields from any record (seed ${seed})`, () => {
    const lines = firstLines(RECORD_TS.serialise(records));
    expect(lines.every((line) => line.length === LINE_SIZE)).toBe(true);
    expect(RECORD_TS.parse(lines)).toEqual(records.map(toNamed));
    expect(IN_PYTHON.parse(lines)).toEqual(records.map(toNamed));
  });
});

const children: ChildProcess[] = [];
afterAll(async () => {
  await Promise.all(children.map(killed));
});

function killed(child: ChildProcess): Promise<void> {
  return new Promise((settle) => {
    if (ended(child)) settle();
    else
      child
        .once('exit', () => {
          settle();
        })
        .kill('SIGKILL');
  });
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Starts a writer and waits for its first beat. */
async function writing(path: string, name: string, ...args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(name, args, { stdio: 'ignore' });
  children.push(child);
  while (!existsSync(path)) {
    if (ended(child)) throw new Error(`${name} ended before its first beat`);
    await new Promise((settle) => setTimeout(settle, 5));
  }
  return child;
}

function writingPython(path: string): Promise<ChildProcess> {
  return writing(path, ...HEARTBEAT_PY, 'write', path, '--limit-cs', '60000', '--beats', '0');
}

/** The different verdicts of Timestamp, liveness.js and liveness.sh under every shell. */
async function verdicts(path: string): Promise<string[]> {
  const answers = await ask(path);
  expect(answers).toHaveLength(2 + SHELLS.length);
  return [...new Set(answers.map(({ verdict }) => verdict))];
}

const canWrite = PYTHON !== undefined && existsSync('/proc/self/stat');

describeIf(canWrite, 'python3 and Linux with /proc')('between a Timestamp and a Python process', () => {
  let path: string;
  beforeEach(() => {
    path = join(scratch(), 'timestamp');
  });

  test("the Python writer's beat is alive to every reader, and gone when the writer is killed", async () => {
    const writer = await writingPython(path);
    expect(await verdicts(path)).toEqual(['alive']);
    await killed(writer);
    expect(await verdicts(path)).toEqual(['gone']);
  });

  test('a Timestamp refuses the file while the Python writer lives, and takes it over when the writer has ended', async () => {
    const writer = await writingPython(path);
    expect(() => new TenMinutes(path).refresh()).toThrow(
      expect.objectContaining({ code: 'ERR_HEARTBEAT_IN_USE' }) as LivenessError,
    );
    expect(recordAt(path).pid).toBe(writer.pid);
    await killed(writer);
    new TenMinutes(path).refresh();
    expect(recordAt(path).pid).toBe(process.pid);
    expect(await verdicts(path)).toEqual(['alive']);
  });

  test('the Python writer refuses a file that a living Timestamp beats, and leaves it as it is', () => {
    new TenMinutes(path).refresh();
    const before = readFileSync(path);
    const [name, ...args] = HEARTBEAT_PY;
    const { status, stderr } = spawnSync(name, [...args, 'write', path], { encoding: 'utf8', timeout: PATIENCE });
    expect({ status, stderr }).toEqual({ status: 2, stderr: `heartbeat: process ${process.pid} beats ${path}\n` });
    expect(readFileSync(path)).toEqual(before);
  });

  test('the Python reader always says alive while a Timestamp beats without a pause', async () => {
    // A step and a plain beat in turns, because each of them is written at once.
    const hot = `
      const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class TenMinutes extends Timestamp { maximumAge = 600_000 }
      const timestamp = new TenMinutes(process.argv[1]);
      for (;;) timestamp.refresh({ maximumAge: 1_200_000 }).refresh();
    `;
    const writer = await writing(path, process.execPath, '-e', hot, path);
    const before = recordAt(path).beat;
    const [name, ...args] = HEARTBEAT_PY;
    const reading = [...args, 'read', path, '--times', '10000'];
    const { status, stdout } = spawnSync(name, reading, { encoding: 'utf8', timeout: PATIENCE });
    const beats = recordAt(path).beat - before;
    await killed(writer);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'alive\n' });
    expect(beats).toBeGreaterThan(1000);
  });
});
