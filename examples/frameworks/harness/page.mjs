// docs/frameworks.md: a table of what every recipe was seen to do, and the recipes as they were run.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { polled } from './list.mjs';
import { rows } from './rows.mjs';

const HERE = join(import.meta.dirname, '..');
export const PAGE = join(HERE, '../../docs/frameworks.md');
export const NONE = '–';

const line = (cells) => `| ${cells.join(' | ')} |\n`;
const isRight = ({ expect }, cell) => [expect, NONE, 'recovers'].includes(cell);
const rowOf = (wanted) => rows.find(({ id }) => id === wanted).row;

/** Without the reason, which may depend on the moment. */
const short = (cell) => cell?.replace(/^dead: [a-z]+/, 'dead');

/** What users copy: what stands in the file between the two marks. */
export function recipeOf(name) {
  const text = readFileSync(join(HERE, `${name}.ts`), 'utf8');
  return /(?<=^\/\/ recipe\n)[^]*?(?=^\/\/ end of recipe$)/m.exec(text)?.[0].trim() ?? '';
}

function block(page, name) {
  return new RegExp(`(?<=<!-- frameworks: ${name} -->\n)[^]*?(?=<!-- /frameworks: ${name} -->)`).exec(page)?.[0] ?? '';
}

/** The cells that stand on the page, by framework's title and row. A row that is not in the table comes out as expected for all. */
function standing(page) {
  const [head = '', , ...lines] = block(page, 'cells').split('\n').filter((each) => each.startsWith('|'));
  const split = (each) => each.slice(1, -1).split('|').map((cell) => cell.trim().replaceAll('**', ''));
  const [, ...names] = split(head);
  return new Map(lines.map((each) => {
    const [link, ...cells] = split(each);
    const title = link.replace(/^\[(.*)\]\(.*\)$/, '$1');
    return [title, new Map(rows.map(({ id, row, expect }) => [id, names.includes(row) ? cells[names.indexOf(row)] : expect]))];
  }));
}

/** Those that a row exists for, if it is one that few have. */
const having = ({ id, rare }, all) => all.filter(({ none }) => !rare || !none?.[id]);
const isExpected = (row, all, cellOf) => having(row, all).every((framework) => cellOf(framework, row.id) === row.expect);
const anchor = (title) => title.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-');

function tableOf(all, cellOf) {
  const columns = rows.filter((row) => !isExpected(row, all, cellOf));
  return line(['', ...columns.map(({ row }) => row)]) + line(['---', ...columns.map(() => '---')]) + all.map((framework) => (
    line([`[${framework.title}](#${anchor(framework.title)})`, ...columns.map((row) => {
      const cell = cellOf(framework, row.id);
      return cell && !isRight(row, cell) ? `**${cell}**` : (cell ?? '');
    })])
  )).join('');
}

/** What each row does, and the reason of each cell that is not as expected. */
function listOf(all, cellOf, complain) {
  return rows.map((row) => {
    const reasons = new Map(); // titles, by reason
    for (const framework of all) {
      const cell = cellOf(framework, row.id);
      if (!cell || cell === row.expect || framework.none?.[row.id] === (row.rare ?? '')) continue;
      const why = reasonOf(framework, row, cell);
      if (!why) complain(`${framework.name}: nothing says why *${row.row}* is ${cell}`);
      reasons.set(why, [...(reasons.get(why) ?? []), framework.title]);
    }
    const said = [...reasons].sort().map(([why, titles]) => ` ${why}${why?.startsWith(NONE) ? '' : ` (${titles.join('; ')})`}.`);
    return `- **${row.row}**${isExpected(row, all, cellOf) ? ` (${row.rare ? having(row, all).map(({ title }) => title).join('; ') : 'all'}: ${row.expect})` : ''}: ${row.how}.${said.join('')}\n`;
  }).join('');
}

function reasonOf({ none, lost, recovers }, { id }, cell) {
  if (cell === NONE) return none?.[id] && `${NONE}: ${none[id]}`;
  if (cell === 'recovers') return recovers?.[id] && `*recovers*: ${recovers[id].why}, \`${place(recovers[id].source)}\``;
  return lost?.[id] && `**${cell}**: ${lost[id].replace(/\.$/, '')}`;
}

