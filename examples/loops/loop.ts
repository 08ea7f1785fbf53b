import { setTimeout as sleep } from 'node:timers/promises';
import { LoopTimestamp, pathOf, type LoopName } from './loops';
import { trouble } from './trouble';

/** Bounded, so that an idle loop beats too. */
const POLL_MS = 250;

/**
 * Beats and takes a turn until `stop`, in whichever process or thread it is called; then goes on for as long as there is
 * something to do, and takes its heartbeat away.
 *
 * @param turn one piece of work; true: there may be more, do not wait.
 */
export async function loop(
  name: LoopName,
  stop: AbortSignal,
  turn: () => boolean | Promise<boolean>,
  pollMs = POLL_MS,
): Promise<void> {
  const timestamp = new LoopTimestamp(pathOf(name));
  for (;;) {
    await trouble(name);
    timestamp.refresh();
    const stopping = stop.aborted; // asked before the turn: what came until now is still done
    if (await turn()) continue;
    if (stopping) break;
    await sleep(pollMs, undefined, { signal: stop }).catch(() => undefined);
  }
  timestamp.delete();
}
