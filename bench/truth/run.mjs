// node bench/truth/run.mjs [--write] [wedges|stresses|ID...]: makes the tables of docs/truth.md by doing what each row says and
// asking every observer. If a page differs, it prints the differences and exits 1; --write updates the page instead.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { observers, OURS } from './observers.mjs';
import { Harness } from './harness.mjs';
import { stresses } from './stresses.mjs';
import { wedges } from './wedges.mjs';

/** livenessProbe: periodSeconds and failureThreshold. */
const PERIOD_MS = 1000;
const FAILURES = 3;
/** How often an observer is asked at most. If it has not decided dead by then, it counts as alive. */
const ASKS = 10;
/** How many rows are made at the same time. */
const BESIDE = 4;

const TABLES = [
  { name: 'wedges', scenarios: wedges, wrong: 'alive' },
  { name: 'stresses', scenarios: stresses, wrong: 'dead' },
];
/** Each table stands there between its markers. */
const PAGE = join(import.meta.dirname, '../../docs/truth.md');

/** Asks an observer from now on: dead after FAILURES failures in a row, otherwise alive, even if some failed. */
async function watch(ask, asks) {
  let failures = 0;
  const failed = [];
  for (let asked = 0; asked < asks; asked++) {
    const next = sleep(PERIOD_MS);
    const { alive, said } = await ask();
    failures = alive ? 0 : failures + 1;
    if (!alive) failed.push(said);
    if (failures === FAILURES) return { alive: false, said };
    await next;
  }
  const count = failed.length > 0 ? `${failed.length} of ${asks} failed` : '';
  return { alive: true, said: [...new Set(failed)].join('; '), count };
}

/** A service must be alive to every observer before anything is done to it. */
async function expectAlive(observer, ask) {
  let answer;
  for (const end = Date.now() + 90_000; Date.now() < end; await sleep(PERIOD_MS)) {
    answer = await ask();
    if (answer.alive) return;
  }
  throw new Error(`${observer.name} does not say alive of a service that is well: ${answer.said}`);
}

/** Makes one row: its cells by observer. */
async function make(scenario) {
  const harness = new Harness();
  harnesses.add(harness);
  try {
    const prepared = await scenario.prepare(harness);
    const refused = prepared.refused ?? [];
    const asked = observers.filter(({ name }) => !refused.includes(name));
    const ask = prepared.ask ?? ((observer, target) => observer.ask(target));
    await Promise.all(asked.map((observer) => expectAlive(observer, () => ask(observer, prepared.target))));
    const target = (await prepared.act()) ?? prepared.target;
    const cells = new Map(refused.map((name) => [name, 'refused']));
    await Promise.all(
      asked.map(async (observer, index) => {
        await sleep((index / asked.length) * PERIOD_MS); // spread over a period, because all at once would be too slow and time out
        const { alive, said, count } = await watch(() => ask(observer, target), scenario.asks ?? ASKS);
        const reason = OURS.includes(observer.name) ? (/^dead: ([a-z]+):/.exec(said)?.[1] ?? said) : '';
        const cell = (alive ? ['alive', count] : ['dead', reason]).filter(Boolean).join(': ');
        cells.set(observer.name, cell);
        print(`${scenario.id}: ${observer.name}: ${cell} ${said.replaceAll('\n', ' ')}`);
      }),
    );
    return cells;
  } finally {
    await harness.end();
    harnesses.delete(harness);
  }
}

const harnesses = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await Promise.all([...harnesses].map((harness) => harness.end()));
    process.exit(1);
  });
}

/** @returns {Promise<Map<string, Map<string, string>>>} cells by row and observer */
async function makeAll(scenarios) {
  const rows = new Map();
  const work = async (queue) => {
    for (let scenario; (scenario = queue.shift());) {
      try {
        rows.set(scenario.row, await make(scenario));
      } catch (error) {
        complain(`${scenario.id}: ${error.message}`);
      }
    }
  };
  const beside = scenarios.filter(({ alone }) => !alone);
  await Promise.all(Array.from({ length: BESIDE }, () => work(beside)));
  await work(scenarios.filter(({ alone }) => alone));
  return rows;
}

const NAMES = observers.map(({ name }) => name);
const line = (cells) => `| ${cells.join(' | ')} |\n`;
const head = (cells) => line(cells) + line(cells.map(() => '---'));

/** A table, what was done for each row, and what this library does not see. A wrong cell is bold. */
function markdown({ name, scenarios, wrong }, rows) {
  const isWrong = (cell) => cell?.startsWith(wrong);
  const shown = scenarios.filter(({ row }) => rows.has(row));
  const table = shown.map(({ row }) => {
    const cells = NAMES.map((observer) => rows.get(row).get(observer));
    return line([row, ...cells.map((cell) => (isWrong(cell) ? `**${cell}**` : cell))]);
  });
  const why = new Map();
  for (const { id, row, lost = {} } of shown) {
    for (const observer of OURS) {
      if (!isWrong(rows.get(row).get(observer))) continue;
      if (!lost[observer]) complain(`${id}: nothing says why ${observer} says ${wrong}`);
      const losses = why.get(lost[observer]) ?? why.set(lost[observer], new Map()).get(lost[observer]);
      losses.set(row, [...(losses.get(row) ?? []), observer]);
    }
  }
  const losses = [...why].map(([reason, losses]) => `- ${inWords(losses)}: ${reason}.\n`);
  return [
    `${head(['', ...NAMES])}${table.join('')}\n`,
    ...shown.map(({ row, how }) => `- **${row}**: ${how}.\n`),
    losses.length > 0 ? `\n### ${name === 'wedges' ? 'Does not detect' : 'Does not bear'}\n\n${losses.join('')}` : '',
  ].join('');
}

