// One row of one framework: a recipe in a process of its own behind a proxy, a queue of its own, and a probe that asks.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Proxy } from './proxy.mjs';
import { LIMIT_S, OUTAGE_S } from './rows.mjs';
import { ended, freePort, TIED } from './server.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const { Timestamp } = createRequire(import.meta.url)(join(ROOT, 'dist/index.js'));

const PERIOD_MS = 1000;
const LOOKS = 4; // how often the age is looked at between two probes
const FAILURES = 3;
const FLOW_MS = 200;
/** How long a recipe may take to be well, and to do a job again after an outage. */
const PATIENCE_MS = 120_000;
const AGAIN_MS = 60_000;

export class Stage {
  #ids = 0;
  #added = new Set();
  #begun = new Set();
  #handled = new Set();
  #acted = new Set();
  #flow;
  #adding = Promise.resolve();
  #later = [];
  /** The oldest that a beat became, as a part of its limit: 1 is dead. What is far below it has margin. */
  oldest = 0;
  #over = new AbortController();

  constructor({ name, framework, row, server, folder, at }) {
    Object.assign(this, { name, framework, row, server, folder, queue: `mail-${row.id}-${at}` });
    this.path = join(folder, 'timestamp');
    this.log = join(folder, 'log');
  }

  /** Starts the recipe and waits until it is well: short jobs are done, and it is alive. */
  async open() {
    mkdirSync(this.folder, { recursive: true });
    if (this.server) this.proxy = await Proxy.open(this.server.port, await freePort());
    await this.#openProducer();
    this.#flow = setInterval(() => void this.add({}).catch(() => undefined), FLOW_MS);
    const end = Date.now() + PATIENCE_MS;
    // One that cannot reach its server yet may end. It is started again, as by the kubelet.
    do this.#start(); while (!(await this.#isWell(end)));
  }

