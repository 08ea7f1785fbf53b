// What is yours in every recipe: the settings, the job, how long it may take, and what is done with it.

import { setTimeout as sleep } from 'node:timers/promises';

/** How old a beat may become, in milliseconds. */
export const limit = Number(process.env.LIMIT ?? 120_000);
/** Where the server listens, on 127.0.0.1. The harness puts its proxy there. */
export const port = Number(process.env.PORT);
export const queue = process.env.QUEUE ?? 'mail';

export interface Mail {
  readonly id: string;
  /** What goes wrong with it: it never ends, or it never gives the event loop back. */
  readonly does?: 'hang' | 'spin';
  /** How long it takes, in milliseconds. Default: 50. */
  readonly ms?: number;
  /** How long it waits in the queue first, in milliseconds, if the queue can delay a job. */
  readonly delay?: number;
  /** How long it may take, in milliseconds. Default: 8000. */
  readonly limit?: number;
}

export function limitOf(mail: Mail): number {
  return mail.limit ?? 8000;
}

export async function handle(mail: Mail): Promise<void> {
  process.send?.({ begun: mail.id }); // for the harness
  if (mail.does === 'hang') await new Promise(() => undefined);
  while (mail.does === 'spin');
  await sleep(mail.ms ?? 50);
  process.send?.({ handled: mail.id });
}
