// Every loop of the service, named once: imported by all of them and by the probe, and importing nothing else of it.

import { basename, join } from 'node:path';
import { Timestamp } from 'k8s-liveness';

/** How old the last beat of each may become. The first beat of any other throws. */
const MAXIMUM_AGES = {
  supervisor: { seconds: 15 },
  ship: { minutes: 1 },
  'clean-up': { minutes: 1 },
  'pack-1': { minutes: 1 },
  'pack-2': { minutes: 1 },
  'web-1': { seconds: 15 },
  'web-2': { seconds: 15 },
};
export type LoopName = keyof typeof MAXIMUM_AGES;
export const LOOPS = Object.keys(MAXIMUM_AGES) as LoopName[];

// Set for the container, both reach the service and its probe alike.
const { LIVENESS_DIRECTORY = '/tmp/liveness', MAXIMUM_AGE_SECONDS: seconds } = process.env;

export class LoopTimestamp extends Timestamp {
  readonly maximumAge = seconds ? { seconds: Number(seconds) } : MAXIMUM_AGES[basename(this.path) as LoopName];
}

/** The heartbeat file of that loop, whichever process or thread it runs in, and of its successors. */
export function pathOf(name: LoopName): string {
  return join(LIVENESS_DIRECTORY, name);
}
