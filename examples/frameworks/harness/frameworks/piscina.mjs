import { listProducer } from '../list.mjs';

export default {
  title: 'piscina',
  server: 'redis',
  about:
    'Your own pull loop in the main thread, and jobs in ten threads, piscina 5. A thread that spins leaves the main thread fine, so the promise of `pool.run()` is the task, not what runs in the thread. ' +
    'With `pool.run(mail, { signal: AbortSignal.timeout(limitOf(mail)) })` piscina ends the thread of a job that hangs or spins: the rows *one of ten hung*, *all hung* and *busy loop* are alive then, and go on.',
  produce: listProducer,
  acts: {
    stopped: ({ stop }) => stop(),
    crashed: ({ pool }) => Promise.all(pool.threads.map((thread) => thread.terminate())),
    parked: ({ park }) => park(),
  },
  none: {
    delayed: 'a Redis list delays nothing',
    paused: 'it is not paused',
    cancelled: 'the source is asked each time, and knows no consumer',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: 'each poll, as it ends after a second at most' },
    { when: 'busy', what: 'the promises of `pool.run()`, which reject if their thread dies', source: { file: 'piscina/dist/index.js', text: 'worker exited with code: ${code}' } },
    { when: 'in an outage', what: 'each poll, as it ends then too' },
  ],
};
