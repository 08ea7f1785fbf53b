import { close, park, poll } from './poll.js';
import { timestamp, work } from './work.js';

// recipe
import PQueue from 'p-queue';

const pool = new PQueue({ concurrency: 10 }); // and intervalCap, interval if you limit its rate

// Each poll is a task too. While ten jobs are in hand nothing polls, and their own limits count.
async function* mails() {
  while (!stopping) {
    const mail = await timestamp.run('poll', timestamp.maximumAge, poll);
    if (mail) yield mail;
  }
}
async function main() {
  for await (const mail of mails()) {
    pool.add(() => work(mail)).catch(console.error);
    await pool.onSizeLessThan(1);
  }
}
timestamp.refreshWhile(() => timestamp.tasks.length > 0 || pool.isRateLimited); // while its rate is limited, nothing may be in hand
let stopping = false;
process.once('SIGTERM', () => (stopping = true));
void main().then(() => timestamp.finish()).then(close);
// end of recipe

export { park, pool };
export function stop(): void {
  stopping = true;
}
