import { join } from 'node:path';
import * as server from '../server.mjs';

const SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server'; // the one in PATH changes to the user rabbitmq

export const missing = () => server.missing([SCRIPT, 'epmd'], 'rabbitmq-server');

export async function start(folder) {
  const [port, distribution, mapper] = [await server.freePort(), await server.freePort(), await server.freePort()];
  const env = {
    HOME: folder, // for Erlang's cookie
    RABBITMQ_NODENAME: `harness${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq'),
    RABBITMQ_ALLOW_INPUT: '1', // the script becomes the server, else it is its parent
    RABBITMQ_SERVER_START_ARGS: '-noinput -kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(mapper),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
  // With an epmd of our own beside it, the server starts none that would outlive it.
  const beside = [{ argv: ['epmd', '-port', String(mapper), '-address', '127.0.0.1'], port: mapper }];
  return server.Server.start({ folder, port, env, argv: [SCRIPT], beside });
}
