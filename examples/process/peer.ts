import { connect, type Socket } from 'node:net';
import type { Config } from './config';

/** The longest wait, because the loop beats only between two waits. */
const PATIENCE_MS = 2000;

/** Sends one line and settles when the peer has answered it with a line `ok`. */
export function send({ host, port }: Config, line: string): Promise<void> {
  return new Promise((settle, fail) => {
    const socket: Socket = connect(port, host);
    let answer = '';
    const end = (error?: Error): void => {
      socket.destroy();
      if (error) fail(error);
      else settle();
    };
    const timer = setTimeout(() => {
      end(new Error(`the peer ${host}:${port} did not answer in ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      fail(new Error(`the peer ${host}:${port} hung up`));
    });
    socket.once('error', end);
    socket.once('connect', () => socket.write(`${line}\n`));
    socket.on('data', (data) => {
      answer += data.toString();
      if (answer.includes('\n'))
        end(
          answer.startsWith('ok\n') ? undefined : new Error(`expected ok; the peer answered ${JSON.stringify(answer)}`),
        );
    });
  });
}
