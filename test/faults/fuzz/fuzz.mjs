// npm run fuzz [-- --cases N] [--seed S] [--case NUMBER]: mutates heartbeats and process directories, and asks Node, dash,
// busybox and bash. All must give the expected verdict, with one exit code and one line; otherwise it prints the case and exits 1.

import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCase } from './cases.mjs';
import { askAll, askOne } from './readers.mjs';

/** @typedef {import('./cases.mjs').Case} Case */
/** @typedef {import('./cases.mjs').Standing} Standing */

const DIST = resolve(import.meta.dirname, '../../../dist');
const BATCH = 1000;
/** One of so many cases is also asked of a new process of each reader. */
const SAMPLE = 500;
const MOST_SHOWN = 5;

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    case: { type: 'string' },
    // The test of the fuzzer passes a probe with a mistake here.
    script: { type: 'string', default: join(DIST, 'liveness.sh') },
  },
});
const seed = Number(values.seed);
const first = Number(values.case ?? 0);
const count = values.case === undefined ? Number(values.cases) : 1;
if (![seed, first, count].every(Number.isSafeInteger)) throw new Error('--cases, --seed and --case are whole numbers');

const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'k8s-liveness-fuzz-'));
chmodSync(root, 0o755);
const place = {
  probe: join(root, 'liveness.js'),
  script: join(root, 'liveness.sh'),
  node: process.execPath,
  // If content makes a shell run a command, the traces are here.
  cwd: join(root, 'cwd'),
  // Not as root, who may read every file.
  ...(process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
};
mkdirSync(place.cwd);
chmodSync(place.cwd, 0o777);
writeFileSync(join(place.cwd, '0'), '');
copyFileSync(join(DIST, 'liveness.js'), place.probe);
copyFileSync(values.script, place.script);
if (spawnSync(place.node, ['-e', ''], { uid: place.uid, gid: place.gid, cwd: '/' }).status !== 0) {
  place.node = join(root, 'node');
  copyFileSync(process.execPath, place.node);
  chmodSync(place.node, 0o755);
}

// Cases that need a FIFO or a socket get a hard link to this one.
const fifo = join(root, 'fifo');
spawnSync('mkfifo', [fifo]);
const socket = join(root, 'socket');
const server = createServer().listen(socket);
const parent = spawn('sh', ['-c', 'sleep .1 & echo $!; exec sleep 100000'], { stdio: ['ignore', 'pipe', 'ignore'] });
// Its standard input closes when we end for any reason, so it can clean up.
spawn('sh', ['-c', 'cat; kill "$1"; rm -rf "$2" "$2".*', 'sh', String(parent.pid), root], {
  stdio: ['pipe', 'ignore', 'ignore'],
  detached: true,
});

process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
process.on('exit', () => {
  parent.kill('SIGKILL');
  for (const batch of made) remove(batch);
  rmSync(root, { recursive: true, force: true });
});

/** @type {Set<ReturnType<typeof make>>} */
const made = new Set();
const world = await theWorld();
console.log(`seed ${seed}, ${count} cases`);
let asked = 0;
let sampled = 0;
/** @type {Map<string, number>} */
const tally = new Map();
let differences = 0;
let next = make(first);
const began = Date.now();
for (let from = first; from < first + count && differences === 0; from += BATCH) {
  const batch = next;
  const answering = askAll(batch.questions, place, `${batch.folder}.list`);
  if (from + BATCH < first + count) next = make(from + BATCH);
  await check(batch, await answering);
  remove(batch);
  asked += batch.cases.length;
  if ((asked / BATCH) % 50 === 0) console.log(`${asked} cases, ${((Date.now() - began) / 1000).toFixed(0)} s`);
}
if (values.case !== undefined && next.cases[0] && differences === 0) show('', next.cases[0].standing);
console.log(
  `seed ${seed}: ${asked} cases asked of node, dash, busybox and bash, ${sampled} also of processes of their own:`,
);
console.log(
  [...tally]
    .sort()
    .map(([verdict, times]) => `${times} ${verdict}`)
    .join(', '),
);
console.log(`${differences} differences`);
server.close();
process.exit(differences > 0 ? 1 : 0);

/** Processes that live, and pids that do not, for the whole run. */
async function theWorld() {
  const zombie = Number(await new Promise((settle) => parent.stdout.once('data', settle)));
  while (!readFileSync(`/proc/${zombie}/stat`, 'latin1').includes(') Z '))
    await new Promise((settle) => setTimeout(settle, 10));
  const thread = Number(readdirSync('/proc/self/task').find((id) => Number(id) !== process.pid));
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    living: new Map([process.pid, 1].map((pid) => [pid, startOf(`/proc/${pid}/stat`)])),
    gone: new Map([
      [zombie, startOf(`/proc/${zombie}/stat`)],
      [thread, startOf(`/proc/self/task/${thread}/stat`)],
      [99_999_999, 7],
      [999_999_999_999_999, 7],
    ]),
    isRoot: process.geteuid?.() === 0 && place.uid === undefined,
  };
}

