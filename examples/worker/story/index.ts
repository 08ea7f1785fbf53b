// `npm start`: runs the worker on a copy of this repository's sources, and asks every probe. harness.ts has the code for that.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  ask,
  checkDone,
  deliver,
  deliverSources,
  end,
  expectEqual,
  heartbeat,
  LIMIT_SECONDS,
  say,
  sayWhatIsLeftOut,
  send,
  spool,
  start,
  tell,
  until,
  waiting,
} from './harness';

async function story(): Promise<void> {
  say('A worker compresses the files that appear in its spool, and beats on every turn of its loop.');
  say(`Its maximumAge is ${LIMIT_SECONDS} s here. Each line below: a probe, its exit code, what it printed.`);
  sayWhatIsLeftOut();

  await works();
  await takesLong();
  await idles();
  await wedges();
  await isKilled();
  await isRestarted();
  await isStopped();
}

async function works(): Promise<void> {
  tell('It works through copies of src/, test/ and docs/.');
  await start();
  let asking = true;
  const asked = ask('alive: ').finally(() => (asking = false));
  // Delivers files as long as the probes ask, to keep the worker busy.
  const feed = async () => {
    while (asking) {
      deliverSources();
      await until('an empty spool', () => !asking || waiting().length === 0);
    }
  };
  await Promise.all([asked, feed()]);
}

async function takesLong(): Promise<void> {
  tell('A file of 40 MiB appears. The worker states a limit of 4 s per MiB for this one step.');
  deliver('large', randomBytes(40 * 1024 * 1024));
  await until("the step's limit", () => Number(heartbeat.verdict().limit) > LIMIT_SECONDS * 1000);
  say(`Held up for more than ${LIMIT_SECONDS} s meanwhile, as by a slow disk (SIGSTOP), it keeps to what it stated.`);
  send('SIGSTOP');
  await until('a beat older than the usual limit', () => heartbeat.age > (LIMIT_SECONDS + 0.5) * 1000);
  await ask('alive: ', 'limit 2m40s');
  send('SIGCONT');
  await until('an empty spool', () => waiting().length === 0);
}

async function idles(): Promise<void> {
  const emptied = Date.now();
  await until('a beat without work', () => Number(heartbeat.value) > emptied);
  tell('Nothing is left to do. It still beats once per poll.');
  await ask('alive: ', `limit ${LIMIT_SECONDS}s`);
}

async function wedges(): Promise<void> {
  tell('A poisonous file, WEDGE, sends it into for (;;). The process is there, and busy; its loop does not turn.');
  deliver('WEDGE', 'for (;;);\n');
  await until('a dead verdict', () => !heartbeat.alive);
  await ask('dead: stale: ');
}

async function isKilled(): Promise<void> {
  tell('So it is killed, by SIGKILL, as a wedged loop runs no handler. It is stale and gone; gone says more.');
  expectEqual('the end of the worker', await end('SIGKILL'), 'SIGKILL');
  await ask('dead: gone: ');
}

async function isRestarted(): Promise<void> {
  tell('WEDGE is taken out and the worker restarted, over the heartbeat that the first one left.');
  rmSync(join(spool, 'WEDGE'));
  await start();
  await ask('alive: ');
}

async function isStopped(): Promise<void> {
  tell('At last SIGTERM, with the spool full: it drains, deletes its heartbeat, exits 0.');
  deliverSources();
  expectEqual('the end of the worker', await end('SIGTERM'), 0);
  expectEqual('files left in the spool', waiting().length, 0);
  await ask('dead: missing: ');
  say(`All ${checkDone()} files decompress to what was delivered, and MANIFEST lists each once.`);
}

const began = Date.now();
story().then(
  () => {
    say(`\nEvery verdict was as expected, in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
    process.exit(0);
  },
  (error: unknown) => {
    console.error(`\nNot as it should be: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
