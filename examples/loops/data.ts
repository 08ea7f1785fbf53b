// The way of an event: a web worker puts it into incoming/, a packer into packed/, the ship loop into archive/.

import { mkdirSync } from 'node:fs';
import { readdir, rename, writeFile } from 'node:fs/promises';
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

/** Flushed to the disk before its name appears. */
export async function put(path: string, content: string | Buffer): Promise<void> {
  await writeFile(`${path}.tmp`, content, { flush: true });
  await rename(`${path}.tmp`, path);
}

/** What put() has finished, the oldest first. */
export async function list(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => !name.endsWith('.tmp')).sort();
}
