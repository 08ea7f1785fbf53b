import { port, queue, type Mail } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { Connection } from 'rabbitmq-client';

const rabbit = new Connection({ url: `amqp://guest:guest@127.0.0.1:${port}`, heartbeat: 5, connectionTimeout: 5000, retryHigh: 1000 });
rabbit.on('error', console.error);
const consumer = rabbit.createConsumer({ queue, queueOptions: { durable: true }, qos: { prefetchCount: 10 } }, ({ body }) => work(body as Mail));
consumer.on('error', console.error);

// Connecting is fine. After it, the consumer waits for all handlers in hand before it subscribes again.
timestamp.refreshWhile(() => consumer.consumerTag !== '' || !rabbit.ready || timestamp.tasks.length > 0);
process.once('SIGTERM', () => consumer.close().then(() => timestamp.finish()).then(() => rabbit.close()));
// end of recipe

export { consumer };
