import * as server from '../server.mjs';

export const missing = () => server.missing(['nats-server'], 'nats-server');

export async function start(folder) {
  const port = await server.freePort();
  const argv = ['nats-server', '--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', folder];
  return server.Server.start({ folder, port, argv });
}
