import { close, park, poll } from './poll.js';
import { limitOf, type Mail } from './yours.js';

// recipe
import { Piscina } from 'piscina';
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
const filename = new URL('./piscina-thread.js', import.meta.url).href; // export default (mail: Mail) => handle(mail);
const pool = new Piscina<Mail, unknown>({ filename, minThreads: 10, maxThreads: 10 });
const inHand = new Set<Promise<unknown>>();
let stopping = false;
process.once('SIGTERM', () => (stopping = true));

// Each poll is a task too, in the main thread. While ten jobs are in hand nothing polls, and their own limits count.
async function main() {
  while (!stopping) {
    const mail = await timestamp.run('poll', timestamp.maximumAge, poll);
    if (!mail) continue;
    const job = timestamp.run(`mail#${mail.id}`, limitOf(mail), () => pool.run(mail)).catch(console.error);
    inHand.add(job);
    void job.then(() => inHand.delete(job));
    if (inHand.size >= 10) await Promise.race(inHand);
  }
}
void main().then(() => timestamp.finish()).then(() => pool.close()).then(close);
// end of recipe

pool.on('message', (message: { begun?: string; handled?: string }) => process.send?.(message)); // for the harness
export { park, pool };
export function stop(): void {
  stopping = true;
}
