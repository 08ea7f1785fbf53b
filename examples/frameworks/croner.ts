import { close, fetchAll, park } from './due.js';
import { limit } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { Cron } from 'croner';

let due = 0; // when the scheduler has to come next
const turns = () => (due = Number(job.nextRun()));

async function run() {
  turns();
  const mails = await timestamp.run('fetch', limit, fetchAll);
  await Promise.all(mails.map((mail) => work(mail)));
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
