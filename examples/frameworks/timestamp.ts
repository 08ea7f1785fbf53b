import { Timestamp } from 'k8s-liveness';
import { limit } from './yours.js';

/** Imported by the service and by its probe. */
export class WorkerTimestamp extends Timestamp {
  readonly maximumAge = limit; // such as { minutes: 2 }
}
