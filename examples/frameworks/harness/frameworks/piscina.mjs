import { listProducer, ofList, polled } from '../list.mjs';

export default {
  title: 'piscina',
  server: 'redis',
  install: ['piscina'],
  about: [
    'Your own pull loop, and jobs in ten threads. The main thread does not notice a thread that spins, so the promise of',
    '`pool.run()` is the task. With `pool.run(mail, { signal: AbortSignal.timeout(limitOf(mail)) })` piscina ends the',
    'thread of a job that hangs or spins. Then *one of ten hung*, *all hung* and *busy loop* are alive, and jobs go on.',
  ].join(' '),
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    crashed: ({ pool }) => Promise.all(pool.threads.map((thread) => thread.terminate())),
    parked: ({ park }) => park(),
  },
  none: {
    ...ofList,
    paused: 'it has no pause',
  },
  recovers: {
    crashed: { why: 'the jobs of a thread that ends reject, and another thread takes its place', source: { file: 'piscina/dist/index.js', text: 'potentially start a new Worker to' } },
  },
  proof: [
    ...polled,
    { when: 'busy', what: 'the promises of `pool.run()`, which reject if their thread dies', source: { file: 'piscina/dist/index.js', text: 'worker exited with code: ${code}' } },
  ],
};
