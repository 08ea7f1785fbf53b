// Collects events: web workers (a cluster) take them in, threads pack them, and two loops here ship and clean up.

import cluster from 'node:cluster';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Post, thread, worker } from './crew';
import { ARCHIVE, list, PACKED, put } from './data';
import { loop } from './loop';

const { KEEP_SECONDS = 7 * 24 * 3600 } = process.env;

const web = [new Post('web-1', worker), new Post('web-2', worker)];
const packers = [new Post('pack-1', thread), new Post('pack-2', thread)];

async function main(): Promise<void> {
  const signalled = new Promise((settle) => { for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, settle); });
  cluster.on('listening', (_, { address, port }) => { console.log(`listening on ${address}:${port}`); });

  const stop = new AbortController();
  const loops = [
    loop('supervisor', stop.signal, supervise),
    loop('ship', stop.signal, ship),
    loop('clean-up', stop.signal, cleanUp),
  ];
  await signalled;
  // In the order of an event's way, so that none is left on it.
  for (const posts of [web, packers]) await Promise.all(posts.map((post) => post.stop()));
  stop.abort();
  await Promise.all(loops);
}

function supervise(): boolean {
  for (const post of [...packers, ...web]) post.keep();
  return false;
}

async function ship(): Promise<boolean> {
  const [packed] = await list(PACKED);
  if (packed === undefined) return false;
  await put(join(ARCHIVE, packed), await readFile(join(PACKED, packed)));
  await rm(join(PACKED, packed));
  return true;
}

async function cleanUp(): Promise<boolean> {
  // A batch's name begins with its time.
  const old = (await list(ARCHIVE)).filter((name) => Date.now() - parseInt(name) > Number(KEEP_SECONDS) * 1000);
  for (const name of old) await rm(join(ARCHIVE, name));
  return false;
}

// Any error ends the process: the kubelet restarts it, and the folders still hold what was on its way.
void main();
