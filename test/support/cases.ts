import type { DeathReason } from '../../src/verdict';
import { WIDE } from './describe-if';
import { ask, PYTHON, SHELLS, type Asking } from './readers';

/** One row of the table: a path, who asks about it, and the answer that every reader must give. */
export interface Case extends Asking {
  readonly name: string;
  readonly expect: 'alive' | DeathReason;
  readonly path: () => string | Promise<string>;
  /** A part of the line. */
  readonly says?: string;
  /** A shell may end by its own limit on processor time instead, which the kubelet takes as a failure too. */
  readonly mayBeKilled?: true;
}

let turn = 0;

export async function expectOneAnswer(the: Case): Promise<void> {
  const path = await the.path();
  // Such a row takes a shell seconds of processor time, so `npm test` asks one shell per row, `npm run test:all` every shell.
  const shell = the.mayBeKilled && !WIDE ? SHELLS[turn++ % SHELLS.length]?.[0] : undefined;
  const answers = await ask(path, { python: true, shell, ...the });
  const asked = answers.filter((answer) => !(the.mayBeKilled && answer.verdict === 'killed'));
  const exit = the.expect === 'alive' ? 0 : 1;
  expect(asked.map(({ reader, verdict, exit }) => ({ reader, verdict, exit }))).toEqual(
    asked.map(({ reader }) => ({ reader, verdict: the.expect, exit })),
  );
  // The same line from every reader, and short enough for one event of the kubelet.
  const lines = asked.filter(({ reader }) => reader !== 'heartbeat.py').map(({ line }) => line);
  expect(lines).toEqual(lines.map(() => lines[0]));
  for (const line of lines) {
    expect(line).toMatch(/^[ -~]{1,199}$/);
    expect(line).toContain(the.says ?? '');
  }
  const survivors = asked.map(({ reader }) => reader);
  if (the.python !== false && PYTHON !== undefined) expect(survivors).toContain('heartbeat.py');
  if (the.directory) expect(survivors).toContain('ProcessTimestamp');
  expect(survivors).toEqual(expect.arrayContaining(['Timestamp', 'liveness.js']));
}
