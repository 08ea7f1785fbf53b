// What the story uses: a temporary spool, the worker's process, the probes.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { Timestamp } from 'k8s-liveness';

/** The worker's maximumAge in the story, because its two minutes would take too long. */
export const LIMIT_SECONDS = 3;

/** Much longer than any step takes on an idle machine. */
const PATIENCE_SECONDS = 60;

const WORKER = join(__dirname, '..', '..'); // from dist/story
const ROOT = join(WORKER, '..', '..');

const folder = mkdtempSync(join(tmpdir(), 'worker-'));
export const spool = join(folder, 'spool');
const done = join(spool, 'done');
mkdirSync(spool);

const LIVENESS_PATH = join(folder, 'timestamp');
/** The story waits by this view. The probes judge the file themselves. */
export const heartbeat = Timestamp.byRef(LIVENESS_PATH);

// Worker and probes share one environment, as in a container. Variables of the caller must not silence or slow them.
const environment = {
  ...process.env,
  SPOOL: spool,
  LIVENESS_PATH,
  MAXIMUM_AGE_SECONDS: String(LIMIT_SECONDS),
  LOG_LEVEL: '',
  NODE_OPTIONS: '',
};

let worker: ChildProcess | undefined;

// Runs at every end: success, failure or Ctrl-C.
process.on('exit', () => {
  worker?.kill('SIGKILL');
  // With retries, because a killed worker may still make a file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, () => process.exit(code));
}

// The worker

export async function start(): Promise<void> {
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: WORKER,
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  worker = child;
  await until('its first beat', () => {
    if (ended(child) !== null) throw new Error(`expected a running worker; it ended with ${ended(child)}`);
    return heartbeat.alive;
  });
}

export function send(signal: NodeJS.Signals): void {
  worker?.kill(signal);
}

/** Ends the worker, and settles with its exit code or signal. */
export async function end(signal: NodeJS.Signals): Promise<number | string | null> {
  const child = worker;
  if (!child) return null;
  child.kill(signal);
  await until(`the worker's end by ${signal}`, () => ended(child) !== null);
  return ended(child);
}

function ended(child: ChildProcess): number | string | null {
  return child.exitCode ?? child.signalCode;
}

// Its spool

/** The checksums of the delivered files, by name. */
const delivered = new Map<string, string>();

export function deliver(name: string, content: string | Buffer): void {
  if (name !== 'WEDGE') delivered.set(name, sha256(content));
  writeFileSync(join(spool, `${name}.tmp`), content);
  renameSync(join(spool, `${name}.tmp`), join(spool, name));
}

let round = 0;

/** Delivers a copy of the repository's sources under new names. */
export function deliverSources(): void {
  round++;
  for (const path of sources()) {
    deliver(`${round}-${relative(ROOT, path).replaceAll(/[/\\]/g, '-')}`, readFileSync(path));
  }
}

function sources(): string[] {
  return ['src', 'test', 'docs'].flatMap((name) =>
    readdirSync(join(ROOT, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
}

export function waiting(): string[] {
  return readdirSync(spool).filter((name) => name !== 'done');
}

/** The number of done files. Throws unless each is as it was delivered and is listed once. */
export function checkDone(): number {
  const manifest = readFileSync(join(done, 'MANIFEST'), 'utf8').trimEnd().split('\n');
  for (const [name, sum] of delivered) {
    expectEqual(`the content of ${name}.gz`, sha256(gunzipSync(readFileSync(join(done, `${name}.gz`)))), sum);
    const lines = manifest.filter((line) => line.endsWith(`  ${name}`));
    expectEqual(`MANIFEST on ${name}`, lines.join('\n'), `${sum}  ${name}`);
  }
  expectEqual('the length of MANIFEST', manifest.length, delivered.size);
  return delivered.size;
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

// The probes

const DIST = join(ROOT, 'dist');
const shells = ['sh', 'dash', 'busybox sh', 'bash'];
const hasProc = existsSync('/proc/uptime');
const missing = shells.filter((shell) => {
  const [command = '', ...args] = shell.split(' ');
  return spawnSync(command, [...args, '-c', ':']).status !== 0;
});

const probes: { name: string; command: string[] }[] = [
  { name: "the worker's liveness.js", command: [process.execPath, 'dist/liveness.js'] },
  { name: 'liveness.js', command: [process.execPath, join(DIST, 'liveness.js')] },
];
for (const shell of shells.filter((shell) => hasProc && !missing.includes(shell))) {
  probes.push({ name: `liveness.sh (${shell})`, command: [...shell.split(' '), join(DIST, 'liveness.sh')] });
}

export function sayWhatIsLeftOut(): void {
  if (!hasProc) say('Left out: liveness.sh, which needs /proc. The others judge by the wall clock without it.');
  else if (missing.length > 0) say(`Left out: liveness.sh under ${missing.join(', ')}: not on this machine.`);
}

/** Asks all probes at once, prints their answers, and expects each to begin with `verdict` and to contain `part`. */
export async function ask(verdict: string, part = ''): Promise<void> {
  const code = verdict.startsWith('alive') ? 0 : 1;
  const answers = await Promise.all(probes.map(async (probe) => ({ ...probe, ...(await run(probe.command)) })));
  for (const answer of answers) say(`  ${answer.name.padEnd(25)} ${answer.code}  ${answer.line}`);
  for (const { name, code: came, line } of answers) {
    if (came === code && line.startsWith(verdict) && line.includes(part)) continue;
    throw new Error(`expected of ${name} exit ${code} and "${verdict}...${part}"; got exit ${came} and "${line}"`);
  }
}

async function run([command = '', ...args]: string[]): Promise<{ code: number | string | null; line: string }> {
  const child = spawn(command, args, {
    cwd: WORKER,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_SECONDS * 1000,
    killSignal: 'SIGKILL',
  });
  let line = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (line += text));
  }
  await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  return { code: ended(child), line: line.trimEnd() };
}

// The output

let act = 0;

export function tell(text: string): void {
  act++;
  say(`\n${act}. ${text}`);
}

export function say(text: string): void {
  console.log(text);
}

export function expectEqual<T>(what: string, came: T, expected: T): void {
  if (came !== expected) throw new Error(`expected ${what} to be ${String(expected)}; got ${String(came)}`);
}

/** Waits until `isTrue` returns true; throws after PATIENCE_SECONDS. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_SECONDS * 1000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`expected ${what} within ${PATIENCE_SECONDS} s; it did not come`);
    await sleep(10);
  }
}
