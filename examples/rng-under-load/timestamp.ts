import { Timestamp } from 'k8s-liveness';

/** The heartbeat of the service's loop. Its limit is twenty times the time of one request. */
export class RngTimestamp extends Timestamp {
  readonly maximumAge = { seconds: 2 };
}
