import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientOf } from '../queue';

/** A redis-server of our own on a loopback port, which may be killed and frozen. What it has answered it has on disk. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #started: (child: ChildProcess) => void;
  #process: ChildProcess | undefined;

  /**
   * @param folder for its append-only file.
   * @param started is called with each process, to end it with the caller's own.
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
    // With `everysec` it may answer before it has written, while an earlier fsync takes its time.
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

  /** By SIGKILL: it says and writes nothing more. */
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

/** Not while it loads its file: it answers with an error then. */
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
 * Below the range that outgoing connections take their ports from: while the server is down, another program's, or a
 * worker's own attempt to connect, would get its port.
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
