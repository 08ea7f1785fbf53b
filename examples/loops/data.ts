// The way of an event: a web worker puts it into incoming/, a packer into packed/, the ship loop into archive/.

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

/** Files that a loop takes in one turn: a backlog is many turns, with a beat each. */
export const MOST_FILES = 50;

/** Flushed to the disk before its name appears. Its folder is not: a power loss may still take the name away. */
export async function put(path: string, content: string | Buffer): Promise<void> {
  await writeFile(`${path}.tmp`, content, { flush: true });
  await rename(`${path}.tmp`, path);
}

/** Some of what put() has finished there, for one turn. In no order: that would take reading all of a backlog each time. */
export async function list(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of await opendir(path)) {
    if (!name.endsWith('.tmp')) names.push(name);
    if (names.length === MOST_FILES) break;
  }
  return names;
}

/** Every file, finished or not, one after the other. */
export async function* files(): AsyncGenerator<string, undefined> {
  for (const path of [INCOMING, PACKED, ARCHIVE]) {
    for await (const { name } of await opendir(path)) yield join(path, name);
  }
}
