import { close, fetchAll, park } from './due.js';
import { limit } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { schedule } from 'node-cron';

let due = 0; // when the scheduler has to come next
const turns = () => void (due = Number(job.getNextRun()));

async function run() {
  const mails = await timestamp.run('fetch', limit, fetchAll);
  await Promise.all(mails.map((mail) => work(mail)));
}
const job = schedule('*/4 * * * * *', run, { noOverlap: true }); // no run while one is in hand
for (const event of ['execution:started', 'execution:overlap', 'execution:missed'] as const) job.on(event, turns);
turns();
timestamp.refreshWhile(() => ['idle', 'running'].includes(job.getStatus()) && Date.now() - due < limit);
process.once('SIGTERM', () => {
  void job.stop();
  return timestamp.finish().then(close);
});
// end of recipe

export { job, park };
