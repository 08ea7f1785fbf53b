import * as server from '../server.mjs';

export const missing = () => server.missing(['redis-server'], 'redis-server');

export async function start(folder) {
  const port = await server.freePort();
  const settings = { port, bind: '127.0.0.1', dir: folder, appendonly: 'yes', appendfsync: 'always', save: '' };
  const argv = ['redis-server', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])];
  return server.Server.start({ folder, port, argv });
}
