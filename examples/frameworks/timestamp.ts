import { setTimeout as sleep } from 'node:timers/promises';
import { Timestamp, type GateCheck } from 'k8s-liveness';
import { limit } from './yours.js';

export class WorkerTimestamp extends Timestamp {
  readonly maximumAge = limit;

  /** Until SIGTERM: from then on the check would say no, because the consumer stops, and warn. */
  override refreshWhile(check: GateCheck) {
    const gate = super.refreshWhile(check);
    process.once('SIGTERM', () => { gate.stop(); });
    return gate;
  }

  /** At SIGTERM, after the consumer has stopped taking work: waits for the tasks in hand. */
  async finish() {
    while (this.tasks.length > 0) await sleep(100);
    this.delete();
  }
}
