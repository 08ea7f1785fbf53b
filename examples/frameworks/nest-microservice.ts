import { handle, limitOf, port, queue, type Mail } from './yours.js';
import { Controller, Module } from '@nestjs/common';
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
import type { CallHandler, ExecutionContext } from '@nestjs/common';
import { ServerRMQ } from '@nestjs/microservices';
import { finalize } from 'rxjs';
import { WorkerTimestamp } from './timestamp.js';

const timestamp = new WorkerTimestamp();
let isConsuming = true; // or connecting; not after a null message, a cancel by the broker
class MailServer extends ServerRMQ {
  override setupChannel(...[channel, callback]: Parameters<ServerRMQ['setupChannel']>) {
    isConsuming = false; // until the broker has answered
    channel.on('close', () => (isConsuming = false)); // also if the service itself closes it
    return super.setupChannel(channel, callback).then(() => void (isConsuming = true));
  }
  override handleMessage(...args: Parameters<ServerRMQ['handleMessage']>) { isConsuming &&= args[0] !== null; return super.handleMessage(...args); }
  override close = () => this.channel!.cancelAll().then(() => timestamp.finish()).then(() => super.close()); // by app.enableShutdownHooks()
}
const intercept = (context: ExecutionContext, next: CallHandler) => {
  const mail = context.switchToRpc().getData<Mail>();
  const task = timestamp.begin(`mail#${mail.id}`, limitOf(mail));
  return next.handle().pipe(finalize(() => { task.end(); }));
};
const strategy = new MailServer(options); // noAck: false, prefetchCount: 10
strategy.on('disconnect', () => (isConsuming = true)); // comes after the channel's close, unless the service itself closes it
timestamp.refreshWhile(() => isConsuming);
// end of recipe

const app = (await NestFactory.createMicroservice(WorkerModule, { strategy })).useGlobalInterceptors({ intercept }).enableShutdownHooks();
await app.listen();
export { app, strategy };
