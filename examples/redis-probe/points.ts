// Tells from /proc how far a process has come.

import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { stateIn, textOf } from './container';

/** Whether the process already runs this command. */
export function runs(pid: number, command: string[]): boolean {
  return textOf(`/proc/${pid}/cmdline`) === command.map((word) => `${word}\0`).join('');
}

/** Whether it is connected and asleep, so that it waits for the answer. */
export function awaitsAnswer(pid: number): boolean {
  const connections = textOf(`/proc/${pid}/net/tcp`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const established = connections
    .filter(([, , , state]) => state === '01')
    .map((fields) => `socket:[${fields[9] ?? ''}]`);
  return stateIn(`/proc/${pid}`) === 'S' && openIn(pid).some((link) => established.includes(link));
}

/** Whether V8 has started its threads. */
export function hasThreads(pid: number): boolean {
  return /^Threads:\t(?!1$)/m.test(textOf(`/proc/${pid}/status`));
}

/** Whether liveness.sh has done its first step. */
export function hasLimitedItself(pid: number): boolean {
  return /^Max cpu time +\d+ /m.test(textOf(`/proc/${pid}/limits`));
}

function openIn(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((name) => readlinkSync(join(folder, name)));
  } catch {
    return []; // it has just ended, or closed a file
  }
}
