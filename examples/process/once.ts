// Forwards the messages in the outbox once, for a cron job or before a migration.

import { join } from 'node:path';
import { diskSpace } from './checks/disk';
import { peer } from './checks/peer';
import { readConfig } from './config';
import { forward } from './forward';
import { ForwarderTimestamp } from './timestamp';

const { CONFIG = '/etc/forwarder.json' } = process.env;

async function main(): Promise<void> {
  const timestamp = new ForwarderTimestamp();
  try {
    await timestamp.load([join(__dirname, 'checks', 'config.js'), diskSpace, peer], CONFIG);
    timestamp.set();
    await forward(readConfig(CONFIG), () => timestamp.refresh());
  } finally {
    timestamp.reset();
  }
}

void main();
