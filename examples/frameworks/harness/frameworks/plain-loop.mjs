import { listProducer, ofList, polled } from '../list.mjs';

export default {
  title: 'a plain poll loop',
  yardstick: true,
  server: 'redis',
  install: [],
  about: 'The yardstick, over any source whose waits have an end. One job at a time, so one that hangs is all of them.',
  produce: listProducer,
  acts: { stopped: ({ stop }) => stop(), parked: ({ park }) => park() },
  none: {
    ...ofList,
    'long-all': 'it does one job at a time',
    paused: 'a loop that is paused is one that is stopped',
    crashed: 'a loop that throws ends the process',
  },
  proof: [
    ...polled,
    { when: 'busy', what: 'a step with the limit of the mail', source: { file: './plain-loop.ts', text: 'timestamp.refresh({ maximumAge: limitOf(mail) });' } },
  ],
};
