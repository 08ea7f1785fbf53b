import { handle, limitOf, port, queue, type Mail } from './yours.js';
import { Controller, Module, type CallHandler, type ExecutionContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload, type RmqContext } from '@nestjs/microservices';
import type { Channel, ConsumeMessage } from 'amqplib';

@Controller()
class MailController {
  @EventPattern('mail')
  async mail(@Payload() mail: Mail, @Ctx() context: unknown) {
    await handle(mail);
    const { getChannelRef, getMessage } = context as RmqContext;
    (getChannelRef.call(context) as Channel).ack(getMessage.call(context) as ConsumeMessage);
  }
}
@Module({ controllers: [MailController] })
class WorkerModule {}

const urls = [`amqp://127.0.0.1:${port}`];
const socketOptions = { reconnectTimeInSeconds: 1, heartbeatIntervalInSeconds: 5, connectionOptions: { timeout: 5000 } };
const options = { urls, queue, noAck: false, prefetchCount: 10, socketOptions };

// recipe
import { ServerRMQ } from '@nestjs/microservices';
import { finalize } from 'rxjs';
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
let isConsuming = true; // or connecting
class MailServer extends ServerRMQ {
  override setupChannel(channel: Channel, callback: () => void) {
    channel.on('close', () => (isConsuming = false)); // also if the service itself closes it
    return super.setupChannel(channel, callback).then(() => void (isConsuming = true));
  }
  override handleMessage(message: Record<string, unknown> | null, channel: Channel) {
    if (!message) isConsuming = false; // a cancel by the broker: NestJS says nothing
    return super.handleMessage(message!, channel);
  }
}
function intercept(context: ExecutionContext, next: CallHandler) {
  const mail = context.switchToRpc().getData<Mail>();
  const task = timestamp.begin(`mail#${mail.id}`, limitOf(mail));
  return next.handle().pipe(finalize(() => { task.end(); }));
}
const strategy = new MailServer(options); // noAck: false, prefetchCount: 10
strategy.on('disconnect', () => (isConsuming = true)); // comes after the channel's close, unless the service itself closes it
timestamp.refreshWhile(() => isConsuming);
// end of recipe

const app = (await NestFactory.createMicroservice(WorkerModule, { strategy })).useGlobalInterceptors({ intercept });
await app.listen();
export { app, strategy };
