// What the story uses: a temporary folder, the service's processes, a client, the probes.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { Timestamp, type DeathReason } from 'k8s-liveness';
import { LOOPS, type LoopName } from '../loops';

/** The maximumAge of every loop in the story, because their own minutes would take too long. */
export const LIMIT_SECONDS = 1.5;

/** Much longer than any step takes on an idle machine. */
const PATIENCE_SECONDS = 20;

const SERVICE = join(__dirname, '..', '..'); // from dist/story

const folder = mkdtempSync(join(tmpdir(), 'loops-'));
const LIVENESS_DIRECTORY = join(folder, 'liveness');
const DATA = join(folder, 'data');
const ARCHIVE = join(DATA, 'archive');
const FAULTS = join(folder, 'faults');
mkdirSync(FAULTS);

// Service and probes share one environment, as in a container. Variables of the caller must not silence or slow them.
const environment = {
  ...process.env,
  LIVENESS_DIRECTORY,
  DATA,
  FAULTS,
  HOST: '127.0.0.1',
  PORT: '0',
  MAXIMUM_AGE_SECONDS: String(LIMIT_SECONDS),
  LOG_LEVEL: '',
  NODE_OPTIONS: '',
};

let service: ChildProcess | undefined;

// Runs at every end: success, failure or Ctrl-C.
process.on('exit', () => {
  killService();
  // With retries, because a killed process may still make a file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, () => process.exit(code));
}

// The service

let address = '';

export function start(): void {
  // In its own process group, so that all its processes end at once, as in a container, also those that spin.
  service = spawn(process.execPath, ['dist/main.js'], {
    cwd: SERVICE,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  if (!service.stdout) return;
  createInterface(service.stdout).on('line', (line) => {
    const [, listening] = /^listening on (.*)/.exec(line) ?? [];
    if (listening !== undefined) address = listening;
    else say(`  service: ${line}`);
  });
}

function killService(): void {
  try {
    if (service?.pid !== undefined) process.kill(-service.pid, 'SIGKILL');
  } catch {
    // All processes of the group have ended.
  }
}

/** Ends the service, and settles with the exit code or signal of its main process. */
export async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string | null> {
  const main = service;
  if (!main) return null;
  if (signal === 'SIGKILL') killService();
  else main.kill(signal);
  await until(`the end of the service by ${signal}`, () => ended(main) !== null);
  return ended(main);
}

function ended(child: ChildProcess): number | string | null {
  return child.exitCode ?? child.signalCode;
}

/** Breaks that loop, and every loop that is started in its place, until mendLoop(). */
export function breakLoop(name: LoopName, what: 'hang' | 'spin' | 'exit'): void {
  writeFileSync(join(FAULTS, name), what);
}

export function mendLoop(name: LoopName): void {
  rmSync(join(FAULTS, name));
}

// Its client

const posting = new Set<Promise<void>>();
let clock: NodeJS.Timeout | undefined;
let posted = 0;
let answered = 0;
let again = 0;

/** How many events web workers have accepted. */
export function taken(): number {
  return answered;
}

/** How often an event had to be sent again. */
export function resent(): number {
  return again;
}

export function startPosting(): void {
  clock = setInterval(() => {
    const sending = post(`event ${posted++}`).finally(() => posting.delete(sending));
    posting.add(sending);
  }, 50);
}

/** Settles when every event has been accepted. */
export async function stopPosting(): Promise<void> {
  clearInterval(clock);
  await until('an answer to every event', () => posting.size === 0);
}

/** Sends the event until it is accepted, because a worker that gets it may die or hang. */
async function post(body: string): Promise<void> {
  for (;;) {
    try {
      const { status } = await fetch(`http://${address}`, { method: 'POST', body, signal: AbortSignal.timeout(1000) });
      if (status !== 204) throw new Error(`expected the answer 204; got ${status}`);
      answered++;
      return;
    } catch {
      again++;
      await sleep(50);
    }
  }
}

/** The batches that have reached the archive. */
export function archived(): string[] {
  return existsSync(ARCHIVE) ? readdirSync(ARCHIVE).filter((name) => !name.endsWith('.tmp')) : [];
}

/** Says how many events have reached the archive, or throws if one is missing. */
export function checkArchive(): string {
  const lines = archived().flatMap((name) =>
    gunzipSync(readFileSync(join(ARCHIVE, name)))
      .toString()
      .trimEnd()
      .split('\n'),
  );
  const events = new Set(lines.map((line) => JSON.parse(line) as string));
  for (let event = 0; event < posted; event++) {
    if (!events.has(`event ${event}`)) throw new Error(`expected event ${event} in the archive; it is not there`);
  }
  expectEqual('the number of events', events.size, posted);
  return `All ${posted} events are in the archive, although loops failed on their way.`;
}

// The probes

const DIST = join(SERVICE, '..', '..', 'dist');
const PATHS = LOOPS.map((name) => join(LIVENESS_DIRECTORY, name));
const hasProc = existsSync('/proc/uptime');
const shells = ['dash', 'busybox sh', 'bash'].filter((shell) => {
  const [command = '', ...args] = shell.split(' ');
  return hasProc && spawnSync(command, [...args, '-c', ':']).status === 0;
});

const commands = [
  [process.execPath, 'dist/liveness.js'],
  [process.execPath, join(DIST, 'liveness.js'), ...PATHS],
  ...shells.map((shell) => [...shell.split(' '), join(DIST, 'liveness.sh'), ...PATHS]),
];

export const PROBES =
  `${commands.length} probes: the service's own, and with all paths named, liveness.js and ` +
  (shells.length > 0 ? `liveness.sh (${shells.join(', ')})` : 'no liveness.sh, for lack of a shell or of /proc');

type Expected = Partial<Record<LoopName, DeathReason>>;

export function all(reason: DeathReason): Expected {
  return Object.fromEntries(LOOPS.map((name) => [name, reason]));
}

/** Waits until exactly these loops are dead, each for its reason. Then every probe must say so. */
export async function ask(expected: Expected): Promise<void> {
  const dead = LOOPS.filter((name) => name in expected);
  const [first] = dead;
  const code = first === undefined ? 0 : 1;
  const beginning =
    first === undefined ? `alive: ${LOOPS.length} of ${LOOPS.length}` : `dead: ${String(expected[first])}: `;
  const ending = first === undefined ? '' : `/${first}); ${dead.length} of ${LOOPS.length} dead`;
  const isRight = (answer: Answer): boolean =>
    answer.code === code && answer.line.startsWith(beginning) && answer.line.endsWith(ending);
  const deadline = performance.now() + PATIENCE_SECONDS * 1000;
  for (;;) {
    await until(`${JSON.stringify(expected)} of all loops`, () => isSo(expected));
    const answers = await Promise.all(commands.map(run));
    const wrong = answers.find((answer) => !isRight(answer));
    if (!wrong) {
      for (const line of new Set(answers.map(({ line }) => line))) say(`  ${code}  ${line}`);
      return;
    }
    // Asks again if the verdict has changed, because a busy machine may have held up another loop.
    if (isSo(expected) || performance.now() > deadline) {
      const { command, code: came, line } = wrong;
      throw new Error(
        `expected of ${command} exit ${code} and "${beginning}...${ending}"; got exit ${came} and "${line}"`,
      );
    }
  }
}

function isSo(expected: Expected): boolean {
  return LOOPS.every((name, at) => {
    const verdict = Timestamp.byRef(PATHS[at]).verdict();
    return (verdict.alive ? undefined : verdict.reason) === expected[name];
  });
}

/** Asks about the files that a glob of this machine's sh finds in the folder. */
export async function askGlob(found: number): Promise<void> {
  if (!hasProc) {
    say('  (left out: liveness.sh needs /proc)');
    return;
  }
  const { code, line } = await run(['sh', '-c', `sh '${join(DIST, 'liveness.sh')}' '${LIVENESS_DIRECTORY}'/*`]);
  say(`  ${code}  ${line}`);
  expectEqual('the answer', `${code} ${line}`, `0 alive: ${found} of ${found}`);
}

interface Answer {
  readonly command: string;
  readonly code: number | string | null;
  readonly line: string;
}

async function run([command = '', ...args]: string[]): Promise<Answer> {
  const child = spawn(command, args, {
    cwd: SERVICE,
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
  return { command: [command, ...args.slice(0, 1)].join(' '), code: ended(child), line: line.trimEnd() };
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
