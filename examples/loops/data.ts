// The folders of an event: a web worker puts it into incoming/, a packer into packed/, the ship loop into archive/.

import { mkdirSync } from 'node:fs';
import { opendir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const { DATA = '/var/lib/collector' } = process.env;

export const INCOMING = folder('incoming');
export const PACKED = folder('packed');
export const ARCHIVE = folder('archive');

export function folder(name: string): string {
  const path = join(DATA, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Files that a loop takes in one turn. A backlog takes many turns, with a beat each. */
export const MOST_FILES = 50;

/** Flushes the file to the disk before its name appears. The folder is not flushed, so a power loss can still lose the name. */
export async function put(path: string, content: string | Buffer): Promise<void> {
  await writeFile(`${path}.tmp`, content, { flush: true });
  await rename(`${path}.tmp`, path);
}

/** Some finished files for one turn. In no order, because an order would need to read the whole backlog each time. */
export async function list(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of await opendir(path)) {
    if (!name.endsWith('.tmp')) names.push(name);
    if (names.length === MOST_FILES) break;
  }
  return names;
}

/** Every file, finished or not. */
export async function* files(): AsyncGenerator<string, undefined> {
  for (const path of [INCOMING, PACKED, ARCHIVE]) {
    for await (const { name } of await opendir(path)) yield join(path, name);
  }
}
