// Starts the threads and processes of the service, and starts them again when they end.

import cluster, { type Worker as Process } from 'node:cluster';
import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { Worker as Thread } from 'node:worker_threads';
import { LoopTimestamp, pathOf, type LoopName } from './loops';

/** A pause, so that a member that dies at its start does not use up a processor. */
const RESTART_MS = 1000;

/** The share of the web workers, and then of the packers, in terminationGracePeriodSeconds. */
const STOP_MS = 10_000;

/** A failureThreshold, because all members look stale for a moment when a VM resumes or a container thaws. */
const FAILURES = 8;

interface Member {
  readonly events: EventEmitter;
  /** Asks it to finish its work in hand. */
  stop(): void;
  /** Ends it even in `for (;;)`. In a thread, a synchronous native call (gzipSync) runs to its end first. */
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

/** The place of a thread or process. A new member takes over the place and its heartbeat file. */
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

  /** Starts it if it has ended. Kills it if its heartbeat is dead, unless it may still be starting. */
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

  /** Settles when it has finished, or was killed because it did not finish. keep() does not start it again. */
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
    // Errors that a thread throws, and connections that a process could not take because it has just died.
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
