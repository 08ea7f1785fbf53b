import { listProducer, ofList } from '../list.mjs';

export default {
  title: 'croner',
  server: 'redis',
  install: ['croner'],
  about: [
    'Every 4 s here; once a night is as good, as the check asks only if a run is overdue. Without `protect` new runs',
    'begin beside one that hangs. Without `catch` one that throws ends the process.',
  ].join(' '),
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
    ...ofList,
  },
  proof: [
    { when: 'idle', what: '`isRunning()`, false when it is stopped, paused, or has no next run', source: { file: 'croner/dist/croner.d.ts', text: 'isRunning(): boolean;' } },
    { when: 'idle', what: '`nextRun()` has not passed. An error of its timer, if your handler of `uncaughtException` only logs it, ends the schedule, and `isRunning()` stays true', source: { file: 'croner/dist/croner.d.ts', text: 'nextRun(prev?: ' } },
    { when: 'busy', what: 'the jobs in hand, and the callback of `protect`, called instead of a run', source: { file: 'croner/dist/croner.d.ts', text: 'If a function is provided, it will be called if the job is blocked.' } },
    { when: 'in an outage', what: 'the same: a run whose fetch fails is a run', source: { file: './due.ts', text: 'return [];' } },
  ],
};
