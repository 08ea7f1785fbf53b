import { setTimeout as sleep } from 'node:timers/promises';
import { LoopTimestamp, pathOf, type LoopName } from './loops';
import { trouble } from './trouble';

/** Bounded, so that an idle loop beats too. */
export const POLL_MS = 250;

/**
 * Beats and takes a turn until `stop`, in whichever process or thread it is called; then goes on for as long as there is
 * something to do, and takes its heartbeat away.
 *
 * @param turn one piece of work, small enough for one beat; true: there may be more, do not wait.
 * @param wait for more to do, bounded.
 */
export async function loop(
  name: LoopName,
  stop: AbortSignal,
  turn: () => boolean | Promise<boolean>,
  wait: () => Promise<unknown> = () => sleep(POLL_MS, undefined, { signal: stop }).catch(() => undefined),
): Promise<void> {
  const timestamp = new LoopTimestamp(pathOf(name));
  for (;;) {
    await trouble(name);
    timestamp.refresh();
    const stopping = stop.aborted; // asked before the turn: what came until now is still done
    if (await turn()) continue;
    if (stopping) break;
    await wait();
  }
  timestamp.delete();
}
