export default {
  title: 'BullMQ',
  server: 'redis',
  about: 'A worker of BullMQ 6 on ioredis (`npm install bullmq ioredis`). It owns its fetch loop, which says nothing while the queue is empty, so a subclass tells when it turns. A loop that is parked is seen when the jobs in hand have ended. Without `processJob()` any outage is borne, and a lost acknowledgement is not seen; with it, an outage of over 40 s restarts a worker that has a job to acknowledge.',
  async produce({ port, queue }) {
    const { Queue } = await import('bullmq');
    const jobs = new Queue(queue, { connection: { port, retryStrategy: () => null, maxRetriesPerRequest: 0 } });
    jobs.on('error', () => undefined);
    return { add: (mail) => jobs.add('mail', mail, { jobId: `mail-${mail.id}`, delay: mail.delay }), close: () => jobs.close() };
  },
  acts: {
    stopped: ({ worker }) => worker.close(),
    paused: ({ worker }) => worker.pause(true),
    parked({ worker }) {
      worker.backend.moveToActive = worker.backend.waitForJob = () => new Promise(() => undefined);
    },
    'ack-lost'({ worker }) {
      let isLost = false;
      const { handleCompleted } = worker;
      worker.handleCompleted = function handle(...args) {
        if (isLost) return handleCompleted.apply(this, args);
        isLost = true;
        return new Promise(() => undefined);
      };
    },
  },
  none: {
    cancelled: 'Redis knows no consumer that it could cancel',
    crashed: 'the fetch loop catches what fails and goes on',
  },
  proof: [
    { when: 'idle', what: '`getBlockTimeout()`, called at each wait of `drainDelay` seconds', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'const blockTimeout = this.getBlockTimeout(blockUntil);' } },
    { when: 'busy', what: 'a job in hand, or one that ended: it fetches the next one with its own end', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'await job.moveToCompleted(result, token, fetchNextCallback() && !(this.closing || this.paused))' } },
    { when: 'in an outage', what: 'the event `ioredis:close` of each attempt to connect', source: { file: 'bullmq/dist/esm/classes/queue-base.js', text: "this.emit('ioredis:close')" } },
    { when: 'at all', what: '`isRunning()` and `isPaused()`; the first stays true when the fetch loop is parked', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'return this.running;' } },
  ],
};
