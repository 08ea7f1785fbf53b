// Takes jobs from a Redis stream, as one consumer of a group, and records a result for each.

import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { handle } from './handle';
import { Queue, type Delivery } from './queue';
import { WorkerTimestamp } from './timestamp';

const { REDIS_URL = 'redis://127.0.0.1:6379', QUEUE = 'jobs' } = process.env;

/** The pause between two attempts to reach Redis. */
const PAUSE_MS = 250;

/** A job that has ended its worker this often is given up, because it would end every worker in turn. */
const MAXIMUM_ATTEMPTS = 3;

async function main(): Promise<void> {
  const timestamp = new WorkerTimestamp();
  const queue = new Queue({
    url: REDIS_URL,
    name: QUEUE,
    // The unit's name, or the pod's if none is set. A restarted container has the same name, and finds its jobs again.
    consumer: basename(timestamp.path),
    // Long enough for the kubelet to end a worker that hangs; see pod.yaml.
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

  /** Kept during an outage, so that a job is repeated only if its worker ends. */
  let result: { delivery: Delivery; value: string } | undefined;
  while (!stop.signal.aborted) {
    timestamp.refresh();
    try {
      if (!result) {
        const delivery = await queue.next();
        timestamp.set(0);
        if (!delivery) continue;
        timestamp.refresh(); // gives the job the whole limit
        result = { delivery, value: await valueOf(delivery) };
      }
      const recorded = await queue.record(result.delivery, result.value);
      timestamp.set(0);
      console.log(`${result.delivery.id} ${recorded ? 'recorded' : 'is in other hands, or recorded already'}`);
      result = undefined;
    } catch (error) {
      // Redis is away, frozen, loading or full. A restart of the worker would not help.
      queue.disconnect();
      if (timestamp.error === 0) console.error(`Redis: ${reason(error)}`); // once per outage
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
  return message || String(code); // if a name has several addresses and none answers, there is only a code
}

// Any other error ends the process. The kubelet restarts it, and the job in hand is delivered again.
void main();
