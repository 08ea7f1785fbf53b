// A web worker, one process of the cluster. It takes events by POST, and answers when they are on the disk.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { INCOMING, put } from './data';
import { loop, POLL_MS } from './loop';
import type { LoopName } from './loops';

const { LOOP, PORT = '8080', HOST } = process.env;

/** Events that come within this time after the first one are written and flushed as one batch. */
const BATCH_MS = 20;
const MOST_BYTES = 64 * 1024;
/** How long a slow or silent client may delay an orderly stop. */
const GRACE_MS = 2000;

const received: { event: string; response: ServerResponse }[] = [];

/** Its abort ends the loop's wait. */
let idle = new AbortController();

// A request is no beat, because clients decide when it comes. The loop that stores the events beats.
const server = createServer((request, response) => {
  response.setHeader('connection', 'close'); // the next one may go to another worker
  const { 'content-length': length } = request.headers;
  if (length === undefined) return void response.writeHead(411).end();
  if (Number(length) > MOST_BYTES) return void response.writeHead(413).end();
  text(request).then(
    (event) => {
      received.push({ event, response });
      idle.abort();
    },
    () => undefined, // the client has hung up, and sends the event again
  );
});

const stop = new AbortController();
process.once('SIGTERM', () => {
  server.close(() => {
    stop.abort();
    idle.abort();
  });
  setTimeout(() => {
    server.closeAllConnections();
  }, GRACE_MS).unref();
});
process.on('SIGINT', () => undefined); // Ctrl-C reaches the primary too, which sends SIGTERM when it is time

let listening: Promise<unknown> | undefined;

async function turn(): Promise<boolean> {
  // After the first beat, so that a worker that cannot beat gets no connection.
  await (listening ??= listen());
  const batch = received.splice(0);
  if (batch.length === 0) return false;
  const lines = batch.map(({ event }) => `${JSON.stringify(event)}\n`);
  await put(join(INCOMING, `${Date.now()}-${randomUUID()}.ndjson`), lines.join(''));
  for (const { response } of batch) response.writeHead(204).end();
  return false;
}

/** Also settles if the worker is stopped, because a server that is closed while it begins to listen may emit nothing. */
async function listen(): Promise<void> {
  try {
    await once(server.listen(Number(PORT), HOST), 'listening', { signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

async function wait(): Promise<void> {
  idle = new AbortController();
  if (received.length === 0) await sleep(POLL_MS, undefined, { signal: idle.signal }).catch(() => undefined);
  if (received.length > 0) await sleep(BATCH_MS);
}

void loop(LOOP as LoopName, stop.signal, turn, wait).then(() => process.exit());
