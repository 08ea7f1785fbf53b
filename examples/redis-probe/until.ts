import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds until we give up, because it hangs: nothing takes so long, even on a busy machine. */
export const PATIENCE = 300_000;

/**
 * Settles with the result of `ask` as soon as it is neither false nor undefined.
 *
 * @param every milliseconds between two questions.
 */
export async function until<T>(
  ask: () => T | Promise<T>,
  what = ask.toString(),
  every = 2,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const found = await ask();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (performance.now() > deadline) throw new Error(`expected within ${PATIENCE / 1000} s: ${what}`);
    await sleep(every);
  }
}
