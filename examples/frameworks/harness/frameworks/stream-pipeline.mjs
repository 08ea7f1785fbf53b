import { listProducer, ofList, polled } from '../list.mjs';

export default {
  title: 'stream.pipeline',
  server: 'redis',
  install: [],
  about: [
    'Node\'s own streams, one job at a time. `parse` is your own stage and needs no code for it: if it hangs, nothing polls',
    'any more.',
  ].join(' '),
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    crashed: ({ fail }) => fail(),
    parked: ({ park }) => park(),
  },
  none: {
    ...ofList,
    paused: 'it has no pause',
    'long-all': 'it does one job at a time',
  },
  proof: [
    ...polled,
    { when: 'busy', what: 'the job in hand; back-pressure holds the source', source: { file: './stream-pipeline.ts', text: 'for await (const mail of mails) await work(' } },
  ],
};
