// GET /N answers N random bytes after 0.1 s, one request at a time, like the `rng` of the container.training course.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RngTimestamp } from './timestamp';

const { PORT = '8001' } = process.env;
const WORK_MS = 100;

/** A bounded wait, so that an idle service beats too. */
const POLL_MS = 100;

interface Job {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const timestamp = new RngTimestamp();
const queue: Job[] = [];
/** Ends the wait for a request. */
let waiting = new AbortController();
let stopping = false;
const server = createServer((request, response) => {
  queue.push({ request, response });
  waiting.abort();
});

async function main(): Promise<void> {
  process.once('SIGTERM', () => {
    stopping = true;
    server.close();
    waiting.abort();
  });
  timestamp.refresh(); // throws if it cannot be recorded, so that nothing is served
  server.listen(Number(PORT), '127.0.0.1');
  await once(server, 'listening');
  console.log(`listening on ${(server.address() as AddressInfo).port}`);
  // After SIGTERM it answers the requests in the queue and ends.
  while (!stopping || queue.length > 0) {
    timestamp.refresh();
    const job = await next();
    if (job) await handle(job);
  }
  timestamp.delete();
}

async function next(): Promise<Job | undefined> {
  if (queue.length === 0) {
    waiting = new AbortController();
    // Not AbortSignal.timeout, whose timer does not keep Node running: with the server closed, Node would exit here.
    await sleep(POLL_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
  }
  return queue.shift();
}

async function handle({ request, response }: Job): Promise<void> {
  const { url = '/' } = request;
  // A bug for experiment/: an await that never settles. Your service does not need this line.
  if (url === '/wedge') await new Promise(() => undefined);
  response.setHeader('Connection', 'close');
  // A cheap endpoint for probes that asks no other service, but it waits in the queue like any request.
  if (url === '/') return void response.end('rng is running\n');
  await sleep(WORK_MS);
  response.end(randomBytes(Number(url.slice(1)) || 1));
}

void main();
