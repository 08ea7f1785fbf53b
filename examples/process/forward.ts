import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config';
import { send } from './peer';

/**
 * Sends every message in the outbox, in the order of their names, each as one line of JSON. A message is removed after the
 * peer has taken it, so after a kill between the two it is sent again.
 *
 * @param turn is called before each message.
 * @returns how many messages were sent.
 */
export async function forward(config: Config, turn: () => void): Promise<number> {
  const names = (await readdir(config.outbox)).filter((name) => !name.endsWith('.tmp')).sort();
  for (const name of names) {
    turn();
    const file = join(config.outbox, name);
    await send(config, JSON.stringify({ name, text: await readFile(file, 'utf8') }));
    await rm(file);
  }
  return names.length;
}
