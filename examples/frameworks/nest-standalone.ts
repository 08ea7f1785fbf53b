import { close, park, poll } from './poll.js';
import { handle, limitOf } from './yours.js';

// recipe
import { Inject, Module, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WorkerTimestamp } from './timestamp.js';

class MailLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopping = false;
  private ended?: Promise<void>;
  constructor(@Inject(WorkerTimestamp) private readonly timestamp: WorkerTimestamp) {}
  onApplicationBootstrap() { this.ended = this.turn().finally(close); } // not awaited, or the application would never be up
  beforeApplicationShutdown() { this.stopping = true; return this.ended; }
  private async turn() {
    while (!this.stopping) {
      this.timestamp.refresh();
      const mail = await poll(); // every wait has an end, also while the server is away
      if (!mail) continue;
      this.timestamp.refresh({ maximumAge: limitOf(mail) });
      await handle(mail);
    }
    this.timestamp.delete();
  }
}
@Module({ providers: [MailLoop, { provide: WorkerTimestamp, useFactory: () => new WorkerTimestamp() }] })
class WorkerModule {}
const app = (await NestFactory.createApplicationContext(WorkerModule)).enableShutdownHooks();
// end of recipe

export { app, park };
