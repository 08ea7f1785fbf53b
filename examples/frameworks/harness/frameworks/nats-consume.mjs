import { streamProducer } from '../nats.mjs';

export default {
  title: 'NATS JetStream, consume()',
  server: 'nats',
  about: [
    'A pull consumer of @nats-io/jetstream 3 with a callback. The server itself says that the consumer is there, each `idle_heartbeat`; a',
    'consumer that was deleted neither ends `messages` nor fails. A callback that throws does end them, silently. That `consume()` sends a',
    'request (`next`) is no evidence: with `bind` it asks a deleted consumer too.',
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
    delayed: 'this nats-server (2.9) delays no new message',
    paused: 'a consumer is not paused, it is stopped',
  },
  lost: {
    'ack-lost': '`ack()` has no reply in NATS, so one that is lost looks like a job that is done. The server delivers the job again after the consumer\'s `ack_wait` (30 s), so its slot is held no longer than that. `await message.ackAck()` asks for a reply, and fails without one.',
  },
  proof: [
    { when: 'idle', what: '`heartbeat` of `messages.status()`, sent by the server while it holds a request of ours', source: { file: '@nats-io/jetstream/lib/consumer.js', text: 'const hb = status.parseHeartbeat();' } },
    { when: 'busy', what: 'each message, or `heartbeat`, also while `max_ack_pending` jobs are in hand' },
    { when: 'in an outage', what: '`reconnecting` of `nats.status()`, at each attempt to connect', source: { file: '@nats-io/nats-core/lib/protocol.js', text: 'this.dispatchStatus({ type: "reconnecting" });' } },
  ],
};
