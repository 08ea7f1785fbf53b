// Puts mails into a queue of RabbitMQ, deletes it, and makes it anew with other options.

/** Why a lost acknowledgement is not seen. */
export const UNANSWERED = [
  'AMQP does not answer an acknowledgement: a lost one looks like a job that is done. RabbitMQ closes the channel after',
  'its `consumer_timeout`, half an hour, and the probe sees that',
].join(' ');

export async function queueProducer({ port, queue }) {
  const { connect } = await import('amqplib');
  const connection = await connect(`amqp://127.0.0.1:${port}`);
  connection.on('error', () => undefined);
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  await channel.assertQueue(queue);
  return {
    async add(mail, options) {
      channel.sendToQueue(queue, Buffer.from(JSON.stringify(mail)), { persistent: true, ...options });
      await channel.waitForConfirms();
    },
    cancelled: () => channel.deleteQueue(queue),
    async refused() {
      await channel.deleteQueue(queue);
      await channel.assertQueue(queue, { durable: false });
    },
    close: () => connection.close(),
  };
}
