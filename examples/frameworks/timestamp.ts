import { setTimeout as sleep } from 'node:timers/promises';
import { Timestamp } from 'k8s-liveness';
import { limit } from './yours.js';

export class WorkerTimestamp extends Timestamp {
  readonly maximumAge = limit;

  /** At SIGTERM, after the consumer has stopped taking work: waits for the tasks in hand. */
  async finish() {
    while (this.tasks.length > 0) await sleep(100);
    this.delete();
  }
}
