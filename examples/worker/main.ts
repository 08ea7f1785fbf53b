// Compresses every file that appears in the spool directory into its done/ and lists it in done/MANIFEST.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { WorkerTimestamp } from './timestamp';

const { SPOOL = '/var/spool/worker' } = process.env;
const DONE = join(SPOOL, 'done');
const MANIFEST = join(DONE, 'MANIFEST');

/** A bounded wait, so that an idle worker beats too. */
const POLL_MS = 250;

const MIB = 1024 * 1024;

/** A larger file may take longer than the usual maximumAge of two minutes on a throttled processor. */
const LARGE = 32 * MIB;
/** What a MiB may take on such a processor; on a free one it takes about 25 ms. */
const SECONDS_PER_MIB = 4;

const timestamp = new WorkerTimestamp();

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      stop.abort();
    });
  }
  // The first beat throws if it cannot be recorded, or if another worker beats this file. Then no file is touched.
  timestamp.refresh();
  await mkdir(DONE, { recursive: true });
  while (!stop.signal.aborted) {
    await pass();
    await sleep(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  // Drains the spool, because an emptyDir and its files are lost with the pod.
  await pass();
  timestamp.delete();
}

/** One turn of the loop: one beat, and one for each waiting file. */
async function pass(): Promise<void> {
  timestamp.refresh();
  for (const name of await waiting()) {
    const { size } = await stat(join(SPOOL, name));
    timestamp.refresh(size > LARGE ? { maximumAge: { seconds: (size / MIB) * SECONDS_PER_MIB } } : undefined);
    await pack(name);
  }
}

/** Writers rename finished files, so a name that begins with a dot or ends in .tmp is not finished. */
async function waiting(): Promise<string[]> {
  const entries = await readdir(SPOOL, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  return names.filter((name) => !name.startsWith('.') && !name.endsWith('.tmp')).sort();
}

/** Removes the source last, so that after a kill the whole file is done again. */
async function pack(name: string): Promise<void> {
  // A bug for examples/worker/story that blocks the loop. Your service does not need this line.
  if (name === 'WEDGE') for (;;);

  const source = join(SPOOL, name);
  const target = join(DONE, `${name}.gz`);
  const again = existsSync(target);
  const hash = createHash('sha256');
  await pipeline(
    createReadStream(source),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createGzip(),
    // Flushed to the disk before the rename, like the manifest, because the machine may fail after the source is removed.
    createWriteStream(`${target}.tmp`, { flush: true }),
  );
  await rename(`${target}.tmp`, target);
  const line = manifestLine(hash.digest('hex'), name);
  // After a kill between these two steps the file comes again and is listed already.
  const listed = again && (await readFile(MANIFEST, { encoding: 'utf8', flag: 'a+' })).includes(line);
  if (!listed) await appendFile(MANIFEST, line, { flush: true });
  await rm(source);
  console.log(`${name} done`);
}

/** In the format of `sha256sum`, so that `sha256sum -c` reads it. A newline in a name must not forge a second line. */
function manifestLine(sum: string, name: string): string {
  const escaped = name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `${escaped === name ? '' : '\\'}${sum}  ${escaped}\n`;
}

// Any error ends the process. The kubelet restarts it, and the spool still holds the file in hand.
void main();
