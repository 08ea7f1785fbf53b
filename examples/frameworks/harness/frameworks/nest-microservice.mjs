import { queueProducer, UNANSWERED } from '../rabbitmq.mjs';

export default {
  title: 'NestJS microservice',
  server: 'rabbitmq',
  install: ['@nestjs/common', '@nestjs/core', '@nestjs/microservices', 'amqplib', 'amqp-connection-manager', 'reflect-metadata', 'rxjs'],
  about: [
    'Over RabbitMQ. Its `status` tells of the connection, not of the consumer, so a subclass does. An interceptor makes',
    'each message a task. `options` are yours (`noAck: false`, `prefetchCount: 10`):',
    '`NestFactory.createMicroservice(WorkerModule, { strategy })`, then `.useGlobalInterceptors({ intercept',
    '}).enableShutdownHooks()`.',
  ].join(' '),
  async produce(at) {
    const { add, ...producer } = await queueProducer(at);
    return { ...producer, add: (mail) => add({ pattern: 'mail', data: mail }) };
  },
  acts: {
    stopped: ({ app }) => app.close(),
    unanswered({ strategy: { channel } }) {
      Object.getPrototypeOf(channel._channel).assertQueue = () => new Promise(() => undefined);
    },
    crashed: ({ strategy }) => strategy.channel.ack({ fields: { deliveryTag: 999_999 } }),
    'ack-lost'({ strategy: { channel } }) {
      const lost = channel._channel;
      lost.ack = () => { delete lost.ack; };
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
    crashed: { why: 'nobody listens for the error of the channel, so it ends the connection too, and amqp-connection-manager connects anew', source: { file: 'amqplib/lib/channel.js', text: 'const emsg = `Channel closed by server: ${closeMsg(f)}`;' } },
  },
  proof: [
    { when: 'idle and busy', what: 'no `null` message came, which is a cancel by the broker; NestJS ignores it', source: { file: '@nestjs/microservices/server/server-rmq.js', text: 'if (isNil(message)) {' } },
    { when: 'idle and busy', what: 'the channel is not closed since it was set up; another one is set up only when it connects anew', source: { file: 'amqp-connection-manager/dist/esm/ChannelWrapper.js', text: 'connectionManager.on(\'connect\', this._onConnect);' } },
    { when: 'in an outage', what: '`disconnect`, after which it tries to connect for ever; comes after the `close` of the channel', source: { file: 'amqp-connection-manager/dist/esm/AmqpConnectionManager.js', text: 'this.emit(\'disconnect\', { err });' } },
  ],
};
