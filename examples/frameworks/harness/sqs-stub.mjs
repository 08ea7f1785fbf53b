// node sqs-stub.mjs PORT: as much of Amazon SQS as a consumer needs, on 127.0.0.1: send (also delayed), receive by long polling, delete, visibility.
// No signature is checked. Queues are made at their first use, and lost with the process.

import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const VISIBILITY_S = 30;
const queues = new Map();

const actions = {
  SendMessage(queue, { MessageBody: body, DelaySeconds: delay = 0 }) {
    const message = { id: randomUUID(), body, md5: createHash('md5').update(body).digest('hex'), visibleAt: Date.now() + delay * 1000 };
    queue.set(message.id, message);
    return { MessageId: message.id, MD5OfMessageBody: message.md5 };
  },
  async ReceiveMessage(queue, { MaxNumberOfMessages: most = 1, WaitTimeSeconds: wait = 0, VisibilityTimeout: hidden = VISIBILITY_S }, isGone) {
    const end = Date.now() + wait * 1000;
    for (;;) {
      if (isGone()) return {}; // what is taken for one who has gone would stay hidden
      const now = Date.now();
      const found = [...queue.values()].filter(({ visibleAt }) => visibleAt <= now).slice(0, most);
      if (found.length > 0) {
        for (const message of found) message.visibleAt = now + hidden * 1000;
        return { Messages: found.map(({ id, body, md5 }) => ({ MessageId: id, ReceiptHandle: id, Body: body, MD5OfBody: md5 })) };
      }
      if (now >= end) return {};
      await sleep(20);
    }
  },
  DeleteMessage(queue, { ReceiptHandle: id }) {
    queue.delete(id);
    return {};
  },
};

createServer(async (request, response) => {
  const { QueueUrl: url, ...input } = JSON.parse(await text(request));
  const action = actions[request.headers['x-amz-target']?.replace('AmazonSQS.', '')];
  const name = new URL(url).pathname.split('/').at(-1);
  if (!queues.has(name)) queues.set(name, new Map());
  const answer = await action?.(queues.get(name), input, () => response.destroyed);
  response.writeHead(answer ? 200 : 400, { 'content-type': 'application/x-amz-json-1.0' });
  response.end(JSON.stringify(answer ?? { __type: 'com.amazon.coral.service#UnknownOperationException' }));
}).listen(Number(process.argv[2]), '127.0.0.1');
