// The threads and processes of the service, and what keeps them there.

import cluster, { type Worker as Process } from 'node:cluster';
import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { Worker as Thread } from 'node:worker_threads';
import { LoopTimestamp, pathOf, type LoopName } from './loops';

/** One that dies at its start must not take up a processor. */
const RESTART_MS = 1000;

/** Web workers' and then packers' share of terminationGracePeriodSeconds, all of which is shorter than a packer's limit. */
const STOP_MS = 10_000;

/** A failureThreshold: when a VM resumes or a container thaws, all look stale until their next beat that is written. */
const FAILURES = 8;

interface Member {
  readonly events: EventEmitter;
  /** Asks it to finish what it has in hand. */
  stop(): void;
  /** Ends it in the middle of `for (;;)` too; a thread's synchronous native call (gzipSync) comes to its own end first. */
  kill(): void;
}

export function thread(name: LoopName): Member {
  const events = new Thread(join(__dirname, 'pack.js'), { workerData: name });
  return {
    events,
    stop: () => {
      events.postMessage('stop');
    },
    kill: () => void events.terminate(),
  };
}

export function worker(name: LoopName): Member {
  cluster.setupPrimary({ exec: join(__dirname, 'web.js') });
  const events: Process = cluster.fork({ LOOP: name });
  return { events, stop: () => events.process.kill('SIGTERM'), kill: () => events.process.kill('SIGKILL') };
}

/** The place of a thread or process, which its successors take over together with its heartbeat file. */
export class Post {
  readonly #heartbeat;
  #member: Member | undefined;
  #since = -Infinity;
  #failures = 0;
  #left: (() => void) | undefined;

  constructor(
    readonly name: LoopName,
    private readonly start: (name: LoopName) => Member,
  ) {
    this.#heartbeat = LoopTimestamp.byRef(pathOf(name));
  }

  /** Starts it where it has ended; kills it where its heartbeat is dead, unless it may still be starting. */
  keep(): void {
    const now = performance.now();
    const { alive, limit = Infinity } = this.#heartbeat.verdict();
    this.#failures = alive ? 0 : this.#failures + 1;
    if (!this.#member) {
      if (this.#left === undefined && now - this.#since > RESTART_MS) this.#begin(now);
    } else if (this.#failures >= FAILURES && now - this.#since > limit) {
      console.log(`${this.name} does not beat: killed`);
      this.#member.kill();
      this.#since = now;
    }
  }

  /** Settles when it has finished, or been killed because it did not. keep() no longer starts it. */
  async stop(): Promise<void> {
    const left = new Promise<void>((settle) => (this.#left = settle));
    const member = this.#member;
    if (!member) return;
    member.stop();
    const deadline = setTimeout(() => {
      console.log(`${this.name} does not stop: killed`);
      member.kill();
    }, STOP_MS);
    await left;
    clearTimeout(deadline);
  }

  #begin(now: number): void {
    this.#since = now;
    this.#member = this.start(this.name);
    // What a thread throws, and a connection that could not be handed to a process which has just died.
    this.#member.events.on('error', (error) => {
      console.error(`${this.name}: ${String(error)}`);
    });
    this.#member.events.once('exit', (code, signal) => {
      if (this.#left === undefined) console.log(`${this.name} ended (${String(signal ?? code)})`);
      this.#member = undefined;
      this.#left?.();
    });
  }
}
