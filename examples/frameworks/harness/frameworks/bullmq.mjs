export default {
  title: 'BullMQ',
  server: 'redis',
  install: ['bullmq', 'ioredis'],
  about: [
    'The fetch loop says nothing while the queue is empty, so a subclass tells when it turns. In an outage it waits for',
    'the blocking connection: `ioredis:close` tells only of the other one, `retryStrategy` of both. A parked loop is seen',
    'after the jobs in hand have ended. `processJob()` is there to see a lost acknowledgement. Its price: an outage of',
    'over 40 s restarts a worker that has a job to acknowledge. Leave it out to survive any outage.',
  ].join(' '),
  async produce({ port, queue }) {
    const { Queue } = await import('bullmq');
    const jobs = new Queue(queue, { connection: { port, retryStrategy: () => null, maxRetriesPerRequest: 0 } });
    jobs.on('error', () => undefined);
    return { add: (mail) => jobs.add('mail', mail, { jobId: `mail-${mail.id}`, delay: mail.delay }), close: () => jobs.close() };
  },
  acts: {
    stopped: ({ worker }) => worker.close(),
    paused: ({ worker }) => worker.pause(true),
    limited({ worker }) {
      worker.opts.limiter = { max: 1, duration: 12_000 };
    },
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
    cancelled: 'the source is asked each time, and knows no consumer',
    crashed: 'the fetch loop catches what fails and goes on',
  },
  proof: [
    { when: 'idle', what: '`getBlockTimeout()`, each `drainDelay` seconds', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'const blockTimeout = this.getBlockTimeout(blockUntil);' } },
    { when: 'rate limited', what: '`getRateLimitDelay()`, each second', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'const delay = this.getRateLimitDelay(limitUntil - Date.now());' } },
    { when: 'busy', what: 'a job in hand, or its end, which fetches the next one', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'await job.moveToCompleted(result, token, fetchNextCallback() && !(this.closing || this.paused))' } },
    { when: 'in an outage', what: '`retryStrategy` of ioredis, before each attempt of each connection', source: { file: 'ioredis/built/redis/event_handler.js', text: 'const retryDelay = self.options.retryStrategy(++self.retryAttempts);' } },
    { when: 'always', what: '`isRunning()` and `isPaused()`; the first stays true when the fetch loop is parked', source: { file: 'bullmq/dist/esm/classes/worker.js', text: 'return this.running;' } },
  ],
};
