import { close, park, poll } from './poll.js';
import { type Mail } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { pipeline } from 'node:stream/promises';

let stopping = false;
process.once('SIGTERM', () => (stopping = true));

// Each poll is a task too. While the next stage is busy nothing polls, and the limit of its job counts.
async function* source() {
  while (!stopping) {
    const mail = await timestamp.run('poll', timestamp.maximumAge, poll);
    if (mail) yield mail;
  }
}
async function sink(mails: AsyncIterable<Mail>) {
  for await (const mail of mails) await work(mail);
}
pipeline(source, parse, sink).then(() => timestamp.finish()).then(close, console.error);
// end of recipe

let fails = false;
async function* parse(mails: AsyncIterable<Mail>) {
  for await (const mail of mails) {
    if (fails) throw new Error('cannot parse this');
    yield mail;
  }
}
export function fail(): void {
  fails = true;
}
export { park };
export function stop(): void {
  stopping = true;
}
