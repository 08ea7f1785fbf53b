import { listProducer } from '../list.mjs';

export default {
  title: 'stream.pipeline',
  server: 'redis',
  about: 'A pipeline of Node\'s own streams, which does one job at a time. `parse` is a stage of yours, and needs no line of its own: if it hangs, nothing polls any more.',
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    crashed: ({ fail }) => fail(),
    parked: ({ park }) => park(),
  },
  none: {
    delayed: 'a Redis list delays nothing',
    paused: 'a pipeline reads by itself',
    cancelled: 'the source is asked each time, and knows no consumer',
    'long-all': 'it does one job at a time',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: 'each poll of the source, as it ends after a second at most' },
    { when: 'busy', what: 'the job in hand; back-pressure holds the source' },
    { when: 'in an outage', what: 'each poll, as it ends then too' },
  ],
};
