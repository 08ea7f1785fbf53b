// A thread that answers HTTP with the verdict on the main thread's heartbeat. It has an event loop of its own, so it answers while
// the main one is blocked; and it only reads the file, so it vouches for nothing itself.

import { writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatVerdict } from 'k8s-liveness';
import { WorkerTimestamp } from './timestamp';

const view = WorkerTimestamp.byRef();
let wasAlive = true;

const server = createServer((request, response) => {
  if (request.url !== '/livez') {
    response.writeHead(404).end();
    return;
  }
  const verdict = view.verdict();
  const line = `${formatVerdict(verdict)}\n`;
  const { alive } = verdict;
  response.writeHead(alive ? 200 : 503, { 'content-type': 'text/plain' }).end(line);
  // The kubelet's events say `statuscode: 503` and no more: the reason has to be in the log.
  if (alive !== wasAlive) log(line);
  wasAlive = alive;
});

// On all addresses: the kubelet asks the pod's own.
server.listen(Number(process.env.LIVENESS_PORT ?? 8086), () => {
  log(`liveness on port ${(server.address() as AddressInfo).port}\n`);
});

/** Not by console.log: what a thread prints goes through the main thread, which may be blocked. */
function log(line: string): void {
  writeSync(2, line);
}
