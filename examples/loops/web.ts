// A web worker, one process of the cluster: takes events by POST and answers once they are on the disk.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { INCOMING, put } from './data';
import { loop } from './loop';
import type { LoopName } from './loops';

const { LOOP, PORT = '8080', HOST } = process.env;

/** All events of that time are written, and flushed, as one batch. */
const BATCH_MS = 20;
const MOST_BYTES = 64 * 1024;
/** How long a client that is slow, or silent, may hold up an orderly stop. */
const GRACE_MS = 2000;

const received: { event: string; response: ServerResponse }[] = [];

// Events arrive at their clients' pace, which says nothing about this worker; storing them is its loop.
const server = createServer((request, response) => {
  response.setHeader('connection', 'close'); // the next one may go to another worker
  if (!(Number(request.headers['content-length']) <= MOST_BYTES)) return void response.writeHead(413).end();
  text(request).then(
    (event) => received.push({ event, response }),
    () => undefined, // hung up: it sends the event again
  );
});

const stop = new AbortController();
process.once('SIGTERM', () => {
  server.close(() => { stop.abort(); });
  setTimeout(() => { server.closeAllConnections(); }, GRACE_MS).unref();
});
process.on('SIGINT', () => undefined); // Ctrl-C reaches the primary too, which says SIGTERM when it is time

let listening: Promise<unknown> | undefined;

async function turn(): Promise<boolean> {
  // Not before the first beat: a worker that cannot beat is given no connection.
  await (listening ??= once(server.listen(Number(PORT), HOST), 'listening'));
  const batch = received.splice(0);
  if (batch.length === 0) return false;
  const lines = batch.map(({ event }) => `${JSON.stringify(event)}\n`);
  await put(join(INCOMING, `${Date.now()}-${randomUUID()}.ndjson`), lines.join(''));
  for (const { response } of batch) response.writeHead(204).end();
  return false;
}

void loop(LOOP as LoopName, stop.signal, turn, BATCH_MS).then(() => process.exit());