/** Field 22. @param {string} stat */
function startOf(stat) {
  const text = readFileSync(stat, 'latin1');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
}

/** @param {number} from */
function make(from) {
  const folder = join(root, String(from));
  mkdirSync(folder);
  const uptime = Number(/^(\d+)\.(\d\d)/.exec(readFileSync('/proc/uptime', 'latin1'))?.slice(1).join(''));
  const now = { ...world, uptime, wall: Date.now() };
  const cases = Array.from({ length: Math.min(BATCH, first + count - from) }, (_, at) =>
    makeCase(seed, from + at, now),
  );
  const questions = cases.map(({ number, suffix, options, standing }) => {
    const path = join(folder, `${number}${suffix}`);
    put(path, standing);
    return { options, path: standing.kind === 'below' ? `${path}/timestamp` : path };
  });
  const batch = { folder, cases, questions };
  made.add(batch);
  return batch;
}

/** @param {ReturnType<typeof make>} batch */
function remove(batch) {
  made.delete(batch);
  // Only root could remove a folder that has no permissions.
  batch.cases.forEach(({ standing }, at) => {
    if (standing.files && standing.mode === 0) chmodSync(batch.questions[at]?.path ?? '', 0o755);
  });
  rmSync(batch.folder, { recursive: true });
  rmSync(`${batch.folder}.list`, { force: true });
}

/** @param {string} path @param {Standing} standing */
function put(path, { kind, bytes = Buffer.alloc(0), files = {}, mode }) {
  if (kind === 'file' || kind === 'below')
    writeFileSync(path, bytes, { mode: kind === 'file' ? (mode ?? 0o644) : 0o644 });
  if (kind === 'link') writeFileSync(`${path}+`, bytes);
  if (kind === 'link' || kind === 'dangling' || kind === 'linked') symlinkSync(`${path}+`, path);
  if (kind === 'fifo') linkSync(fifo, path);
  if (kind === 'socket') linkSync(socket, path);
  if (kind === 'directory' || kind === 'linked') {
    const folder = kind === 'linked' ? `${path}+` : path;
    mkdirSync(folder);
    for (const [name, standing] of Object.entries(files)) put(join(folder, name), standing);
    if (mode !== undefined) chmodSync(folder, mode);
  }
}

/** @param {ReturnType<typeof make>} batch @param {Map<string, string[]>} answers */
async function check({ cases, questions }, answers) {
  for (const [at, the] of cases.entries()) {
    const each = [...answers].map(([reader, all]) => /** @type {const} */ ([reader, all[at] ?? 'no answer']));
    const [[, line] = ['', '']] = each;
    // One line of printable ASCII and the exit code, and nothing else.
    // eslint-disable-next-line no-control-regex
    const [, alive, reason] = /^(?:(alive)|dead: ([a-z]+)): [ -~]{1,190}\n\x1e[01]$/.exec(line) ?? [];
    const verdict = alive ?? reason ?? 'no verdict';
    const isSound = verdict !== 'no verdict' && line.endsWith(alive ? '0' : '1');
    tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
    const isOne = each.every(([, answer]) => answer === line);
    if (!isOne || !isSound || (the.expected ?? verdict) !== verdict) report(the, each);
    if (the.number % SAMPLE !== 0 && count > 1) continue;
    sampled++;
    const real = [...(await askOne(questions[at] ?? { options: [], path: '' }, place))];
    if (real.every(([, answer]) => answer === line)) continue;
    report(the, [
      ...each,
      ...real.map(([reader, answer]) => /** @type {const} */ ([`${reader}, a process of its own`, answer])),
    ]);
  }
  const left = readdirSync(place.cwd);
  if (left.join() !== '0') {
    differences++;
    console.log(
      `content was executed: ${left.join(' ')} (by seed ${seed}, case ${cases[0]?.number} to ${cases.at(-1)?.number})`,
    );
  }
}

/** @param {Case} the @param {(readonly [string, string])[]} answers */
function report(the, answers) {
  differences++;
  if (differences > MOST_SHOWN) return;
  console.log(`\ndifference: npm run fuzz -- --seed ${seed} --case ${the.number}`);
  console.log(`  name ${JSON.stringify(`${the.number}${the.suffix}`)}, options ${JSON.stringify(the.options)}`);
  show('', the.standing);
  console.log(`  expected ${the.expected ?? 'one answer'}`);
  for (const [reader, answer] of answers) console.log(`  ${reader}: ${JSON.stringify(answer)}`);
}

/** @param {string} name @param {Standing} standing */
function show(name, { kind, bytes, files = {}, mode }) {
  const text = bytes ? JSON.stringify(bytes.subarray(0, 600).toString('latin1')) : '';
  const rest = bytes && bytes.length > 600 ? ` and so on, ${bytes.length} bytes` : '';
  console.log(`  ${name || 'path'}: ${kind}${mode === 0 ? ' without permissions' : ''} ${text}${rest}`);
  for (const [each, standing] of Object.entries(files)) show(`  ${each}`, standing);
}
