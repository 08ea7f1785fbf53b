// A service with a heartbeat, so that this library's probes have something to judge.

import { setTimeout as sleep } from 'node:timers/promises';
import { Timestamp } from 'k8s-liveness';

class ServiceTimestamp extends Timestamp {
  readonly maximumAge = { minutes: 10 };
}

async function main(): Promise<void> {
  const timestamp = new ServiceTimestamp();
  for (;;) {
    timestamp.refresh();
    await sleep(1000);
  }
}

void main();
