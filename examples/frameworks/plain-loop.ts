import { close, park, poll } from './poll.js';
import { handle, limitOf } from './yours.js';

// recipe
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
let stopping = false;
process.once('SIGTERM', () => (stopping = true));

async function main() {
  while (!stopping) {
    timestamp.refresh();
    const mail = await poll(); // every wait has an end, also while the server is away
    if (!mail) continue;
    timestamp.refresh({ maximumAge: limitOf(mail) });
    await handle(mail);
  }
  timestamp.delete();
}
void main().then(close);
// end of recipe

export { park };
export function stop(): void {
  stopping = true;
}
