import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** Does a job: computes the SHA-256 of its `text` and takes `ms`. An error becomes the job's result. */
export async function handle({ text, ms = '0' }: Record<string, string>, attempt: number): Promise<string> {
  if (text === undefined) throw new Error('expected a text; the job has none');
  // A bug for the story, which blocks the loop at the first attempt. Your service does not need this line.
  if (text === 'WEDGE' && attempt === 1) for (;;);
  await sleep(Number(ms));
  return createHash('sha256').update(text).digest('hex');
}
