import { limit, port, queue } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

let [turned, stopping] = [Date.now(), false]; // when the server answered, or was connected to anew
const turns = () => (turned = Date.now());
const often = { pingInterval: 1000, timeout: 2000, reconnectTimeWait: 1000 }; // more for a longer limit
const nats = await connect({ port, ...often, maxReconnectAttempts: -1, waitOnFirstConnect: true });
const consumer = await jetstream(nats).consumers.get(queue, 'mailer');
async function turn() {
  const message = await consumer.next({ expires: 1000 }); // does not end in an outage, and fails if the consumer was deleted
  turns();
  if (!message) return;
  await work(message.json()).finally(turns);
  message.ack();
}
const main = async () => { while (!stopping) await turn().catch((error: unknown) => sleep(1000, console.error(error))); };
const watch = async () => { for await (const { type } of nats.status()) if (type === 'disconnect' || type === 'reconnecting') turns(); };
timestamp.refreshWhile(() => timestamp.tasks.length > 0 || Date.now() - turned < limit);
process.once('SIGTERM', () => (stopping = true));
void watch();
void main().then(() => timestamp.finish()).then(() => nats.drain());
// end of recipe

export { consumer, nats };
