import { listProducer } from '../list.mjs';

export default {
  title: 'a plain poll loop',
  yardstick: true,
  server: 'redis',
  about: 'The yardstick: your own loop over any source whose waits have an end. It does one job at a time, so one that hangs is all of them.',
  produce: listProducer,
  acts: { stopped: ({ stop }) => stop(), parked: ({ park }) => park() },
  none: {
    delayed: 'a Redis list delays nothing',
    'long-all': 'it does one job at a time',
    paused: 'a loop that is paused is one that is stopped',
    cancelled: 'the source is asked each time, and knows no consumer',
    crashed: 'a loop that throws ends the process',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: 'each turn, as `poll()` ends after a second at most' },
    { when: 'busy', what: 'a step with the limit of the mail' },
    { when: 'in an outage', what: 'each turn, as `poll()` ends then too' },
  ],
};
