// Gives each connection to the next replica that is up. A Service is worse for clients: kube-proxy chooses at random (iptables),
// and sends connections to an ending container until it is unready.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { now, type State } from './record';

interface Backend {
  readonly state: State;
  readonly port: number;
}

export class Balancer {
  /** When each client got its answer, and how long it had waited. */
  readonly answers: { readonly at: number; readonly waited: number }[] = [];
  /** When each client was refused or cut off, or gave up. */
  readonly failures: number[] = [];
  readonly #backends: readonly Backend[];
  #turn = 0;

  constructor(backends: readonly Backend[]) {
    this.#backends = backends;
  }

  /** Settles with the port. */
  async listen(): Promise<number> {
    const server = createServer((client) => {
      this.#forward(client);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  get slowest(): number {
    return Math.max(0, ...this.answers.map(({ waited }) => waited));
  }

  #forward(client: Socket): void {
    const began = now();
    client.on('error', () => undefined);
    const up = this.#backends.filter(({ state }) => state === 'up');
    const backend = up[this.#turn++ % up.length];
    if (!backend) {
      // We accept and reset the connection; a Service without endpoints would have it rejected.
      this.failures.push(began);
      client.resetAndDestroy();
      return;
    }
    const server = connect(backend.port, '127.0.0.1');
    let answered = false;
    server.on('error', () => undefined);
    server.once('data', () => (answered = true));
    server.once('close', () => {
      if (answered) this.answers.push({ at: now(), waited: now() - began });
      // At its end ab may open one more connection without a request.
      else if (client.bytesRead > 0) this.failures.push(now());
      if (!answered) client.resetAndDestroy();
    });
    client.once('close', () => server.destroy());
    client.pipe(server).pipe(client);
  }
}
