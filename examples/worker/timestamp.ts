import { Timestamp } from 'k8s-liveness';

// Set for the container, it reaches worker and probe alike. What is no number is refused at the first beat.
const { MAXIMUM_AGE_SECONDS: seconds } = process.env;

/** The worker's heartbeat. Imports nothing else of the service, so that the probe starts quickly. */
export class WorkerTimestamp extends Timestamp {
  readonly maximumAge = seconds ? { seconds: Number(seconds) } : { minutes: 2 };
}
