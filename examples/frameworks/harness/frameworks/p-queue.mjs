import { listProducer, ofList, polled } from '../list.mjs';

export default {
  title: 'p-queue',
  server: 'redis',
  install: ['p-queue'],
  about: [
    'Your own pull loop over a pool of ten. Polls and jobs are all tasks: something is in hand, or the pool waits for the',
    'next interval of its `intervalCap`.',
  ].join(' '),
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    paused: ({ pool }) => pool.pause(),
    async limited({ pool }) {
      const { default: PQueue } = await import('p-queue');
      const limited = new PQueue({ concurrency: 10, intervalCap: 1, interval: 12_000 }); // the options of a pool cannot be changed
      for (const method of ['add', 'onSizeLessThan']) pool[method] = limited[method].bind(limited);
      Object.defineProperty(pool, 'isRateLimited', { get: () => limited.isRateLimited });
    },
    parked: ({ park }) => park(),
  },
  none: {
    ...ofList,
    crashed: 'a loop that throws ends the process',
  },
  proof: [
    ...polled,
    { when: 'rate limited', what: '`isRateLimited`, while jobs wait for the next interval', source: { file: 'p-queue/dist/index.js', text: 'return this.#rateLimitedInInterval;' } },
    { when: 'busy', what: 'the jobs in hand; the loop waits until a slot is free', source: { file: 'p-queue/dist/index.js', text: 'async onSizeLessThan(limit)' } },
  ],
};
