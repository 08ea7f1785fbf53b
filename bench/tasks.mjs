// Measures what work in hand costs the service, on the Node that runs this file.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import liveness from '../dist/index.js';
import { compare, cpu, figure, median } from './report.mjs';

const { Timestamp } = liveness;

class Minutes extends Timestamp {
  maximumAge = { minutes: 2 };
}

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'liveness-bench-'));
let files = 0;
const beating = () => new Minutes(join(folder, String(files++))).refresh();

/** Its limit is beyond the loop's, so that nothing is written. */
const HOUR = 3_600_000;
const MINUTE = 60_000;
const nano = (micro) => `${(micro * 1000).toFixed(0)} ns`;
const seen = { sum: 0 }; // uses the results, or the compiler might leave the work out

/** Calls performance.now() as often as the measured work does its step. */
const clockReads = (times) => () => {
  for (let read = 0; read < times; read++) seen.sum += performance.now();
};

function beginAndEnd() {
  const timestamp = beating();
  const both = (maximumAge, times) =>
    compare({
      work: () => {
        for (let task = 0; task < times; task++) timestamp.begin('mail#42', maximumAge).end();
      },
      against: clockReads(times),
      rounds: 30,
      times,
    });
  for (const inHand of [0, 10_000]) {
    for (let task = timestamp.tasks.length; task < inHand; task++) timestamp.begin(`other#${task}`, HOUR + (task % 20));
    const { ratio, ours, theirs } = both(HOUR, 50_000);
    figure(`begin() and end(), ${inHand.toLocaleString('en')} in hand`, ratio, {
      most: 10,
      beside: `${nano(ours)} against ${nano(theirs)}, performance.now()`,
    });
  }
  // Its limit is below the loop's, so the task would be dead first, and both its begin and its end are written.
  const { ratio, ours, theirs } = both(MINUTE, 2000);
  figure('  both written, in memory', ratio, { beside: `${nano(ours)} against ${nano(theirs)}, performance.now()` });
}

function wrapped() {
  const timestamp = beating();
  const describe = (job) => ({ name: job.name, maximumAge: HOUR });
  const times = 50_000;
  const job = { name: 'mail#42' };
  const bare = (given) => {
    seen.sum += given.name.length;
  };
  const handle = timestamp.wrap(bare, describe);
  const { ratio, ours, theirs } = compare({
    work: () => {
      for (let call = 0; call < times; call++) handle(job);
    },
    against: clockReads(times),
    rounds: 30,
    times,
  });
  figure('wrap(), a sync handler', ratio, { beside: `${nano(ours)} against ${nano(theirs)}, performance.now()` });
}

/** An async handler needs turns of the event loop, so the work is awaited. */
async function wrappedAsync() {
  const timestamp = beating();
  const times = 50_000;
  const job = { name: 'mail#42' };
  const bare = async (given) => {
    seen.sum += given.name.length;
  };
  const handle = timestamp.wrap(bare, (given) => ({ name: given.name, maximumAge: HOUR }));
  const spent = async (work) => {
    const before = process.cpuUsage();
    for (let call = 0; call < times; call++) await work(job);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const rounds = [];
  for (let round = 0; round < 33; round++) {
    const [ours, theirs, clock] = [await spent(handle), await spent(bare), cpu(clockReads(times))];
    if (round >= 3) rounds.push({ ratio: (ours - theirs) / clock, ours, theirs }); // in the first rounds the code is still being compiled
  }
  const of = (name) => median(rounds.map((round) => round[name]));
  figure('wrap(), an async handler, beyond the bare one', of('ratio'), {
    beside: `${nano(of('ours') / times)} against ${nano(of('theirs') / times)}, the handler alone`,
  });
}

function refresh() {
  const times = 200_000;
  const none = beating();
  for (const limits of [1, 20]) {
    for (const inHand of limits === 1 ? [0, 10, 1000, 10_000] : [10, 1000, 10_000]) {
      const timestamp = beating();
      for (let task = 0; task < inHand; task++) timestamp.begin(`mail#${task}`, HOUR + (task % limits));
      const beats = (of) => () => {
        for (let beat = 0; beat < times; beat++) of.refresh();
      };
      const toClock = compare({ work: beats(timestamp), against: clockReads(times), rounds: 30, times });
      const toNone = compare({ work: beats(timestamp), against: beats(none), rounds: 30, times });
      const across = inHand === 0 ? '' : `, ${limits} ${limits === 1 ? 'limit' : 'limits'}`;
      figure(`refresh() coalesced, ${inHand.toLocaleString('en')} in hand${across}`, toClock.ratio, {
        beside: `${nano(toClock.ours)} against ${nano(toClock.theirs)}, performance.now()`,
      });
      if (inHand > 0) figure('  to one without work in hand', toNone.ratio, { most: 2 });
    }
  }
}

try {
  beginAndEnd();
  wrapped();
  await wrappedAsync();
  refresh();
} finally {
  rmSync(folder, { recursive: true });
}
