// Records what happened and when, for the output and the picture. All times are seconds since the start.

import { setTimeout as sleep } from 'node:timers/promises';

export type State = 'up' | 'ending' | 'down';

export interface Change {
  readonly at: number;
  readonly state: State;
}

const began = performance.now();

export function now(): number {
  return (performance.now() - began) / 1000;
}

export function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}

interface Side {
  readonly name: string;
  readonly up: number;
  readonly endings: readonly number[];
}

let sides: readonly Side[] = [];

/** Begins the table that `say` continues. */
export function show(shown: readonly Side[]): void {
  sides = shown;
  console.log(`         ${sides.map(({ name }) => name.padEnd(15)).join('')}`);
  console.log(`seconds  ${sides.map(() => 'up  restarts   ').join('')}`);
}

/** Prints a line with the numbers of replicas that are up and of restarts. */
export function say(text: string): void {
  const counts = sides.map(({ up, endings }) => `${String(up).padStart(2)}  ${String(endings.length).padStart(8)}   `);
  console.log(`${now().toFixed(1).padStart(7)}  ${counts.join('')}${text}`);
}

/** Waits until `isTrue` returns true; throws after `patience` seconds. */
export async function until(what: string, patience: number, isTrue: () => boolean): Promise<void> {
  const deadline = now() + patience;
  while (!isTrue()) {
    if (now() > deadline) throw new Error(`expected ${what} within ${patience} s; it did not come`);
    await sleep(20);
  }
}
