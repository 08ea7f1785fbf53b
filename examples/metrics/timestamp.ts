import { Timestamp } from 'k8s-liveness';

const { MAXIMUM_AGE_SECONDS: seconds } = process.env;

export class WorkerTimestamp extends Timestamp {
  readonly maximumAge = seconds ? { seconds: Number(seconds) } : { minutes: 2 };
}
