// Bugs that keep a loop from turning, for story/. Your service does not need this file.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoopName } from './loops';

const { FAULTS } = process.env;

/** The bug is named in a file that is named like the loop, and lasts while the file exists. */
export async function injectedFault(name: LoopName): Promise<void> {
  if (FAULTS === undefined) return;
  const file = join(FAULTS, name);
  switch (existsSync(file) && readFileSync(file, 'utf8')) {
    case 'hang': // an await that does not settle: the other loops of its thread go on
      while (existsSync(file)) await sleep(10);
      break;
    case 'spin': // for (;;): no loop of its thread goes on
      while (existsSync(file));
      break;
    case 'exit': // in a thread it ends that thread alone, without an error that anybody would see
      process.exit(1);
  }
}
