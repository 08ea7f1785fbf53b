import { queueProducer } from '../rabbitmq.mjs';

export default {
  title: 'NestJS microservice',
  server: 'rabbitmq',
  about:
    'A microservice of NestJS 12 over RabbitMQ (amqp-connection-manager 5). Its server tells of its connection only (`status`), not of its consumer, so a subclass does. ' +
    'Nobody listens for an error of the channel, so it ends the connection too, and the service connects anew. ' +
    'An interceptor makes each message a task: it ends with the handler\'s observable. `options` are yours (`noAck: false`, `prefetchCount: 10`); give `{ strategy }` to `createMicroservice`, and `{ intercept }` to `useGlobalInterceptors`.',
  async produce(at) {
    const { add, ...producer } = await queueProducer(at);
    return { ...producer, add: (mail) => add({ pattern: 'mail', data: mail }) };
  },
  acts: {
    stopped: ({ app }) => app.close(),
    crashed: ({ strategy }) => strategy.channel.ack({ fields: { deliveryTag: 999_999 } }),
    'ack-lost'({ strategy: { channel } }) {
      const lost = channel._channel;
      lost.ack = () => { delete lost.ack; };
    },
  },
  none: {
    delayed: 'RabbitMQ delays a message only with a plugin',
    paused: 'it is not paused',
    parked: 'it fetches nothing, the broker delivers',
  },
  lost: {
    'ack-lost': 'an acknowledgement has no reply in AMQP, so one that is lost looks like a job that is done. RabbitMQ closes the channel after its `consumer_timeout`, half an hour, and then the recipe sees it.',
  },
  proof: [
    { when: 'idle and busy', what: 'no `null` message came, which is a cancel by the broker; NestJS ignores it', source: { file: '@nestjs/microservices/server/server-rmq.js', text: 'if (isNil(message)) {' } },
    { when: 'idle and busy', what: 'the channel was set up and is not closed since; amqp-connection-manager sets up another one only when it connects anew', source: { file: 'amqp-connection-manager/dist/esm/ChannelWrapper.js', text: "connectionManager.on('connect', this._onConnect);" } },
    { when: 'in an outage', what: 'the event `disconnect`, after which it tries to connect for ever; comes after the `close` of the channel', source: { file: 'amqp-connection-manager/dist/esm/AmqpConnectionManager.js', text: "this.emit('disconnect', { err });" } },
  ],
};
