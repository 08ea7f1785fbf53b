// What a writer may replace: one rule for the first beat, `touch`, and the pid and error of a process directory. Pure.

import { LONGEST_LINE, parse, RECORD_SIZE } from './record';

/** A regular file that stands where a writer wants to write. */
export interface Standing {
  /** Its first bytes, `LONGEST_LINE` at most, without NULs: every reader drops them. */
  readonly text: string;
  /** All its bytes, NULs included. */
  readonly size: number;
}

export interface Rule {
  /** What may be replaced, as a refusal says it. */
  readonly expected: string;
  readonly takes: (found: Standing) => boolean;
  /** Whether it protects other users' files too. For a service it must not: such a file could keep it from starting. */
  readonly protectsOthers: boolean;
}

export const FIRST_BEAT: Rule = {
  expected: 'a heartbeat, seconds since the epoch, an empty file or none',
  takes: (found) => isBlank(found, LONGEST_LINE) || isHeartbeat(found) || epochIn(found) !== undefined,
  protectsOthers: false,
};

const DAY_MS = 86_400_000;

/** For a path that somebody has typed, perhaps wrongly: `now` by the wall clock tells a time from any other number. */
export function touchAt(now: number): Rule {
  return {
    ...FIRST_BEAT,
    takes: (found) => {
      const epoch = epochIn(found);
      if (epoch !== undefined) return epoch > now - 3650 * DAY_MS && epoch < now + DAY_MS;
      return isBlank(found, RECORD_SIZE) || isHeartbeat(found);
    },
    protectsOthers: true,
  };
}

/** A process directory's pid or error. Other writers may have left a word there, but no page of text. */
export const NUMBER: Rule = {
  expected: 'a number or one short line',
  takes: (found) => isBlank(found, LONGEST_LINE) || (found.size <= RECORD_SIZE && !found.text.trim().includes('\n')),
  protectsOthers: false,
};

/** Short and without text: a crash leaves NULs, `echo >` a newline. */
function isBlank({ text, size }: Standing, most: number): boolean {
  return size <= most && text.trim() === '';
}

const WORD = 'k8s-liveness/';

/** In any state and version: a crash in the middle of the first write leaves the beginning of one. */
function isHeartbeat({ text, size }: Standing): boolean {
  const line = text.replace(/^ +/, '');
  return line.startsWith(WORD) || (size <= RECORD_SIZE && line !== '' && WORD.startsWith(line));
}

/** Milliseconds since the epoch, from the year 2001 to 2286: ten digits, which no pid has. */
function epochIn({ text, size }: Standing): number | undefined {
  const found = parse(text.trim());
  return size <= LONGEST_LINE && found.kind === 'plain' && found.wall >= 1e12 && found.wall < 1e13 ? found.wall : undefined;
}

/** Why it is not replaced. Its content is not shown: it may be a secret, and logs are read by many. */
export function refusal({ text, size }: Standing, { expected }: Rule): string {
  const what = text === '' ? 'NUL bytes' : /^\d+$/.test(text.trim()) ? 'a number' : 'other content';
  return `it holds ${what} (${size} bytes); expected ${expected}: remove it, or choose another path`;
}
