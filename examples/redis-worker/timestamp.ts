import { ProcessTimestamp } from 'k8s-liveness';

// Set for the container, it reaches the worker and its probes alike.
const { MAXIMUM_AGE_SECONDS: seconds } = process.env;

/** The worker's process directory. Imports nothing else of the service, so that the probes start quickly. */
export class WorkerTimestamp extends ProcessTimestamp {
  override readonly maximumAge = { seconds: seconds ? Number(seconds) : 60 };
}
