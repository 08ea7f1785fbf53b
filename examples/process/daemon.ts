// Forwards every file that appears in the outbox to a TCP peer.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { diskSpace } from './checks/disk';
import { peer } from './checks/peer';
import { readConfig } from './config';
import { forward } from './forward';
import { send } from './peer';
import { ForwarderTimestamp } from './timestamp';

const { CONFIG = '/etc/forwarder.json' } = process.env;
const POLL_MS = 250;

async function main(): Promise<void> {
  const timestamp = new ForwarderTimestamp();
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      stop.abort();
    });
  }
  // A check that fails ends the process here, before its pid is written.
  await timestamp.load([join(__dirname, 'checks', 'config.js'), diskSpace, peer], CONFIG);
  const config = readConfig(CONFIG);
  timestamp.set();
  while (!stop.signal.aborted) {
    timestamp.refresh();
    try {
      const sent = await forward(config, () => timestamp.refresh());
      if (sent === 0) await send(config, 'ping'); // is the peer still there?
      timestamp.set(0);
    } catch (error) {
      if (timestamp.error === 0) console.error(String(error)); // once per outage
      timestamp.set(1);
    }
    await sleep(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  timestamp.reset();
}

// Any other error ends the process. The kubelet restarts it, and the outbox still holds the messages in hand.
void main();
