import { formatVerdicts, printable } from '../../verdict';
import { allAlive, type Report } from '../report';

/** The exit codes of a Nagios plugin. 1 would be a warning. */
const [OK, CRITICAL, UNKNOWN] = [0, 2, 3];

/** An answer for Nagios, Icinga, Sensu and Consul: one line, and the exit code. */
export interface Answer {
  readonly line: string;
  readonly code: number;
}

export function nagios(all: readonly Report[]): Answer {
  const code = allAlive(all) ? OK : CRITICAL;
  const words = withoutBar(formatVerdicts(all.map(({ verdict }) => verdict)));
  const data = all.flatMap(({ fields }) => performanceData(fields, all.length > 1 ? `${fields.path} ` : ''));
  return {
    line: [`${code === OK ? 'OK' : 'CRITICAL'}: ${words}`, ...(data.length > 0 ? ['|', ...data] : [])].join(' '),
    code,
  };
}

export function unknown(message: string): Answer {
  return { line: `UNKNOWN: ${withoutBar(printable(message))}`, code: UNKNOWN };
}

/** Whether a command line that could not be parsed asks for this format. */
export function asksNagios(words: readonly string[]): boolean {
  return words.some((word, at) => word === '--format=nagios' || (word === '--format' && words[at + 1] === 'nagios'));
}

/** https://www.monitoring-plugins.org/doc/guidelines.html: 'label'=value;warning;critical;minimum */
function performanceData({ ageMs, limitMs }: Report['fields'], of: string): string[] {
  if (ageMs === null || limitMs === null) return [];
  const label = (name: string): string =>
    of === '' ? name : `'${withoutBar(printable(of)).replaceAll(/['=]/g, '?')}${name}'`;
  return [`${label('age')}=${ageMs / 1000}s;;${limitMs / 1000};0`, `${label('limit')}=${limitMs / 1000}s`];
}

/** Performance data begins after the first |. */
function withoutBar(text: string): string {
  return text.replaceAll('|', '?');
}