const isOurs = (file) => file.startsWith('./');
const pathOf = (file) => (isOurs(file) ? join(HERE, file) : join(HERE, 'node_modules', file));

/** A text that stands twice would have the wrong line. */
const timesIn = ({ file, text }) => (existsSync(pathOf(file)) ? readFileSync(pathOf(file), 'utf8').split(text).length - 1 : 0);

/** A place in a framework's source, as it is installed: the package, unless it is the recipe's first one, the file's name and line. */
function place({ file, text }, [first] = []) {
  if (isOurs(file)) return file.slice(2);
  const before = existsSync(pathOf(file)) ? readFileSync(pathOf(file), 'utf8').split(text)[0] : '';
  const [, name] = /^(@[^/]+\/[^/]+|[^/]+)/.exec(file);
  return `${name === first ? '' : `${name}/…/`}${basename(file)}:${before.split('\n').length}`;
}

/** A file of ours, whole, but without the comment on its first line. */
function codeOf(name) {
  const text = readFileSync(join(HERE, `${name}.ts`), 'utf8').replace(/^\/\/.*\n\n/, '');
  return `\`\`\`ts\n// ${name}.ts\n${text}\`\`\`\n`;
}

function sectionOf({ name, title, about, install, proof }) {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
  const packages = install.map((each) => `${each}@${dependencies[each]}`).join(' ');
  const proofs = proof.filter((each) => !polled.includes(each)).map(({ when, what, source }) => `- ${when}: ${what} (\`${place(source, install)}\`)\n`);
  return [
    `### ${title}\n\n${packages && `\`npm install ${packages}\`. `}${about}\n\n`,
    `\`\`\`ts\n${recipeOf(name)}\n\`\`\`\n\n`,
    proofs.join(''),
    '\n',
  ].join('');
}

/** Compares the page with what was found, or writes it. What was not run stays as it stood. */
export function update({ all, found, write, complain }) {
  const page = readFileSync(PAGE, 'utf8');
  const before = standing(page);
  const cellOf = ({ name, title, none }, id) => none?.[id] ? NONE : short(found.get(name)?.get(id)?.cell) ?? before.get(title)?.get(id);
  for (const framework of all) {
    const { name, title, proof, none = {}, lost = {}, recovers = {} } = framework;
    for (const { what, why, source } of [...proof, ...Object.values(recovers)]) {
      if (!source) complain(`${name}: no source says: ${what ?? why}`);
      else if (timesIn(source) === 0) complain(`${name}: ${source.file} does not say ${source.text}`);
      else if (timesIn(source) > 1 && !isOurs(source.file)) complain(`${name}: ${source.file} says more than once ${source.text}`);
    }
    for (const id of Object.keys({ ...none, ...lost, ...recovers })) rowOf(id);
    for (const [id, { cell }] of found.get(name) ?? []) {
      if (none[id]) continue; // the page's list has its reason
      const stood = before.get(title)?.get(id);
      if (!write && stood !== short(cell)) complain(`${title}: ${id}: ${cell}, and the page says ${stood ?? 'nothing'}`);
    }
  }
  const blocks = {
    cells: tableOf(all, cellOf),
    rows: listOf(all, cellOf, complain),
    shared: ['timestamp', 'work'].map(codeOf).join('\n'),
    recipes: `\n${all.map(sectionOf).join('')}`,
    polled: polled.map(({ when, what, source }) => `- ${when}: ${what} (\`${place(source)}\`)\n`).join(''),
  };
  let text = page;
  for (const [name, now] of Object.entries(blocks)) {
    const stood = block(text, name);
    if (!write && stood !== now) complain(`docs/frameworks.md: ${name} is not what this run would write`);
    const [begin, end] = [`<!-- frameworks: ${name} -->\n`, `<!-- /frameworks: ${name} -->`];
    text = text.replace(`${begin}${stood}${end}`, () => `${begin}${now}${end}`);
  }
  if (write) writeFileSync(PAGE, text);
}
