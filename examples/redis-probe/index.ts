// Probes of a process that is not ours, run in real containers: what they leave behind, and what they tell.

import { spawnSync } from 'node:child_process';
import { compareAnswers } from './answers';
import { end } from './container';
import { timeSaves } from './saving';
import { countZombies } from './zombies';

const { PROBES = '50' } = process.env;
const NEEDED = ['runc', 'redis-server', 'redis-cli', 'tini', 'busybox'];

async function main(): Promise<void> {
  const missing = NEEDED.filter((program) => spawnSync(program, ['--version']).error !== undefined);
  if (process.geteuid?.() !== 0) missing.unshift('root');
  if (missing.length > 0) {
    const remedy = 'as root: apt-get install runc redis-server tini busybox-static';
    return end(2, `Not run: missing ${missing.join(', ')} (${remedy})`);
  }
  await countZombies(Number(PROBES));
  await timeSaves(Number(PROBES));
  await compareAnswers();
  await end(0);
}

main().catch((error: unknown) => end(1, `Not as it should be: ${error instanceof Error ? error.message : String(error)}`));
