// Takes jobs from a Redis stream, as one of a group of consumers, and records a result for each.

import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { handle } from './handle';
import { Queue, type Delivery } from './queue';
import { WorkerTimestamp } from './timestamp';

const { REDIS_URL = 'redis://127.0.0.1:6379', QUEUE = 'jobs' } = process.env;

/** Between two attempts to reach Redis. */
const PAUSE_MS = 250;

/** A job that has ended its worker this often is given up: it would end every worker, one after another. */
const MAXIMUM_ATTEMPTS = 3;

async function main(): Promise<void> {
  const timestamp = new WorkerTimestamp();
  const queue = new Queue({
    url: REDIS_URL,
    name: QUEUE,
    // The unit's name, the pod's if none is set. A restarted container keeps it, and finds again what was in its hands.
    consumer: basename(timestamp.path),
    // Long enough for the kubelet to have ended a worker that hangs: pod.yaml.
    takeOverMs: 2 * timestamp.maximumAge.seconds * 1000,
  });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      stop.abort();
    });
  }
  await timestamp.load([queue]);
  timestamp.set(0);

  /** Kept through an outage: only the end of a worker makes a job be handled again. */
  let result: { delivery: Delivery; value: string } | undefined;
  while (!stop.signal.aborted) {
    timestamp.refresh();
    try {
      if (!result) {
        const delivery = await queue.next();
        timestamp.set(0);
        if (!delivery) continue;
        timestamp.refresh(); // the whole limit is the job's
        result = { delivery, value: await valueOf(delivery) };
      }
      const recorded = await queue.record(result.delivery, result.value);
      timestamp.set(0);
      console.log(`${result.delivery.id} ${recorded ? 'recorded' : 'is in other hands, or recorded already'}`);
      result = undefined;
    } catch (error) {
      // Redis is away, frozen, loading, full: a restart would not help.
      queue.disconnect();
      if (timestamp.error === 0) console.error(`Redis: ${reason(error)}`); // once an outage
      timestamp.set(1);
      await sleep(PAUSE_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  }
  timestamp.reset();
  queue.disconnect();
}

async function valueOf({ id, job, attempt }: Delivery): Promise<string> {
  if (attempt > MAXIMUM_ATTEMPTS) return `given up after ${MAXIMUM_ATTEMPTS} attempts`;
  console.log(`${id} attempt ${attempt}`);
  try {
    return await handle(job, attempt);
  } catch (error) {
    return `failed: ${reason(error)}`;
  }
}

function reason(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || String(code); // where a name has several addresses and none answers, there is only a code
}

// Any other error ends the process: the kubelet restarts it, and what was in hand is delivered again.
void main();
