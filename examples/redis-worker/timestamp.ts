import { ProcessTimestamp } from 'k8s-liveness';

// A variable of the container, so that the worker and its probes see the same value.
const { MAXIMUM_AGE_SECONDS: seconds } = process.env;

/** The worker's process directory. Imports nothing else of the service, so that the probes start quickly. */
export class WorkerTimestamp extends ProcessTimestamp {
  override readonly maximumAge = { seconds: seconds ? Number(seconds) : 60 };
}
