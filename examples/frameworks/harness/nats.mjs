// Puts mails into a stream of NATS JetStream, and deletes its consumer.

/** Why a lost acknowledgement is not seen. */
export const UNANSWERED = [
  '`ack()` has no reply in NATS, so one that is lost looks like a job that is done. The server delivers the job again',
  'after `ack_wait` (30 s), so its slot is held no longer. `await message.ackAck()` asks for a reply, and fails',
  'without one.',
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
