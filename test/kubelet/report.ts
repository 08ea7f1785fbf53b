// What a run has measured, as the tables of docs/kubernetes.md.

import { readFileSync, writeFileSync } from 'node:fs';
import type { Bounds, Delays } from '../../src/kubelet';
import { formatLimit } from '../../src/duration';

const PAGE = 'docs/kubernetes.md';
const BEGIN = '<!-- measured: made by npm run test:kubelet -->\n';
const END = '<!-- /measured -->\n';

/** What one run of a probe costs, in seconds: by the clock, of the container's CPU, of the node's. */
export interface Cost {
  readonly wall: number;
  readonly inside: number;
  readonly node: number;
}

type Row = readonly string[];

export class Report {
  readonly #bounds: { row: Row; order: number }[] = [];
  readonly #stalls: number[] = [];
  #stallBound = 0;
  #failures = 0;
  readonly #texts = new Map<string, string>();
  readonly #costs: Row[] = [];
  readonly #figures = new Map<string, string>();

  /** A decision, in seconds since the last beat. */
  decision(setting: string, { earliest, latest }: Bounds, measured: number, { start, act }: Delays): void {
    const delays = `${milliseconds(start)}, ${milliseconds(act)}`;
    this.#bounds.push({
      row: [setting, `${words(earliest)} to ${words(latest)}`, words(measured), delays],
      order: latest,
    });
  }

  add(setting: string, predicted: string, measured: number | string): void {
    const text = typeof measured === 'number' ? words(measured) : measured;
    this.#bounds.push({ row: [setting, predicted, text, ''], order: Infinity });
  }

  stalls(bound: number, lengths: readonly number[], failures: number): void {
    this.#stallBound = bound;
    this.#stalls.push(...lengths);
    this.#failures += failures;
  }

  text(when: string, text = ''): void {
    this.#texts.set(
      when,
      text
        .trimEnd()
        .replaceAll(/[0-9a-f]{64}/g, 'ID')
        .replaceAll(/\s+/g, ' '),
    );
  }

  cost(kind: string, bare: Cost, whole: Cost): void {
    const cells = [bare.wall, bare.inside, whole.wall, whole.inside, whole.node].map(milliseconds);
    this.#costs.push([`\`${kind}\``, ...cells]);
  }

  figure(what: string, number: number, unit: string): void {
    this.#figures.set(what, `${Number(number.toPrecision(3))} ${unit}`.trim());
  }

  toString(): string {
    const stalls = [
      `${this.#stalls.length} stalls above the limit, \`--maximum-age 6s --period 4s --timeout 2s\``,
      `no restart under ${words(this.#stallBound)}`,
      `no restart by ${words(Math.min(...this.#stalls))} to ${words(Math.max(...this.#stalls))}; ${this.#failures} failed probes`,
      '',
    ];
    const bounds = this.#bounds.sort(
      (one, other) => Math.sign(one.order - other.order) || (one.row[0] ?? '').localeCompare(other.row[0] ?? ''),
    );
    const sorted = (entries: Map<string, string>): [string, string][] =>
      [...entries].sort(([one], [other]) => one.localeCompare(other));
    return [
      table(
        ['setting', 'predicted', 'measured', 'longest probe, time to act'],
        [...bounds.map(({ row }) => row), stalls],
      ),
      table(
        ['when', "the kubelet's event"],
        sorted(this.#texts).map(([when, text]) => [when, `\`${text}\``]),
      ),
      table(['one probe', 'by itself', '… CPU', 'as an exec', "… container's CPU", "… node's CPU"], this.#costs),
      table(['besides', ''], sorted(this.#figures)),
    ].join('\n');
  }

  /** Writes the tables into the page. */
  write(): void {
    const [before, , after] = this.#page();
    writeFileSync(PAGE, `${before}${BEGIN}\n${this.toString()}\n${END}${after}`);
  }

  /** The tables of this run and of the page, without what is measured. */
  shapes(): { ours: string[][]; page: string[][] } {
    return { ours: shape(this.toString()), page: shape(this.#page()[1]) };
  }

  #page(): [string, string, string] {
    const page = readFileSync(PAGE, 'utf8');
    const [before, rest] = page.split(BEGIN);
    const [tables, after] = rest?.split(END) ?? [];
    if (before === undefined || tables === undefined || after === undefined)
      throw new Error(`expected marks in ${PAGE}`);
    return [before, tables, after];
  }
}

/** 9.7s, or 2m41s from a minute on. */
export function words(seconds: number): string {
  const rounded = seconds < 60 ? Math.round(seconds * 10) / 10 : Math.round(seconds);
  return rounded === 0 ? '0s' : rounded < 60 ? `${rounded}s` : formatLimit(rounded * 1000);
}

function milliseconds(seconds: number): string {
  return `${Math.round(seconds * 1000)} ms`;
}

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

/** What each run must find again: the settings with their predictions, the events, and what else is measured. */
function shape(tables: string): string[][] {
  let kept = 0;
  return tables
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => {
      const cells = line.slice(2, -2).split(' | ');
      if (cells[0] === 'setting' || cells[0] === 'when') kept = 2;
      else if (cells[0] === 'one probe' || cells[0] === 'besides') kept = 1;
      return cells.slice(0, kept).map((cell) => cell.replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME'));
    });
}
