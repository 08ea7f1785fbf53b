import { createRequire } from 'node:module';
import { connect } from 'node:net';

const require = createRequire(import.meta.url);
/** What sends every request, in the recipe's process. */
const broker = () => require('kafkajs/src/broker').prototype;

export default {
  title: 'KafkaJS',
  server: 'kafka',
  install: ['kafkajs'],
  about: [
    'Run on kcat\'s mock cluster of one broker and four partitions. It fetches again when all jobs of a fetch are done,',
    'so one that hangs holds all partitions of its broker. Each broker has a fetch loop; the recipe sees it if all',
    'of them stand, not if one does. Keep `rebalanceTimeout` at least as long as `sessionTimeout`: after an outage the',
    'group waits for the old member, and each attempt that KafkaJS gives up earlier leaves one more to wait for.',
  ].join(' '),
  async produce({ port, queue }) {
    const { Kafka, logLevel } = await import('kafkajs');
    const kafka = new Kafka({
      brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING, retry: { retries: 2 },
      socketFactory: ({ onConnect }) => connect(port, '127.0.0.1', onConnect),
    });
    const producer = kafka.producer({ allowAutoTopicCreation: true });
    await producer.connect();
    return {
      add: (mail) => producer.send({ topic: queue, messages: [{ key: mail.id, value: JSON.stringify(mail) }] }),
      close: () => producer.disconnect(),
    };
  },
  acts: {
    stopped: ({ consumer }) => consumer.stop(),
    paused: ({ consumer, queue }) => consumer.pause([{ topic: queue }]),
    crashed() {
      const { KafkaJSNonRetriableError } = require('kafkajs');
      broker().fetch = async () => { throw new KafkaJSNonRetriableError('not allowed'); };
    },
    parked() {
      broker().fetch = () => new Promise(() => undefined);
    },
    'ack-lost'() {
      broker().offsetCommit = () => new Promise(() => undefined);
    },
  },
  none: {
    cancelled: 'Kafka cancels no consumer: a member that its group has lost joins again',
    delayed: 'Kafka delays no message',
  },
  proof: [
    { when: 'idle', what: '`FETCH_START` and `FETCH`, each `maxWaitTimeInMs`', source: { file: 'kafkajs/src/consumer/runner.js', text: 'this.instrumentationEmitter.emit(FETCH_START, { nodeId })' } },
    { when: 'busy', what: 'the jobs in hand; it fetches again after them', source: { file: 'kafkajs/src/consumer/fetcher.js', text: 'await workerQueue.push(...availableBatches)' } },
    { when: 'in an outage', what: '`socketFactory`, called at each attempt to connect', source: { file: 'kafkajs/src/network/connection.js', text: 'this.socket = createSocket({' } },
    { when: 'in an outage', what: '`REQUEST_TIMEOUT` on a silent connection', source: { file: 'kafkajs/src/network/requestQueue/socketRequest.js', text: 'this[PRIVATE.EMIT_EVENT](events.NETWORK_REQUEST_TIMEOUT, {' } },
    { when: 'always', what: '`paused()`, as a paused consumer goes on with `FETCH`', source: { file: 'kafkajs/src/consumer/consumerGroup.js', text: 'await sleep(this.maxWaitTime)' } },
  ],
};
