import { setTimeout as sleep } from 'node:timers/promises';
import { LoopTimestamp, pathOf, type LoopName } from './loops';
import { injectedFault } from './faults';

/** A bounded wait, so that an idle loop beats too. */
export const POLL_MS = 250;

/**
 * Beats and takes a turn until `stop`, in any process or thread. Then it goes on while there is work, and deletes its
 * heartbeat.
 *
 * @param turn does one piece of work, small enough for one beat. Returns true if there may be more, so that the loop does not wait.
 * @param wait waits for more work, for a bounded time.
 */
export async function loop(
  name: LoopName,
  stop: AbortSignal,
  turn: () => boolean | Promise<boolean>,
  wait: () => Promise<unknown> = () => sleep(POLL_MS, undefined, { signal: stop }).catch(() => undefined),
): Promise<void> {
  const timestamp = new LoopTimestamp(pathOf(name));
  for (;;) {
    await injectedFault(name);
    timestamp.refresh();
    const stopping = stop.aborted; // read before the turn, so that work that came before is still done
    if (await turn()) continue;
    if (stopping) break;
    await wait();
  }
  timestamp.delete();
}
