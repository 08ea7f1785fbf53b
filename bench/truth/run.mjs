// node bench/truth/run.mjs [--write] [wedges|stresses|ID...]: makes the tables of docs/truth.md by doing what each row says and
// asking every observer. Says where a cell differs from the page, and exits 1 then; --write puts what it saw there instead.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { observers, OURS } from './observers.mjs';
import { Stage } from './stage.mjs';
import { stresses } from './stresses.mjs';
import { wedges } from './wedges.mjs';

/** livenessProbe: periodSeconds and failureThreshold. */
const PERIOD_MS = 1000;
const FAILURES = 3;
/** How often an observer is asked before it counts as one that says alive. */
const ASKS = 10;
/** How many rows are made at a time. */
const BESIDE = 4;

const ROOT = join(import.meta.dirname, '../..');
const TABLES = [
  { name: 'wedges', scenarios: wedges, wrong: 'alive', file: 'docs/truth.md' },
  { name: 'stresses', scenarios: stresses, wrong: 'dead', file: 'docs/truth.md' },
];

/** One observer's answers from now on: dead after FAILURES failures in a row, alive after as many asks. */
async function watch(observer, current, asks) {
  let failures = 0;
  for (let asked = 0; asked < asks; asked++) {
    const next = sleep(PERIOD_MS);
    const { alive, said } = await observer.ask(current());
    failures = alive ? 0 : failures + 1;
    if (failures === FAILURES) return { alive: false, said };
    await next;
  }
  return { alive: true, said: '' };
}

/** Before anything is done to it, a service is alive to everyone. */
async function expectAlive(observer, target) {
  let answer;
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(PERIOD_MS)) {
    answer = await observer.ask(target);
    if (answer.alive) return;
  }
  throw new Error(`${observer.name} does not say alive of a service that is well: ${answer.said}`);
}

/** Makes one row: its cells by observer. */
async function make(scenario) {
  const stage = new Stage();
  stages.add(stage);
  try {
    const prepared = await scenario.prepare(stage);
    const refused = prepared.refused ?? [];
    const asked = observers.filter(({ name }) => !refused.includes(name));
    await Promise.all(asked.map((observer) => expectAlive(observer, prepared.target)));
    const target = (await prepared.act()) ?? prepared.target;
    const cells = new Map(refused.map((name) => [name, 'refused']));
    await Promise.all(asked.map(async (observer) => {
      const { alive, said } = await watch(observer, () => target, scenario.asks ?? ASKS);
      const reason = OURS.includes(observer.name) ? (/^dead: ([a-z]+):/.exec(said)?.[1] ?? said) : '';
      cells.set(observer.name, alive ? 'alive' : ['dead', reason].filter(Boolean).join(': '));
      print(`${scenario.id}: ${observer.name}: ${alive ? 'alive' : 'dead'} ${said.replaceAll('\n', ' ')}`);
    }));
    return cells;
  } catch (error) {
    throw new Error(`${scenario.id}: ${error.message}`, { cause: error });
  } finally {
    await stage.end();
    stages.delete(stage);
  }
}

const stages = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await Promise.all([...stages].map((stage) => stage.end()));
    process.exit(1);
  });
}

/** @returns {Promise<Map<string, Map<string, string>>>} cells by row and observer */
async function makeAll(scenarios) {
  const rows = new Map();
  const queue = scenarios.filter(({ alone }) => !alone);
  const work = async (from) => {
    for (let scenario; (scenario = from.shift());) rows.set(scenario.row, await make(scenario));
  };
  await Promise.all(Array.from({ length: BESIDE }, () => work(queue)));
  await work(scenarios.filter(({ alone }) => alone));
  return rows;
}

const markers = (name) => [`<!-- truth: ${name} -->\n`, `<!-- /truth: ${name} -->`];

/** A table as Markdown: a wrong cell stands out. */
function markdown(rows, wrong) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const names = observers.map(({ name }) => name);
  const cell = (text = '') => (text.startsWith(wrong) ? `**${text}**` : text);
  return [
    line(['', ...names]),
    line(['', ...names].map(() => '---')),
    ...[...rows].map(([row, cells]) => line([row, ...names.map((name) => cell(cells.get(name)))])),
  ].join('\n') + '\n';
}

/** The table that stands on a page: cells by row and observer. */
function standing(page, name) {
  const [begin, end] = markers(name);
  const text = page.slice(page.indexOf(begin) + begin.length, page.indexOf(end));
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const [head = [], , ...rows] = lines.map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim().replaceAll('**', '')));
  return new Map(rows.map(([row, ...cells]) => [row, new Map(cells.map((cell, index) => [head[index + 1], cell]))]));
}

function installPeers() {
  const require = createRequire(import.meta.url);
  const { dependencies } = require('./package.json');
  const isThere = Object.entries(dependencies).every(([name, version]) => {
    try {
      return JSON.parse(readFileSync(join(import.meta.dirname, 'node_modules', name, 'package.json'), 'utf8')).version === version;
    } catch {
      return false;
    }
  });
  if (isThere) return;
  const command = ['ci', '--prefix', import.meta.dirname, '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
  const { status } = spawnSync('npm', command, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error('npm cannot install what the library is compared with');
}

const print = (line) => { process.stderr.write(`${line}\n`); };

async function main(argv) {
  const write = argv.includes('--write');
  const named = argv.filter((arg) => !arg.startsWith('--'));
  const ids = TABLES.flatMap(({ name, scenarios }) => [name, ...scenarios.map(({ id }) => id)]);
  const unknown = named.find((name) => !ids.includes(name));
  if (unknown) throw new Error(`expected some of ${ids.join(', ')}; got ${unknown}`);
  installPeers();

  let differences = 0;
  for (const { name, scenarios, wrong, file } of TABLES) {
    const chosen = scenarios.filter(({ id }) => named.length === 0 || named.includes(name) || named.includes(id));
    if (chosen.length === 0) continue;
    const path = join(ROOT, file);
    const made = await makeAll(chosen);
    const page = readFileSync(path, 'utf8');
    const before = standing(page, name);
    for (const [row, cells] of made) {
      for (const [observer, cell] of cells) {
        const stood = before.get(row)?.get(observer);
        if (stood === cell) continue;
        differences++;
        print(`${row}: ${observer}: ${cell}, and ${file} says ${stood ?? 'nothing'}`);
      }
    }
    const rows = new Map(scenarios.map(({ row }) => [row, made.get(row) ?? before.get(row)]).filter(([, cells]) => cells));
    const table = markdown(rows, wrong);
    process.stdout.write(table);
    if (write) {
      const [begin, end] = markers(name);
      writeFileSync(path, page.slice(0, page.indexOf(begin) + begin.length) + table + page.slice(page.indexOf(end)));
    }
  }
  return differences > 0 && !write ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  print(`truth: ${error.message}`);
  process.exitCode = 1;
}
