import { listProducer } from '../list.mjs';

export default {
  title: 'croner',
  server: 'redis',
  about:
    'Jobs by a schedule, croner 11: every 4 s here, and as well once a night, as nothing waits for the next run. Between runs the heartbeat asks whether the run that was due came. ' +
    'Without `protect` new runs begin beside one that hangs; without `catch` one that throws ends the process.',
  produce: listProducer,
  acts: {
    stopped: ({ job }) => job.stop(),
    paused: ({ job }) => job.pause(),
    crashed({ job }) {
      process.on('uncaughtException', console.error);
      job._schedule = () => { throw new Error('cannot schedule'); };
    },
    parked: ({ park }) => park(),
  },
  none: {
    delayed: 'what is due later is left to the schedule',
    cancelled: 'the source is asked each time, and knows no consumer',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: '`isRunning()`, false when it is stopped, paused, or has no next run; and `nextRun()`, which must not have passed: an error of its own timer, logged by your handler of `uncaughtException`, ends it while `isRunning()` stays true', source: { file: 'croner/dist/croner.d.ts', text: 'isRunning(): boolean;' } },
    { when: 'busy', what: 'the jobs in hand, and the callback of `protect`, called instead of a run', source: { file: 'croner/dist/croner.d.ts', text: 'If a function is provided, it will be called if the job is blocked.' } },
    { when: 'in an outage', what: 'the same: a run whose fetch fails is a run' },
  ],
};
