// A peer to try it with: `node dist/listen.js PORT` prints every message that it takes, each line a message.

import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

createServer((socket) => {
  const lines = createInterface(socket);
  for (const stream of [socket, lines]) stream.on('error', () => undefined); // whoever hangs up sends it again
  lines.on('line', (line) => {
    if (line !== 'ping') console.log(line);
    socket.write('ok\n');
  });
}).listen(Number(process.argv[2]), '127.0.0.1', () => {
  console.error('listening');
});
