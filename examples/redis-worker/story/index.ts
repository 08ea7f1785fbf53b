// Runs the worker as pods under a kubelet, while Redis comes and goes. harness.ts has the code for that.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  add,
  checkResults,
  close,
  expectEqual,
  FAILURES,
  hasBegun,
  LIMIT_SECONDS,
  openRedis,
  PERIOD_MS,
  Pod,
  resultOf,
  say,
  server,
  tell,
} from './harness';

const ALIVE = { liveness: 'alive: ', readiness: 'alive: ' };
const AWAY = { liveness: 'alive: ', readiness: 'dead: failed: error 1 ' };
const GONE = { liveness: 'dead: missing: ', readiness: 'dead: missing: ' };

async function story(): Promise<void> {
  say('Workers, one in each pod, take jobs from a Redis stream. Each line: a probe, its exit code, what it printed.');
  say(
    `maximumAge is ${LIMIT_SECONDS} s here; a kubelet asks for liveness each ${PERIOD_MS} ms, and restarts at ${FAILURES} failures.`,
  );

  const left = await isLeftBehind();
  const pod = await works();
  if (server) {
    const killed = 'Redis is killed while a job is in hand.';
    await losesRedis(
      pod,
      killed,
      () => server?.kill(),
      () => server?.start(),
    );
    const frozen = 'Redis freezes (SIGSTOP): it takes connections and commands, and does not answer.';
    await losesRedis(
      pod,
      frozen,
      () => server?.freeze(),
      () => server?.thaw(),
    );
  } else {
    say('\nLeft out: an outage and a freeze of Redis. That of REDIS_URL is not ours to kill.');
  }
  await wedges(pod);
  await takesOver(left);
  await isStopped(pod);
  await isCounted();
}

async function isLeftBehind(): Promise<string | undefined> {
  tell("Pod jobs-a has taken a job when its node fails. Nobody restarts it, and the job stays in a dead pod's hands.");
  const pod = new Pod('jobs-a');
  const [id] = await add({ text: 'left behind', ms: '1500' });
  await hasBegun(id);
  await pod.die();
  return id;
}

async function works(): Promise<Pod> {
  tell('Pod jobs-b works through 20 jobs, and waits for more.');
  const pod = new Pod('jobs-b');
  const ids = await add(...Array.from({ length: 20 }, (_, at) => ({ text: `job ${at}` })));
  for (const id of ids) await resultOf(id);
  await pod.ask(ALIVE);
  return pod;
}

async function losesRedis(pod: Pod, what: string, take: () => unknown, give: () => unknown): Promise<void> {
  tell(`${what} For longer than maximumAge:`);
  const [id] = await add({ text: 'in hand', ms: '500' });
  await hasBegun(id);
  const began = Date.now();
  await take();
  await pod.until(AWAY.readiness);
  await sleep((LIMIT_SECONDS + 1) * 1000 - (Date.now() - began));
  await pod.ask(AWAY);
  await give();
  await pod.until(ALIVE.readiness);
  say('Redis is back:');
  await pod.ask(ALIVE);
  const { attempt } = await resultOf(id);
  expectEqual('the attempt', attempt, '1');
  expectEqual('restarts', pod.restarts, 0);
  say('Restarts: 0. The job in hand was handled once, and its result was kept until Redis took it.');
}

async function wedges(pod: Pod): Promise<void> {
  tell('A job sends the handler into for (;;). The process is there, and busy; its loop does not turn.');
  const [id] = await add({ text: 'WEDGE' });
  const { attempt } = await resultOf(id);
  expectEqual('restarts', pod.restarts, 1);
  expectEqual('the attempt', attempt, '2');
  await pod.ask(ALIVE);
  say('The new worker found the job in its own hands and did it; its result says attempt 2.');
}

async function takesOver(id: string | undefined): Promise<void> {
  const { attempt, consumer } = await resultOf(id);
  tell(
    `Meanwhile ${consumer} has taken over what jobs-a left behind, idle for ${2 * LIMIT_SECONDS} s: attempt ${attempt}.`,
  );
  expectEqual('the attempt', attempt, '2');
}

async function isStopped(pod: Pod): Promise<void> {
  tell('At last SIGTERM, with a job in hand: it is done first.');
  const [id] = await add({ text: 'the last one', ms: '500' });
  await hasBegun(id);
  const { exit, left } = await pod.stop();
  expectEqual('the exit', exit, 0);
  expectEqual('what it left', left.join(), '');
  await pod.ask(GONE);
}

async function isCounted(): Promise<void> {
  const { jobs, redelivered } = await checkResults();
  tell(
    `${jobs} jobs, ${jobs} results: none lost, none twice. ${redelivered.length} of them were delivered again and say so:`,
  );
  for (const { id, attempt, consumer } of redelivered) say(`  ${id}  attempt ${attempt}, by ${consumer}`);
}

async function main(): Promise<number> {
  const began = Date.now();
  try {
    say(await openRedis());
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const none = 'there is no redis-server (apt-get install redis-server), and no REDIS_URL';
    console.error(`Cannot be told without Redis: ${code === 'ENOENT' ? none : message || String(code)}`);
    return 2;
  }
  try {
    await story();
    say(`\nAll was as expected, in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
    return 0;
  } catch (error) {
    console.error(`\nNot as it should be: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Ends everything, and removes our keys from a Redis that is not ours. */
function exit(code: number): void {
  close().then(
    () => process.exit(code),
    (error: unknown) => {
      console.error(`Cannot clean up: ${String(error)}`);
      process.exit(code || 1);
    },
  );
}

for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, () => {
    exit(code);
  });
}
void main().then(exit);
