// A thread that answers HTTP with the verdict on the main thread's heartbeat. It has its own event loop, so it answers while the
// main one is blocked. It only reads the file and never beats.

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
  // The kubelet's events say only `statuscode: 503`, so the log must have the reason.
  if (alive !== wasAlive) log(line);
  wasAlive = alive;
});

// Listens on all addresses, because the kubelet asks the address of the pod.
server.listen(Number(process.env.LIVENESS_PORT ?? 8086), () => {
  log(`liveness on port ${(server.address() as AddressInfo).port}\n`);
});

/** Not console.log, because a thread's output goes through the main thread, which may be blocked. */
function log(line: string): void {
  writeSync(2, line);
}
