// A TCP proxy on 127.0.0.1 before a server, which can take the server away.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Proxy {
  #sockets = new Set();
  #listener;
  #isSilent = false;

  constructor(target) {
    this.target = target;
  }

  static async open(target, port) {
    const proxy = new Proxy(target);
    await proxy.#listen(port);
    return proxy;
  }

  /** Every connection is reset, and new ones are refused. */
  async reset() {
    this.#listener.close();
    this.#resetAll();
  }

  /** Connections stay open and carry nothing, for ever: they are half-open. New ones too, until `restore()`. */
  silence() {
    this.#isSilent = true;
    for (const socket of this.#sockets) mute(socket);
  }

  /** New connections work again. */
  async restore() {
    this.#isSilent = false;
    if (!this.#listener.listening) await this.#listen(this.port);
  }

  async end() {
    this.#resetAll();
    if (!this.#listener.listening) return;
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  async #listen(port) {
    this.port = port;
    this.#listener = createServer({ noDelay: true }, (socket) => this.#accept(socket)).listen(port, '127.0.0.1');
    await once(this.#listener, 'listening');
  }

  #accept(socket) {
    this.#add(socket);
    if (this.#isSilent) {
      mute(socket);
      return;
    }
    const server = this.#add(connect({ port: this.target, host: '127.0.0.1', noDelay: true }));
    for (const [from, to] of [[socket, server], [server, socket]]) {
      from.pipe(to);
      from.on('close', () => {
        if (!from.isMute) reset(to);
      });
    }
  }

  #add(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  #resetAll() {
    for (const socket of this.#sockets) reset(socket);
  }
}

/** One whose end was sent cannot be reset: Node 20 would never close it, and spin at its own exit. */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** What comes is thrown away, its end too. */
function mute(socket) {
  socket.isMute = true;
  socket.unpipe();
  socket.removeAllListeners('end');
  socket.allowHalfOpen = true;
  socket.resume();
}
