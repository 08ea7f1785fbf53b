// A packer, a thread: compresses one batch of events after the other, which would hold up every loop of the main thread.

import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { folder, INCOMING, list, PACKED, put } from './data';
import { loop } from './loop';
import type { LoopName } from './loops';

const name = workerData as LoopName;

/** What this thread has in hand, and what its predecessor had. */
const mine = folder(name);

const stop = new AbortController();
parentPort?.once('message', () => {
  stop.abort();
});

async function turn(): Promise<boolean> {
  const batch = readdirSync(mine)[0] ?? (await claim());
  if (batch === undefined) return false;
  // Killed at any point, its successor does it again: the source goes last.
  await put(join(PACKED, `${batch}.gz`), gzipSync(readFileSync(join(mine, batch))));
  rmSync(join(mine, batch));
  return true;
}

/** Takes a batch for this thread alone, if there is one. */
async function claim(): Promise<string | undefined> {
  return (await list(INCOMING)).find((batch) => {
    try {
      renameSync(join(INCOMING, batch), join(mine, batch));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return false; // another packer was faster
    }
  });
}

void loop(name, stop.signal, turn);
