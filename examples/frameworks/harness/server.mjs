// Servers from Debian's packages: on 127.0.0.1, with a data folder of their own, ended with the harness however it ends.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Ends with whoever started it, also by `kill -9`. */
export const TIED = ['setpriv', '--pdeathsig', 'KILL', '--'];

/** @returns {string | undefined} what is missing, with the package that has it */
export function missing(commands, debianPackage) {
  const absent = [...commands, 'setpriv'].find((command) => spawnSync('sh', ['-c', 'command -v "$0"', command]).status !== 0);
  return absent && `${absent} (apt-get install ${absent === 'setpriv' ? 'util-linux' : debianPackage})`;
}

/** A port below those that the kernel gives to outgoing connections: nobody takes it while its server is away. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
      return port;
    } catch { /* taken: another one */ }
  }
}

async function connects(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A server that is one process, perhaps with others beside it. */
export class Server {
  #processes = [];
  #isOver = false;

  /**
   * @param {{ folder: string, port: number, argv: string[], env?: object, cwd?: string, beside?: { argv: string[], port: number }[], isReady?: (port: number) => Promise<boolean> }} spec
   *   beside: commands that run as long as the server does, and are not killed with it
   */
  constructor(spec) {
    this.spec = spec;
    this.port = spec.port;
  }

  static async start(spec) {
    const server = new Server(spec);
    try {
      for (const { argv, port } of spec.beside ?? []) await server.#run(argv, port, connects);
      await server.restart();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  async restart() {
    this.main = await this.#run(this.spec.argv, this.port, this.spec.isReady ?? connects);
  }

  /** By SIGKILL. */
  async kill() {
    await ended(this.main);
  }

  async end() {
    this.#isOver = true;
    await Promise.all(this.#processes.map(ended));
  }

  get log() {
    return join(this.spec.folder, 'server.log');
  }

  async #run(argv, port, isReady) {
    const child = this.#spawn(argv);
    for (const end = Date.now() + 120_000; !(await isReady(port)); await sleep(100)) {
      if (child.exitCode === null && child.signalCode === null && Date.now() < end) continue;
      throw new Error(`${argv[0]} does not listen on ${port}; see ${this.log}`);
    }
    return child;
  }

  #spawn(argv) {
    if (this.#isOver) throw new Error('the server has been ended');
    appendFileSync(this.log, `${argv.join(' ')}\n`);
    const output = openSync(this.log, 'a');
    const env = { ...process.env, ...this.spec.env };
    // Detached: Ctrl-C is for the harness.
    const child = spawn(TIED[0], [...TIED.slice(1), ...argv], { cwd: this.spec.cwd ?? this.spec.folder, env, stdio: ['ignore', output, output], detached: true });
    closeSync(output);
    child.on('error', () => undefined);
    this.#processes.push(child);
    return child;
  }
}

/** Kills a process and waits for its end. */
export async function ended(child) {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
