// `k8s-liveness stack` and `liveness.js --last-words`, asked about real processes that hang.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, readlinkSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { transformSync } from 'esbuild';
import { serialise, type HeartbeatRecord } from '../src/record';
import { blocksOf } from './support/markdown';
import { describeIf, WIDE } from './support/describe-if';
import { anyonesNode, AS_NOBODY } from './support/readers';
import { aged, beforeRemoval, fileOf, open, scratch, startOf } from './support/records';
import { until } from './support/until';

const children: ChildProcess[] = [];
/** At once, because a busy loop would take a processor from the next test. */
const endAll = async (): Promise<void> => {
  for (const child of children) child.kill('SIGKILL');
  await until(() => children.every(({ exitCode, signalCode }) => (exitCode ?? signalCode) !== null));
};
afterEach(endAll);
beforeRemoval.push(endAll);

interface Service {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly folder: string;
  /** Its heartbeat, which has been stale for a while. */
  readonly beat: string;
  /** What it has printed, on both streams. */
  readonly said: () => string;
}

interface Conditions {
  /** Options of Node. The port is any free one, because other tests may run beside us. */
  readonly options?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: Record<string, string>;
  readonly record?: Partial<HeartbeatRecord>;
  readonly note?: string;
}

/** Starts a service that says `up` before it hangs. */
async function service(code: string, conditions: Conditions = {}): Promise<Service> {
  const { options = ['--inspect-port=0'], command } = { command: [process.execPath], ...conditions };
  const folder = open(scratch());
  const script = join(folder, 'busy.js');
  writeFileSync(script, code);
  const [program, ...args] = [...command, ...options, script];
  const env = { ...process.env, NODE_OPTIONS: '', ...conditions.env };
  const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  await until(() => said.includes('up'));
  const pid = child.pid ?? 0;
  const identity = { pid, start: startOf(`/proc/${pid}/stat`), writer: `${pid.toString(16)}-1a2b3c4d` };
  const beat = fileOf(serialise(aged(10_000, { ...identity, ...conditions.record }), conditions.note));
  return { child, pid, folder, beat, said: () => said };
}

const UP = "require('node:fs').writeSync(1, 'up\\n');";
const BUSY = `function inner() { for (let i = 0; i < 1e6; i++) if (i < 0) return; }
function handle() { for (;;) inner(); }
function turn() { ${UP} handle(); }
setTimeout(turn, 0);
`;

/** The line of `liveness.js --last-words`. Ends whatever it says with exit code 1. */
function lastWords({ beat }: Service, ...args: string[]): string {
  const command = ['dist/liveness.js', '--last-words', beat, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  expect([status, stderr, stdout.split('\n').length]).toEqual([1, '', 2]);
  expect(stdout.length).toBeLessThan(200);
  return stdout.trimEnd();
}

function stack({ beat }: Service): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['dist/cli.js', 'stack', beat], { encoding: 'utf8' });
}

/** The words of a probe without the option. */
const ordinary = ({ beat }: Service): string =>
  spawnSync(process.execPath, ['dist/liveness.js', beat], { encoding: 'utf8' }).stdout.trimEnd();

/** Asks again until there are words: on a busy machine a deadline may pass. */
function words(asked: Service): Promise<string> {
  return until(() => / at (.*) \(\S+\)$/.exec(lastWords(asked).replace(/ in hand, .* the oldest/, ''))?.[1] ?? false);
}

/** The ports that a process listens on. */
function ports(pid: number): number[] {
  const held = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
  return readFileSync(`/proc/${pid}/net/tcp`, 'latin1')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && held.includes(`socket:[${inode ?? ''}]`))
    .map(([, local]) => parseInt(local?.split(':')[1] ?? '', 16));
}

const isClosed = ({ pid }: Service): boolean => ports(pid).length === 0;

/** `npm test` asks the first of several processes that hang, `npm run test:all` each. */
function some<T>(all: T[]): T[] {
  return WIDE ? all : all.slice(0, 1);
}

