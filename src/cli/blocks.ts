import { styleText } from 'node:util';
import { formatDuration } from 'date-fns/formatDuration';
import { printable } from '../verdict';
import type { Report } from './report';

export interface Style {
  readonly colour: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Formats each report for people: the path, and a line for each known fact. */
export function blocks(reports: readonly Report[], style: Style): string {
  return reports.map((report) => block(report, style)).join('\n');
}

function block(report: Report, style: Style): string {
  const facts = Object.entries(factsOf(report, style)).filter(([, fact]) => fact !== null);
  const lines = facts.map(([name, fact]) => `  ${name.padEnd(13)}${fact}\n`);
  return `${printable(report.fields.path)}\n${lines.join('')}`;
}

function factsOf({ fields, work }: Report, { colour, now }: Style): Record<string, string | number | null> {
  const { alive, lastBeat, task, beats, pid, started, deadline } = fields;
  const [age, limit] = [fields.ageMs ?? 0, fields.limitMs ?? Infinity];
  const format = !alive ? 'red' : age > 0.75 * limit ? 'yellow' : 'green';
  const paint = (text: string): string => (colour ? styleText(format, text, { validateStream: false }) : text);
  const ageOfLimit =
    limit === Infinity
      ? `${inWords(age)}, no limit`
      : `${paint(bar(age / limit))} ${inWords(age)} of ${inWords(limit)}${fields.step ? ', a step' : ''}`;
  return {
    verdict: paint(alive ? 'alive' : `dead: ${fields.reason}: ${fields.detail}`),
    [task === null ? 'last beat' : 'task']: lastBeat && ageOfLimit,
    'in hand': work ? `${work.count}, ${work.name} ${task === null ? 'the oldest' : 'nearest to its deadline'}` : null,
    'longest gap': gap(fields),
    'longest task': fields.longestTaskMs ? inWords(fields.longestTaskMs) : null,
    beats,
    pid,
    started: started && `${inWords(now - started.getTime())} ago`,
    deadline: deadline && fromNow(deadline.getTime() - now),
  };
}

/** The longest gap and its share of the loop's limit. Not of a step's or task's limit, because gaps leave those out. */
function gap({ beats, longestGapMs, limitMs, step, task }: Report['fields']): string | null {
  if (longestGapMs === null || beats === 1) return null; // no gap yet
  const words = inWords(longestGapMs);
  if (limitMs === null || step || task !== null) return words;
  return `${Math.ceil((longestGapMs * 100) / limitMs)} % (${words})`;
}

function bar(share: number): string {
  const filled = Math.min(Math.floor(share * 10), 10);
  return `[${'#'.repeat(filled).padEnd(10, '-')}]`;
}

function fromNow(ms: number): string {
  return ms < 0 ? `passed ${inWords(-ms)} ago` : `in ${inWords(ms)}`;
}

/** A length of time in its two largest units, `1 minute 34 seconds`; below 10 seconds with hundredths. */
function inWords(ms: number): string {
  const hundredths = Math.floor(Math.max(ms, 0) / 10) / 100;
  if (hundredths < 10) return formatDuration({ seconds: hundredths }, { zero: true });
  // Not date-fns' intervalToDuration, whose day has 23 hours when summer time begins.
  const seconds = Math.floor(hundredths);
  const words = formatDuration({
    days: Math.floor(seconds / 86_400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
  });
  return words.split(' ').slice(0, 4).join(' ');
}
