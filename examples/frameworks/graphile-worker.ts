import { limit, port, queue, type Mail } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { EventEmitter } from 'node:events';
import { run, type Worker, type WorkerEvents } from 'graphile-worker';
import { Pool } from 'pg';

const turned = new Map<Worker, number>(); // when each worker's fetch loop turned last
const events: WorkerEvents = new EventEmitter();
for (const event of ['worker:create', 'worker:getJob:start', 'worker:getJob:error', 'job:complete'] as const) {
  events.on(event, ({ worker }) => turned.set(worker, Date.now()));
}
const often = { connectionTimeoutMillis: 2500, query_timeout: 2500 }; // more for a longer limit, but never without an end
const pgPool = new Pool({ host: '127.0.0.1', port, user: 'postgres', max: 12, maxLifetimeSeconds: 15, ...often }); // else half-open ones go back into the pool
pgPool.on('error', console.error).on('connect', (client) => client.on('error', console.error));
process.on('unhandledRejection', console.error); // in an outage the end of a job is one, which would end the process

const runner = await run({ pgPool, events, concurrency: 10, pollInterval: 500, noHandleSignals: true, taskList: { [queue]: (payload) => work(payload as Mail) } });
timestamp.refreshWhile(() => [...turned].every(([worker, at]) => worker.getActiveJob() ?? Date.now() - at < limit));
process.once('SIGTERM', () => runner.stop().then(() => timestamp.finish()).then(() => pgPool.end()));
// end of recipe

export { pgPool, runner };
