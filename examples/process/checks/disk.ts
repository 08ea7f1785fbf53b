import { statfs } from 'node:fs/promises';
import { readConfig } from '../config';

/** Is there space to write new messages? */
export async function diskSpace(file: string): Promise<boolean> {
  const { outbox, minimumFreeMiB } = readConfig(file);
  const { bavail, bsize } = await statfs(outbox);
  return bavail * bsize >= minimumFreeMiB * 1024 * 1024;
}
