import { streamProducer, UNANSWERED } from '../nats.mjs';

export default {
  title: 'NATS JetStream, next()',
  server: 'nats',
  install: ['@nats-io/jetstream', '@nats-io/transport-node'],
  about: [
    'Your own loop, one job at a time. In an outage `next()` does not end at `expires`: its timer stops with the',
    'connection.',
  ].join(' '),
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
    paused: 'a loop that is paused is one that is stopped',
    crashed: 'the fetch loop catches what fails and goes on',
    'long-all': 'it does one job at a time',
    delayed: 'nats-server 2.9, as run here, delays no new message',
  },
  lost: {
    'ack-lost': UNANSWERED,
  },
  proof: [
    { when: 'idle', what: '`next()`, which ends at `expires`, and fails if the server knows no consumer', source: { file: '@nats-io/jetstream/lib/consumer.js', text: 'if (!this.isConsume) {\n            return status.toError();' } },
    { when: 'busy', what: 'the job in hand', source: { file: './nats-next.ts', text: 'await work(' } },
    { when: 'in an outage', what: '`reconnecting` of `nats.status()`, at each attempt to connect', source: { file: '@nats-io/nats-core/lib/protocol.js', text: 'this.dispatchStatus({ type: "reconnecting" });' } },
  ],
};
