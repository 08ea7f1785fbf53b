// Puts mails into the Redis list that poll.ts polls.

import { Redis } from 'ioredis';

export async function listProducer({ port, queue }) {
  const redis = new Redis({ port, maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => undefined);
  return {
    add: (mail) => redis.lpush(queue, JSON.stringify(mail)),
    close: () => redis.disconnect(),
  };
}
