// One replica of the service, probed and restarted by the kubelet's rules: pkg/kubelet/prober/worker.go, and doBackOff in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go, of kubernetes/kubernetes.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { now, say, seconds, type Change, type State } from './record';

/** The numbers of a probe in a pod's manifest. */
export interface Probe {
  readonly httpGet?: { readonly path: string };
  readonly exec?: { readonly command: readonly string[] };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

/** More than draining takes here. A wedged replica uses all of it, and Kubernetes' default of 30 s would take too long. */
const GRACE_SECONDS = 5;

const SERVICE = join(__dirname, '..', 'service.js');

const children = new Set<ChildProcess>();

export function endReplicas(): void {
  for (const child of children) child.kill('SIGKILL');
}

export class Replica {
  port = 0;
  readonly changes: Change[] = [];
  /** The times at which a probe failed. */
  readonly failures: number[] = [];
  readonly #ticker: Ticker;

  constructor(
    readonly name: string,
    readonly probe: Probe,
    readonly livenessPath: string,
  ) {
    this.#ticker = new Ticker(probe.periodSeconds);
  }

  get state(): State {
    return this.changes.at(-1)?.state ?? 'down';
  }

  /** The times at which its probe had it ended. */
  get endings(): number[] {
    return this.changes.filter(({ state }) => state === 'ending').map(({ at }) => at);
  }

  /** Starts it, and starts it again each time its probe has failed. */
  async run(): Promise<never> {
    for (let restarts = 0; ; restarts++) {
      const child = await this.#start();
      this.#is('up');
      if (restarts > 0) say(`${this.name} is up again`);
      await this.#failure();
      this.#is('ending');
      const how = await this.#end(child);
      this.#is('down');
      // At once, then after 10 s, 20 s, 40 s ... up to 5 minutes. After 10 minutes without a restart it begins at once again.
      const backOff = restarts === 0 ? 0 : Math.min(10 * 2 ** (restarts - 1), 300);
      say(`${this.name} ${how}; it is started ${backOff === 0 ? 'at once' : `after a back-off of ${backOff} s`}`);
      await sleep(backOff * 1000);
    }
  }

  #is(state: State): void {
    this.changes.push({ at: now(), state });
  }

  /** Settles when it listens, as a startup probe would see it. */
  async #start(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [SERVICE], {
      env: { ...process.env, NODE_OPTIONS: '', PORT: '0', LIVENESS_PATH: this.livenessPath },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    this.port = Number(line.replace('listening on ', ''));
    return child;
  }

  async #end(child: ChildProcess): Promise<string> {
    const began = now();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), GRACE_SECONDS * 1000);
    await ended;
    clearTimeout(late);
    if (child.signalCode === 'SIGKILL') return `does not end by SIGTERM and is killed after ${GRACE_SECONDS} s`;
    return `ends after answering what waited (${seconds(now() - began)})`;
  }

  /** Settles when the probe has failed too often in a row. */
  async #failure(): Promise<void> {
    const { failureThreshold } = this.probe;
    this.#ticker.drop();
    for (let failures = 0; failures < failureThreshold;) {
      await this.#ticker.tick();
      const failure = await this.#ask();
      failures = failure === undefined ? 0 : failures + 1;
      if (failure === undefined) continue;
      this.failures.push(now());
      say(`${this.name} fails its probe (${failures} of ${failureThreshold}): ${failure}`);
    }
  }

  /** What is wrong; undefined if nothing is. */
  #ask(): Promise<string | undefined> {
    const { httpGet, exec, timeoutSeconds } = this.probe;
    const timeout = timeoutSeconds * 1000;
    const late = `no answer within ${timeoutSeconds} s`;
    return new Promise((settle) => {
      if (httpGet) {
        const signal = AbortSignal.timeout(timeout);
        const fail = ({ message }: Error): void => {
          settle(signal.aborted ? late : message);
        };
        get({ port: this.port, path: httpGet.path, agent: false, signal }, (response) => {
          const { statusCode = 0 } = response;
          const failure = statusCode >= 200 && statusCode < 400 ? undefined : `status ${statusCode}`;
          response
            .resume()
            .on('error', fail)
            .on('end', () => {
              settle(failure);
            });
        }).on('error', fail);
      } else {
        const [command = '', ...args] = exec?.command ?? [];
        // The environment of the container, which an exec probe also has.
        const env = { ...process.env, LOG_LEVEL: '', LIVENESS_PATH: this.livenessPath };
        execFile(command, args, { env, timeout, killSignal: 'SIGKILL' }, (error, stdout) => {
          settle(error ? (error.killed ? late : stdout.trim() || error.message) : undefined);
        });
      }
    });
  }
}

/** Go's ticker, which starts at a random time. It keeps one tick that comes during a probe, and drops more. */
class Ticker {
  readonly #phase = Math.random();
  readonly #period: number;
  #last = 0;

  constructor(period: number) {
    this.#period = period;
  }

  /** Settles at the next tick. */
  async tick(): Promise<void> {
    const wait = this.#last + 1 - this.#ticks();
    if (wait <= 0) {
      this.drop();
      return;
    }
    this.#last++;
    await sleep(wait * this.#period * 1000);
  }

  drop(): void {
    this.#last = Math.floor(this.#ticks());
  }

  #ticks(): number {
    return now() / this.#period + this.#phase;
  }
}
