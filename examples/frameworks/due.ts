// What is done at each run of a schedule: all mails that are there.

import { redis } from './poll.js';

export { close } from './poll.js';
import { queue, type Mail } from './yours.js';

let parked = false;
/** For the harness: no fetch ends any more. */
export function park(): void {
  parked = true;
}

/** The mails that are there, or none while the server is away. */
export async function fetchAll(): Promise<Mail[]> {
  try {
    const found = (await redis.lpop(queue, 100)) ?? [];
    if (parked) await new Promise(() => undefined);
    return found.map((text) => JSON.parse(text) as Mail);
  } catch {
    return [];
  }
}
