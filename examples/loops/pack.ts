// A packer, which compresses batches of events. It is a thread, because the work would block every loop of the main thread.

import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { folder, INCOMING, list, PACKED, put } from './data';
import { loop } from './loop';
import type { LoopName } from './loops';

const name = workerData as LoopName;

/** The folder of the batches that this thread, or the thread before it, has in hand. */
const mine = folder(name);

const stop = new AbortController();
parentPort?.once('message', () => {
  stop.abort();
});

async function turn(): Promise<boolean> {
  const batch = readdirSync(mine)[0] ?? (await claim());
  if (batch === undefined) return false;
  // The source is removed last, so that after a kill the next thread does the batch again.
  await put(join(PACKED, `${batch}.gz`), gzipSync(readFileSync(join(mine, batch))));
  rmSync(join(mine, batch));
  return true;
}

/** Takes a batch that no other thread can take, if there is one. */
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
