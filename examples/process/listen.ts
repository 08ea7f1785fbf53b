// A peer to try the forwarder with: `node dist/listen.js PORT` prints every message that it takes, one a line.

import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

createServer((socket) => {
  const lines = createInterface(socket);
  for (const stream of [socket, lines]) stream.on('error', () => undefined); // a client that hangs up sends the message again
  lines.on('line', (line) => {
    if (line !== 'ping') console.log(line);
    socket.write('ok\n');
  });
}).listen(Number(process.argv[2]), '127.0.0.1', () => {
  console.error('listening');
});
