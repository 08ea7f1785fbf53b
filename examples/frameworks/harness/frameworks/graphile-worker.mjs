export default {
  title: 'graphile-worker',
  server: 'postgres',
  install: ['graphile-worker', 'pg'],
  about: [
    'Ten workers, each with a fetch loop that tells each turn. A connection whose query has failed goes back into the',
    'pool. Without `maxLifetimeSeconds` a half-open one stays there after an outage: alive, and no more jobs are done.',
    'While the server starts (57P03) or its host is unreachable, a fetch is retried after 3 s to 2 min without an event:',
    'your limit must be above that. Without `noHandleSignals` the process ends at SIGTERM and leaves its heartbeat.',
  ].join(' '),
  async produce({ port, queue }) {
    const { makeWorkerUtils } = await import('graphile-worker');
    const utils = await makeWorkerUtils({ connectionString: `postgres://postgres@127.0.0.1:${port}/postgres`, maxPoolSize: 2 });
    await utils.migrate();
    return { add: (mail) => utils.addJob(queue, mail, { runAt: new Date(Date.now() + (mail.delay ?? 0)) }), close: () => utils.release() };
  },
  acts: {
    stopped: ({ runner }) => runner.stop(),
    // As another process does that migrates the tables to a newer version.
    crashed({ pgPool }) {
      for (const client of pgPool._clients) client.emit('notification', { channel: 'worker:migrate', payload: '{"breaking":true}' });
    },
    parked({ pgPool }) {
      pgPool.connect = () => new Promise(() => undefined);
    },
    async 'ack-lost'() {
      const { default: { Query } } = await import('pg');
      const { handleReadyForQuery } = Query.prototype;
      Query.prototype.handleReadyForQuery = function handle(...args) {
        if (!this.text.includes('delete from')) handleReadyForQuery.apply(this, args);
      };
    },
  },
  none: {
    paused: 'it has no pause',
    cancelled: 'the source is asked each time, and knows no consumer',
  },
  lost: {
    'ack-lost': 'nothing waits for the query that completes a job, so the worker goes on. The job stays locked for four hours, then runs again',
  },
  proof: [
    { when: 'idle', what: '`worker:getJob:start` of each worker, each `pollInterval`', source: { file: 'graphile-worker/dist/worker.js', text: '(0, lib_1.safeEmit)(ctx, "worker:getJob:start", { ctx, worker });' } },
    { when: 'busy', what: '`worker.getActiveJob()`, and `job:complete` after it', source: { file: 'graphile-worker/dist/worker.js', text: 'getActiveJob: () => activeJob,' } },
    { when: 'in an outage', what: '`worker:getJob:error` of each worker, each `pollInterval`', source: { file: 'graphile-worker/dist/worker.js', text: '(0, lib_1.safeEmit)(ctx, "worker:getJob:error", { ctx, worker, error: err });' } },
    { when: 'always', what: 'all workers that were made; one that has stopped tells nothing any more', source: { file: 'graphile-worker/dist/worker.js', text: '(0, lib_1.safeEmit)(ctx, "worker:create", { ctx, worker, tasks });' } },
  ],
};
