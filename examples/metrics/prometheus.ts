// node dist/prometheus.js: runs the worker, with its heartbeat at http://HOST:9464/metrics by prom-client.

import { createServer } from 'node:http';
import { Counter, Gauge, register } from 'prom-client';
import type { WorkerTimestamp } from './timestamp';
import { timestamp, work } from './worker';

/** The values are read at each scrape. */
export function observe(heartbeat: WorkerTimestamp): void {
  new Gauge({
    name: 'heartbeat_longest_gap_seconds',
    help: 'The longest time between two beats of the loop',
    collect() {
      this.set(heartbeat.longestGap / 1000);
    },
  });
  new Gauge({
    name: 'heartbeat_longest_task_seconds',
    help: 'The longest time that a task was in hand without a refresh',
    collect() {
      this.set(heartbeat.longestTask / 1000);
    },
  });
  new Gauge({
    name: 'heartbeat_tasks',
    help: 'The tasks in hand',
    collect() {
      this.set(heartbeat.tasks.length);
    },
  });
  new Counter({
    name: 'heartbeat_failed_writes_total',
    help: 'Beats that could not be written',
    collect() {
      this.reset();
      this.inc(heartbeat.failedWrites);
    },
  });
}

observe(timestamp);
const server = createServer((_, response) => {
  void register.metrics().then((text) => response.setHeader('content-type', register.contentType).end(text));
});
server.listen(Number(process.env.PORT ?? 9464));
void work();
