// Puts mails into the Redis list that poll.ts polls.

import { Redis } from 'ioredis';

/** Rows that do not exist for a recipe with this source. */
export const ofList = {
  cancelled: 'the source is asked each time, and knows no consumer',
  'ack-lost': 'a mail that was popped is not acknowledged',
  delayed: 'a Redis list delays nothing',
};

/** What shows that a loop of one's own polls. */
export const polled = [
  { when: 'idle', what: 'each poll, which ends after half a second', source: { file: './poll.ts', text: 'await redis.brpop(queue, 0.5)' } },
  { when: 'in an outage', what: 'each poll, which ends then too, by `socketTimeout`', source: { file: 'ioredis/built/Redis.js', text: 'this.socketTimeoutTimer = setTimeout(' } },
];

export async function listProducer({ port, queue }) {
  const redis = new Redis({ port, maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => undefined);
  return {
    add: (mail) => redis.lpush(queue, JSON.stringify(mail)),
    close: () => redis.disconnect(),
  };
}