  #start() {
    const output = openSync(this.log, 'a');
    const argv = [process.execPath, join(import.meta.dirname, 'child.mjs'), this.name];
    const env = { ...process.env, LIVENESS_PATH: this.path, LIMIT: String((this.row.limit ?? LIMIT_S) * 1000), PORT: String(this.proxy?.port), QUEUE: this.queue };
    this.child = spawn(TIED[0], [...TIED.slice(1), ...argv], { env, stdio: ['ignore', output, output, 'ipc'], detached: true });
    closeSync(output);
    this.child.on('message', ({ begun, handled, acted }) => {
      if (begun) this.#begun.add(begun);
      if (handled) this.#handled.add(handled);
      if (acted) this.#acted.add(acted);
    });
    this.child.on('error', () => undefined);
  }

  /** @returns false if it has ended before it was well */
  async #isWell(end) {
    const handled = this.#handled.size;
    const isWell = () => this.#handled.size > handled + 3 && this.#ask().alive;
    await this.#until(() => isWell() || (this.#isOver() && Date.now() < end), PATIENCE_MS, 'is not well after its start');
    return !this.#isOver();
  }

  #isOver() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Puts a job into the queue, around the proxy. One at a time, as a producer may have to be opened anew. */
  add(job) {
    return (this.#adding = this.#adding.catch(() => undefined).then(async () => {
      const mail = { id: `${++this.#ids}`, ...job };
      try {
        await this.#producer.add(mail);
      } catch (error) {
        await this.#closeProducer();
        throw error;
      }
      if (mail.does === undefined) this.#added.add(mail.id);
      return mail.id;
    }));
  }

  async addMany(count, job) {
    for (let at = 0; at < count; at++) await this.add(job);
  }

  /** Adds a job and waits until it is in hand. */
  async begun(job) {
    const id = await this.add(job);
    await this.#until(() => this.#begun.has(id), PATIENCE_MS, 'has not begun a job');
    return id;
  }

  /** No more short jobs, and those there are have been done. */
  async quiet() {
    clearInterval(this.#flow);
    await this.allHandled();
  }

  async allHandled() {
    clearInterval(this.#flow);
    await this.#adding.catch(() => undefined);
    await this.#until(() => [...this.#added].every((id) => this.#handled.has(id)), PATIENCE_MS, 'has not done all jobs');
  }

  /** Does something to the consumer, in its process, or at its broker. */
  async act(what) {
    const atBroker = this.#producer[what];
    if (atBroker) {
      clearInterval(this.#flow); // a job that is put into a queue may make it anew
      await atBroker.call(this.#producer);
      return;
    }
    this.child.send({ act: what });
    await this.#until(() => this.#acted.has(what), PATIENCE_MS, `has not been told to be ${what}`);
  }

  /** Takes the server away, and back after so many seconds. Not waited for: the probe is asked meanwhile. */
  async away(take, give, seconds = OUTAGE_S) {
    if (this.row.ownServer) {
      clearInterval(this.#flow);
      await this.#adding.catch(() => undefined);
      await this.#closeProducer();
    }
    await take();
    this.#later.push(sleep(seconds * 1000, undefined, { signal: this.#over.signal }).then(give));
    this.#later.at(-1).catch(() => undefined);
  }

  /** Does what the row says, and answers its cell with the probe's line. */
  async verdict() {
    const { row } = this;
    const begun = Date.now();
    const id = await row.act(this);
    if (row.expect === 'ends') return this.#ended(id);
    const answer = await this.#watch(() => Date.now() - begun > row.watch * 1000);
    if (!answer.alive || (row.expect === 'dead' && !row.mayRecover)) return { cell: answer.alive ? 'alive' : `dead: ${answer.reason}`, line: answer.line };
    await Promise.all(this.#later);
    await row.after?.(this);
    const again = Date.now();
    if (this.row.ownServer) await this.#openProducer();
    const last = await this.add({});
    const then = await this.#watch(() => this.#handled.has(last) || Date.now() - again > AGAIN_MS);
    if (!then.alive) return { cell: `dead: ${then.reason}, after it`, line: then.line };
    const well = row.expect === 'alive' ? 'alive' : 'recovers';
    const unwell = row.expect === 'alive' ? 'alive, does no more jobs' : 'alive';
    return { cell: this.#handled.has(last) ? well : unwell, line: then.line };
  }

  /** Sends SIGTERM while a job is in hand. */
  async #ended(id) {
    const { child } = this;
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => []);
    const said = readFileSync(this.log, 'utf8').length;
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    const wrong = [
      code !== 0 && signal !== 'SIGTERM' && (signal ?? code ?? 'does not end'), // NestJS sends itself the signal again
      !this.#handled.has(id) && 'leaves its job',
      existsSync(this.path) && 'leaves its heartbeat',
      readFileSync(this.log, 'utf8').slice(said).includes('LivenessWarning') && 'warns',
    ].filter((each) => each !== false);
    return { cell: wrong.length === 0 ? 'ends' : wrong.join(', '), line: await this.#line() };
  }

  async end() {
    this.#over.abort();
    clearInterval(this.#flow);
    await ended(this.child);
    await this.#closeProducer();
    await this.proxy?.end();
  }

  /** The verdict from now on: dead after some failures in a row. */
  async #watch(isOver) {
    for (let failures = 0; ; ) {
      const { alive, reason } = this.#ask();
      failures = alive ? 0 : failures + 1;
      if (failures === FAILURES) return { alive, reason, line: await this.#line() };
      if (failures === 0 && isOver()) return { alive, line: await this.#line() };
      for (let look = 0; look < LOOKS; look++) {
        await sleep(PERIOD_MS / LOOKS);
        const { age, limit } = Timestamp.byRef(this.path).verdict();
        if (age < Infinity) this.oldest = Math.max(this.oldest, age / limit);
      }
    }
  }

  #ask() {
    return Timestamp.byRef(this.path).verdict();
  }

  /** What the kubelet would show. */
  #line() {
    return new Promise((resolve) => {
      execFile(process.execPath, [join(ROOT, 'dist/liveness.js'), this.path], (_, stdout) => { resolve(stdout.trim()); });
    });
  }

  get #producer() {
    return this.producer ?? { add: async () => { await this.#openProducer(); throw new Error('the producer was closed'); } };
  }

  async #openProducer() {
    this.producer ??= await this.framework.produce({ port: this.server?.port, queue: this.queue, stage: this });
  }

  async #closeProducer() {
    const { producer } = this;
    this.producer = undefined;
    await Promise.race([producer?.close?.(), sleep(2000, undefined, { ref: false })]).catch(() => undefined);
  }

  async #until(isTrue, patience, otherwise) {
    for (const end = Date.now() + patience; !isTrue(); await sleep(100)) {
      if (this.#isOver()) throw new Error(`the recipe has ended; see ${this.log}`);
      if (Date.now() > end) throw new Error(`${otherwise}: ${await this.#line()}; see ${this.log}`);
    }
  }
}
