import { close, fetchAll, park } from './due.js';
import { handle, limit, limitOf } from './yours.js';

// recipe
import { schedule } from 'node-cron';
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
let due = 0; // when the scheduler has to come next
const turns = () => void (due = Number(job.getNextRun()));

async function run() {
  const mails = await timestamp.run('fetch', limit, fetchAll);
  await Promise.all(mails.map((mail) => timestamp.run(`mail#${mail.id}`, limitOf(mail), () => handle(mail))));
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
