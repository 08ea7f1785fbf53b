import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as server from '../server.mjs';

const run = promisify(execFile);
const BY_VERSION = '/usr/lib/postgresql'; // Debian's postgres is not in PATH

function programs() {
  const versions = existsSync(BY_VERSION) ? readdirSync(BY_VERSION).sort((a, b) => b - a) : [];
  return versions.map((version) => join(BY_VERSION, version, 'bin')).find((folder) => existsSync(join(folder, 'postgres')));
}

export function missing() {
  return server.missing(programs() ? [] : ['postgres'], 'postgresql');
}

/** It refuses to be root. `--pdeathsig` is set anew, as it is lost with the user. */
const asUser = process.getuid() === 0
  ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--pdeathsig', 'QUIT', '--']
  : [];

export async function start(folder) {
  const data = join(folder, 'data');
  for (const each of [dirname(folder), folder]) chmodSync(each, 0o711);
  mkdirSync(data);
  if (asUser.length > 0) await run('chown', ['postgres', data]);
  const [initdb, ...options] = [...asUser, join(programs(), 'initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await run(initdb, options, { cwd: '/' });

  const port = await server.freePort();
  const settings = {
    port, listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: 300, fsync: 'off', dynamic_shared_memory_type: 'mmap',
  };
  const argv = [...asUser, join(programs(), 'postgres'), '-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const isReady = () => run(join(programs(), 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { cwd: '/' }).then(() => true, () => false);
  const postgres = await server.Server.start({ folder, port, argv, cwd: data, isReady });
  return {
    port,
    kill: () => postgres.kill(),
    restart: () => postgres.restart(),
    /** By SIGQUIT, else it leaves shared memory behind. */
    async end() {
      const { main } = postgres;
      if (main.kill('SIGQUIT')) await once(main, 'exit');
      await postgres.end();
    },
  };
}
