import { listProducer } from '../list.mjs';

export default {
  title: 'NestJS standalone',
  server: 'redis',
  about:
    'A loop of your own as a provider of an application without HTTP (`createApplicationContext`, NestJS 12); the heartbeat is a provider too. ' +
    'It does one job at a time. NestJS itself shows nothing: it calls the loop once, and is up for as long as the process is.',
  produce: listProducer,
  acts: { stopped: ({ app }) => app.close(), parked: ({ park }) => park() },
  none: {
    delayed: 'a Redis list delays nothing',
    'long-all': 'it does one job at a time',
    paused: 'a loop that is paused is one that is stopped',
    cancelled: 'the source is asked each time, and knows no consumer',
    crashed: 'a loop that throws ends the process, as nothing awaits it',
    'ack-lost': 'a mail that was popped is not acknowledged',
  },
  proof: [
    { when: 'idle', what: 'each turn, as `poll()` ends after a second at most' },
    { when: 'busy', what: 'a step with the limit of the mail' },
    { when: 'in an outage', what: 'each turn, as `poll()` ends then too' },
    { when: 'at all', what: 'the hook that begins the loop is awaited by the start of the application, so it must not wait for the loop', source: { file: '@nestjs/core/hooks/on-app-bootstrap.hook.js', text: 'instance.onApplicationBootstrap()' } },
  ],
};
