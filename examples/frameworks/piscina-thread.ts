import { parentPort } from 'node:worker_threads';
import { handle, type Mail } from './yours.js';

export default async (mail: Mail): Promise<void> => {
  parentPort?.postMessage({ begun: mail.id }); // for the harness
  await handle(mail);
  parentPort?.postMessage({ handled: mail.id });
};
