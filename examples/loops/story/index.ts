// Runs the service, breaks one loop after the other, and asks every probe. harness.ts has the code for that.

import {
  all,
  archived,
  ask,
  askGlob,
  breakLoop,
  checkArchive,
  end,
  expectEqual,
  LIMIT_SECONDS,
  mendLoop,
  PROBES,
  resent,
  say,
  start,
  startPosting,
  stopPosting,
  taken,
  tell,
  until,
} from './harness';

async function story(): Promise<void> {
  say(
    'A service with seven loops: three in its main thread, two threads, two cluster workers. Each beats a file of its own,',
  );
  say(
    `one probe asks after all of them. Their maximumAge is ${LIMIT_SECONDS} s here. Each answer below, an exit code and a line, is`,
  );
  say(`that of ${PROBES}.`);

  await oneNeverStarts();
  await allWork();
  await oneHangs();
  await aThreadDies();
  await aWorkerDies();
  await aWorkerWedges();
  await theMainThreadWedges();
  await isStopped();
}

async function oneNeverStarts(): Promise<void> {
  tell('The service starts, except for ship: what it awaits before its first turn does not come.');
  breakLoop('ship', 'hang');
  start();
  await ask({ ship: 'missing' });
  say('That is because the probe names its path. Given what a glob finds there, it asks after the six others:');
  await askGlob(6);
}

async function allWork(): Promise<void> {
  tell('It comes. From now on events are posted, 20 a second.');
  mendLoop('ship');
  await ask({});
  startPosting();
  await until('an event in the archive', () => archived().length > 0);
}

async function oneHangs(): Promise<void> {
  tell('ship hangs in an await that never settles. The other loops of its thread go on, and so does the process.');
  breakLoop('ship', 'hang');
  await ask({ ship: 'stale' });
  mendLoop('ship');
  await ask({});
}

async function aThreadDies(): Promise<void> {
  tell(
    'The thread pack-1 ends, as does each that is started in its place. Its process lives, so that only its age tells.',
  );
  breakLoop('pack-1', 'exit');
  await ask({ 'pack-1': 'stale' });
  const before = archived().length;
  await until('batches packed by pack-2', () => archived().length > before + 5);
  say('pack-2 packs the batches of both. Then one starts, and takes over the file of the dead.');
  mendLoop('pack-1');
  await ask({});
}

async function aWorkerDies(): Promise<void> {
  tell('The cluster worker web-1 ends, and each in its place. It is a process: there is no need to wait for its age.');
  breakLoop('web-1', 'exit');
  await ask({ 'web-1': 'gone' });
  const before = taken();
  await until('events taken by web-2', () => taken() > before + 5);
  say('web-2 takes the events of both. Then one starts: same name, same path.');
  mendLoop('web-1');
  await ask({});
}

async function aWorkerWedges(): Promise<void> {
  tell('web-2 runs into for (;;), and each in its place. The supervisor sees its heartbeat too, and kills it.');
  breakLoop('web-2', 'spin');
  await ask({ 'web-2': 'gone' });
  const before = taken();
  await until('events taken by web-1', () => taken() > before + 5);
  say('web-1 goes on, which a restart of the container would end too. Then a web-2 starts that does not spin.');
  mendLoop('web-2');
  await ask({});
}

async function theMainThreadWedges(): Promise<void> {
  tell('clean-up runs into for (;;), in the main thread: no loop there turns, and nobody hands out connections.');
  breakLoop('clean-up', 'spin');
  await ask({ supervisor: 'stale', ship: 'stale', 'clean-up': 'stale' });
  const before = { taken: taken(), resent: resent() };
  await until('an event that nobody takes', () => resent() > before.resent);
  expectEqual('events taken meanwhile', taken() - before.taken, 0);
  say('That is for the kubelet: the container is killed, all of it, and started anew over the files it left.');
  expectEqual('the end of the service', await end('SIGKILL'), 'SIGKILL');
  await ask(all('gone'));
  mendLoop('clean-up');
  start();
  await ask({});
}

async function isStopped(): Promise<void> {
  tell('At last SIGTERM: it finishes what is on its way, and every loop takes its file away.');
  await stopPosting();
  expectEqual('the end of the service', await end('SIGTERM'), 0);
  await ask(all('missing'));
  say(checkArchive());
}

const began = Date.now();
story().then(
  () => {
    say(`\nEvery answer was as expected, in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
    process.exit(0);
  },
  (error: unknown) => {
    console.error(`\nNot as it should be: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
