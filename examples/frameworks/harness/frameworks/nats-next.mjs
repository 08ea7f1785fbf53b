import { streamProducer } from '../nats.mjs';

export default {
  title: 'NATS JetStream, next()',
  server: 'nats',
  about: 'A loop of your own over `next()` of @nats-io/jetstream 3, one job at a time. In an outage `next()` does not end at `expires`, as the timer that would end it is stopped with the connection.',
  produce: streamProducer,
  acts: {
    stopped: ({ nats }) => nats.close(),
    parked({ consumer }) {
      consumer.next = () => new Promise(() => undefined);
    },
    'ack-lost'({ consumer }) {
      const { next } = consumer;
      consumer.next = async function once(options) {
        const message = await next.call(this, options);
        if (!message) return message;
        delete consumer.next;
        return Object.assign(message, { ack: () => undefined });
      };
    },
  },
  none: {
    delayed: 'this nats-server (2.9) delays no new message',
    paused: 'a loop that is paused is one that is stopped',
    crashed: 'the loop catches what fails and goes on',
    'long-all': 'it does one job at a time',
  },
  lost: {
    'ack-lost': '`ack()` has no reply in NATS, so one that is lost looks like a job that is done. The server delivers the job again after the consumer\'s `ack_wait` (30 s), so its slot is held no longer than that. `await message.ackAck()` asks for a reply, and fails without one.',
  },
  proof: [
    { when: 'idle', what: '`next()`, which ends at `expires`, and fails if the server knows no consumer', source: { file: '@nats-io/jetstream/lib/consumer.js', text: 'return status.toError();' } },
    { when: 'busy', what: 'the job in hand' },
    { when: 'in an outage', what: '`reconnecting` of `nats.status()`, at each attempt to connect', source: { file: '@nats-io/nats-core/lib/protocol.js', text: 'this.dispatchStatus({ type: "reconnecting" });' } },
  ],
};
