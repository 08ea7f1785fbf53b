import { listProducer, ofList, polled } from '../list.mjs';

export default {
  title: 'NestJS standalone',
  server: 'redis',
  install: ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs'],
  about: [
    'Your own loop as a provider of an application without HTTP; the heartbeat is one too. One job at a time. NestJS',
    'shows nothing: it calls the loop once, and is up for as long as the process is.',
  ].join(' '),
  produce: listProducer,
  acts: { stopped: ({ app }) => app.close(), parked: ({ park }) => park() },
  none: {
    ...ofList,
    'long-all': 'it does one job at a time',
    paused: 'a loop that is paused is one that is stopped',
    crashed: 'a loop that throws ends the process',
  },
  proof: [
    ...polled,
    { when: 'busy', what: 'a step with the limit of the mail', source: { file: './nest-standalone.ts', text: 'this.timestamp.refresh({ maximumAge: limitOf(mail) });' } },
    { when: 'always', what: 'the hook that begins the loop; the start of the application waits for the hook, so the hook must not wait for the loop', source: { file: '@nestjs/core/hooks/on-app-bootstrap.hook.js', text: 'instance.onApplicationBootstrap()' } },
  ],
};
