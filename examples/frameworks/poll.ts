// A source that is polled: a Redis list. Yours may be any other, as long as every wait has an end.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { port, queue, type Mail } from './yours.js';

export const redis = new Redis({
  port,
  socketTimeout: 2000, // else a half-open connection is waited for until TCP gives up
  retryStrategy: () => 500,
  maxRetriesPerRequest: 0, // a command fails with its connection
  enableOfflineQueue: false, // and at once while there is none
});
redis.on('error', () => undefined);

/** At the end. */
export function close(): void {
  redis.disconnect();
}

let parked = false;
/** For the harness: no poll ends any more. */
export function park(): void {
  parked = true;
}

/** The next mail, or undefined after half a second, or 2.5 while the server is away. */
export async function poll(): Promise<Mail | undefined> {
  try {
    const found = await redis.brpop(queue, 0.5);
    if (parked) await new Promise(() => undefined);
    return found ? (JSON.parse(found[1]) as Mail) : undefined;
  } catch {
    await sleep(500);
    return undefined;
  }
}
