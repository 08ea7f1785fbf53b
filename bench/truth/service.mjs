// A service that provides what every observer needs, as each observer's README shows, and that goes wrong at a word from
// standard input. Its one argument is JSON, see harness.mjs. It prints a line of JSON when it works, and one for each word.

import { once } from 'node:events';
import { utimesSync, writeFileSync, writeSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
import { createTerminus } from '@godaddy/terminus';
import { createLightship } from 'lightship';
import library from '../../dist/index.js';

const { ProcessTimestamp, Timestamp } = library;
const options = isMainThread ? JSON.parse(process.argv[2]) : workerData;
const has = (instrument) => options.instruments.includes(instrument);

class ServiceTimestamp extends Timestamp {
  maximumAge = options.limit;
}

const said = (what) => writeSync(1, `${JSON.stringify(what)}\n`);
let unwell = false;
let failedJobs = 0;
let job = () => {};
let wait = 100;
let processTimestamp;
let consumer;

/** What each word does to its loop in the middle of a turn. Arguments: the loop's Timestamp, and what follows the word. */
const words = {
  busy: () => {
    for (;;);
  },
  block: (_, ms) => {
    for (const end = performance.now() + Number(ms); performance.now() < end;);
  },
  never: () => new Promise(() => {}),
  deadlock: () => {
    const first = (async () => {
      await null;
      await second;
    })();
    const second = (async () => {
      await first;
    })();
    return second;
  },
  leave: () => 'leave',
  throw: () => {
    throw new Error('the loop died');
  },
  unwell: () => {
    unwell = true;
    processTimestamp.set(1);
  },
  fail: () => {
    job = () => {
      throw new Error('no job succeeds');
    };
  },

  stop: () => {
    consumer.isRunning = false;
  },
  idle: () => {
    consumer.hasJobs = false;
  },
  long: (_, ms) => {
    said({ long: ms });
    return sleep(Number(ms));
  },

  wait: (_, ms) => {
    wait = Number(ms);
  },
  step: (timestamp, ms) => {
    job = async () => {
      for (const each of [timestamp, processTimestamp]) each?.refresh({ maximumAge: 2 * Number(ms) });
      said({ step: ms });
      await sleep(Number(ms));
    };
  },
  outage: (_, ms, bound) => {
    const end = performance.now() + Number(ms);
    job = async () => {
      if (performance.now() < end) await answerOrGiveUp(new Promise(() => {}), bound);
    };
  },
  lag: (_, ms) => {
    job = () => {
      words.block(_, ms);
      said({ lag: ms });
    };
  },
  garbage: (_, ms) => {
    const kept = [];
    job = () => {
      const begin = performance.now();
      globalThis.gc();
      const pause = performance.now() - begin;
      // The number of objects for such a pause depends on the machine.
      if (pause < Number(ms))
        kept.push(Array.from({ length: 500_000 }, (_, index) => ({ index, text: String(index) })));
      else said({ pause, kept: kept.length });
    };
  },
  hot: (timestamp) => {
    job = async () => {
      for (let beats = 0; ; beats++) {
        // Two limits in turns, because a beat with another limit than the last one is written at once.
        const limit = beats % 2 === 0 ? undefined : { maximumAge: options.limit };
        for (const each of [timestamp, processTimestamp]) each?.refresh(limit);
        if (has('touch')) touch();
        if (beats % 100 === 0) await setImmediate(); // lets the servers answer
        if (beats === 10_000) said({ failedWrites: timestamp.failedWrites });
      }
    };
  },
  log: (_, path, bound) => {
    let appended;
    job = () => {
      appended ??= appendFile(path, 'a line\n').then(() => {
        appended = undefined;
      });
      return answerOrGiveUp(appended, bound);
    };
  },
  zone: (_, zone) => {
    process.env.TZ = zone;
    said({ zone: new Date().getTimezoneOffset() });
  },
};

async function answerOrGiveUp(answer, ms) {
  const givenUp = await Promise.race([answer, sleep(Number(ms), true)]);
  if (givenUp) said({ givenUp });
}

const orders = new Map();
let tell = (name, order) => {
  orders.set(name, order);
};

/** One loop of the service. Loops that share a Timestamp are each a task of it. */
async function loop(name, timestamp, isMain) {
  const beats = options.shared
    ? [timestamp, processTimestamp].map((each) => each?.begin(name, options.limit))
    : [timestamp, isMain ? processTimestamp : undefined];
  for (;;) {
    for (const each of beats) each?.refresh();
    if (has('touch')) touch();
    try {
      await job();
    } catch {
      if (++failedJobs === 10) said({ failedJobs });
    }
    await sleep(wait); // stands for a bounded wait for the next job
    const order = orders.get(name);
    if (!order) continue;
    orders.delete(name);
    const [word, ...args] = order;
    said({ word });
    if ((await words[word](timestamp, ...args)) === 'leave') return;
  }
}

/** A framework's consumer: it has its own loop, and calls the handler for as many jobs at a time as it has slots. */
class Consumer {
  isRunning = true;
  hasJobs = true;

  constructor(handle, slots) {
    for (const slot of slots) this.#serve(slot, handle);
  }

  async #serve(slot, handle) {
    for (let id = 1; this.isRunning; id++) {
      while (!this.hasJobs) await sleep(wait);
      const order = orders.get(slot);
      orders.delete(slot);
      await handle({ name: `${slot}#${id}`, order });
    }
  }
}

