import { Timestamp } from 'k8s-liveness';

// A variable of the container, so that worker and probe see the same value. The first beat refuses a value that is no number.
const { MAXIMUM_AGE_SECONDS: seconds } = process.env;

/** The worker's heartbeat. Imports nothing else of the service, so that the probe starts quickly. */
export class WorkerTimestamp extends Timestamp {
  readonly maximumAge = seconds ? { seconds: Number(seconds) } : { minutes: 2 };
}
