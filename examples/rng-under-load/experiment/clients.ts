// The course's load, from clients that try again after an outage.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export const CONCURRENCY = 10;

const children = new Set<ChildProcess>();

export function endClients(): void {
  for (const child of children) child.kill('SIGKILL');
}

export function hasAb(): boolean {
  return spawnSync('ab', ['-V']).status === 0;
}

/**
 * Runs ab until it has the wanted number of answers. If ab is refused or cut off once, it gives up all its requests (with -r it
 * would lose a thousand requests within 0.2 s). So it is run again a second later for the rest.
 *
 * @returns the number of answers; fewer than wanted if `patience` ended before.
 */
export async function client(port: number, wanted: number, patience: AbortSignal): Promise<number> {
  let answered = 0;
  while (answered < wanted && !patience.aborted) {
    answered += await ab(port, wanted - answered, patience);
    if (answered < wanted) await sleep(1000, undefined, { signal: patience }).catch(() => undefined);
  }
  return answered;
}

async function ab(port: number, requests: number, patience: AbortSignal): Promise<number> {
  const concurrency = Math.min(CONCURRENCY, requests);
  const args = ['-q', '-c', String(concurrency), '-n', String(requests), `http://127.0.0.1:${port}/1`];
  const child = spawn('ab', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.add(child);
  const giveUp = (): void => void child.kill('SIGINT');
  patience.addEventListener('abort', giveUp);
  let report = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (report += text));
  await once(child, 'close');
  patience.removeEventListener('abort', giveUp);
  children.delete(child);
  const [, completed = '0'] = /(?:Total of|Complete requests:) +(\d+)/.exec(report) ?? [];
  return Number(completed);
}
