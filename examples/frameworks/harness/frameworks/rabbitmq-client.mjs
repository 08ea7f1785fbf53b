import { queueProducer, UNANSWERED } from '../rabbitmq.mjs';

export default {
  title: 'rabbitmq-client',
  server: 'rabbitmq',
  install: ['rabbitmq-client'],
  about: [
    'It subscribes again by itself, but first waits for all handlers in hand, for ever if one hangs. A refused login looks',
    'like an outage.',
  ].join(' '),
  async produce(options) {
    const { add, ...producer } = await queueProducer(options);
    return { ...producer, add: (mail) => add(mail, { contentType: 'application/json' }) };
  },
  acts: {
    stopped: ({ consumer }) => consumer.close(),
    crashed: ({ consumer }) => consumer._ch.basicAck({ deliveryTag: 999_999 }),
    'ack-lost'({ consumer: { _ch: channel } }) {
      channel.basicAck = () => { delete channel.basicAck; };
    },
  },
  none: {
    paused: 'it has no pause',
    parked: 'it fetches nothing, the broker delivers',
    delayed: 'RabbitMQ delays a message only with a plugin',
  },
  lost: {
    'ack-lost': UNANSWERED,
  },
  recovers: {
    cancelled: { why: 'it declares its queue and subscribes again', source: { file: 'rabbitmq-client/lib/Consumer.js', text: 'ch.once(\'basic.cancel\', (tag, err) => {' } },
    crashed: { why: 'it subscribes again on another channel', source: { file: 'rabbitmq-client/lib/Consumer.js', text: 'ch.once(\'close\', () => {' } },
  },
  proof: [
    { when: 'idle and busy', what: '`consumer.consumerTag` is not empty', source: { file: 'rabbitmq-client/lib/Consumer.js', text: 'this._consumerTag = consumerTag;' } },
    { when: 'after an outage', what: 'jobs in hand: it waits for them before it subscribes again', source: { file: 'rabbitmq-client/lib/Consumer.js', text: 'await Promise.allSettled(this._processing);\n        if (this._readyState' } },
    { when: 'in an outage', what: '`connection.ready` is false: it connects', source: { file: 'rabbitmq-client/lib/Connection.js', text: 'return this._state.readyState === util_1.READY_STATE.OPEN && !this._socket.writableCorked;' } },
  ],
};
