// The names and limits of all loops. All loops and the probe import this file, and it imports nothing else of the service.

import { basename, join } from 'node:path';
import { Timestamp } from 'k8s-liveness';

/** How old the last beat of each loop may become. The first beat of a loop with another name throws. */
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

// Variables of the container, so that the service and its probe see the same values.
const { LIVENESS_DIRECTORY = '/tmp/liveness', MAXIMUM_AGE_SECONDS: seconds } = process.env;

export class LoopTimestamp extends Timestamp {
  readonly maximumAge = seconds ? { seconds: Number(seconds) } : MAXIMUM_AGES[basename(this.path) as LoopName];
}

/** The heartbeat file of a loop. It stays the same if another process or thread takes over the loop. */
export function pathOf(name: LoopName): string {
  return join(LIVENESS_DIRECTORY, name);
}
