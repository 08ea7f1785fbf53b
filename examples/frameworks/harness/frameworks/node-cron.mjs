import { listProducer } from '../list.mjs';

export default {
  title: 'node-cron',
  server: 'redis',
  about:
    'Jobs by a schedule, node-cron 4: every 4 s here, and as well once a night, as nothing waits for the next run. Between runs the heartbeat asks whether the run that was due came, ' +
    'or was left out for a reason that node-cron tells. Without `noOverlap` new runs begin beside one that hangs.',
  produce: listProducer,
  acts: {
    stopped: ({ job }) => job.stop(),
    crashed({ job }) {
      process.on('unhandledRejection', console.error);
      job.timeMatcher.getNextMatch = () => { throw new Error('cannot find the next time'); };
    },
    parked: ({ park }) => park(),
  },
  none: {
    delayed: 'what is due later is left to the schedule',
    paused: 'it is started and stopped only',
    cancelled: 'the source is asked each time, and knows no consumer',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: '`getStatus()`; and `getNextRun()`, which must not have passed: an error of its own timer, logged by your handler of `unhandledRejection`, ends it while the status stays `idle`', source: { file: 'node-cron/dist/_shared.js', text: "return this.stateMachine.state;" } },
    { when: 'busy', what: 'the jobs in hand; `execution:overlap` instead of a run, and `execution:missed` for one that a blocked event loop has missed', source: { file: 'node-cron/dist/_shared.js', text: "this.emit('execution:overlap', this.createContext(date));" } },
    { when: 'in an outage', what: 'the same: a run whose fetch fails is a run' },
  ],
};
