// node examples/frameworks/harness/run.mjs [--write] [--times=N] [FRAMEWORK|ROW...]: starts each recipe as a process on its real server, does to
// it what each row says, and asks the probe. Exits 1 where docs/frameworks.md says otherwise; --write puts that there instead.
// --times=N makes each cell N times.

import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { rows } from './rows.mjs';

const HERE = join(import.meta.dirname, '..');
const ROOT = join(HERE, '../..');
/** How many rows are made at a time. Most of a row is waiting. */
const BESIDE = Number(process.env.FRAMEWORKS_BESIDE ?? 16);

const print = (text) => { process.stderr.write(`${text}\n`); };
const complain = (text) => {
  print(`frameworks: ${text}`);
  process.exitCode = 1;
};

/** The frameworks with their dependencies, this library beside them, and the recipes compiled. */
function prepare() {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
  const isThere = Object.entries(dependencies).every(([name, version]) => {
    const file = join(HERE, 'node_modules', name, 'package.json');
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version;
  });
  if (!isThere) {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { status } = spawnSync('npm', ['ci', '--prefix', HERE, ...quiet], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error('npm cannot install the frameworks');
  }
  const link = join(HERE, 'node_modules/k8s-liveness');
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync('../../..', link);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', HERE], { encoding: 'utf8' });
  if (status !== 0) complain(`tsc:\n${stdout}`);
}

/** By name, the yardstick first. */
async function load() {
  const names = readdirSync(join(import.meta.dirname, 'frameworks')).map((file) => basename(file, '.mjs')).sort();
  const all = await Promise.all(names.map(async (name) => {
    const { default: framework } = await import(`./frameworks/${name}.mjs`);
    const none = rows.filter(({ id, rare, server = '' }) => rare && !framework.acts[id] && framework.server !== server).map(({ id, rare }) => [id, rare]);
    return { name, ...framework, none: { ...Object.fromEntries(none), ...framework.none } };
  }));
  return all.sort((a, b) => Number(b.yardstick ?? false) - Number(a.yardstick ?? false));
}

/** The servers that run, each shared by the rows of one framework, or of one row alone. */
const servers = new Set();
const stages = new Set();
const folder = mkdtempSync(join(tmpdir(), 'k8s-liveness-frameworks-'));
let stagesMade = 0;

async function startServer(name) {
  const { start } = await import(`./servers/${name}.mjs`);
  const server = await start(mkdtempSync(join(folder, `${name}-`)));
  servers.add(server);
  return server;
}

async function endServer(server) {
  servers.delete(server);
  await server?.end();
}

/** Makes one cell. */
async function make({ name, ...framework }, row, shared) {
  const own = row.ownServer && framework.server ? await startServer(framework.server) : undefined;
  const { Stage } = await import('./stage.mjs');
  const at = stagesMade++;
  const stage = new Stage({ name, framework, row, at, server: own ?? (await shared()), folder: join(folder, `${name}-${row.id}-${at}`) });
  stages.add(stage);
  try {
    await stage.open();
    return { ...(await stage.verdict()), oldest: stage.oldest };
  } finally {
    await stage.end();
    stages.delete(stage);
    await endServer(own);
  }
}

/** Makes all cells, some at a time; those that take long first. @returns cells by framework and row */
async function makeAll(chosen, isNamed, times) {
  const found = new Map(chosen.map(({ name }) => [name, new Map()]));
  const work = chosen.flatMap((framework) => {
    const own = rows.filter(({ id }) => isNamed(framework.name, id)).sort((a, b) => (b.watch ?? 0) - (a.watch ?? 0));
    const made = Array.from({ length: times }, () => own.filter(({ id }) => !framework.none?.[id])).flat();
    for (const { id } of own) if (framework.none?.[id]) found.get(framework.name).set(id, { cell: '–' });
    let [left, server] = [made.length];
    const shared = () => (framework.server ? (server ??= startServer(framework.server)) : undefined);
    return made.map((row) => async () => {
      const label = `${framework.name}: ${row.row}`;
      try {
        const { cell, line, oldest } = await make(framework, row, shared);
        const before = found.get(framework.name).get(row.id)?.cell ?? cell;
        if (before !== cell) complain(`${label}: once ${before}, once ${cell} (${line})`);
        found.get(framework.name).set(row.id, { cell, line });
        print(`${label}: ${cell} (oldest beat: ${Math.round(oldest * 100)} % of its limit; ${line})`);
      } catch (error) {
        complain(`${label}: ${error.message}`);
      } finally {
        if (--left === 0) await endServer(await server?.catch(() => undefined));
      }
    });
  });
  await Promise.all(Array.from({ length: BESIDE }, async () => {
    for (let next; (next = work.shift());) await next();
  }));
  return found;
}

async function endAll() {
  await Promise.all([...stages].map((stage) => stage.end()));
  await Promise.all([...servers].map(endServer));
  if (process.exitCode !== 1 || process.env.FRAMEWORKS_KEEP !== '1') rmSync(folder, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await endAll();
    process.exit(1);
  });
}

async function main(argv) {
  const write = argv.includes('--write');
  const times = Number(argv.find((arg) => arg.startsWith('--times='))?.slice('--times='.length) ?? 1);
  const named = argv.filter((arg) => !arg.startsWith('--'));
  prepare();
  const all = await load();
  const [names, ids] = [all.map(({ name }) => name), rows.map(({ id }) => id)];
  const unknown = named.find((name) => !names.includes(name) && !ids.includes(name));
  if (unknown) throw new Error(`expected some of ${[...names, ...ids].join(', ')}; got ${unknown}`);
  const isNamed = (name, id) => [[name, names], [id, ids]].every(([each, known]) => (
    named.includes(each) || !named.some((other) => known.includes(other))
  ));

  const chosen = [];
  for (const framework of all.filter(({ name }) => ids.some((id) => isNamed(name, id)))) {
    const missing = framework.server && (await import(`./servers/${framework.server}.mjs`)).missing();
    if (!missing) chosen.push(framework);
    else (process.env.LIVENESS_NO_SKIP === '1' ? complain : print)(`not verified: ${framework.name}: missing ${missing}`);
  }
  const found = await makeAll(chosen, isNamed, times);
  const { update } = await import('./page.mjs');
  update({ all, found, write, complain });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  complain(error.stack);
} finally {
  await endAll();
  process.exit(); // what a framework's client in here may leave open must not hold us up
}
