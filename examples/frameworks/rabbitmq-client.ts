import { handle, limitOf, port, queue, type Mail } from './yours.js';

// recipe
import { Connection, type AsyncMessage } from 'rabbitmq-client';
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
const work = timestamp.wrap(
  ({ body }: AsyncMessage & { body: Mail }) => handle(body),
  ({ body }) => ({ name: `mail#${body.id}`, maximumAge: limitOf(body) }),
);
const rabbit = new Connection({ url: `amqp://guest:guest@127.0.0.1:${port}`, heartbeat: 5, connectionTimeout: 5000, retryHigh: 1000 });
rabbit.on('error', console.error);
const consumer = rabbit.createConsumer({ queue, queueOptions: { durable: true }, qos: { prefetchCount: 10 } }, work);
consumer.on('error', console.error);

// Connecting is fine. After it, the consumer waits for all handlers in hand before it subscribes again.
timestamp.refreshWhile(() => consumer.consumerTag !== '' || !rabbit.ready || timestamp.tasks.length > 0);
process.once('SIGTERM', () => consumer.close().then(() => timestamp.finish()).then(() => rabbit.close()));
// end of recipe

export { consumer };
