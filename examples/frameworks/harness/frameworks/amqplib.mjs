import { queueProducer, UNANSWERED } from '../rabbitmq.mjs';

export default {
  title: 'amqplib',
  server: 'rabbitmq',
  install: ['amqplib'],
  about: [
    '`recovery` connects again. A channel shows no state, so the recipe keeps one. A `setup` that does not end, or fails each',
    'time, for example because the queue has other options (406), is dead: the broker accepts connections, so it is no outage.',
  ].join(' '),
  produce: queueProducer,
  acts: {
    stopped: ({ consumer }) => consumer.channel.cancel(consumer.consumerTag),
    unanswered({ consumer: { channel } }) {
      Object.getPrototypeOf(channel).assertQueue = () => new Promise(() => undefined);
    },
    crashed: ({ consumer }) => consumer.channel.ack({ fields: { deliveryTag: 999_999 } }),
    'ack-lost'({ consumer: { channel } }) {
      channel.ack = () => { delete channel.ack; };
    },
  },
  none: {
    paused: 'it has no pause',
    parked: 'it fetches nothing, the broker delivers',
    delayed: 'RabbitMQ delays a message only with a plugin',
  },
  lost: {
    stopped: 'amqplib calls nothing if the service itself cancels. Write `isConsuming = false` beside your own `channel.cancel()`',
    'ack-lost': UNANSWERED,
  },
  proof: [
    { when: 'idle and busy', what: 'no `null` message came: a cancel by the broker while the connection stays up', source: { file: 'amqplib/lib/channel.js', text: 'const result = this.dispatchMessage(fields, null);' } },
    { when: 'idle and busy', what: 'the channel is not closed, which an error of one operation does', source: { file: 'amqplib/lib/channel.js', text: 'safeEmit(this, \'close\')' } },
    { when: 'in an outage', what: '`reconnect-scheduled` before each attempt, after the `close` of all channels, while no connection came as far as `setup`', source: { file: 'amqplib/lib/recovery.js', text: 'this.emit(\'reconnect-scheduled\', { attempt, delay, error: err });' } },
  ],
};
