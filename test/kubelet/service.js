// The service in the pods, dist/main.js of the image. Its arguments or WISHES say what it does: NAME=VALUE, in seconds from
// its start. It says what it does in lines of JSON.
'use strict';

const { existsSync, writeFileSync } = require('node:fs');
const { dirname } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { ProcessTimestamp, Timestamp } = require('k8s-liveness');

const wishes = Object.fromEntries(
  [...process.argv.slice(2), ...(process.env.WISHES?.split(' ') ?? [])].map((word) => word.split('=')),
);
const number = (name, otherwise = Infinity) => Number(wishes[name] ?? otherwise);
const say = (event, rest = {}) => process.stdout.write(`${JSON.stringify({ event, at: Date.now(), ...rest })}\n`);

const maximumAge = { seconds: number('limit', 20) };
class Service extends Timestamp {
  maximumAge = maximumAge;
}
class Unit extends ProcessTimestamp {
  maximumAge = maximumAge;
}

const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;
let turns = true;

process.on('SIGTERM', async () => {
  say('SIGTERM');
  if (wishes.drain === 'never') return;
  if (wishes.silent) turns = false; // no beat any more
  await sleep(number('drain', 0) * 1000);
  say('drained');
  process.exit(0);
});

async function main() {
  const folder = dirname(process.env.LIVENESS_PATH ?? '/run/liveness/timestamp');
  const isSecond = number('exit') < Infinity && existsSync(`${folder}/second`);
  say('start', { pid: process.pid, user: process.getuid() });
  await sleep(number(isSecond ? 'second' : 'first', 0) * 1000);
  const timestamp = wishes.process ? await new Unit().load([]) : new Service();
  if (wishes.process) timestamp.set(0);
  timestamp.refresh();
  say('first beat');
  const stalls = { left: number('stalls', 0), from: number('from'), to: number('to') };
  if (number('task') < Infinity) {
    sleep(number('task') * 1000).then(() => {
      timestamp.begin('mail#42', { seconds: number('tasklimit') });
      say('task');
    });
  }
  let failed = false;
  while (turns) {
    timestamp.refresh();
    const last = Date.now();
    if (seconds() > number('wedge')) {
      say('wedged', { last });
      if (wishes.hang) writeFileSync(`${folder}/hang`, '');
      setInterval(() => {}, 1e6);
      await new Promise(() => {});
    }
    if (seconds() > number('exit') && !isSecond) {
      writeFileSync(`${folder}/second`, '');
      say('exit');
      process.exit(3);
    }
    const fails = seconds() > number('error') && seconds() < number('well');
    if (fails !== failed) {
      failed = fails;
      timestamp.set(fails ? 5 : 0);
      say(fails ? 'error' : 'well');
    }
    if (stalls.left > 0 && seconds() > 5) {
      // One beat between two stalls.
      const length = stalls.from + Math.random() * (stalls.to - stalls.from);
      await sleep(length * 1000);
      say('stalled', { length: (Date.now() - last) / 1000, left: --stalls.left });
    } else await sleep(100);
  }
  setInterval(() => {}, 1e6);
}
main();
