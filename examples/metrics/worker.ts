// The service. A job is a line of standard input: the milliseconds it takes. Ten or more can be in hand at once.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkerTimestamp } from './timestamp';

/** A bounded wait, so that an idle worker beats too. */
const POLL_MS = 1000;

export const timestamp = new WorkerTimestamp();

export async function work(): Promise<void> {
  const lines: string[] = [];
  const input = createInterface({ input: process.stdin }).on('line', (line) => lines.push(line));
  for (let count = 1; ; count++) {
    timestamp.refresh();
    if (lines.length === 0) await once(input, 'line', { signal: AbortSignal.timeout(POLL_MS) }).catch(() => undefined);
    const milliseconds = Number(lines.shift());
    if (milliseconds > 0) void timestamp.run(`job#${count}`, { minutes: 5 }, () => sleep(milliseconds));
  }
}
