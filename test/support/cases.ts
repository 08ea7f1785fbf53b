import type { DeathReason } from '../../src/verdict';
import { WIDE } from './need';
import { ask, PYTHON, SHELLS, type Asking } from './readers';

/** One row of the table: what stands somewhere, who asks, and the answer that every reader must give. */
export interface Case extends Asking {
  readonly name: string;
  readonly expect: 'alive' | DeathReason;
  readonly path: () => string | Promise<string>;
  /** What the line says, where that is told apart. */
  readonly says?: string;
  /** A shell may be ended by its own limit on processor time instead: a failure too. */
  readonly mayBeKilled?: true;
}

let turn = 0;

export async function expectOneAnswer(the: Case): Promise<void> {
  const path = await the.path();
  // Such a row takes each shell seconds of processor time: `npm test` asks the shells in turns, `npm run test:all` each.
  const shell = the.mayBeKilled && !WIDE ? SHELLS[turn++ % SHELLS.length]?.[0] : undefined;
  const answers = await ask(path, { python: true, shell, ...the });
  const asked = answers.filter((answer) => !(the.mayBeKilled && answer.verdict === 'killed'));
  const exit = the.expect === 'alive' ? 0 : 1;
  expect(asked.map(({ reader, verdict, exit }) => ({ reader, verdict, exit }))).toEqual(
    asked.map(({ reader }) => ({ reader, verdict: the.expect, exit })),
  );
  // To the letter, and short enough for the kubelet to fold its events.
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
