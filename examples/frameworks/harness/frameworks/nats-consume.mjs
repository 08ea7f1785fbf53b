import { streamProducer, UNANSWERED } from '../nats.mjs';

export default {
  title: 'NATS JetStream, consume()',
  server: 'nats',
  install: ['@nats-io/jetstream', '@nats-io/transport-node'],
  about: [
    'Only the server can say that the consumer is there: if it was deleted, `messages` goes on without an error. If a',
    'callback throws, `messages` ends silently. A request of `consume()` (`next`) proves nothing: with `bind` it also asks',
    'a deleted consumer.',
  ].join(' '),
  produce: streamProducer,
  acts: {
    stopped: ({ messages }) => messages.stop(),
    parked({ messages }) {
      messages.pull = () => undefined;
    },
    'ack-lost'({ messages }) {
      const { callback } = messages;
      messages.callback = (message) => {
        messages.callback = callback;
        callback(Object.assign(message, { ack: () => undefined }));
      };
    },
  },
  none: {
    paused: 'it has no pause',
    delayed: 'nats-server 2.9, as run here, delays no new message',
  },
  lost: {
    'ack-lost': UNANSWERED,
  },
  proof: [
    { when: 'idle', what: '`heartbeat` of `messages.status()`, sent by the server each `idle_heartbeat` while it holds a request of ours', source: { file: '@nats-io/jetstream/lib/consumer.js', text: 'const hb = status.parseHeartbeat();' } },
    { when: 'busy', what: 'each message; `heartbeat` also while `max_ack_pending` jobs are in hand', source: { file: '@nats-io/jetstream/lib/consumer.js', text: 'this._push(m);' } },
    { when: 'in an outage', what: '`reconnecting` of `nats.status()`, at each attempt to connect', source: { file: '@nats-io/nats-core/lib/protocol.js', text: 'this.dispatchStatus({ type: "reconnecting" });' } },
  ],
};