/** Not in `npm test`, because each takes a second or two. */
const testWide = WIDE ? test : (): void => undefined;

describe('liveness.js --last-words names the line', () => {
  test.each(
    some([
      ['of a busy loop', BUSY, /^inner \(busy.js:1\) < handle \(busy.js:2\) < turn \(busy.js:3\)$|^handle /],
      [
        'of a regular expression that backtracks',
        `function validate(text) { return /^(a+)+$/.test(text); }\n${UP} validate('a'.repeat(60) + 'b');`,
        /^validate \(busy.js:1\) < \(anonymous\) \(busy.js:2\)$/,
      ],
      [
        'of Atomics.wait',
        `function lock() {\n${UP} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }\nlock();`,
        /^lock \(busy.js:2\) < \(anonymous\) \(busy.js:3\)$/,
      ],
    ]),
  )('%s, and leaves no inspector open', async (_, code, expected) => {
    const hung = await service(code);
    expect(await words(hung)).toMatch(expected);
    await until(() => hung.said().includes('Debugger listening on ws://127.0.0.1:'));
    await until(() => isClosed(hung));
    expect(await words(hung)).toMatch(expected); // and once more
    await until(() => isClosed(hung));
  });

  testWide('of the worker thread that beat', async () => {
    const hung = await service(`const { Worker, isMainThread } = require('node:worker_threads');
if (isMainThread) {
  for (const workerData of [1, 2]) new Worker(__filename, { workerData });
} else if (require('node:worker_threads').workerData === 1) {
  setInterval(() => {}, 1000);
} else {
  const spin = () => { for (;;); };
  require('node:fs').writeSync(1, 'up ' + require('node:fs').readlinkSync('/proc/thread-self').split('/')[2] + '\\n');
  spin();
}`);
    const thread = Number(/up (\d+)/.exec(hung.said())?.[1]);
    const writer = `${thread.toString(16)}-1a2b3c4d`;
    const { pid } = hung;
    const beat = fileOf(aged(10_000, { pid, start: startOf(`/proc/${pid}/stat`), writer }));
    expect(await words({ ...hung, beat })).toMatch(/^spin \(busy.js:7\) < \(anonymous\) \(busy.js:9\)$/);
    await until(() => isClosed(hung));
    expect(lastWords(hung)).toBe(ordinary(hung)); // the main thread waits for events
  });

  test('in the source, if a map lies beside the file', async () => {
    const source = `interface Unused { a: number }\n\nfunction hang(): never {\n  for (;;);\n}\n${UP}\nhang();\n`;
    const { code, map } = transformSync(source, {
      loader: 'ts',
      sourcemap: 'external',
      sourcefile: '../src/worker.ts',
    });
    const hung = await service(`const fs = require('node:fs');
fs.writeFileSync(__dirname + '/main.js', ${JSON.stringify(code)});
fs.writeFileSync(__dirname + '/main.js.map', ${JSON.stringify(map)});
require('./main.js');`);
    expect(await words(hung)).toMatch(/^hang \(worker.ts:4\) < \(anonymous\) \(worker.ts:7\)/);
    const { stdout } = await until(() => (({ status, ...shown }) => status === 0 && shown)(stack(hung)));
    expect(stdout).toContain(`    at hang (${resolve(hung.folder, '../src/worker.ts')}:4:`);
  });

  testWide('in less than 200 bytes, with the work in hand and a part of the path', async () => {
    const hung = await service(BUSY, { note: '3 in hand, mail#42' });
    const line = await until(() => ((said) => said.includes(' at ') && said)(lastWords(hung)));
    expect(line).toMatch(/^dead: stale: last beat .*Z, limit 1m, 3 in hand, mail#42 the oldest, at \w+ \(busy.js:\d\)/);
    const long = await service(BUSY.replaceAll('inner', 'i'.repeat(150)).replaceAll('handle', 'h'.repeat(150)));
    expect(lastWords(long)).toBe(ordinary(long)); // no name fits
    const many = spawnSync(process.execPath, ['dist/liveness.js', '--last-words', hung.beat, hung.beat], {
      encoding: 'utf8',
    });
    expect(many.stdout).toMatch(/; 2 of 2 dead\n$/);
    expect(many.stdout.length).toBeLessThan(200);
  });

  testWide('of a process whose inspector was open, and leaves that open', async () => {
    const hung = await service(BUSY, { options: ['--inspect=0'] });
    const before = ports(hung.pid);
    expect(before).toHaveLength(1);
    expect(await words(hung)).toMatch(/busy.js/);
    expect(ports(hung.pid)).toEqual(before);
    expect(await words(hung)).toMatch(/busy.js/);
  });
});

describe('liveness.js --last-words leaves the line as it is', () => {
  /** What a service has printed, once it has ended. */
  const allSaid = async ({ child, said }: Service): Promise<string> => {
    const ended = new Promise((settle) => child.once('close', settle));
    child.kill('SIGKILL');
    await ended;
    return said();
  };

  const FIFO = `const fs = require('node:fs'); const { execSync } = require('node:child_process');
const fifo = __dirname + '/fifo'; execSync('mkfifo ' + fifo);
const turns = (count) => (count === 0 ? fs.writeSync(1, 'end') : setImmediate(turns, count - 1));
setInterval(() => {}, 1e6);`;

  test.each(
    some([
      ['of a loop that awaits', `${FIFO} ${UP} (async () => { await fs.promises.readFile(fifo); turns(5); })();`],
      ['of a synchronous child', `${FIFO} ${UP} execSync('exec cat ' + fifo); turns(5);`],
      ['of a read that blocks', `${FIFO} ${UP} fs.readFileSync(fifo); turns(5);`],
    ]),
  )('%s, and sends no signal', async (_, code) => {
    const hung = await service(code);
    expect(lastWords(hung)).toBe(ordinary(hung));
    // A signal would show at the latest when the loop turns again.
    writeFileSync(join(hung.folder, 'fifo'), '');
    await until(() => hung.said().includes('end'));
    expect(await allSaid(hung)).toBe('up\nend');
  });

  test.each(
    some([
      ['that is stopped', BUSY, {}, 'is not running: state T'],
      [
        'whose inspector would open beyond the loopback',
        BUSY,
        { options: ['--inspect-port=0.0.0.0:0'] },
        'would open its inspector beyond the loopback',
      ],
      [
        'whose NODE_OPTIONS would open it there',
        BUSY,
        { env: { NODE_OPTIONS: '--inspect-port=0.0.0.0:0' }, options: [] },
        'would open its inspector beyond the loopback',
      ],
      ...(process.allowedNodeEnvironmentFlags.has('--disable-sigusr1')
        ? ([['under --disable-sigusr1', BUSY, { options: ['--disable-sigusr1'] }, 'does not catch SIGUSR1']] as const)
        : []),
      [
        'that is a shell',
        'trap "echo caught" USR1; echo up; while :; do :; done',
        { command: ['sh'], options: [] },
        'is not Node',
      ],
      [
        'that has another identity',
        BUSY,
        { record: { pid: undefined, start: undefined } },
        'the heartbeat names no process of this machine',
      ],
    ] as [string, string, Conditions, string][]),
  )('of a process %s', async (what, code, conditions, why) => {
    const hung = await service(code, conditions);
    if (what === 'that is stopped') hung.child.kill('SIGSTOP');
    expect(lastWords(hung)).toBe(ordinary(hung));
    const { status, stderr } = stack(hung);
    expect([status, stderr]).toEqual([1, expect.stringContaining(why)]);
    hung.child.kill('SIGCONT');
    expect(await allSaid(hung)).toBe('up\n');
  });

  testWide('of a service that handles SIGUSR1 itself, which receives it instead', async () => {
    const hung = await service(`const fs = require('node:fs');
process.on('SIGUSR1', () => fs.writeSync(1, 'mine'));
setTimeout(() => { ${UP} while (!fs.existsSync(__dirname + '/go')); setInterval(() => {}, 1e6); });`);
    expect(lastWords(hung)).toBe(ordinary(hung));
    expect(stack(hung).stderr).toContain('handles SIGUSR1 itself'); // a probe on a busy machine sends none
    writeFileSync(join(hung.folder, 'go'), '');
    await until(() => hung.said().includes('mine'));
    expect(isClosed(hung)).toBe(true);
  });

  testWide('if another Node holds the port, and does not ask that one', async () => {
    const other = await service(BUSY, { options: ['--inspect=0'] });
    const hung = await service(BUSY, { options: [`--inspect-port=${ports(other.pid)[0] ?? 0}`] });
    expect(lastWords(hung)).toBe(ordinary(hung));
    expect(stack(hung)).toMatchObject({ status: 1, stderr: expect.stringContaining('opens no inspector') as string });
    await until(() => hung.said().includes('address already in use'));
    expect(other.said()).not.toContain('attached');
  });

  testWide('in native code, within its own deadline', async () => {
    const hung = await service(`${UP} require('node:crypto').pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512');`);
    expect(lastWords(hung)).toBe(ordinary(hung));
  });

  testWide(
    'under --other-pid-namespace, when alive, when dead for another reason, and without stack.cjs beside it',
    async () => {
      const hung = await service(BUSY);
      expect(lastWords(hung, '--other-pid-namespace')).toMatch(
        /^dead: stale: .*by wall clock \(\S+\); 1 of 1 dead$|^dead: /,
      );
      const folder = scratch();
      cpSync('dist/liveness.js', join(folder, 'liveness.js'));
      const copied = spawnSync(process.execPath, [join(folder, 'liveness.js'), '--last-words', hung.beat], {
        encoding: 'utf8',
      });
      expect([copied.status, copied.stdout.trimEnd(), copied.stderr]).toEqual([1, ordinary(hung), '']);
      cpSync('dist/stack.cjs', join(folder, 'stack.cjs'));
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      await until(() =>
        spawnSync(process.execPath, [join(folder, 'liveness.js'), '--last-words', hung.beat], {
          encoding: 'utf8',
        }).stdout.includes(' at '),
      );
    },
  );
});

describeIf(process.getuid?.() === 0, 'root')('another user', () => {
  test('is not asked, even by root', async () => {
    const hung = await service(BUSY, { command: [...AS_NOBODY, anyonesNode()] });
    expect(lastWords(hung)).toBe(ordinary(hung));
    expect(stack(hung).stderr).toContain('is of another user');
    expect(hung.said()).toBe('up\n');
  });

  test('asks about its own process', async () => {
    const hung = await service(BUSY, { command: [...AS_NOBODY, anyonesNode()] });
    chmodSync(dirname(hung.beat), 0o755);
    for (const file of ['liveness.js', 'stack.cjs']) cpSync(`dist/${file}`, join(hung.folder, file));
    const probe = [...AS_NOBODY, anyonesNode(), 'liveness.js', '--last-words', hung.beat];
    await until(() =>
      spawnSync(probe[0] ?? '', probe.slice(1), { cwd: hung.folder, encoding: 'utf8' }).stdout.includes(' at inner'),
    );
  });
});

testWide(
  'a service that is asked goes on as if nothing had been: no microtask early, no wait shorter, no match wrong',
  async () => {
    const hung = await service(`const fs = require('node:fs');
const say = (text) => fs.writeSync(1, text + ' ');
say('up');
Promise.resolve().then(() => say('microtask'));
const cell = new Int32Array(new SharedArrayBuffer(4));
while (!fs.existsSync(__dirname + '/go')) {
  if (/^(a|b|ab)*c$/.exec('ab'.repeat(12)) !== null) say('wrong');
  const from = process.hrtime.bigint();
  Atomics.wait(cell, 0, 0, 50);
  if (process.hrtime.bigint() - from < 49_000_000n) say('short');
}
say('sync');
const turns = (count) => (count === 0 ? say('end') : setImmediate(turns, count - 1));
turns(5);
setInterval(() => {}, 1e6);`);
    for (let asked = 0; asked < 3; asked++) await words(hung);
    writeFileSync(join(hung.folder, 'go'), '');
    await until(() => hung.said().includes('end'));
    expect(hung.said().replaceAll(/(?:Debugger|For help).*\n/g, '')).toBe('up sync microtask end ');
    expect(isClosed(hung)).toBe(true);
  },
);

test.each([
  ['a timer', 'setTimeout(spin, 0)'],
  ['setImmediate', 'setImmediate(spin)'],
  ['an answer of the system', "fs.stat('/', spin)"],
  ['its first script', 'spin()'],
])('a loop that hung in %s and turns again does not open the inspector again for good', async (_, call) => {
  const hung = await service(`const fs = require('node:fs');
const turns = (count) => (count === 0 ? fs.writeSync(1, 'end') : setImmediate(turns, count - 1));
function spin() { ${UP} while (!fs.existsSync(__dirname + '/go')); turns(5); }
setInterval(() => {}, 1e6);
${call};`);
  await until(() => stack(hung).stdout.includes('at spin'));
  writeFileSync(join(hung.folder, 'go'), '');
  await until(() => hung.said().includes('end'));
  expect(isClosed(hung)).toBe(true);
});

describe('stack', () => {
  test('shows what docs/cli.md shows', async () => {
    const page = blocksOf(readFileSync('docs/cli.md', 'utf8')).filter(({ note }) => note === 'stack');
    const busy = await service(BUSY);
    const idle = await service(`${UP} setInterval(() => {}, 1e6);`, {
      record: { kind: 'task' },
      note: '3 in hand, mail#42',
    });
    for (const [asked, { code }] of [
      [busy, page[0]],
      [idle, page[1]],
    ] as [Service, { code: string }][]) {
      const shown = await until(() => {
        const { status, stdout } = stack(asked);
        const inner = stdout.includes('inner') || asked === idle;
        return (
          status === 0 &&
          inner &&
          stdout.replaceAll(asked.folder, '/app').replaceAll(asked.beat, '/tmp/liveness/timestamp')
        );
      });
      const stable = (text: string): string =>
        text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'T').replace(/process\.|:\d+(?=[:)])/g, '');
      expect(stable(shown)).toBe(stable(code.replace(/^\$.*\n/, '')));
    }
  });

  test('distinguishes a loop that runs promises without a pause from one that waits', async () => {
    const spins = await service(`${UP} (async () => { for (;;) await null; })();`);
    expect(await until(() => /^ {4}(?!at ).*$/m.exec(stack(spins).stdout)?.[0] ?? false)).toBe(
      '    runs promises that settle at once, one after another: no frame',
    );
    const waits = await service(`${UP} setInterval(() => {}, 1e6);`);
    expect(stack(waits).stdout).toContain('\n    waits for an event or a child process\n');
  });

  test('takes one path, and says what it cannot ask about', () => {
    const run = (...args: string[]): unknown[] => {
      const { status, stderr } = spawnSync(process.execPath, ['dist/cli.js', 'stack', ...args], { encoding: 'utf8' });
      return [status, stderr];
    };
    expect(run('a', 'b')).toEqual([2, 'k8s-liveness stack: expected one PATH; got 2\n']);
    expect(run(fileOf(''))).toEqual([1, 'k8s-liveness stack: the heartbeat names no process of this machine\n']);
  });
});

test('liveness.sh refuses --last-words with the probe that has it', () => {
  const { status, stderr } = spawnSync('sh', ['dist/liveness.sh', '--last-words'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([
    2,
    'cannot ask: a shell cannot speak to an inspector; expected liveness.js for --last-words\n',
  ]);
});
