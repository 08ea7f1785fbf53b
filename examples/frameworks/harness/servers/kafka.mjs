// kcat's mock cluster of one broker, which keeps nothing: after a restart its topics and groups are new.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Proxy } from '../proxy.mjs';
import * as server from '../server.mjs';

export const missing = () => server.missing(['kcat'], 'kcat');

export async function start(folder) {
  const port = await server.freePort();
  let [starts, own] = [1];
  const cluster = await server.Server.start({
    folder,
    argv: ['kcat', '-C', '-t', 'none', '-b', 'x:1', '-X', 'test.mock.num.brokers=1'],
    async isReady() {
      const said = [...readFileSync(join(folder, 'server.log'), 'utf8').matchAll(/replaced with 127\.0\.0\.1:(\d+)/g)];
      own = Number(said[starts - 1]?.[1]);
      return own > 0;
    },
  });
  // It takes any port. Here stands one that stays.
  const proxy = await Proxy.open(own, port);
  return {
    port,
    async kill() {
      await Promise.all([cluster.kill(), proxy.reset()]);
    },
    async restart() {
      starts++;
      await cluster.restart();
      proxy.target = own;
      await proxy.restore();
    },
    async end() {
      await Promise.all([cluster.end(), proxy.end()]);
    },
  };
}
