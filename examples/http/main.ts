// The service: a loop over the lines of standard input. A line is a job: the milliseconds it takes; `hang`, which never ends; or
// `spin`, which blocks the event loop for ever.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { WorkerTimestamp } from './timestamp';

/** A bounded wait, so that an idle worker beats too. */
const POLL_MS = 200;

const timestamp = new WorkerTimestamp();

async function main(): Promise<void> {
  timestamp.refresh(); // before the thread can be asked
  // Without a listener for its errors, a thread that cannot listen, or that throws, ends the service.
  new Worker(`${__dirname}/verdict-thread.js`);
  const lines: string[] = [];
  const input = createInterface({ input: process.stdin }).on('line', (line) => lines.push(line));
  for (;;) {
    timestamp.refresh();
    if (lines.length === 0) await once(input, 'line', { signal: AbortSignal.timeout(POLL_MS) }).catch(() => undefined);
    await handle(lines.shift());
  }
}

async function handle(job: string | undefined): Promise<void> {
  if (job === 'hang') await new Promise(() => undefined);
  while (job === 'spin');
  await sleep(Number(job ?? 0));
}

void main();
