import { port, queue } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { SQSClient, type Message } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';

const timeouts = { connectionTimeout: 2000, socketTimeout: 2500 }; // over waitTimeSeconds, below the limit; by default there are none
const sqs = new SQSClient({ region: 'eu-west-1', maxAttempts: 1, requestHandler: timeouts });

// Each call to SQS is a task: receive and delete, also those that fail. So is each message. Nothing else beats.
sqs.middlewareStack.add(
  (next, { commandName }) => (input) => timestamp.run(String(commandName), timestamp.maximumAge, () => next(input)),
  { step: 'initialize' },
);
async function handleMessage(message: Message) {
  await work(JSON.parse(message.Body ?? ''));
  return message; // deletes it
}
const pauses = { pollingWaitTimeMs: 100, authenticationErrorTimeout: 1000 }; // the second one is below the limit, as nothing beats in it
const queueUrl = `http://127.0.0.1:${port}/000000000000/${queue}`;
const consumer = Consumer.create({ queueUrl, sqs, batchSize: 10, waitTimeSeconds: 1, ...pauses, handleMessage });
consumer.on('error', console.error).on('processing_error', console.error).start();
consumer.on('stopped', () => timestamp.finish());
process.once('SIGTERM', () => { consumer.stop(); });
// end of recipe

export { consumer, sqs };
