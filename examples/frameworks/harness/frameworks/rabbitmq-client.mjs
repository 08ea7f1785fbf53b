import { queueProducer } from '../rabbitmq.mjs';

export default {
  title: 'rabbitmq-client',
  server: 'rabbitmq',
  about: 'A consumer of rabbitmq-client 5. It subscribes again by itself, but only when no handler is in hand: one that hangs would keep it away for ever. A login that is refused looks like an outage.',
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
    delayed: 'RabbitMQ delays a message only with a plugin',
    paused: 'a consumer is not paused, it is closed',
    parked: 'it fetches nothing, the broker delivers',
  },
  lost: {
    'ack-lost': 'an acknowledgement has no reply in AMQP, so one that is lost looks like a job that is done. RabbitMQ closes the channel after its `consumer_timeout`, half an hour, and then the consumer subscribes again.',
  },
  proof: [
    { when: 'idle and busy', what: '`consumer.consumerTag` is not empty', source: { file: 'rabbitmq-client/lib/Consumer.js', text: 'this._consumerTag = consumerTag;' } },
    { when: 'after an outage', what: 'jobs in hand, which it waits for before it subscribes again', source: { file: 'rabbitmq-client/lib/Consumer.js', text: 'await Promise.allSettled(this._processing);' } },
    { when: 'in an outage', what: '`connection.ready` is false: it connects', source: { file: 'rabbitmq-client/lib/Connection.js', text: 'return this._state.readyState === util_1.READY_STATE.OPEN && !this._socket.writableCorked;' } },
  ],
};
