import { join } from 'node:path';
import * as server from '../server.mjs';

export const missing = () => server.missing([], 'util-linux');

export async function start(folder) {
  const port = await server.freePort();
  return server.Server.start({ folder, port, argv: [process.execPath, join(import.meta.dirname, '../sqs-stub.mjs'), String(port)] });
}
