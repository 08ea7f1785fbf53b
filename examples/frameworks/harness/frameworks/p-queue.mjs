import { listProducer, ofList, polled } from '../list.mjs';

export default {
  title: 'p-queue',
  server: 'redis',
  install: ['p-queue'],
  about: [
    'Your own pull loop over a pool of ten. Polls and jobs are all tasks: if nothing is in hand, the end of the last one',
    'is the last beat. With `intervalCap`, keep `interval` below the limit, or the wait for the next interval is dead.',
  ].join(' '),
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    paused: ({ pool }) => pool.pause(),
    parked: ({ park }) => park(),
  },
  none: {
    ...ofList,
    crashed: 'a loop that throws ends the process',
    limited: 'for p-queue see its recipe',
  },
  proof: [
    ...polled,
    { when: 'busy', what: 'the jobs in hand; the loop waits until a slot is free', source: { file: 'p-queue/dist/index.js', text: 'async onSizeLessThan(limit)' } },
  ],
};
