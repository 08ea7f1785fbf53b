// Puts mails into a stream of NATS JetStream, and deletes its consumer.

/** Why a lost acknowledgement is not seen. */
export const UNANSWERED = [
  'NATS does not answer `ack()`: a lost one looks like a job that is done. The server delivers the job again after',
  '`ack_wait` (30 s), which frees the slot. `await message.ackAck()` asks for an answer, and fails without one.',
].join(' ');

export async function streamProducer({ port, queue }) {
  const { connect } = await import('@nats-io/transport-node');
  const { AckPolicy, jetstream, jetstreamManager } = await import('@nats-io/jetstream');
  const nats = await connect({ port, reconnect: false });
  const manager = await jetstreamManager(nats);
  await manager.streams.add({ name: queue, subjects: [queue] });
  await manager.consumers.add(queue, { durable_name: 'mailer', ack_policy: AckPolicy.Explicit, max_ack_pending: 10 });
  const stream = jetstream(nats);
  return {
    add: (mail) => stream.publish(queue, JSON.stringify(mail)),
    crashed: () => stream.publish(queue, 'no JSON'),
    cancelled: () => manager.consumers.delete(queue, 'mailer'),
    close: () => nats.close(),
  };
}
