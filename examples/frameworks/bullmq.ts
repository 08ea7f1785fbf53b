import { limit, limitOf, port, queue, type Mail } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { Worker } from 'bullmq';

let turned = Date.now(); // when the fetch loop turned last
const turns = () => (turned = Date.now());

class MailWorker extends Worker<Mail> {
  protected override getBlockTimeout(blockUntil: number) {
    turns();
    return Math.min(super.getBlockTimeout(blockUntil), this.opts.drainDelay ?? 1); // else 10 s while a job is delayed
  }
  protected override getRateLimitDelay(delay: number) { turns(); return super.getRateLimitDelay(Math.min(delay, 1000)); }
  override processJob(...args: Parameters<Worker<Mail>['processJob']>) {
    const maximumAge = limitOf(args[0].data) + 40_000; // with its acknowledgement, which waits for the longest outage
    return timestamp.run(`end of mail#${args[0].data.id}`, maximumAge, () => super.processJob(...args)).finally(turns);
  }
}
const often = { connectTimeout: 2500, socketTimeout: 2500 }; // else a half-open connection is for ever; more for a longer limit
const connection = { port, ...often, retryStrategy: () => { turns(); return 500; } }; // each attempt of both connections is a turn
const worker = new MailWorker(queue, (job) => work(job.data), { connection, concurrency: 10, drainDelay: 1, runRetryDelay: 1000 }); // drainDelay: below socketTimeout
worker.on('error', console.error);
timestamp.refreshWhile(() => worker.isRunning() && !worker.isPaused() && (timestamp.tasks.length > 0 || Date.now() - turned < limit));
process.once('SIGTERM', () => worker.close().then(() => timestamp.finish()));
// end of recipe

export { worker };