/** The lost rows by observer: `**liveness.js** and **liveness.sh**, on *error set*`. */
function inWords(losses) {
  const rowsOf = new Map();
  for (const [row, who] of losses) {
    const names = who.map((name) => `**${name}**`).join(' and ');
    rowsOf.set(names, [...(rowsOf.get(names) ?? []), `*${row}*`]);
  }
  return [...rowsOf].map(([names, rows]) => `${names}, on ${rows.join(', ')}`).join('; ');
}

/** How many rows of each table each observer gets right. */
function summary(tables) {
  const [dead, alive] = tables.map(({ rows }) => rows.size);
  const right = (observer) =>
    tables.map(
      ({ rows, wrong }) => [...rows.values()].filter((cells) => !cells.get(observer).startsWith(wrong)).length,
    );
  return (
    head(['', `sees, of ${dead} wedges`, `bears, of ${alive} stresses`]) +
    NAMES.map((observer) => line([observer, ...right(observer)])).join('')
  );
}

/** The text between the markers of a block on a page; undefined if there is no such block. */
function standing(page, name) {
  return new RegExp(`(?<=<!-- truth: ${name} -->\n)[^]*?(?=<!-- /truth: ${name} -->)`).exec(page)?.[0];
}

/** Cells by row and observer. */
function parse(table = '') {
  const lines = table.split('\n').filter((each) => each.startsWith('|'));
  const [, , ...rows] = lines.map((each) =>
    each
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('**', '')),
  );
  return new Map(rows.map(([row, ...cells]) => [row, new Map(cells.map((cell, index) => [NAMES[index], cell]))]));
}

/** Without the number of failures of an alive cell, because it depends on the times of the probes. */
const settled = (text) => text?.replaceAll(/alive: \d+ of \d+ failed/g, 'alive');

/** Installs the libraries that ours is compared with, from npm. */
function installPeers() {
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'));
  const isThere = Object.entries(dependencies).every(([name, version]) => {
    const file = join(import.meta.dirname, 'node_modules', name, 'package.json');
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version;
  });
  if (isThere) return;
  const quiet = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...(process.env.CI ? [] : ['--fetch-retries=1']),
  ];
  const command = ['ci', '--prefix', import.meta.dirname, ...quiet];
  const { status } = spawnSync('npm', command, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error('npm cannot install what the library is compared with');
}

const print = (text) => {
  process.stderr.write(`${text}\n`);
};
/** Under LIVENESS_NO_SKIP=1 a row that is left out is a failure. */
const leaveOut = (text) => {
  (process.env.LIVENESS_NO_SKIP === '1' ? complain : print)(text);
};
const complain = (text) => {
  print(`truth: ${text}`);
  process.exitCode = 1;
};

async function main(argv) {
  const write = argv.includes('--write');
  const named = argv.filter((arg) => arg !== '--write');
  const known = TABLES.flatMap(({ name, scenarios }) => [name, ...scenarios.map(({ id }) => id)]);
  const unknown = named.find((name) => !known.includes(name));
  if (unknown) throw new Error(`expected some of ${known.join(', ')}; got ${unknown}`);
  installPeers();

  const page = readFileSync(PAGE, 'utf8');
  const tables = [];
  for (const table of TABLES) {
    const isNamed = ({ id }) => named.length === 0 || named.includes(table.name) || named.includes(id);
    const chosen = table.scenarios.filter(isNamed);
    for (const { row, missing } of chosen) {
      if (missing) leaveOut(`not verified: ${table.name}: ${row}: missing ${missing}`);
    }
    const made = await makeAll(chosen.filter(({ missing }) => !missing));
    const before = parse(standing(page, table.name));
    for (const [row, cells] of made) {
      for (const name of NAMES) {
        const [stood, cell] = [before.get(row)?.get(name), cells.get(name)];
        if (write || settled(stood) === settled(cell)) continue;
        complain(`${row}: ${name}: ${cell}, and the page says ${stood ?? 'nothing'}`);
      }
    }
    const rows = new Map(
      table.scenarios.map(({ row }) => [row, made.get(row) ?? before.get(row)]).filter(([, cells]) => cells),
    );
    tables.push({ ...table, rows });
  }
  const blocks = [...tables.map((table) => [table.name, markdown(table, table.rows)]), ['summary', summary(tables)]];
  let text = page;
  for (const [name, block] of blocks) {
    const stood = standing(text, name);
    if (settled(stood) === settled(block)) continue;
    if (!write) complain(`${basename(PAGE)}: ${name} are not what this run would write`);
    const [begin, end] = [`<!-- truth: ${name} -->\n`, `<!-- /truth: ${name} -->`];
    text = text.replace(`${begin}${stood}${end}`, () => `${begin}${block}${end}`);
  }
  if (write) writeFileSync(PAGE, text);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  complain(error.message);
}
