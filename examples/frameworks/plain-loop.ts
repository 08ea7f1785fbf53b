import { park, poll } from './poll.js';
import { handle, limitOf } from './yours.js';

// recipe
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
let stopping = false;

async function main() {
  while (!stopping) {
    timestamp.refresh();
    const mail = await poll(); // every wait has an end, also while the server is away
    if (!mail) continue;
    timestamp.refresh({ maximumAge: limitOf(mail) });
    await handle(mail);
  }
}
void main();
// end of recipe

export { park };
export function stop(): void {
  stopping = true;
}
