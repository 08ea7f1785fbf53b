import { listProducer, ofList } from '../list.mjs';

export default {
  title: 'node-cron',
  server: 'redis',
  install: ['node-cron'],
  about: 'Every 4 s here; once a night is as good. Without `noOverlap` new runs begin beside one that hangs.',
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
    ...ofList,
    paused: 'it has no pause',
  },
  proof: [
    { when: 'idle', what: '`getStatus()`', source: { file: 'node-cron/dist/_shared.js', text: 'return this.stateMachine.state;' } },
    { when: 'idle', what: '`getNextRun()` has not passed. An error of its timer, if your handler of `unhandledRejection` only logs it, ends the schedule, and the status stays `idle`', source: { file: 'node-cron/dist/_shared.js', text: 'getNextRun() {' } },
    { when: 'busy', what: 'the jobs in hand; `execution:overlap` instead of a run, and `execution:missed` for one that a blocked event loop has missed', source: { file: 'node-cron/dist/_shared.js', text: 'this.emit(\'execution:overlap\', this.createContext(date));' } },
    { when: 'in an outage', what: 'the same: a run whose fetch fails is a run', source: { file: './due.ts', text: 'return [];' } },
  ],
};
