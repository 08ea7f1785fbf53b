import { listProducer } from '../list.mjs';

export default {
  title: 'p-queue',
  server: 'redis',
  about: 'Your own pull loop, an async generator, over a pool of ten. Polls and jobs are all tasks: if nothing is in hand, the end of the last one counts as the last beat.',
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    paused: ({ pool }) => pool.pause(),
    parked: ({ park }) => park(),
  },
  none: {
    delayed: 'a Redis list delays nothing',
    cancelled: 'the source is asked each time, and knows no consumer',
    crashed: 'a loop that throws ends the process',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: 'each poll, as it ends after a second at most' },
    { when: 'busy', what: 'the jobs in hand; the loop waits until a slot is free', source: { file: 'p-queue/dist/index.js', text: 'async onSizeLessThan(limit)' } },
    { when: 'in an outage', what: 'each poll, as it ends then too' },
  ],
};
