// docs/frameworks.md: tables of what every recipe was seen to do, and the recipes as they were run.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rows } from './rows.mjs';

const HERE = join(import.meta.dirname, '..');
export const PAGE = join(HERE, '../../docs/frameworks.md');
export const NONE = '–';

const TABLES = { wedges: 'dead', stresses: 'alive' };
const rowsOf = (table) => rows.filter(({ expect }) => expect === TABLES[table]);
const line = (cells) => `| ${cells.join(' | ')} |\n`;
const isRight = ({ expect }, cell) => cell === NONE || cell === 'recovers' || (expect === 'alive' ? cell === 'alive' : cell.startsWith('dead'));
const anchor = (title) => title.toLowerCase().replaceAll(/[^a-z0-9 -]/g, '').replaceAll(' ', '-');

/** Without the reason, which may depend on the moment. */
const settled = (text) => text?.replaceAll(/dead: [a-z]+/g, 'dead');

/** What users copy: what stands in the file between the two marks. */
export function recipeOf(name) {
  const text = readFileSync(join(HERE, `${name}.ts`), 'utf8');
  return /(?<=^\/\/ recipe\n)[^]*?(?=^\/\/ end of recipe$)/m.exec(text)?.[0] ?? '';
}

function block(page, name) {
  return new RegExp(`(?<=<!-- frameworks: ${name} -->\n)[^]*?(?=<!-- /frameworks: ${name} -->)`).exec(page)?.[0] ?? '';
}

/** The cells that stand on the page, by framework's title and row. */
function standing(page) {
  const cells = new Map();
  for (const table of Object.keys(TABLES)) {
    const [, , ...lines] = block(page, table).split('\n').filter((each) => each.startsWith('|'));
    for (const each of lines) {
      const [title, ...values] = each.slice(1, -1).split('|').map((cell) => cell.trim().replaceAll('**', ''));
      const own = cells.get(title.slice(1, title.indexOf(']'))) ?? new Map();
      for (const [index, { id }] of rowsOf(table).entries()) if (values[index]) own.set(id, values[index]);
      cells.set(title.slice(1, title.indexOf(']')), own);
    }
  }
  return cells;
}

function tableOf(table, all, cellOf) {
  const columns = rowsOf(table);
  return line(['', ...columns.map(({ row }) => row)]) + line(['---', ...columns.map(() => '---')]) + all.map(({ title }) => (
    line([`[${title}](#${anchor(title)})`, ...columns.map((row) => {
      const cell = cellOf(title, row.id);
      return cell && !isRight(row, cell) ? `**${cell}**` : (cell ?? '');
    })])
  )).join('');
}

/** A source in the framework: the file, as it is installed, and words that stand in it. */
function place({ file, text }) {
  return `\`${file}\`: \`${text.replaceAll('|', '\\|')}\``; // a bar ends a cell, also in code
}

function sectionOf(framework, cellOf, complain) {
  const { name, title, about, proof = [], none = {}, lost = {} } = framework;
  const proofs = proof.map(({ when, what, source }) => line([when, what, source ? place(source) : '']));
  const nones = Object.entries(none).map(([id, why]) => `- ${NONE} *${rows.find((row) => row.id === id).row}*: ${why}.\n`);
  const losses = rows.filter((row) => cellOf(title, row.id) && !isRight(row, cellOf(title, row.id))).map(({ id, row }) => {
    if (!lost[id]) complain(`${name}: nothing says why *${row}* is lost`);
    return `- **${cellOf(title, id)}** on *${row}*: ${lost[id]}\n`;
  });
  return [
    `### ${title}\n\n${about}\n\n`,
    `\`\`\`ts\n${recipeOf(name).trim()}\n\`\`\`\n\n`,
    proof.length > 0 ? `${line(['the consumer consumes', 'shown by', 'source'])}${line(['---', '---', '---'])}${proofs.join('')}\n` : '',
    [...losses, ...nones].join(''),
    losses.length + nones.length > 0 ? '\n' : '',
  ].join('');
}

/** Compares the page with what was found, or writes it. What was not run stays as it stood. */
export function update({ all, found, write, complain }) {
  const page = readFileSync(PAGE, 'utf8');
  const before = standing(page);
  const cellOf = (title, id) => {
    const { name } = all.find((framework) => framework.title === title);
    return found.get(name)?.get(id)?.cell ?? before.get(title)?.get(id);
  };
  for (const framework of all) {
    const { name, title, proof = [] } = framework;
    for (const { source } of proof) {
      const file = source && join(HERE, 'node_modules', source.file);
      if (source && !(existsSync(file) && readFileSync(file, 'utf8').includes(source.text))) complain(`${name}: ${source.file} does not say ${source.text}`);
    }
    for (const [id, { cell }] of found.get(name) ?? []) {
      const stood = before.get(title)?.get(id);
      if (!write && settled(stood) !== settled(cell)) complain(`${title}: ${id}: ${cell}, and the page says ${stood ?? 'nothing'}`);
    }
  }
  const blocks = {
    ...Object.fromEntries(Object.keys(TABLES).map((table) => [table, tableOf(table, all, cellOf)])),
    how: rows.map(({ row, how }) => `- **${row}**: ${how}.\n`).join(''),
    recipes: `\n${all.map((framework) => sectionOf(framework, cellOf, complain)).join('')}`,
  };
  let text = page;
  for (const [name, now] of Object.entries(blocks)) {
    const stood = block(text, name);
    if (!write && settled(stood) !== settled(now)) complain(`docs/frameworks.md: ${name} is not what this run would write`);
    const [begin, end] = [`<!-- frameworks: ${name} -->\n`, `<!-- /frameworks: ${name} -->`];
    text = text.replace(`${begin}${stood}${end}`, () => `${begin}${now}${end}`);
  }
  if (write) writeFileSync(PAGE, text);
}
