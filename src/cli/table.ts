import { inspect } from 'node:util';
import type { Column } from 'cliui';
import { printable } from '../verdict';
import type { Report } from './report';
import { stated, words } from './words';

/** How what is drawn must look. */
export interface Look {
  readonly columns: number;
  readonly colour: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Beside the path, each with its width. */
const COLUMNS = { verdict: 26, 'last beat': 44, 'longest gap': 22, beats: 12, pid: 9, started: 22, deadline: 24 };
const BESIDE = Object.values(COLUMNS).reduce((sum, width) => sum + width, 0);
const NARROWEST_PATH = 25;

/** In a block: the width of the names, and from which width on the facts stand beside them. */
const NAME = 15;
const BESIDE_NAMES = 32;

type Cells = Readonly<Record<keyof typeof COLUMNS, string>>;

/** What an operator wants to know: a row for each path, or a block of lines where a row would not fit. */
export async function table(reports: readonly Report[], look: Look): Promise<string> {
  const { default: cliui } = await import('cliui');
  const ui = cliui({ width: look.columns });
  const rows = reports.map((report) => ({ path: printable(report.verdict.path), cells: cellsOf(report, look) }));
  const names = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];
  if (look.columns >= BESIDE + NARROWEST_PATH) {
    const row = (path: string, text: (name: keyof typeof COLUMNS) => string): void => {
      ui.div(cell(path, look.columns - BESIDE), ...names.map((name) => cell(text(name), COLUMNS[name])));
    };
    row('PATH', (name) => name.toUpperCase());
    for (const { path, cells } of rows) row(path, (name) => cells[name] || '-');
  } else {
    for (const [at, { path, cells }] of rows.entries()) {
      if (at > 0) ui.div('');
      ui.div(path);
      for (const name of names.filter((name) => cells[name])) {
        if (look.columns >= BESIDE_NAMES) {
          ui.div(cell(name, NAME, 2), cell(cells[name], look.columns - NAME));
        } else {
          ui.div(cell(name, look.columns, 2));
          ui.div(cell(cells[name], look.columns, 4));
        }
      }
    }
  }
  return `${ui.toString()}\n`;
}

function cell(text: string, width: number, indent = 0): Column {
  return { text, width, padding: [0, 1, 0, indent] };
}

/** Empty where a fact is not known or means nothing. */
function cellsOf({ verdict, beats, step, started, deadline }: Report, { colour, now }: Look): Cells {
  const { alive, value, age, limit, longestGap, pid } = verdict;
  const share = value && limit !== undefined && limit !== Infinity ? age / limit : undefined;
  const paint = (text: string): string => (colour ? painted(text, !alive ? 'red' : (share ?? 0) > 0.75 ? 'yellow' : 'green') : text);
  const most = limit === undefined ? '' : limit === Infinity ? ', no limit' : ` of ${stated(limit)}${step ? ', a step' : ''}`;
  return {
    verdict: paint(alive ? 'alive' : `dead: ${verdict.reason}: ${verdict.detail}`),
    'last beat': value ? `${share === undefined ? '' : `${paint(bar(share))} `}${words(age)}${most}` : '',
    'longest gap': longestGap === undefined || beats === 1 ? '' : gapOf(longestGap, step ? undefined : limit),
    beats: String(beats ?? ''),
    pid: String(pid ?? ''),
    started: started ? `${words(now - started.getTime())} ago` : '',
    deadline: deadline ? until(deadline.getTime() - now) : '',
  };
}

function bar(share: number): string {
  const filled = Math.min(Math.floor(share * 10), 10);
  return `[${'#'.repeat(filled)}${'-'.repeat(10 - filled)}]`;
}

/** How near to its end it ever was. Steps do not count, and a step's limit is not what a gap is to be held against. */
function gapOf(gap: number, limit = Infinity): string {
  return limit === Infinity ? words(gap) : `${Math.ceil((gap * 100) / limit)} % (${words(gap)})`;
}

function until(ms: number): string {
  return ms < 0 ? `passed ${words(-ms)} ago` : `in ${words(ms)}`;
}

function painted(text: string, colour: 'red' | 'yellow' | 'green'): string {
  const [on, off] = inspect.colors[colour] ?? [0, 0];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}
