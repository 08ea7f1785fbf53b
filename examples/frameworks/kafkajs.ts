import { connect } from 'node:net';
import { limit, port, queue } from './yours.js';
import { timestamp, work } from './work.js';

/** The mock cluster tells an address of its own, and ours stands before it. */
const dial = ({ onConnect }: { onConnect: () => void }) => connect(port, '127.0.0.1', onConnect);

// recipe
import { Kafka } from 'kafkajs';

const join = 25_000; // how long a join may take: rebalanceTimeout, 5 s that KafkaJS adds, and some more
let until = Date.now() + join; // when the next sign of its loop is due
const mayTake = (ms: number) => () => (until = Date.now() + ms);
const kafka = new Kafka({
  brokers: [`127.0.0.1:${port}`], connectionTimeout: 3000, requestTimeout: 3000, retry: { maxRetryTime: 1000 }, // more for a longer limit
  socketFactory(to) {
    mayTake(join)(); // each attempt to connect is a turn, in an outage too
    return dial(to); // yours: net.connect(to, to.onConnect), or tls.connect({ ...to, ...to.ssl }, to.onConnect)
  },
});
const consumer = kafka.consumer({ groupId: queue, maxWaitTimeInMs: 1000, sessionTimeout: 15_000, rebalanceTimeout: 15_000 });
const signs = { FETCH_START: limit, FETCH: limit, GROUP_JOIN: limit, REBALANCING: join, REQUEST_TIMEOUT: join };
for (const [event, ms] of Object.entries(signs)) consumer.on(consumer.events[event as keyof typeof signs], mayTake(ms));
await consumer.connect().then(() => consumer.subscribe({ topic: queue, fromBeginning: true }));
await consumer.run({ partitionsConsumedConcurrently: 10, eachMessage: ({ message }) => work(JSON.parse(`${message.value}`)) });
timestamp.refreshWhile(() => consumer.paused().length === 0 && (timestamp.tasks.length > 0 || Date.now() < until));
process.once('SIGTERM', () => consumer.disconnect().then(() => timestamp.finish()));
// end of recipe

export { consumer, queue };
