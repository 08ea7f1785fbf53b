import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientOf } from '../queue';

/** A redis-server of our own on a loopback port, which can be killed and frozen. It writes to the disk before it answers. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #started: (child: ChildProcess) => void;
  #process: ChildProcess | undefined;

  /**
   * @param folder for its append-only file.
   * @param started is called with each process, so that the caller can end it.
   */
  static async on(folder: string, started: (child: ChildProcess) => void): Promise<RedisServer> {
    const server = new RedisServer(folder, await freePort(), started);
    await server.start();
    return server;
  }

  private constructor(folder: string, port: number, started: (child: ChildProcess) => void) {
    this.#folder = folder;
    this.port = port;
    this.#started = started;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    // Not `everysec`, with which it may answer before it has written if an earlier fsync is slow.
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--dir', this.#folder];
    const args = ['--bind', '127.0.0.1', '--port', String(this.port), ...durable];
    const child = spawn('redis-server', args, { stdio: 'ignore' });
    this.#process = child;
    this.#started(child);
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    const deadline = performance.now() + 20_000;
    for (;;) {
      const isReady = await answers(this.url);
      if (failure) throw failure;
      if (child.exitCode !== null) throw new Error(`expected a running redis-server; it ended with ${child.exitCode}`);
      if (isReady) return;
      if (performance.now() > deadline) throw new Error('expected an answer from redis-server within 20 s; none came');
      await sleep(20);
    }
  }

  /** By SIGKILL, after which it answers and writes nothing. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((settle) => child.once('exit', settle));
    child.kill('SIGKILL');
    await ended;
  }

  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }
}

/** False while it loads its file, because then it answers with an error. */
async function answers(url: string): Promise<boolean> {
  const client = clientOf(url);
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

/**
 * A port below the range of outgoing connections. A port in that range could be given to a connection of another program or of
 * a worker while the server is down.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const isFree = await new Promise<boolean>((settle) => {
      const server = createServer();
      server.once('error', () => {
        settle(false);
      });
      server.listen(port, '127.0.0.1', () =>
        server.close(() => {
          settle(true);
        }),
      );
    });
    if (isFree) return port;
  }
}
