import { limit, port, queue } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

let turned = Date.now(); // when the consumer got something, or connected anew
const turns = () => (turned = Date.now());
async function watch(statuses: AsyncIterable<{ type: string }>, ...types: string[]) {
  for await (const { type } of statuses) if (types.includes(type)) turns();
}
const often = { pingInterval: 1000, timeout: 2000, reconnectTimeWait: 1000 }; // more for a longer limit
const nats = await connect({ port, ...often, maxReconnectAttempts: -1, waitOnFirstConnect: true });
const consumer = await jetstream(nats).consumers.get(queue, 'mailer'); // its max_ack_pending is how many are in hand
const messages = await consumer.consume({ expires: 2000, idle_heartbeat: 1000, callback(message) {
  turns();
  work(message.json()).then(() => message.ack(), () => message.nak()).catch(console.error);
} });
void watch(messages.status(), 'heartbeat');
void watch(nats.status(), 'disconnect', 'reconnecting');
timestamp.refreshWhile(() => Date.now() - turned < limit);
process.once('SIGTERM', () => messages.close().then(() => timestamp.finish()).then(() => nats.drain()));
// end of recipe

export { messages };
