import { close, fetchAll, park } from './due.js';
import { handle, limit, limitOf } from './yours.js';

// recipe
import { Cron } from 'croner';
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
let due = 0; // when the scheduler has to come next
const turns = () => (due = Number(job.nextRun()));

async function run() {
  turns();
  const mails = await timestamp.run('fetch', limit, fetchAll);
  await Promise.all(mails.map((mail) => timestamp.run(`mail#${mail.id}`, limitOf(mail), () => handle(mail))));
}
const job = new Cron('*/4 * * * * *', { protect: turns, catch: console.error }, run); // protect: no run while one is in hand
turns();
timestamp.refreshWhile(() => job.isRunning() && Date.now() - due < limit);
process.once('SIGTERM', () => {
  job.stop();
  return timestamp.finish().then(close);
});
// end of recipe

export { job, park };
