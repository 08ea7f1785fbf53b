// Taken by the client if the environment has none. The stub checks nothing.
process.env.AWS_ACCESS_KEY_ID = process.env.AWS_SECRET_ACCESS_KEY = 'stub';

/** A call of the client that never settles. */
function park(sqs, command, times = Infinity) {
  sqs.middlewareStack.add((next, { commandName }) => (input) => (
    commandName === command && times-- > 0 ? new Promise(() => undefined) : next(input)
  ), { step: 'build' });
}

export default {
  title: 'sqs-consumer',
  server: 'sqs',
  install: ['sqs-consumer', '@aws-sdk/client-sqs'],
  about: [
    'Run **against a stub**, not against Amazon. It polls again only after the whole batch is done and deleted, so calls',
    'and messages are all tasks: between them, the end of the last one is the last beat. Use this `sqs` for nothing else:',
    'a `SendMessage` would beat for a consumer that has stopped. Without the timeouts of `requestHandler`, *silence* is',
    'dead.',
  ].join(' '),
  produce({ port, queue }) {
    const QueueUrl = `http://127.0.0.1:${port}/000000000000/${queue}`;
    const headers = { 'x-amz-target': 'AmazonSQS.SendMessage' };
    return {
      async add(mail) {
        const body = JSON.stringify({ QueueUrl, MessageBody: JSON.stringify(mail), DelaySeconds: (mail.delay ?? 0) / 1000 });
        const { status } = await fetch(QueueUrl, { method: 'POST', headers, body, signal: AbortSignal.timeout(2000) });
        if (status !== 200) throw new Error(`SQS answered ${status}`);
      },
    };
  },
  acts: {
    stopped: ({ consumer }) => consumer.stop(),
    parked: ({ sqs }) => park(sqs, 'ReceiveMessageCommand'),
    'ack-lost': ({ sqs }) => park(sqs, 'DeleteMessageCommand', 1),
  },
  none: {
    paused: 'it has no pause',
    cancelled: 'SQS knows no consumer; a queue that is deleted makes each poll fail, as an outage does',
    crashed: 'the fetch loop catches what fails and goes on',
  },
  proof: [
    { when: 'idle', what: 'each `ReceiveMessage`, which ends after `waitTimeSeconds`', source: { file: 'sqs-consumer/dist/esm/consumer.js', text: 'this.sqs.send(new ReceiveMessageCommand(params), this.sqsSendOptions)' } },
    { when: 'busy', what: 'the messages in hand: it polls again when all of a batch are done', source: { file: 'sqs-consumer/dist/esm/consumer.js', text: 'await Promise.all(response.Messages.map((message) => this.processMessage(message)));' } },
    { when: 'in an outage', what: 'each `ReceiveMessage` that fails, by its timeouts if by nothing else; the next one follows', source: { file: 'sqs-consumer/dist/esm/consumer.js', text: 'this.pollingTimeoutId = setTimeout(() => this.poll(), currentPollingTimeout);' } },
  ],
};
