// Collects events: web workers (a cluster) receive them, threads pack them, and two loops here ship them and clean up.

import cluster from 'node:cluster';
import { readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Post, thread, worker } from './supervisor';
import { ARCHIVE, files, list, MOST_FILES, PACKED, put } from './data';
import { loop } from './loop';

const { KEEP_SECONDS = 7 * 24 * 3600 } = process.env;

/** The pause between two passes through all files, because a pass over many files takes long. */
const CLEAN_UP_MS = 60_000;

/** An unfinished file of put() that is older was left by a killed loop, because a loop that writes so long is dead. */
const TEMPORARY_MS = 60_000;

const web = [new Post('web-1', worker), new Post('web-2', worker)];
const packers = [new Post('pack-1', thread), new Post('pack-2', thread)];

const stop = new AbortController();

async function main(): Promise<void> {
  const signalled = new Promise((settle) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, settle);
  });
  cluster.on('listening', (_, { address, port }) => {
    console.log(`listening on ${address}:${port}`);
  });

  const loops = [
    loop('supervisor', stop.signal, supervise),
    loop('ship', stop.signal, ship),
    loop('clean-up', stop.signal, cleanUp),
  ];
  await signalled;
  // In the order in which events pass them, so that no event is left between them.
  for (const posts of [web, packers]) await Promise.all(posts.map((post) => post.stop()));
  stop.abort();
  await Promise.all(loops);
}

function supervise(): boolean {
  for (const post of [...packers, ...web]) post.keep();
  return false;
}

async function ship(): Promise<boolean> {
  const packed = await list(PACKED);
  for (const name of packed) {
    await put(join(ARCHIVE, name), await readFile(join(PACKED, name)));
    await rm(join(PACKED, name));
  }
  return packed.length > 0;
}

let pass: ReturnType<typeof files> | undefined;
let nextPass = -Infinity;

async function cleanUp(): Promise<boolean> {
  if (performance.now() < nextPass) return false;
  pass ??= files();
  for (let count = 0; count < MOST_FILES; count++) {
    const { value: file } = await pass.next();
    if (file === undefined) {
      pass = undefined;
      nextPass = performance.now() + CLEAN_UP_MS;
      return false;
    }
    if (await isOld(file)) await rm(file, { force: true });
  }
  return !stop.signal.aborted; // what is left can wait for the next start
}

async function isOld(file: string): Promise<boolean> {
  if (file.endsWith('.tmp')) {
    const stats = await stat(file).catch(() => undefined); // the file was just finished
    return stats !== undefined && Date.now() - stats.mtimeMs > TEMPORARY_MS;
  }
  // A batch's name begins with its time.
  return dirname(file) === ARCHIVE && Date.now() - parseInt(basename(file)) > Number(KEEP_SECONDS) * 1000;
}

// Any error ends the process. The kubelet restarts it, and the folders still hold the events in hand.
void main();
