import { Timestamp } from 'k8s-liveness';

/** The heartbeat of the service's loop: twenty times what one request takes. */
export class RngTimestamp extends Timestamp {
  readonly maximumAge = { seconds: 2 };
}
