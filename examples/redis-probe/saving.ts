// Measures what zombies cost a Redis that is PID 1. While a child saves, Redis asks ten times a second which child has ended,
// and gets one zombie each time, until none is left.

import type { Container, Sandbox } from './container';
import { HostContainer } from './host-container';
import { until } from './until';
import { BUSYBOX, PING, REDIS, succeed } from './zombies';

export async function timeSaves(sandbox: Sandbox, times: number): Promise<void> {
  const container = await HostContainer.start(sandbox, REDIS, PING);
  const quick = await save(container);
  await succeed(container, BUSYBOX, times);
  const zombies = await container.newZombies();
  const slow = await save(container);
  const left = zombies + (await container.newZombies());
  const slowly = `with ${zombies} zombies in ${slow} s, and then there are ${left}`;
  console.log(`\nAn empty Redis that is PID 1 saves in ${quick} s; ${slowly}.`);
}

async function save(container: Container): Promise<string> {
  const began = performance.now();
  await container.exec(['redis-cli', 'bgsave']).ended;
  await until(async () => {
    const { output } = await container.exec(['redis-cli', 'info', 'persistence']).ended;
    return output.includes('rdb_bgsave_in_progress:0');
  }, 'an end of the save');
  return ((performance.now() - began) / 1000).toFixed(1);
}
