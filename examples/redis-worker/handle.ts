import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is done with a job: the SHA-256 of its `text`, which takes it `ms`. What it throws becomes the job's result. */
export async function handle({ text, ms = '0' }: Record<string, string>, attempt: number): Promise<string> {
  if (text === undefined) throw new Error('expected a text; the job has none');
  // What the story injects: a bug that stops the loop from turning, and does not strike twice. Your service has its own.
  if (text === 'WEDGE' && attempt === 1) for (;;);
  await sleep(Number(ms));
  return createHash('sha256').update(text).digest('hex');
}
