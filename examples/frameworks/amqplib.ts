import { port, queue } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { connect, type Channel, type ChannelModel } from 'amqplib';

let isConsuming = true; // or connecting
let consumer: { channel: Channel; consumerTag: string };

async function setup(connection: ChannelModel) {
  const channel = await connection.createChannel();
  channel.on('error', console.error).on('close', () => (isConsuming = false));
  await channel.assertQueue(queue);
  await channel.prefetch(10);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (!message) isConsuming = false; // cancelled by the broker
    else work(JSON.parse(`${message.content}`)).then(() => channel.ack(message), () => channel.nack(message)).catch(console.error);
  });
  isConsuming = true;
  consumer = { channel, consumerTag };
}
const connection = await connect(`amqp://guest:guest@127.0.0.1:${port}?heartbeat=5`, { timeout: 5000, recovery: { setup, maxDelay: 1000 } });
connection.on('error', console.error).on('reconnect-scheduled', () => (isConsuming = true)); // comes after the channel's close
timestamp.refreshWhile(() => isConsuming);
process.once('SIGTERM', () => consumer.channel.cancel(consumer.consumerTag).then(() => timestamp.finish()).then(() => connection.close()));
// end of recipe

export { consumer };
