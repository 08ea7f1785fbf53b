import { port, queue } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { connect, type Channel, type ChannelModel } from 'amqplib';

let isConsuming = true; // or connecting
let isSettingUp = false; // the broker is there, so it has to answer
let consumer: { channel: Channel; consumerTag: string };

async function setup(connection: ChannelModel) {
  isSettingUp = true;
  const channel = await connection.createChannel();
  channel.on('error', console.error).on('close', () => (isConsuming = false));
  await channel.assertQueue(queue);
  await channel.prefetch(10);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (!message) isConsuming = false; // cancelled by the broker
    else work(JSON.parse(`${message.content}`)).then(() => channel.ack(message), () => channel.nack(message)).catch(console.error);
  });
  [isConsuming, isSettingUp] = [true, false];
  consumer = { channel, consumerTag };
}
const connection = await connect(`amqp://guest:guest@127.0.0.1:${port}?heartbeat=5`, { timeout: 5000, recovery: { setup, maxDelay: 1000 } });
// Comes after the channel's close. In an outage it is alive; if each set-up fails while the broker is there, it is dead.
connection.on('error', console.error).on('reconnect-scheduled', () => ([isConsuming, isSettingUp] = [!isSettingUp, false]));
timestamp.refreshWhile(() => isConsuming && !isSettingUp);
process.once('SIGTERM', () => consumer.channel.cancel(consumer.consumerTag).then(() => timestamp.finish()).then(() => connection.close()));
// end of recipe

export { consumer };
