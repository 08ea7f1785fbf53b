// Which files a writer may replace: a rule for the first beat, one for `touch`, and one for the pid and error of a
// process directory. Pure.

import { LONGEST_LINE, parse, RECORD_SIZE } from './record';

/** A regular file that is at a writer's path already. */
export interface Existing {
  /** Its first bytes, `LONGEST_LINE` at most, without NULs, which every reader drops. */
  readonly text: string;
  /** All its bytes, NULs included. */
  readonly size: number;
}

export interface Rule {
  /** What may be replaced, for the error message. */
  readonly expected: string;
  readonly accepts: (found: Existing) => boolean;
  /** Whether other users' files are protected too. Not for a service: such a file could keep it from starting. */
  readonly protectsOthers: boolean;
}

export const FIRST_BEAT: Rule = {
  expected: 'a heartbeat, seconds since the epoch, an empty file or none',
  accepts: (found) => isBlank(found, LONGEST_LINE) || isHeartbeat(found) || epochIn(found) !== undefined,
  protectsOthers: false,
};

const DAY_MS = 86_400_000;

/** For `touch`, whose path may be mistyped: replaces a number only if it is an epoch near `now`, by the wall clock. */
export function touchAt(now: number): Rule {
  return {
    ...FIRST_BEAT,
    accepts: (found) => {
      const epoch = epochIn(found);
      if (epoch !== undefined) return epoch > now - 3650 * DAY_MS && epoch < now + DAY_MS;
      return isBlank(found, RECORD_SIZE) || isHeartbeat(found);
    },
    protectsOthers: true,
  };
}

/** For a process directory's pid and error. Other writers may leave a word there, but not a page of text. */
export const NUMBER: Rule = {
  expected: 'a number or one short line',
  accepts: (found) => isBlank(found, LONGEST_LINE) || (found.size <= RECORD_SIZE && !found.text.trim().includes('\n')),
  protectsOthers: false,
};

/** Whether it is short and has no text: a crash leaves NULs, `echo >` leaves a newline. */
function isBlank({ text, size }: Existing, most: number): boolean {
  return size <= most && text.trim() === '';
}

const WORD = 'k8s-liveness/';

/** A heartbeat of any version, or the beginning of one, which a crash during the first write leaves. */
function isHeartbeat({ text, size }: Existing): boolean {
  const line = text.replace(/^ +/, '');
  return line.startsWith(WORD) || (size <= RECORD_SIZE && line !== '' && WORD.startsWith(line));
}

/** Milliseconds since the epoch, for the years 2001 to 2286: such seconds have ten digits, which no pid has. */
function epochIn({ text, size }: Existing): number | undefined {
  const found = parse(text.trim());
  return size <= LONGEST_LINE && found.kind === 'plain' && found.wall >= 1e12 && found.wall < 1e13
    ? found.wall
    : undefined;
}

/** Why the file is not replaced. Does not show its content, because that may be a secret, and many people read logs. */
export function refusal({ text, size }: Existing, { expected }: Rule): string {
  const content = text === '' ? 'NUL bytes' : /^\d+$/.test(text.trim()) ? 'a number' : 'other content';
  return `it holds ${content} (${size} bytes); expected ${expected}: remove it, or choose another path`;
}