/** A service whose loop is a framework's. */
function consume() {
  let handle = async ({ order: [word, ...args] = [] }) => {
    await sleep(wait);
    if (word) {
      said({ word });
      await words[word](undefined, ...args);
    }
    if (has('touch')) touch();
  };
  const describe = ({ name, order: [word, ms] = [] }) => ({
    name,
    maximumAge: word === 'long' ? 2 * ms : options.limit,
  });
  const timestamps = [has('heartbeat') && new ServiceTimestamp(options.heartbeats[0]), processTimestamp].filter(
    Boolean,
  );
  for (const timestamp of timestamps) handle = timestamp.wrap(handle, describe);
  consumer = new Consumer(handle, options.handlers);
  for (const timestamp of timestamps) timestamp.refreshWhile(() => consumer.isRunning);
  // Without this an idle queue would be dead to the observers of the touch file.
  if (has('touch'))
    setInterval(() => {
      if (consumer.isRunning) touch();
    }, options.limit / 10);
}

/** Touches the file. If that fails, only the observers of this file see it. */
function touch() {
  try {
    writeFileSync(options.touch, '');
    // libfaketime steps the clock of this process only, so the kernel would set the real time.
    if (process.env.FAKETIME_TIMESTAMP_FILE) utimesSync(options.touch, new Date(), new Date());
  } catch ({ code }) {
    said({ touch: code });
  }
}

async function main() {
  const ports = {};
  if (has('pid')) writeFileSync(options.pidFile, String(process.pid));
  if (has('directory')) {
    processTimestamp = await new ProcessTimestamp(options.directory).load([]);
    if (options.samePath) await new ProcessTimestamp(options.directory).load([]);
    processTimestamp.set(0);
  }
  if (has('lightship')) {
    const lightship = await createLightship(); // outside Kubernetes it takes any free port
    ports.lightship = lightship.server.address().port;
    lightship.signalReady();
  }
  if (has('terminus')) {
    const server = createServer((_, response) => {
      response.end();
    });
    const healthCheck = async () => {
      if (unwell || consumer?.isRunning === false) throw new Error('unwell');
    };
    createTerminus(server, { healthChecks: { '/healthcheck': healthCheck } });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    ports.terminus = server.address().port;
  }

  if (options.handlers) consume();
  const shared = options.shared ? new ServiceTimestamp(options.heartbeats[0]) : undefined;
  const loops = options.loops.map((name, index) => {
    const path = options.heartbeats[options.samePath ? 0 : index];
    const timestamp = has('heartbeat') ? (shared ?? new ServiceTimestamp(path)) : undefined;
    return loop(name, timestamp, index === 0);
  });
  if (options.thread) {
    const worker = new Worker(import.meta.filename, { workerData: options });
    worker.on('error', ({ message }) => {
      said({ thread: message });
    }); // the error is logged, and the service goes on
    await once(worker, 'message');
    tell = (name, order) => {
      name === 'thread' ? worker.postMessage(order) : orders.set(name, order);
    };
  }
  Promise.all(loops).catch((error) => {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exit(1);
  });
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const [name, ...order] = line.split(' ');
      tell(name, order);
    })
    .on('close', () => process.exit());
  said({ pid: process.pid, ...ports });
}

if (isMainThread) {
  await main();
} else {
  const { parentPort } = await import('node:worker_threads');
  parentPort.on('message', (order) => {
    orders.set('thread', order);
  });
  const done = loop('thread', new ServiceTimestamp(options.heartbeats.at(-1)), false);
  parentPort.postMessage(threadId);
  await done;
}
