import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Balancer } from './balancer';
import { client } from './clients';
import { Replica, type Probe } from './kubelet';
import { now, until, type Change } from './record';

/** Three replicas of the service behind a balancer. */
export class Deployment {
  readonly replicas: readonly Replica[];
  readonly balancer: Balancer;
  port = 0;
  /** How many answers its clients counted. */
  answered = 0;

  constructor(
    readonly name: string,
    probe: Probe,
    folder: string,
  ) {
    mkdirSync(folder);
    this.replicas = [1, 2, 3].map((number) => new Replica(`${name} ${number}`, probe, join(folder, String(number))));
    this.balancer = new Balancer(this.replicas);
  }

  async start(): Promise<void> {
    this.port = await this.balancer.listen();
    for (const replica of this.replicas) void replica.run();
    await until(`three replicas of ${this.name}`, 20, () => this.up === 3);
  }

  /** Settles when all clients have their answers, or when `patience` ends. */
  async load(clients: number, requests: number, patience: AbortSignal): Promise<void> {
    const answers = await Promise.all(Array.from({ length: clients }, () => client(this.port, requests, patience)));
    this.answered = answers.reduce((sum, answered) => sum + answered, 0);
  }

  get up(): number {
    return this.replicas.filter(({ state }) => state === 'up').length;
  }

  /** The times at which a probe had a replica ended. */
  get endings(): number[] {
    return this.replicas.flatMap(({ endings }) => endings).sort((a, b) => a - b);
  }

  /** The time of the last change. */
  get settled(): number {
    return this.#changes.at(-1)?.at ?? 0;
  }

  get #changes(): Change[] {
    return this.replicas.flatMap(({ changes }) => changes).sort((a, b) => a.at - b.at);
  }

  /** The longest time for which exactly `count` replicas were up. */
  longest(count: number, from: number, to = now()): number {
    let [up, since, longest] = [0, from, 0];
    for (const { at, state } of [...this.#changes, { at: to, state: undefined }]) {
      if (state === 'down' || at > to) continue;
      if (up === count) longest = Math.max(longest, at - Math.max(since, from));
      if (state === 'up') up++;
      if (state === 'ending') up--;
      since = at;
    }
    return longest;
  }
}
